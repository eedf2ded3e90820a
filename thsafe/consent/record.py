"""The consent record: a W3C Verifiable Credential 2.0 issued by the person it speaks for, with what law asks of it.

Parsing is strict where a decision depends on a field and raises for anything else than the form written here; what
is not here is what a record cannot say.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from thsafe.consent.files import malformed
from thsafe.core.canonical import canonical_digest
from thsafe.core.clock import from_text
from thsafe.core.types import Json
from thsafe.keys.did import public_key_from_did

CONTEXT: Final = (
    "https://www.w3.org/ns/credentials/v2",
    {"@vocab": "urn:thsafe:consent:v1#"},
)
TYPE: Final = "ThsafeConsent"
ASSURANCES: Final = ("self", "collector", "wallet", "notary")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NONCE: Final = re.compile(r"([0-9a-f]{2}){16,32}")
_ID: Final = re.compile(r"urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MAX_ITEMS: Final = 64
_WHAT: Final = "consent record"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What may be made, and where it may be shown."""

    modes: tuple[str, ...]
    """Words of ``thsafe.core.types.Task``."""
    purposes: tuple[str, ...]
    uses_text: str
    """The intended uses, reasonably specifically (California Labor Code 927; NO FAKES §2)."""
    languages: tuple[str, ...] = ("*",)
    """Basic language ranges of RFC 4647: ``en``, ``pt-BR``, ``*``."""
    territories: tuple[str, ...] = ("WORLD",)
    channels: tuple[str, ...] = ("any",)
    max_uses: int | None = None
    prohibited: tuple[str, ...] = ()
    """Purposes that stay closed whatever else is open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A picture, film or recording that the person has approved, by digest."""

    role: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delegate:
    """A second key that may use the consent until a date."""

    did: str
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentEvidence:
    """How the collector knows: the recording stays with the collector, only its digest is here."""

    recording_sha256: str
    nonce: str
    """Hexadecimal; with the terms it gives the phrase that was to be read, see ``thsafe.consent.phrase``."""
    phrase_sha256: str
    method: str
    """``phrase-attached`` (a person has listened) or ``phrase-transcribed`` (the offline recogniser has)."""
    transcript_score: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusEntry:
    """Where to look up whether the consent still stands (Bitstring Status List v1.0 §2.1)."""

    purpose: str
    index: int
    list_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """All that a person agrees to: what the phrase, the record and the countersignature are over."""

    licensee: str
    scope: Scope
    references: tuple[Reference, ...]
    valid_from: datetime
    valid_until: datetime
    delegates: tuple[Delegate, ...] = ()
    commitments: Mapping[str, str] = field(default_factory=dict)
    """Name and birth date as SHA-256 over salt and value; the values lie in the vault."""
    age_class: str = "adult"
    comes_of_age: datetime | None = None
    guardian: str | None = None
    court_reference: str | None = None
    deceased: bool = False
    estate: str | None = None
    public_figure: bool = False
    represented_by: str = "none"
    on_withdrawal: str = "stop-new"
    """``stop-new`` or ``takedown``."""
    biometric: Mapping[str, str] = field(default_factory=lambda: {"use": "transient", "stored": "none"})
    compensation_ref: str | None = None
    notice_ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentRecord:
    """A parsed record; ``document`` is what was signed, the rest only reads it."""

    id: str
    issuer: str
    """DID that signs for the person: the person, or the estate of someone who has died."""
    subject: str
    collector: str
    assurance: str
    terms: Terms
    evidence: ConsentEvidence | None
    status: tuple[StatusEntry, ...]
    document: Mapping[str, Json]

    @property
    def digest(self) -> str:
        """SHA-256 of the record without proofs: what the log and the manifest may hold."""
        return canonical_digest({name: value for name, value in self.document.items() if name != "proof"})

    def covers_media(self, sha256: str) -> bool:
        """Whether these very bytes are among the approved ones."""
        return any(reference.sha256 == sha256 for reference in self.terms.references)

    def summary(self) -> str:
        """What it allows, in a line: ``training-video; say, animate; until 2027-01-31``."""
        scope = self.terms.scope
        uses = "" if scope.max_uses is None else f"; at most {scope.max_uses} uses"
        until = self.terms.valid_until.date().isoformat()
        return f"{', '.join(scope.purposes)}; {', '.join(scope.modes)}{uses}; until {until}; assurance {self.assurance}"

    @classmethod
    def parse(cls, document: Mapping[str, Json]) -> ConsentRecord:
        """Read a record; signatures are not looked at here.

        Raises:
            InputError: ``consent.malformed``, naming the field.
        """
        try:
            return _parse(document)
        except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as problem:
            what = f"no field {problem}" if isinstance(problem, KeyError) else str(problem)
            raise malformed(_WHAT, what) from problem


def build(
    terms: Terms,
    *,
    subject: str,
    collector: str,
    assurance: str,
    status: Sequence[StatusEntry],
    evidence: ConsentEvidence | None = None,
) -> dict[str, Json]:
    """The unsigned credential for these terms.

    Raises:
        InputError: the terms cannot be read back, for example because the dates are reversed.
    """
    body: dict[str, Json] = {
        "id": subject,
        "collector": collector,
        "assurance": assurance,
        **terms_json(terms),
    }
    if evidence is not None:
        body["evidence"] = _without_none(
            {
                "recordingSha256": evidence.recording_sha256,
                "nonce": evidence.nonce,
                "phraseSha256": evidence.phrase_sha256,
                "method": evidence.method,
                "transcriptScore": evidence.transcript_score,
            }
        )
    document: dict[str, Json] = {
        "@context": list(CONTEXT),
        "id": f"urn:uuid:{uuid.uuid4()}",
        "type": ["VerifiableCredential", TYPE],
        "issuer": terms.estate or subject,
        "validFrom": date_time(terms.valid_from),
        "validUntil": date_time(terms.valid_until),
        "credentialSubject": body,
        "credentialStatus": [
            {
                "id": f"{entry.list_id}#{entry.index}",
                "type": "BitstringStatusListEntry",
                "statusPurpose": entry.purpose,
                "statusListIndex": str(entry.index),
                "statusListCredential": entry.list_id,
            }
            for entry in status
        ],
    }
    ConsentRecord.parse(document)
    return document


def terms_json(terms: Terms) -> dict[str, Json]:
    """The terms as they stand in ``credentialSubject``."""
    scope = terms.scope
    return _without_none(
        {
            "licensee": terms.licensee,
            "delegates": [{"id": item.did, "until": date_time(item.until)} for item in terms.delegates],
            "commitments": dict(terms.commitments),
            "referenceMedia": [{"role": item.role, "sha256": item.sha256} for item in terms.references],
            "scope": _without_none(
                {
                    "modes": list(scope.modes),
                    "purposes": list(scope.purposes),
                    "languages": list(scope.languages),
                    "territories": list(scope.territories),
                    "channels": list(scope.channels),
                    "prohibited": list(scope.prohibited),
                    "maxUses": scope.max_uses,
                    "uses": scope.uses_text,
                }
            ),
            "ageClass": terms.age_class,
            "comesOfAge": None if terms.comes_of_age is None else date_time(terms.comes_of_age),
            "guardian": terms.guardian,
            "courtReference": terms.court_reference,
            "deceased": terms.deceased,
            "estate": terms.estate,
            "publicFigure": terms.public_figure,
            "representedBy": terms.represented_by,
            "onWithdrawal": terms.on_withdrawal,
            "biometric": dict(terms.biometric),
            "compensationRef": terms.compensation_ref,
            "noticeRef": terms.notice_ref,
        }
    )


def commit(value: str) -> tuple[str, str]:
    """A salted commitment to a personal value: the digest for the record and the salt for the vault."""
    salt = secrets.token_hex(16)
    return hashlib.sha256(f"{salt}:{value}".encode()).hexdigest(), salt


def parse_terms(
    body: Mapping[str, Json], valid_from: datetime, valid_until: datetime, *, least_references: int = 1
) -> Terms:
    """Read the terms out of a ``credentialSubject`` or a request; raises KeyError, TypeError or ValueError."""
    scope = _mapping(body, "scope")
    if not valid_from < valid_until:
        raise ValueError("validUntil is not after validFrom")
    uses = scope.get("maxUses")
    if uses is not None and (isinstance(uses, bool) or not isinstance(uses, int) or not 0 < uses < 2**31):
        raise ValueError("scope.maxUses is not a positive number")
    guardian, estate, comes = body.get("guardian"), body.get("estate"), body.get("comesOfAge")
    return Terms(
        licensee=did_in(body, "licensee"),
        delegates=tuple(
            Delegate(did=did_in(item, "id"), until=moment_of(item, "until"))
            for item in _items(body, "delegates", least=0)
        ),
        commitments={name: _digest(_mapping(body, "commitments"), name) for name in _mapping(body, "commitments")},
        references=tuple(
            Reference(role=_text(item, "role"), sha256=_digest(item, "sha256"))
            for item in _items(body, "referenceMedia", least=least_references)
        ),
        scope=Scope(
            modes=_words(scope, "modes"),
            purposes=_words(scope, "purposes"),
            languages=_words(scope, "languages"),
            territories=_words(scope, "territories"),
            channels=_words(scope, "channels"),
            prohibited=_words(scope, "prohibited"),
            max_uses=uses,
            uses_text=_text(scope, "uses"),
        ),
        valid_from=valid_from,
        valid_until=valid_until,
        age_class=_one_of(body, "ageClass", ("adult", "minor")),
        comes_of_age=None if comes is None else moment_of(body, "comesOfAge"),
        guardian=None if guardian is None else did_in(body, "guardian"),
        court_reference=_maybe_text(body, "courtReference"),
        deceased=_flag(body, "deceased"),
        estate=None if estate is None else did_in(body, "estate"),
        public_figure=_flag(body, "publicFigure"),
        represented_by=_one_of(body, "representedBy", ("none", "counsel", "union")),
        on_withdrawal=_one_of(body, "onWithdrawal", ("stop-new", "takedown")),
        biometric={name: _text(_mapping(body, "biometric"), name) for name in _mapping(body, "biometric")},
        compensation_ref=_maybe_text(body, "compensationRef"),
        notice_ref=_maybe_text(body, "noticeRef"),
    )


def _parse(document: Mapping[str, Json]) -> ConsentRecord:
    if document.get("@context") != list(CONTEXT):
        raise ValueError("@context is not that of a consent record")
    if document.get("type") != ["VerifiableCredential", TYPE]:
        raise ValueError("type is not that of a consent record")
    if not _ID.fullmatch(_text(document, "id")):
        raise ValueError("id is not a urn:uuid")
    body = _mapping(document, "credentialSubject")
    terms = parse_terms(body, moment_of(document, "validFrom"), moment_of(document, "validUntil"))
    issuer, subject = did_in(document, "issuer"), did_in(body, "id")
    if issuer != (terms.estate or subject):
        raise ValueError("issuer is neither the subject nor the estate")
    status = tuple(_status(item) for item in _items(document, "credentialStatus", least=2))
    if {entry.purpose for entry in status} != {"revocation", "suspension"}:
        raise ValueError("credentialStatus lacks revocation or suspension")
    evidence = body.get("evidence")
    return ConsentRecord(
        id=document["id"],
        issuer=issuer,
        subject=subject,
        collector=did_in(body, "collector"),
        assurance=_one_of(body, "assurance", ASSURANCES),
        terms=terms,
        evidence=None if evidence is None else _evidence(_mapping(body, "evidence")),
        status=status,
        document=document,
    )


def _evidence(item: Mapping[str, Json]) -> ConsentEvidence:
    score = item.get("transcriptScore")
    if score is not None and (isinstance(score, bool) or not isinstance(score, (int, float)) or not 0 <= score <= 1):
        raise ValueError("evidence.transcriptScore is not in 0..1")
    return ConsentEvidence(
        recording_sha256=_digest(item, "recordingSha256"),
        nonce=nonce_in(item),
        phrase_sha256=_digest(item, "phraseSha256"),
        method=_text(item, "method"),
        transcript_score=None if score is None else float(score),
    )


def _status(item: Mapping[str, Json]) -> StatusEntry:
    index = _text(item, "statusListIndex")
    if _text(item, "type") != "BitstringStatusListEntry" or not re.fullmatch(r"0|[1-9][0-9]{0,8}", index):
        raise ValueError("credentialStatus is not a BitstringStatusListEntry")
    return StatusEntry(
        purpose=_text(item, "statusPurpose"), index=int(index), list_id=_text(item, "statusListCredential")
    )


def _mapping(holder: Mapping[str, Json], name: str) -> Mapping[str, Json]:
    value = holder[name]
    if not isinstance(value, Mapping) or len(value) > _MAX_ITEMS:
        raise TypeError(f"{name} is not an object")
    return value


def _items(holder: Mapping[str, Json], name: str, *, least: int) -> list[Mapping[str, Json]]:
    value = holder[name]
    if not isinstance(value, list) or not least <= len(value) <= _MAX_ITEMS:
        raise TypeError(f"{name} is not a list of {least} to {_MAX_ITEMS} entries")
    if not all(isinstance(item, Mapping) for item in value):
        raise TypeError(f"{name} holds something that is not an object")
    return value


def _words(holder: Mapping[str, Json], name: str) -> tuple[str, ...]:
    value = holder[name]
    if not isinstance(value, list) or len(value) > _MAX_ITEMS or not all(isinstance(item, str) for item in value):
        raise TypeError(f"{name} is not a list of words")
    return tuple(value)


def _text(holder: Mapping[str, Json], name: str) -> str:
    value = holder[name]
    if not isinstance(value, str):
        raise TypeError(f"{name} is not text")
    return value


def _maybe_text(holder: Mapping[str, Json], name: str) -> str | None:
    return None if holder.get(name) is None else _text(holder, name)


def _flag(holder: Mapping[str, Json], name: str) -> bool:
    value = holder[name]
    if not isinstance(value, bool):
        raise TypeError(f"{name} is neither true nor false")
    return value


def _one_of(holder: Mapping[str, Json], name: str, choices: tuple[str, ...]) -> str:
    value = _text(holder, name)
    if value not in choices:
        raise ValueError(f"{name} is none of {', '.join(choices)}")
    return value


def _digest(holder: Mapping[str, Json], name: str) -> str:
    value = _text(holder, name)
    if not _DIGEST.fullmatch(value):
        raise ValueError(f"{name} is not a SHA-256 digest in lower-case hexadecimal")
    return value


def nonce_in(holder: Mapping[str, Json]) -> str:
    """The field ``nonce``; raises KeyError, TypeError or ValueError."""
    value = _text(holder, "nonce")
    if not _NONCE.fullmatch(value):
        raise ValueError("nonce is not 16 to 32 bytes in lower-case hexadecimal")
    return value


def did_in(holder: Mapping[str, Json], name: str) -> str:
    """A field that names an Ed25519 key; raises KeyError, TypeError or ValueError."""
    value = _text(holder, name)
    public_key_from_did(value)
    return value


def moment_of(holder: Mapping[str, Json], name: str) -> datetime:
    """A time stamp field; raises KeyError, TypeError or ValueError."""
    return from_text(_text(holder, name))


def date_time(moment: datetime) -> str:
    """RFC 3339 in whole seconds of UTC, as credentials write it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _without_none(fields: dict[str, Json]) -> dict[str, Json]:
    return {name: value for name, value in fields.items() if value is not None}
