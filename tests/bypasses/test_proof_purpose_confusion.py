"""A signature made to assert something is offered as a presentation, and the other way round."""

from __future__ import annotations

import pytest

from thsafe.consent import proof
from thsafe.consent.files import write_json
from thsafe.consent.record import ConsentRecord
from thsafe.core.errors import ConsentRefused


def test_an_assertion_presents_nothing(world):
    record = world.consent(keep=False)
    request = world.request()
    document = {
        "@context": ["https://www.w3.org/ns/credentials/v2"],
        "type": ["VerifiablePresentation"],
        "holder": world.gate.did,
        "verifiableCredential": [dict(record.document)],
    }
    shown = world.folder / "shown.json"
    for purpose in ("assertionMethod", "capabilityInvocation", "Authentication"):
        signed = proof.sign(
            document,
            world.ring.gate_key(),
            created=world.now,
            purpose=purpose,
            challenge=request.digest(),
            domain=world.gate.did,
        )
        write_json(shown, signed)
        with pytest.raises(ConsentRefused) as caught:
            world.ask(request, [shown])
        assert caught.value.code == "consent.holder-proof"


def test_a_log_in_signature_is_no_consent(world):
    record = world.consent(keep=False)
    document = {name: value for name, value in record.document.items() if name != "proof"}
    document = proof.sign(document, world.colleague, created=world.now, purpose="authentication")
    document = proof.sign(document, world.ring.gate_key(), created=world.now)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert caught.value.code == "consent.subject-signature"


def test_another_suite_is_not_guessed(world):
    record = world.consent(keep=False)
    document = {**record.document, "proof": [{**item, "cryptosuite": "none"} for item in record.document["proof"]]}
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert "@id consent.subject-signature" in caught.value.rule
