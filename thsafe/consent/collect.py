"""Consent of another person: the licensee requests, the person signs and is recorded, a collector countersigns.

Each step makes one file, so that the three may be far apart: request -> record -> countersigned record.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.consent import proof
from thsafe.consent.files import malformed, read_bytes, sha256_of
from thsafe.consent.phrase import agreed_part, agreement, phrase, wallet_nonce
from thsafe.consent.record import (
    ASSURANCES,
    ConsentEvidence,
    ConsentRecord,
    Reference,
    StatusEntry,
    Terms,
    build,
    date_time,
    did_in,
    moment_of,
    nonce_in,
    parse_terms,
    terms_json,
)
from thsafe.consent.status import new_entries
from thsafe.consent.wallet import METHOD, read_wallet, refuse_wallet
from thsafe.core.errors import ConsentRefused
from thsafe.core.types import Json
from thsafe.keys.did import did_from_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_TYPE: Final = "ThsafeConsentRequest"
_WHAT: Final = "consent request"
ENOUGH: Final = 4 / 6
"""Share of the phrase that the offline recogniser must hear. Each place has sixteen choices, so four right by chance
happen once in some 4,000 recordings; see ``thsafe.consent.transcript``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRequest:
    """What a licensee asks of a person; ``document`` is what the licensee signed."""

    id: str
    collector: str
    assurance: str
    terms: Terms
    status: tuple[StatusEntry, ...]
    nonce: str
    document: Mapping[str, Json]

    @property
    def phrase(self) -> str:
        """The words the person reads aloud, in front of the camera."""
        return phrase(self._agreed(), self.nonce)

    @property
    def wallet_nonce(self) -> str:
        """What a wallet signs over instead, where the assurance is ``wallet``."""
        return wallet_nonce(self._agreed(), self.nonce)

    def _agreed(self) -> dict[str, Json]:
        return agreed_part(
            self.document["terms"], self.document["validFrom"], self.document["validUntil"], self.collector
        )


def request_consent(
    terms: Terms,
    key: Ed25519PrivateKey,
    *,
    collector: str,
    now: datetime,
    assurance: str = "collector",
    taken: Sequence[int] = (),
) -> dict[str, Json]:
    """Ask a person for consent to these terms.

    Args:
        terms: what is asked; ``references`` may be empty, the person then names the pictures.
        key: the licensee's key.
        collector: DID of whoever will verify and countersign.
        now: the time.
        assurance: ``collector``, ``wallet`` or ``notary``.
        taken: places in the collector's status lists that are known to be in use.
    """
    document: dict[str, Json] = {
        "type": _TYPE,
        "id": f"urn:uuid:{uuid.uuid4()}",
        "collector": collector,
        "assurance": assurance,
        "validFrom": date_time(terms.valid_from),
        "validUntil": date_time(terms.valid_until),
        "terms": terms_json(terms),
        "statusListIndex": new_entries(collector, taken)[0].index,
        "nonce": secrets.token_hex(16),
    }
    signed = proof.sign(document, key, created=now)
    parse_request(signed)
    return signed


def is_request(document: Mapping[str, Json]) -> bool:
    """Whether a JSON object is a request and not a record."""
    return document.get("type") == _TYPE


def parse_request(document: Mapping[str, Json]) -> ConsentRequest:
    """Read a request and check that its licensee signed it.

    Raises:
        InputError: ``consent.malformed``.
    """
    try:
        return _parse(document)
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as problem:
        what = f"no field {problem}" if isinstance(problem, KeyError) else str(problem)
        raise malformed(_WHAT, what) from problem


def _parse(document: Mapping[str, Json]) -> ConsentRequest:
    if document.get("type") != _TYPE or document.get("assurance") not in ASSURANCES[1:]:
        raise ValueError("not a consent request")
    terms = parse_terms(
        document["terms"], moment_of(document, "validFrom"), moment_of(document, "validUntil"), least_references=0
    )
    if not any(item.signer == terms.licensee for item in proof.verified(document)):
        raise ValueError("the licensee named in it has not signed it")
    collector = did_in(document, "collector")
    index = document["statusListIndex"]
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise ValueError("statusListIndex is not a place in a list")
    return ConsentRequest(
        id=str(document["id"]),
        collector=collector,
        assurance=document["assurance"],
        terms=terms,
        status=tuple(replace(entry, index=index) for entry in new_entries(collector)),
        nonce=nonce_in(document),
        document=document,
    )


def record_consent(
    request: ConsentRequest,
    keys: Sequence[Ed25519PrivateKey],
    *,
    now: datetime,
    references: Sequence[Reference] = (),
    commitments: Mapping[str, str] | None = None,
    recording: Path | None = None,
    heard: Sequence[str] | None = None,
    wallet: bool = False,
) -> dict[str, Json]:
    """The person's side: sign the terms as requested, with the pictures that are theirs.

    Args:
        request: what was asked; terms can be taken or left, not changed.
        keys: of the person first, then of a guardian or the estate where the terms name one.
        now: the time.
        references: pictures and films of the person, beside those in the request.
        commitments: salted digests of name and birth date; their values stay with the person.
        recording: the person reading the phrase.
        heard: the words that the offline recogniser heard in it, if it was asked.
        wallet: the recording is a wallet's presentation instead.

    Raises:
        ConsentRefused: ``consent.phrase``: the recording does not hold the phrase.
        InputError: the recording cannot be read, or the terms name no picture.
    """
    evidence = None
    if recording is not None:
        score = None if heard is None else _score(request.phrase, heard)
        evidence = ConsentEvidence(
            recording_sha256=sha256_of(recording),
            nonce=request.nonce,
            phrase_sha256=hashlib.sha256(request.phrase.encode()).hexdigest(),
            method=METHOD if wallet else "phrase-attached" if score is None else "phrase-transcribed",
            transcript_score=score,
        )
    terms = replace(
        request.terms,
        references=tuple(dict.fromkeys((*request.terms.references, *references))),
        commitments=dict(commitments or {}),
    )
    document = build(
        terms,
        subject=did_from_public_key(keys[0].public_key()),
        collector=request.collector,
        assurance=request.assurance,
        status=request.status,
        evidence=evidence,
    )
    for key in keys:
        document = proof.sign(document, key, created=now)
    return document


def countersign(
    document: Mapping[str, Json],
    key: Ed25519PrivateKey,
    *,
    now: datetime,
    recording: Path | None = None,
    taken: Sequence[int] = (),
    heard: Sequence[str] | None = None,
    issuer_key: Mapping[str, Json] | None = None,
) -> ConsentRecord:
    """The collector's side: check what can be checked, then vouch.

    Args:
        document: the record as the person signed it.
        key: the collector's key.
        now: the time.
        recording: the recording as the collector received it; it stays with the collector.
        taken: places in the collector's status lists that other records have.
        heard: the words that the collector's own offline recogniser heard, if it was asked.
        issuer_key: public JWK of whoever issued the credential, where a wallet's presentation came instead.

    Raises:
        InputError: ``consent.malformed``.
        ConsentRefused: ``consent.subject-signature``, ``consent.collector-signature``, ``consent.evidence``,
            ``consent.phrase`` or ``consent.status-place``.
    """
    record = ConsentRecord.parse(document)
    missing = missing_signers(record)
    if missing:
        raise _unfit(
            "consent.subject-signature",
            "The record is not signed by all who must sign it.",
            f"no valid signature of {', '.join(sorted(missing))}",
            "ask whoever has not signed yet, person, guardian or estate: thsafe consent record SIGNED --agree",
        )
    did = did_from_public_key(key.public_key())
    if record.collector != did or did in {record.issuer, record.subject}:
        raise _unfit(
            "consent.collector-signature",
            "This key cannot countersign the record.",
            f"the record names collector {record.collector}, this key is {did}",
            "countersign with the key of the collector that the request named, who is not the person itself",
        )
    if record.assurance != "self" and not _recorded(record, recording):
        raise _unfit(
            "consent.evidence",
            "The recording is not the one that the record was signed with.",
            "no recording" if recording is None else recording.name,
            "give the recording that came with the record: --recording FILE",
        )
    if heard is not None:
        _score(phrase_of(record), heard)
    _check_wallet(record, recording, issuer_key, now)
    if any(entry.index in taken for entry in record.status):
        raise _unfit(
            "consent.status-place",
            "Another record has this record's place in the status list.",
            f"place {record.status[0].index}",
            "make a new request",
        )
    return ConsentRecord.parse(proof.sign(document, key, created=now))


def _check_wallet(
    record: ConsentRecord, presentation: Path | None, issuer_key: Mapping[str, Json] | None, now: datetime
) -> None:
    """Raise ConsentRefused ``consent.wallet`` unless assurance, evidence and presentation are of one piece."""
    evidence = record.evidence
    if evidence is None or presentation is None:
        return
    if (evidence.method == METHOD) != (record.assurance == "wallet"):
        refuse_wallet(f"assurance {record.assurance}, evidence {evidence.method}")
    if evidence.method != METHOD:
        return
    if issuer_key is None:
        refuse_wallet("no key of the credential's issuer: --issuer-key FILE")
    shown = read_wallet(
        read_bytes(presentation, "wallet's presentation"),
        issuer_key=issuer_key,
        nonce=wallet_nonce(_agreed(record), evidence.nonce),
        audience=record.collector,
        now=now,
    )
    adult = shown.adult_at(now)
    if adult is None or adult != (record.terms.age_class == "adult"):
        refuse_wallet(f"the record says {record.terms.age_class}, the credential does not")


def _agreed(record: ConsentRecord) -> dict[str, Json]:
    body = record.document["credentialSubject"]
    return agreed_part(body, record.document["validFrom"], record.document["validUntil"], record.collector)


def missing_signers(record: ConsentRecord) -> frozenset[str]:
    """The DIDs of those who must sign a record and have not: the person, the guardian, the estate."""
    signers = {item.signer for item in proof.verified(record.document) if item.purpose == proof.ASSERTION}
    needed = {record.issuer, *(did for did in (record.terms.guardian, record.terms.estate) if did)}
    return frozenset(needed - signers)


def phrase_of(record: ConsentRecord) -> str:
    """The words that were to be read for a record's terms; empty where it has no evidence."""
    evidence = record.evidence
    if evidence is None:
        return ""
    return phrase(_agreed(record), evidence.nonce)


def phrase_fits(record: ConsentRecord) -> bool:
    """Whether the record's evidence is for the phrase of these very terms."""
    if record.evidence is None:
        return False
    expected = hashlib.sha256(phrase_of(record).encode()).hexdigest()
    return hmac.compare_digest(expected, record.evidence.phrase_sha256)


def _score(expected: str, heard: Sequence[str]) -> float:
    """How much of the phrase was heard; raises ConsentRefused where that is too little."""
    score = agreement(expected, heard)
    if score < ENOUGH:
        raise ConsentRefused(
            "The recording does not hold the phrase of this request.",
            code="consent.phrase",
            found=f"{score:.0%} of the words: {' '.join(heard)[:120]}",
            rule=f'the words are: "{expected}"',
            next_step="record again in a quiet room, reading the words in this order",
        )
    return score


def _recorded(record: ConsentRecord, recording: Path | None) -> bool:
    return (
        recording is not None
        and record.evidence is not None
        and phrase_fits(record)
        and hmac.compare_digest(sha256_of(recording), record.evidence.recording_sha256)
    )


def _unfit(code: str, message: str, found: str, next_step: str) -> ConsentRefused:
    return ConsentRefused(
        message,
        code=code,
        found=found,
        rule="docs/explanation/consent.md, The three signatures",
        next_step=next_step,
        log="nothing was written",
    )
