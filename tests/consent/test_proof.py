"""Data Integrity proofs: the W3C test vector byte for byte, and everything that must not verify."""

from __future__ import annotations

import copy
import hashlib
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from thsafe.consent import proof
from thsafe.core.canonical import canonical_bytes
from thsafe.keys.did import base58_decode, did_from_public_key, public_key_from_did

NOW = datetime(2026, 11, 22, tzinfo=UTC)

# W3C Recommendation "Data Integrity EdDSA Cryptosuites v1.0", appendix B.2 (Representation: eddsa-jcs-2022).
PUBLIC = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
SECRET = "z3u2en7t5LR2WtQH5PfFqMqwVHBeXouLzo6haApm8XHqvjxq"
CONTEXTS = ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"]
DOCUMENT = {
    "@context": CONTEXTS,
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
}
OPTIONS = {
    "type": "DataIntegrityProof",
    "cryptosuite": "eddsa-jcs-2022",
    "created": "2023-02-24T23:36:38Z",
    "verificationMethod": f"https://vc.example/issuers/5678#{PUBLIC}",
    "proofPurpose": "assertionMethod",
    "@context": CONTEXTS,
}
CANONICAL_OPTIONS = (
    '{"@context":["https://www.w3.org/ns/credentials/v2","https://www.w3.org/ns/credentials/examples/v2"],'
    '"created":"2023-02-24T23:36:38Z","cryptosuite":"eddsa-jcs-2022","proofPurpose":"assertionMethod",'
    f'"type":"DataIntegrityProof","verificationMethod":"https://vc.example/issuers/5678#{PUBLIC}"}}'
)
DOCUMENT_HASH = "59b7cb6251b8991add1ce0bc83107e3db9dbbab5bd2c28f687db1a03abc92f19"
COMBINED_OF_DRAFT = "66ab154f5c2890a140cb8388a22a160454f80575f6eae09e5a097cabe539a1db" + DOCUMENT_HASH
"""The repository's file of combined hashes is of a draft whose method was a did:key; its document half is the same."""
PROOF_VALUE = "z63t83Y53KfzJ5ZosfKTnqfMcKB2dmTrfjSaQjeNNjAD5srBowQfmWqeRb8rRjmeEuCBEsddF9LsVogtuTsijJKh4"
SIGNATURE = (
    "fc91dec6565f35fbe185a77352e7fc512f95d1904da305cfef32ab8135469301"
    "f5a72d4e7a58368fc6ffc497b44633993bac054e3bc1436e3c846db8f1544503"
)


def vector_key() -> Ed25519PrivateKey:
    data = base58_decode(SECRET[1:])
    assert data[:2] == b"\x80\x26"  # multicodec ed25519-priv
    return Ed25519PrivateKey.from_private_bytes(data[2:])


def test_the_w3c_vector_byte_for_byte():
    key = vector_key()
    public = public_key_from_did(f"did:key:{PUBLIC}")
    assert key.public_key() == public
    assert canonical_bytes(OPTIONS).decode() == CANONICAL_OPTIONS
    signed = proof.hash_data(DOCUMENT, OPTIONS)
    assert signed[32:].hex() == DOCUMENT_HASH
    assert COMBINED_OF_DRAFT.endswith(signed[32:].hex())
    signature = key.sign(signed)
    assert signature.hex() == SIGNATURE
    assert base58_decode(PROOF_VALUE[1:]) == signature
    assert proof.holds(
        {**DOCUMENT, "proof": {**OPTIONS, "proofValue": PROOF_VALUE}}, {**OPTIONS, "proofValue": PROOF_VALUE}, public
    )


def test_the_drafts_combined_hash():
    method = f"did:key:{PUBLIC}#{PUBLIC}"
    assert proof.hash_data(DOCUMENT, {**OPTIONS, "verificationMethod": method}).hex() == COMBINED_OF_DRAFT


@pytest.fixture
def key():
    return Ed25519PrivateKey.generate()


def test_what_we_sign_verifies(key):
    signed = proof.sign(DOCUMENT, key, created=NOW, challenge="c", domain="d")
    [found] = proof.verified(signed)
    assert found.signer == did_from_public_key(key.public_key())
    assert (found.purpose, found.challenge, found.domain) == ("assertionMethod", "c", "d")


def test_a_proof_set_keeps_every_signature(key):
    other = Ed25519PrivateKey.generate()
    both = proof.sign(proof.sign(DOCUMENT, key, created=NOW), other, created=NOW)
    assert {item.signer for item in proof.verified(both)} == {did_from_public_key(k.public_key()) for k in (key, other)}
    both["proof"][0]["proofValue"] = both["proof"][1]["proofValue"]
    assert [item.signer for item in proof.verified(both)] == [did_from_public_key(other.public_key())]


@pytest.mark.parametrize(
    "change",
    [
        {"type": "Ed25519Signature2020"},
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"proofPurpose": None},
        {"proofPurpose": "authentication"},
        {"created": "yesterday"},
        {"created": "2026-11-22T00:00:00"},
        {"created": 5},
        {"proofValue": ""},
        {"proofValue": "z"},
        {"proofValue": "u" + "A" * 86},
        {"proofValue": "z" + "0" * 80},
        {"proofValue": "z" + "2" * 5000},
        {"verificationMethod": "https://example.org/key"},
        {"verificationMethod": f"did:key:{PUBLIC}#{PUBLIC}"},
        {"verificationMethod": None},
        {"@context": ["https://example.org"]},
        {"challenge": "another"},
        {"domain": "another"},
        {"note": "added"},
    ],
)
def test_a_changed_proof_does_not_hold(key, change):
    signed = copy.deepcopy(proof.sign(DOCUMENT, key, created=NOW, challenge="c", domain="d"))
    signed["proof"][0].update(change)
    assert proof.verified(signed) == ()


def test_the_fragment_must_be_the_key(key):
    signed = copy.deepcopy(proof.sign(DOCUMENT, key, created=NOW))
    method = signed["proof"][0]["verificationMethod"].partition("#")[0]
    signed["proof"][0]["verificationMethod"] = method
    assert proof.verified(signed) == ()


@pytest.mark.parametrize("shape", [None, "text", 5, [], [None], ["x"], [[]], {}, [{}] * 100])
def test_a_proof_of_another_shape_is_none(shape):
    assert proof.verified({**DOCUMENT, "proof": shape}) == ()


def test_many_proofs_are_not_all_tried(key):
    signed = proof.sign(DOCUMENT, key, created=NOW)
    flood = [{**signed["proof"][0], "created": "2020-01-01T00:00:00Z"}] * 100
    assert proof.verified({**signed, "proof": [*flood, signed["proof"][0]]}) == ()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=True) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["@context", "proof", "type", "id", "x"]), JSON, max_size=5))
def test_no_json_breaks_the_verifier(document):
    assert proof.verified(document) == ()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.sampled_from([*sorted(OPTIONS), "proofValue", "challenge"]), JSON, min_size=1, max_size=3))
def test_no_mutated_proof_holds(change):
    key = vector_key()
    signed = proof.sign(DOCUMENT, key, created=NOW)
    mutated = {**signed["proof"][0], **change}
    if mutated != signed["proof"][0]:
        assert proof.verified({**signed, "proof": mutated}) == ()


def test_the_digest_is_sha256_of_the_canonical_form():
    assert hashlib.sha256(canonical_bytes(DOCUMENT)).hexdigest() == DOCUMENT_HASH
