"""Signatures judged as of another day: what held then, whatever this machine's clock says now."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance.isolated import read_credentials_isolated
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.read import read_credentials
from thsafe.provenance.sign import sign
from thsafe.provenance.trust import Trust, TrustKind, TrustList
from thsafe.provenance.validity import chain_of, vouching_at

from .conftest import facts


@pytest.fixture(scope="module")
def expired(tmp_path_factory, clip):
    """(folder, ring, when it signed): a file without and one with time stamp, by a certificate that has ended since."""
    folder = tmp_path_factory.mktemp("expired")
    ring = KeyRing.create(Home(folder / "home"), leaf_validity=timedelta(seconds=4))
    made = sign(clip, folder / "bare.mp4", facts=facts(), ring=ring, timestamp="off")
    signed = datetime.now(UTC)
    sign(clip, folder / "stamped.mp4", facts=facts(), ring=ring)
    time.sleep(4.5)
    return folder, ring, signed, made


def read(expired, name, moment, *, kinds=(TrustKind.DEVELOPMENT,), isolated=False):
    folder, ring, _, _ = expired
    trust = Trust(tuple(TrustList(name=str(kind), kind=kind, pem=ring.root_pem) for kind in kinds))
    if isolated:
        return read_credentials_isolated(folder / f"{name}.mp4", trust=trust, at=moment)
    return read_credentials(folder / f"{name}.mp4", trust=trust, clock=lambda: moment)


def test_it_was_good_then_and_is_not_now(expired):
    then, now = expired[2], datetime.now(UTC)
    good = read(expired, "bare", then)
    assert good.state is Ladder.INTACT_DEVELOPMENT
    assert good.signer.trust_list
    assert not {"signingCredential.expired", "signingCredential.untrusted"} & set(good.codes.failure)
    gone = read(expired, "bare", now)
    assert gone.state is Ladder.INTACT_UNKNOWN_SIGNER
    assert read(expired, "bare", then, isolated=True).state is Ladder.INTACT_DEVELOPMENT


@pytest.mark.parametrize(
    ("kinds", "state"),
    [
        ((TrustKind.C2PA,), Ladder.INTACT_TRUSTED),
        ((TrustKind.LEGACY,), Ladder.INTACT_LEGACY_LIST),
        ((TrustKind.TSA,), Ladder.INTACT_UNKNOWN_SIGNER),
        ((TrustKind.CAWG,), Ladder.INTACT_UNKNOWN_SIGNER),
        ((), Ladder.INTACT_UNKNOWN_SIGNER),
    ],
)
def test_anchors_keep_their_kinds(expired, kinds, state):
    assert read(expired, "bare", expired[2], kinds=kinds).state is state


def test_another_ones_anchor_does_not_vouch(expired, ring):
    folder, _, then, _ = expired
    other = Trust((TrustList(name="other", kind=TrustKind.C2PA, pem=ring.root_pem),))
    found = read_credentials(folder / "bare.mp4", trust=other, clock=lambda: then)
    assert found.state is Ladder.INTACT_UNKNOWN_SIGNER


@pytest.mark.parametrize("days", [-400, 400])
def test_before_and_after_its_time(expired, days):
    found = read(expired, "bare", expired[2] + timedelta(days=days))
    assert found.state is Ladder.INTACT_UNKNOWN_SIGNER
    assert any("expired or not valid yet" in reason for reason in found.reasons)


def test_before_a_certificate_that_is_valid_now(signed, trust):
    early = datetime.now(UTC) - timedelta(days=400)
    found = read_credentials(signed[0], trust=trust, clock=lambda: early)
    # A trusted time stamp says when it was signed: on that day there was no such signature.
    assert found.state is Ladder.INTACT_UNKNOWN_SIGNER
    assert "signed later" in found.reasons[0]


def test_a_time_stamp_holds_long_after(expired):
    later = expired[2] + timedelta(days=3000)
    assert read(expired, "stamped", later).state is Ladder.INTACT_DEVELOPMENT
    assert read(expired, "stamped", expired[2]).state is Ladder.INTACT_DEVELOPMENT


def test_a_changed_file_stays_broken_on_any_day(expired, tmp_path):
    folder, ring, then, _ = expired
    data = bytearray((folder / "bare.mp4").read_bytes())
    data[data.rindex(b"mdat") + 200] ^= 1
    (tmp_path / "x.mp4").write_bytes(data)
    trust = Trust((TrustList(name="own", kind=TrustKind.DEVELOPMENT, pem=ring.root_pem),))
    found = read_credentials(tmp_path / "x.mp4", trust=trust, clock=lambda: then)
    assert found.state is Ladder.BROKEN


def test_the_chain_is_the_signers(expired):
    _, ring, then, made = expired
    chain = chain_of(made.manifest_bytes, made.manifest_id)
    assert chain[0].not_valid_after_utc <= then + timedelta(seconds=10)
    trust = Trust((TrustList(name="own", kind=TrustKind.C2PA, pem=ring.root_pem),))
    assert vouching_at(chain, trust, then).kind is TrustKind.C2PA
    assert vouching_at(chain, trust, datetime.now(UTC)) is None
    assert vouching_at(chain, Trust(), then) is None
    assert vouching_at((), trust, then) is None
    # A leaf that claims to have been issued by another leaf.
    assert vouching_at((chain[0], chain[0]), trust, then) is None


@pytest.mark.parametrize("damage", [lambda s: b"", lambda s: s[:200], lambda s: s.replace(b"\x18\x21", b"\x18\x22")])
def test_stores_without_a_chain(expired, damage):
    made = expired[3]
    with pytest.raises(ValueError, match=r"manifest store|no chain"):
        chain_of(damage(made.manifest_bytes), made.manifest_id)
