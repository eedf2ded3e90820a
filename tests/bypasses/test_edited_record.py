"""Scope, licensee, dates or pictures are edited in the file after signing."""

from __future__ import annotations

import copy

import pytest

from thsafe.consent.record import ConsentRecord
from thsafe.core.errors import ConsentRefused

EDITS = {
    "purpose": lambda doc: doc["credentialSubject"]["scope"]["purposes"].append("news"),
    "uses": lambda doc: doc["credentialSubject"]["scope"].update(maxUses=1000),
    "picture": lambda doc: doc["credentialSubject"]["referenceMedia"].append({"role": "x", "sha256": "a" * 64}),
    "until": lambda doc: doc.update(validUntil="2030-01-01T00:00:00Z"),
    "assurance": lambda doc: doc["credentialSubject"].update(assurance="notary"),
    "prohibition": lambda doc: doc["credentialSubject"]["scope"].update(prohibited=[]),
    "id": lambda doc: doc.update(id="urn:uuid:00000000-0000-4000-8000-000000000000"),
    "unknown field": lambda doc: doc["credentialSubject"].update(note="agreed by phone"),
    "proof time": lambda doc: doc["proof"][0].update(created="2020-01-01T00:00:00Z"),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_every_edit_breaks_a_signature(world, edit):
    record = world.consent(keep=False, scope={"prohibited": ("advertising",)})
    document = copy.deepcopy(dict(record.document))
    edit(document)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert "@id consent.subject-signature" in caught.value.rule or caught.value.code == "consent.subject-signature"


def test_another_licensee_written_in(world):
    record = world.consent(keep=False)
    document = copy.deepcopy(dict(record.document))
    document["credentialSubject"]["licensee"] = record.subject
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    for name in ("subject-signature", "collector-signature", "licensee"):
        assert f"@id consent.{name}" in caught.value.rule


def test_the_countersignature_cannot_be_left_out(world):
    record = world.consent(keep=False)
    document = {**record.document, "proof": record.document["proof"][:1]}
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert caught.value.code == "consent.collector-signature"


def test_the_subjects_signature_cannot_be_left_out(world):
    record = world.consent(keep=False)
    document = {**record.document, "proof": record.document["proof"][1:]}
    with pytest.raises(ConsentRefused) as caught:
        world.ask(consents=[ConsentRecord.parse(document)])
    assert caught.value.code == "consent.subject-signature"
