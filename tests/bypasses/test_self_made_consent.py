"""Somebody makes subject and collector keys and signs a consent in another's name."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.consent import proof
from thsafe.consent.collect import countersign, parse_request, record_consent, request_consent
from thsafe.consent.record import ConsentRecord, build
from thsafe.consent.status import new_entries
from thsafe.core.errors import ConsentRefused
from thsafe.keys.did import did_from_public_key


def test_an_unknown_collector_is_not_trusted(world):
    record = world.consent(collector=Ed25519PrivateKey.generate())
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert "@id consent.collector-signature" in caught.value.rule
    assert record.assurance == "collector"


def test_self_assurance_from_elsewhere_is_nothing(world, tmp_path):
    from thsafe.consent.collectors import trust_collector

    (tmp_path / "elsewhere").mkdir()
    elsewhere = type(world)(tmp_path / "elsewhere")
    trust_collector(world.home, elsewhere.ring.gate_did)
    person, key = Ed25519PrivateKey.generate(), elsewhere.ring.gate_key()
    document = build(
        world.terms(),
        subject=did_from_public_key(person.public_key()),
        collector=elsewhere.ring.gate_did,
        assurance="self",
        status=new_entries(elsewhere.ring.gate_did),
    )
    for signer in (person, key):
        document = proof.sign(document, signer, created=world.now)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert "@id consent.collector-signature" in caught.value.rule


def test_the_person_cannot_be_their_own_collector(world):
    key = Ed25519PrivateKey.generate()
    did = did_from_public_key(key.public_key())
    request = request_consent(world.terms(), world.ring.gate_key(), collector=did, now=world.now)
    signed = record_consent(parse_request(request), [key], now=world.now, recording=world.recording)
    with pytest.raises(ConsentRefused) as caught:
        countersign(signed, key, now=world.now, recording=world.recording)
    assert caught.value.code == "consent.collector-signature"


def test_the_installation_cannot_pose_as_person_and_collector(world):
    key = world.ring.gate_key()
    document = build(
        world.terms(),
        subject=world.ring.gate_did,
        collector=world.ring.gate_did,
        assurance="collector",
        status=new_entries(world.ring.gate_did),
    )
    document = proof.sign(document, key, created=world.now)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert "@id consent.collector-signature" in caught.value.rule


def test_more_than_self_needs_the_recorded_phrase(world):
    request = parse_request(
        request_consent(world.terms(), world.ring.gate_key(), collector=world.ring.gate_did, now=world.now)
    )
    silent = record_consent(request, [world.colleague], now=world.now)
    with pytest.raises(ConsentRefused) as caught:
        countersign(silent, world.ring.gate_key(), now=world.now)
    assert caught.value.code == "consent.evidence"
    careless = proof.sign(silent, world.ring.gate_key(), created=world.now)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(careless)])
    assert caught.value.code == "consent.evidence"


def test_the_recording_is_for_these_terms(world):
    """A recording made for narrow terms is put beside wide ones."""
    from dataclasses import replace

    key = world.ring.gate_key()
    narrow = parse_request(request_consent(world.terms(), key, collector=world.ring.gate_did, now=world.now))
    wide = parse_request(
        request_consent(
            world.terms({"purposes": ("advertising", "news")}), key, collector=world.ring.gate_did, now=world.now
        )
    )
    mixed = replace(wide, nonce=narrow.nonce)
    assert mixed.phrase != narrow.phrase
    with pytest.raises(ConsentRefused) as caught:
        record_consent(mixed, [world.colleague], now=world.now, recording=world.recording, heard=narrow.phrase.split())
    assert caught.value.code == "consent.phrase"
