"""One manifest taken out of a store, and what is no store."""

import pytest

from thsafe.provenance.jumbf import active_manifest
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.manifest import Ingredient
from thsafe.provenance.read import read_credentials
from thsafe.provenance.sign import sign

from .conftest import facts


def test_the_last_manifest_is_the_active_one(signed, ring, trust, tmp_path):
    parent = Ingredient(path=signed[0], relationship="parentOf", title="footage", media_type="video/mp4")
    made = sign(signed[0], tmp_path / "child.mp4", facts=facts(), ingredients=(parent,), ring=ring, timestamp="off")
    alone = active_manifest(made.manifest_bytes)
    assert len(alone) < len(made.manifest_bytes)
    whole = read_credentials(tmp_path / "child.mp4", trust=trust, manifest_bytes=made.manifest_bytes)
    part = read_credentials(tmp_path / "child.mp4", trust=trust, manifest_bytes=alone)
    assert (whole.state, len(whole.raw["manifests"])) == (Ladder.INTACT_DEVELOPMENT, 2)
    assert part.active_label == made.manifest_id
    assert list(part.raw["manifests"]) == [made.manifest_id]


def test_a_store_of_one_stays_as_it_is(signed):
    assert active_manifest(signed[1].manifest_bytes) == signed[1].manifest_bytes


@pytest.mark.parametrize("damage", [lambda s: b"", lambda s: b"jumb" * 9, lambda s: s[:-1], lambda s: s[:40], bytes])
def test_what_is_no_store(signed, damage):
    with pytest.raises(ValueError, match="not a manifest store"):
        active_manifest(damage(signed[1].manifest_bytes) if damage is not bytes else bytes(64))
