"""Documents that a person and a program would read differently, or that are made to exhaust the reader."""

from __future__ import annotations

import json

import pytest

from thsafe.core.errors import InputError


@pytest.mark.parametrize(
    "data",
    [
        b'{"id": "a", "id": "b"}',
        b'{"type": ["VerifiableCredential", "ThsafeConsent"]}',
        b"[]",
        b"null",
        b"",
        b"\xff\xfe{}",
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a": "' + b"x" * 300_000 + b'"}',
        b'{"type": ["VerifiablePresentation"], "verifiableCredential": []}',
        b'{"type": ["VerifiablePresentation"], "verifiableCredential": ["urn:uuid:x"]}',
    ],
)
def test_refused_as_malformed(world, data):
    world.own_consent()
    with pytest.raises(InputError) as caught:
        world.ask(consents=[world.file("strange.json", data)])
    assert caught.value.code == "consent.malformed"


def test_two_records_in_one_presentation(world):
    record = dict(world.consent(keep=False).document)
    shown = {"type": ["VerifiablePresentation"], "verifiableCredential": [record, record]}
    with pytest.raises(InputError):
        world.ask(consents=[world.file("two.json", json.dumps(shown).encode())])


def test_an_id_that_leads_elsewhere(world):
    record = json.loads(json.dumps(dict(world.consent(keep=False).document)))
    record["id"] = "urn:uuid:../../../../etc/passwd"
    with pytest.raises(InputError):
        world.ask(consents=[world.file("path.json", json.dumps(record).encode())])
