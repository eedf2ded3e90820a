"""A minor without guardian and court, a dead person without estate."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.core.errors import ConsentRefused
from thsafe.keys.did import did_from_public_key


def did(key):
    return did_from_public_key(key.public_key())


@pytest.fixture
def guardian():
    return Ed25519PrivateKey.generate()


def minor(world, other, **changes):
    return {
        "age_class": "minor",
        "guardian": did(other),
        "court_reference": "court file 12/2026",
        "comes_of_age": world.now + timedelta(days=2000),
        **changes,
    }


def test_a_minor_with_guardian_and_court(world, guardian):
    world.consent(signers=[world.colleague, guardian], **minor(world, guardian))
    assert world.ask().decision.allowed


@pytest.mark.parametrize(
    "change",
    [
        {"court_reference": None},
        {"guardian": None},
        {"comes_of_age": None},
        {"valid_until": "five years and a day"},
        {"valid_until": "beyond the birthday"},
    ],
    ids=["no court", "no guardian", "no birthday", "too long", "beyond the birthday"],
)
def test_a_minor_without(world, guardian, change):
    if change.get("valid_until") == "five years and a day":
        change = {"valid_until": world.now + timedelta(days=1830), "comes_of_age": world.now + timedelta(days=3000)}
    elif change.get("valid_until") == "beyond the birthday":
        change = {"comes_of_age": world.now + timedelta(days=300)}
    world.consent(signers=[world.colleague, guardian], **minor(world, guardian, **change))
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.minor"


def test_a_guardian_who_did_not_sign(world, guardian):
    with pytest.raises(ConsentRefused) as caught:
        world.consent(signers=[world.colleague], **minor(world, guardian))
    assert caught.value.code == "consent.subject-signature"


def test_the_minor_is_not_their_own_guardian(world):
    world.consent(**minor(world, world.colleague))
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.minor"


def test_self_assurance_is_for_adults(world):
    from thsafe.consent import proof
    from thsafe.consent.record import ConsentRecord, build
    from thsafe.consent.status import new_entries

    key = world.colleague
    document = build(
        world.terms(age_class="minor"),
        subject=did(key),
        collector=world.ring.gate_did,
        assurance="self",
        status=new_entries(world.ring.gate_did),
    )
    for signer in (key, world.ring.gate_key()):
        document = proof.sign(document, signer, created=world.now)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert "@id consent.minor" in caught.value.rule
    assert "@id consent.assurance" in caught.value.rule


def test_a_dead_person_speaks_through_the_estate_alone(world):
    estate = Ed25519PrivateKey.generate()
    world.consent(deceased=True)
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.estate"
    record = world.consent(signers=[world.colleague, estate], deceased=True, estate=did(estate))
    assert record.issuer == did(estate)
    assert world.ask().decision.consent_ids == (record.id,)
