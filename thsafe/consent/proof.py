"""Data Integrity proofs with ``eddsa-jcs-2022`` (W3C VC Data Integrity EdDSA Cryptosuites v1.0 §3.3), in proof sets.

The only suite accepted: anything else in ``cryptosuite`` is no proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from thsafe.core.canonical import canonical_bytes
from thsafe.core.clock import from_text
from thsafe.core.types import Json
from thsafe.keys.did import base58_decode, base58_encode, did_from_public_key, public_key_from_did

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SUITE: Final = "eddsa-jcs-2022"
ASSERTION: Final = "assertionMethod"
AUTHENTICATION: Final = "authentication"
_MAX_PROOFS: Final = 8
_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """One proof that verified."""

    signer: str
    """did:key of the key that signed."""
    purpose: str
    created: str
    challenge: str = ""
    domain: str = ""


def hash_data(document: Mapping[str, Json], options: Mapping[str, Json]) -> bytes:
    """The 64 bytes that are signed: SHA-256 of the proof options, then of the document (§3.3.4)."""
    return hashlib.sha256(canonical_bytes(options)).digest() + _document_hash(document)


def _document_hash(document: Mapping[str, Json]) -> bytes:
    unsigned = {name: value for name, value in document.items() if name != "proof"}
    return hashlib.sha256(canonical_bytes(unsigned)).digest()


def sign(
    document: Mapping[str, Json],
    key: Ed25519PrivateKey,
    *,
    created: datetime,
    purpose: str = ASSERTION,
    challenge: str = "",
    domain: str = "",
) -> dict[str, Json]:
    """The document with one more proof in its proof set; existing proofs stay (Data Integrity §2.1.1, Proof Sets)."""
    did = did_from_public_key(key.public_key())
    options: dict[str, Json] = {
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        # xsd:dateTimeStamp without fraction, as in the test vectors of the suite.
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "verificationMethod": f"{did}#{did.removeprefix('did:key:')}",
        "proofPurpose": purpose,
    }
    if challenge:
        options["challenge"] = challenge
    if domain:
        options["domain"] = domain
    if "@context" in document:
        # §3.3.1 step 2: the proof carries the document's context, so that it cannot be moved to another.
        options["@context"] = document["@context"]
    signature = key.sign(hash_data(document, options))
    proof = {**options, "proofValue": "z" + base58_encode(signature)}
    signed = dict(document)
    signed["proof"] = [*proofs_of(document), proof]
    return signed


def verified(document: Mapping[str, Json]) -> tuple[Proof, ...]:
    """The proofs of a document that hold; a proof that does not is left out, never an error."""
    try:
        whole = _document_hash(document)
    except (ValueError, TypeError, RecursionError):
        return ()
    found = []
    for proof in proofs_of(document):
        key = _key_of(proof)
        if key is not None and _holds(document, whole, proof, key):
            found.append(
                Proof(
                    signer=did_from_public_key(key),
                    purpose=str(proof["proofPurpose"]),
                    created=str(proof["created"]),
                    challenge=str(proof.get("challenge", "")),
                    domain=str(proof.get("domain", "")),
                )
            )
    return tuple(found)


def holds(document: Mapping[str, Json], proof: Mapping[str, Json], key: Ed25519PublicKey) -> bool:
    """Whether one proof is this key's over this document (§3.3.2); False for anything malformed."""
    try:
        whole = _document_hash(document)
    except (ValueError, TypeError, RecursionError):
        return False
    return _holds(document, whole, proof, key)


def _holds(document: Mapping[str, Json], whole: bytes, proof: Mapping[str, Json], key: Ed25519PublicKey) -> bool:
    if proof.get("type") != "DataIntegrityProof" or proof.get("cryptosuite") != SUITE:
        return False
    if not isinstance(proof.get("proofPurpose"), str) or not isinstance(proof.get("created"), str):
        return False
    value = proof.get("proofValue")
    if not isinstance(value, str) or not value.startswith("z") or len(value) > 100:
        return False
    # §3.3.2 step 4: a context in the proof must be where the document's context begins.
    if "@context" in proof and not _context_starts(document.get("@context"), proof["@context"]):
        return False
    options = {name: item for name, item in proof.items() if name != "proofValue"}
    try:
        from_text(proof["created"])
        signature = base58_decode(value[1:])
        if len(signature) != _SIGNATURE_BYTES:
            return False
        message = hashlib.sha256(canonical_bytes(options)).digest() + whole
    except (ValueError, TypeError, RecursionError):
        return False
    return _is_signed(key.public_bytes_raw(), signature, message)


@lru_cache(maxsize=1024)
def _is_signed(key: bytes, signature: bytes, message: bytes) -> bool:
    """Ed25519, remembered: a batch asks for the same record and the same status lists again and again."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except InvalidSignature:
        return False
    return True


def proofs_of(document: Mapping[str, Json]) -> tuple[Mapping[str, Json], ...]:
    """The proof set as a tuple, whether it stands as one object, a list or not at all."""
    return tuple(_objects(document.get("proof")))


def _objects(value: Json) -> Iterator[Mapping[str, Json]]:
    items = value if isinstance(value, list) else [value]
    for item in items[:_MAX_PROOFS]:
        if isinstance(item, Mapping):
            yield item


def _key_of(proof: Mapping[str, Json]) -> Ed25519PublicKey | None:
    method = proof.get("verificationMethod")
    if not isinstance(method, str):
        return None
    did, _, fragment = method.partition("#")
    if fragment != did.removeprefix("did:key:"):
        return None
    try:
        return public_key_from_did(did)
    except ValueError:
        return None


def _context_starts(whole: Json, start: Json) -> bool:
    if isinstance(whole, list) and isinstance(start, list):
        return whole[: len(start)] == start
    return bool(whole == start)
