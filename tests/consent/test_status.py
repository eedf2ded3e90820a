"""Bitstring status lists: the bits of the specification, short validity, keeper's signature, bounded unpacking."""

from __future__ import annotations

import base64
import gzip
import stat
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from thsafe.consent.status import BITS, VALIDITY, StatusFolder, bits_of, list_id, make_list, new_entries, parse_list
from thsafe.core.errors import InputError
from thsafe.keys.did import did_from_public_key

NOW = datetime(2026, 11, 22, 12, 0, 0, 500_000, tzinfo=UTC)
KEY = Ed25519PrivateKey.generate()
DID = did_from_public_key(KEY.public_key())


def test_the_left_most_bit_is_index_zero():
    """Bitstring Status List v1.0 §2.2: "the first index, with a value of zero, is located at the left-most bit"."""
    document = make_list(KEY, "revocation", bits_of({0, 9}), now=NOW)
    packed = document["credentialSubject"]["encodedList"]
    assert packed.startswith("u")
    raw = gzip.decompress(base64.urlsafe_b64decode(packed[1:] + "=" * (-(len(packed) - 1) % 4)))
    assert len(raw) == BITS // 8 == 16_384
    assert raw[:2] == bytes([0b1000_0000, 0b0100_0000])
    found = parse_list(document)
    assert [index for index in range(BITS) if found.is_set(index)] == [0, 9]


def test_an_index_beyond_the_list_counts_as_set():
    found = parse_list(make_list(KEY, "revocation", bits_of(()), now=NOW))
    assert found.is_set(BITS)
    assert found.is_set(-1)
    assert not found.is_set(BITS - 1)


def test_fresh_for_a_day_and_not_before():
    found = parse_list(make_list(KEY, "revocation", bits_of(()), now=NOW))
    start = NOW.replace(microsecond=0)
    assert found.fresh(start)
    assert found.fresh(start + VALIDITY - timedelta(seconds=1))
    assert not found.fresh(start + VALIDITY)
    assert not found.fresh(start - timedelta(seconds=1))


@pytest.mark.parametrize(
    "damage",
    [
        lambda doc: doc.pop("issuer"),
        lambda doc: doc.update(issuer="did:key:zOther"),
        lambda doc: doc.update(id="urn:thsafe:status:other:revocation"),
        lambda doc: doc.update(type="BitstringStatusListCredential"),
        lambda doc: doc.update(validUntil="tomorrow"),
        lambda doc: doc.update(validUntil="2026-11-23T00:00:00"),
        lambda doc: doc.update(credentialSubject=[]),
        lambda doc: doc["credentialSubject"].update(statusPurpose="message"),
        lambda doc: doc["credentialSubject"].update(encodedList="u"),
        lambda doc: doc["credentialSubject"].update(encodedList="uAAAA"),
        lambda doc: doc["credentialSubject"].update(encodedList=5),
        lambda doc: doc["credentialSubject"].update(encodedList=doc["credentialSubject"]["encodedList"][1:]),
        lambda doc: doc["credentialSubject"].update(encodedList=doc["credentialSubject"]["encodedList"][:-9]),
    ],
)
def test_a_damaged_list_is_malformed(damage):
    document = make_list(KEY, "revocation", bits_of(()), now=NOW)
    damage(document)
    with pytest.raises(InputError) as caught:
        parse_list(document)
    assert caught.value.code == "consent.malformed"


def test_a_short_list_is_refused():
    document = make_list(KEY, "revocation", bytes(100), now=NOW)
    with pytest.raises(InputError):
        parse_list(document)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tmp_path_factory, data):
    folder = StatusFolder(tmp_path_factory.mktemp("status"))
    folder.path("x").write_bytes(data)
    assert folder.read("x") is None


def test_lists_are_private_files(tmp_path):
    folder = StatusFolder(tmp_path / "status")
    folder.put(make_list(KEY, "revocation", bits_of(()), now=NOW))
    path = folder.path(list_id(DID, "revocation"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_renewing_keeps_revocations_and_follows_suspensions(tmp_path):
    folder = StatusFolder(tmp_path)
    folder.renew(KEY, {"revocation": {5}, "suspension": {6}}, now=NOW)
    folder.renew(KEY, {}, now=NOW + timedelta(hours=30))
    revocation, suspension = (folder.read(list_id(DID, name)) for name in ("revocation", "suspension"))
    assert revocation.is_set(5)
    assert not suspension.is_set(6)
    assert revocation.fresh(NOW + timedelta(hours=30))


def test_renewing_writes_only_what_changed(tmp_path):
    folder = StatusFolder(tmp_path)
    folder.renew(KEY, {}, now=NOW)
    path = folder.path(list_id(DID, "revocation"))
    before = path.stat().st_mtime_ns
    folder.renew(KEY, {}, now=NOW + timedelta(hours=1))
    assert path.stat().st_mtime_ns == before
    folder.renew(KEY, {}, now=NOW + timedelta(hours=23, minutes=30))
    assert path.stat().st_mtime_ns != before


def test_places_are_free_and_the_same_in_both_lists():
    entries = new_entries(DID, taken=range(1, BITS))
    assert {entry.index for entry in entries} == {0}
    assert {entry.purpose for entry in entries} == {"revocation", "suspension"}
