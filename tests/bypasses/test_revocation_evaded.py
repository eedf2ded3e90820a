"""A consent was withdrawn; the old list is kept, forged, deleted, or the statement disappears."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.consent.collectors import trust_collector
from thsafe.consent.files import write_json
from thsafe.consent.status import bits_of, list_id, make_list
from thsafe.core.errors import ConsentRefused, InputError
from thsafe.keys.did import did_from_public_key

PURPOSES = ("revocation", "suspension")


@pytest.fixture
def remote(world):
    """A consent whose list is kept by a trusted collector elsewhere."""
    key = Ed25519PrivateKey.generate()
    trust_collector(world.home, did_from_public_key(key.public_key()))
    for purpose in PURPOSES:
        world.store.statuses.put(make_list(key, purpose, bits_of(()), now=world.now))
    world.consent(collector=key)
    return key


def refused(world) -> str:
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    return caught.value.code


def test_revoked_at_the_collector(world, remote):
    assert world.ask().decision.allowed
    index = world.store.list()[0].status[0].index
    world.now += timedelta(minutes=1)
    world.store.statuses.put(make_list(remote, "revocation", bits_of({index}), now=world.now))
    assert refused(world) == "consent.revoked"


def test_an_old_list_kept(world, remote):
    world.now += timedelta(hours=24)
    assert refused(world) == "status.stale"


def test_an_older_list_does_not_replace_a_newer(world, remote):
    old = make_list(remote, "revocation", bits_of(()), now=world.now - timedelta(hours=1))
    with pytest.raises(InputError) as caught:
        world.store.statuses.put(old)
    assert caught.value.code == "status.older"


def test_a_list_that_claims_to_last(world, remote):
    from thsafe.consent import proof

    path = world.store.statuses.path(list_id(did_from_public_key(remote.public_key()), "revocation"))
    long = make_list(remote, "revocation", bits_of(()), now=world.now)
    long = {**long, "validUntil": "2036-01-01T00:00:00Z"}
    del long["proof"]
    write_json(path, proof.sign(long, remote, created=world.now))
    assert refused(world) == "status.stale"


def test_a_forged_list(world, remote):
    mine = Ed25519PrivateKey.generate()
    name = list_id(did_from_public_key(remote.public_key()), "revocation")
    forged = make_list(mine, "revocation", bits_of(()), now=world.now)
    forged = {**forged, "id": name, "issuer": did_from_public_key(remote.public_key())}
    with pytest.raises(InputError) as caught:
        world.store.statuses.put(forged)
    assert caught.value.code == "status.signature"
    write_json(world.store.statuses.path(name), forged)
    assert refused(world) == "status.signature"


def test_the_suspension_list_does_not_stand_for_the_revocation_list(world, remote):
    did = did_from_public_key(remote.public_key())
    shutil.copy(
        world.store.statuses.path(list_id(did, "suspension")), world.store.statuses.path(list_id(did, "revocation"))
    )
    assert refused(world) == "status.unavailable"


def test_no_list(world, remote):
    shutil.rmtree(world.home.consents / "status")
    assert refused(world) == "status.unavailable"


def test_a_damaged_list(world, remote):
    path = world.store.statuses.path(list_id(did_from_public_key(remote.public_key()), "revocation"))
    path.write_bytes(path.read_bytes()[:-40])
    assert refused(world) == "status.unavailable"


def test_a_list_that_unpacks_to_gigabytes(world, remote):
    import base64
    import gzip

    path = world.store.statuses.path(list_id(did_from_public_key(remote.public_key()), "revocation"))
    huge = make_list(remote, "revocation", bits_of(()), now=world.now)
    packed = base64.urlsafe_b64encode(gzip.compress(bytes(50_000_000))).rstrip(b"=").decode()
    huge["credentialSubject"]["encodedList"] = f"u{packed}"
    write_json(path, huge)
    assert refused(world) == "status.unavailable"


def test_deleting_every_trace_on_disk_does_not_bring_it_back(world):
    record = world.consent()
    before = world.folder / "before"
    world.ask()
    shutil.copytree(world.home.consents, before)
    world.gate.withdraw(record, world.colleague)
    shutil.rmtree(world.home.consents)
    shutil.copytree(before, world.home.consents)
    assert refused(world) == "consent.revoked"


def test_a_damaged_statement_still_counts(world):
    record = world.consent()
    world.gate.withdraw(record, world.colleague, purpose="suspension")
    for path in world.store.withdrawals.iterdir():
        path.write_text("{}")
    assert refused(world) == "consent.suspended"


def test_a_stranger_neither_revokes_nor_lifts(world):
    record = world.consent()
    stranger = Ed25519PrivateKey.generate()
    with pytest.raises(ConsentRefused) as caught:
        world.gate.withdraw(record, stranger)
    assert caught.value.code == "consent.not-yours"
    assert world.ask().decision.allowed
    world.gate.withdraw(record, world.colleague, purpose="suspension")
    with pytest.raises(ConsentRefused):
        world.gate.withdraw(record, stranger, purpose="suspension", lift=True)
    assert refused(world) == "consent.suspended"


def test_a_revocation_is_final(world):
    record = world.consent()
    world.gate.withdraw(record, world.colleague)
    with pytest.raises(ConsentRefused) as caught:
        world.gate.withdraw(record, world.colleague, lift=True)
    assert caught.value.code == "consent.final"


def test_the_licensee_does_not_lift_the_suspension(world):
    """The licensee's key may be the collector's on one machine; with a collector elsewhere it is a stranger's."""
    collector = Ed25519PrivateKey.generate()
    record = world.consent(collector=collector)
    with pytest.raises(ConsentRefused) as caught:
        world.gate.withdraw(record, world.ring.gate_key(), purpose="suspension", lift=True)
    assert caught.value.code == "consent.not-yours"


@pytest.mark.parametrize("purpose", PURPOSES)
def test_a_record_that_lies_only_beside_its_picture(world, purpose):
    record = world.consent(keep=False)
    beside = world.folder / "portrait.consent.json"
    write_json(beside, dict(record.document))
    assert world.ask().decision.allowed
    world.gate.withdraw(record, world.colleague, purpose=purpose)
    assert refused(world) == {"revocation": "consent.revoked", "suspension": "consent.suspended"}[purpose]
