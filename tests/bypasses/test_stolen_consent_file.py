"""A consent file is copied to another installation: the copy is worth nothing there."""

from __future__ import annotations

import pytest

from thsafe.consent.files import write_json
from thsafe.core.errors import ConsentRefused


def test_a_stolen_record_opens_no_other_gate(world, tmp_path):
    loot = world.folder / "loot.json"
    write_json(loot, dict(world.consent(keep=False).document))
    (tmp_path / "thief").mkdir()
    thief = type(world)(tmp_path / "thief")
    with pytest.raises(ConsentRefused) as caught:
        thief.ask(consents=[loot])
    for name in ("consent.licensee", "consent.holder-proof", "consent.collector-signature"):
        assert f"@id {name}" in caught.value.rule


def test_the_thief_cannot_ask_in_the_licensees_name(world, tmp_path):
    loot = world.consent(keep=False)
    (tmp_path / "thief").mkdir()
    thief = type(world)(tmp_path / "thief")
    with pytest.raises(ConsentRefused) as caught:
        thief.ask(thief.request(requester=world.ring.gate_did), [loot])
    assert "@id consent.holder-proof" in caught.value.rule
