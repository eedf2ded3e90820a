"""Presentations: the licensee shows a consent for one job to one gate, so that a stolen file is worth nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Final

from thsafe.consent import proof
from thsafe.consent.files import malformed
from thsafe.consent.record import ConsentRecord
from thsafe.core.types import Json
from thsafe.keys.did import did_from_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
_TYPE: Final = ["VerifiablePresentation"]


def present(
    record: ConsentRecord, key: Ed25519PrivateKey, *, job: str, gate: str, created: datetime
) -> dict[str, Json]:
    """A Verifiable Presentation of one record for one job.

    Args:
        record: the consent.
        key: the licensee's or a delegate's key.
        job: ``Request.digest()``; it becomes the challenge.
        gate: the DID of the gate that is to accept it; it becomes the domain.
        created: the time.
    """
    document: dict[str, Json] = {
        "@context": [_CONTEXT],
        "type": list(_TYPE),
        "holder": did_from_public_key(key.public_key()),
        "verifiableCredential": [dict(record.document)],
    }
    return proof.sign(document, key, created=created, purpose=proof.AUTHENTICATION, challenge=job, domain=gate)


def is_presentation(document: Mapping[str, Json]) -> bool:
    """Whether a JSON object is a presentation and not a bare record."""
    return document.get("type") == _TYPE


def presented_record(document: Mapping[str, Json]) -> ConsentRecord:
    """The one record in a presentation.

    Raises:
        InputError: ``consent.malformed``.
    """
    inside = document.get("verifiableCredential")
    if not isinstance(inside, list) or len(inside) != 1 or not isinstance(inside[0], Mapping):
        raise malformed("presentation", "it does not hold exactly one consent record")
    return ConsentRecord.parse(inside[0])


def holder_of(document: Mapping[str, Json], *, job: str, gate: str) -> str:
    """DID of the holder if the presentation is theirs, for this job and this gate; else the empty string.

    The proof must be of purpose ``authentication``: a signature that was made to assert something presents nothing.
    """
    holder = document.get("holder")
    for item in proof.verified(document):
        if (
            item.signer == holder
            and item.purpose == proof.AUTHENTICATION
            and item.challenge == job
            and item.domain == gate
        ):
            return item.signer
    return ""
