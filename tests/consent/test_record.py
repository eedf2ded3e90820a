"""The record: what is written is what is read, and nothing else is a record."""

from __future__ import annotations

import contextlib
import copy
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from thsafe.consent.record import (
    ConsentEvidence,
    ConsentRecord,
    Delegate,
    Reference,
    Scope,
    Terms,
    build,
    commit,
)
from thsafe.consent.status import new_entries
from thsafe.core.errors import InputError
from thsafe.keys.did import did_from_public_key

NOW = datetime(2026, 11, 22, tzinfo=UTC)
A, B, C = (did_from_public_key(Ed25519PrivateKey.generate().public_key()) for _ in range(3))

FULL = Terms(
    licensee=A,
    scope=Scope(
        modes=("say",),
        purposes=("news",),
        uses_text="The evening news in my voice.",
        languages=("en", "de"),
        territories=("EU", "US-CA"),
        channels=("television",),
        max_uses=7,
        prohibited=("political",),
    ),
    references=(Reference(role="portrait", sha256="a" * 64),),
    valid_from=NOW,
    valid_until=NOW + timedelta(days=30),
    delegates=(Delegate(did=B, until=NOW + timedelta(days=3)),),
    commitments={"name": "b" * 64},
    age_class="minor",
    comes_of_age=NOW + timedelta(days=3000),
    guardian=C,
    court_reference="file 7",
    public_figure=True,
    represented_by="union",
    on_withdrawal="takedown",
    compensation_ref="contract 12",
    notice_ref="notice 3",
)
EVIDENCE = ConsentEvidence(
    recording_sha256="c" * 64, nonce="d" * 32, phrase_sha256="e" * 64, method="phrase-transcribed", transcript_score=1.0
)


def document(terms=FULL):
    return build(terms, subject=B, collector=C, assurance="collector", status=new_entries(C), evidence=EVIDENCE)


def test_what_is_written_is_read():
    record = ConsentRecord.parse(json.loads(json.dumps(document())))
    assert record.terms == FULL
    assert record.evidence == EVIDENCE
    assert (record.issuer, record.subject, record.collector, record.assurance) == (B, B, C, "collector")
    assert record.covers_media("a" * 64)
    assert not record.covers_media("b" * 64)
    assert record.summary() == "news; say; at most 7 uses; until 2026-12-22; assurance collector"


def test_the_digest_does_not_depend_on_the_proofs():
    plain = document()
    assert ConsentRecord.parse(plain).digest == ConsentRecord.parse({**plain, "proof": [{"x": 1}]}).digest


def test_the_name_is_not_in_the_record():
    digest, salt = commit("Ada Example")
    assert len(salt) == 32
    assert commit("Ada Example")[0] != digest
    text = json.dumps(document())
    assert "Ada" not in text
    assert salt not in text


@pytest.mark.parametrize(
    "damage",
    [
        lambda doc: doc.pop("@context"),
        lambda doc: doc["@context"].append("https://example.org"),
        lambda doc: doc.update(type=["VerifiableCredential"]),
        lambda doc: doc.update(id="urn:uuid:1"),
        lambda doc: doc.update(id="../../x"),
        lambda doc: doc.update(issuer=A),
        lambda doc: doc.update(issuer="did:web:example.org"),
        lambda doc: doc.update(validUntil=doc["validFrom"]),
        lambda doc: doc.update(validFrom="2026-11-22"),
        lambda doc: doc.update(validFrom=None),
        lambda doc: doc.update(credentialStatus=[]),
        lambda doc: doc["credentialStatus"].pop(),
        lambda doc: doc["credentialStatus"][0].update(statusListIndex="-1"),
        lambda doc: doc["credentialStatus"][0].update(statusListIndex=5),
        lambda doc: doc["credentialStatus"][0].update(type="RevocationList2020Status"),
        lambda doc: doc["credentialSubject"].pop("licensee"),
        lambda doc: doc["credentialSubject"].update(licensee="anybody"),
        lambda doc: doc["credentialSubject"].update(assurance="certain"),
        lambda doc: doc["credentialSubject"].update(ageClass="teenager"),
        lambda doc: doc["credentialSubject"].update(deceased="no"),
        lambda doc: doc["credentialSubject"].update(referenceMedia=[]),
        lambda doc: doc["credentialSubject"]["referenceMedia"][0].update(sha256="A" * 64),
        lambda doc: doc["credentialSubject"]["scope"].update(modes="say"),
        lambda doc: doc["credentialSubject"]["scope"].update(purposes=[1]),
        lambda doc: doc["credentialSubject"]["scope"].update(maxUses=0),
        lambda doc: doc["credentialSubject"]["scope"].update(maxUses=True),
        lambda doc: doc["credentialSubject"]["scope"].update(maxUses=1.5),
        lambda doc: doc["credentialSubject"]["scope"].pop("uses"),
        lambda doc: doc["credentialSubject"]["scope"].update(territories=["DE"] * 65),
        lambda doc: doc["credentialSubject"]["evidence"].update(transcriptScore=2),
        lambda doc: doc["credentialSubject"]["evidence"].update(nonce="short"),
        lambda doc: doc["credentialSubject"].update(onWithdrawal="ignore"),
    ],
)
def test_anything_else_is_malformed(damage):
    changed = copy.deepcopy(document())
    damage(changed)
    with pytest.raises(InputError) as caught:
        ConsentRecord.parse(changed)
    assert caught.value.code == "consent.malformed"


def leaves(value, path=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from leaves(inner, (*path, name))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield path


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_mutated_record_is_read_or_refused_but_never_breaks(data):
    changed = copy.deepcopy(document())
    path = data.draw(st.sampled_from(list(leaves(changed))))
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = data.draw(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.just([]) | st.just({})
    )
    with contextlib.suppress(InputError):
        assert ConsentRecord.parse(changed).document == changed


def test_terms_that_cannot_be_are_refused_when_built():
    from dataclasses import replace

    with pytest.raises(InputError):
        document(replace(FULL, valid_until=NOW - timedelta(days=1)))
    with pytest.raises(InputError):
        document(replace(FULL, references=()))
