"""What a decision is made on: plain values, found by the gate, that policy only reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime

from policies.territories import is_known, uncovered
from thsafe.core.clock import to_text
from thsafe.core.errors import UsageError
from thsafe.core.types import Json

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What the requester says about the content; true means "yes, it is that"."""

    sexual: bool = False
    fraud: bool = False
    election: bool = False
    celebrity: bool = False

    @classmethod
    def from_params(cls, params: Mapping[str, Json]) -> Declaration:
        """Read ``params["declared"]``; all is denied where nothing is said.

        Raises:
            UsageError: an unknown word or a value that is neither true nor false.
        """
        declared = params.get("declared", {})
        known = {item.name for item in fields(cls)}
        if not isinstance(declared, Mapping) or any(
            name not in known or not isinstance(value, bool) for name, value in declared.items()
        ):
            raise UsageError(
                "The declaration about the content cannot be read.",
                code="usage.declaration",
                found=str(declared)[:200],
                rule=f"true or false for each of: {', '.join(sorted(known))}",
                next_step="correct the declared values and ask again",
            )
        return cls(**declared)


def declared(names: Collection[str]) -> dict[str, bool]:
    """``params["declared"]`` for content that is what these words say, and nothing else of the kind.

    Raises:
        UsageError: ``usage.declaration``: a word that is none of the four.
    """
    known = [item.name for item in fields(Declaration)]
    Declaration.from_params({"declared": dict.fromkeys(names, True)})
    return {name: name in names for name in known}


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusFacts:
    """What the status list says; the defaults are what an absent list says."""

    available: bool = False
    signed: bool = False
    fresh: bool = False
    revoked: bool = False
    suspended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentFacts:
    """One consent as far as evidence goes; the defaults are the absence of any consent."""

    present: bool = False
    subject_proof: bool = False
    collector_proof: bool = False
    holder_proof: bool = False
    media_match: bool = False
    evidence: bool = False
    licensees: frozenset[str] = frozenset()
    valid_from: datetime = _LONG_AGO
    valid_until: datetime = _LONG_AGO
    modes: frozenset[str] = frozenset()
    purposes: frozenset[str] = frozenset()
    prohibited: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    territories: frozenset[str] = frozenset()
    uses_left: int = 0
    uses_described: bool = False
    assurance: str = "none"
    age_class: str = "unknown"
    comes_of_age: datetime = _LONG_AGO
    guardian_proof: bool = False
    court_reference: bool = False
    deceased: bool = False
    estate_proof: bool = False
    status: StatusFacts = field(default_factory=StatusFacts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Depiction:
    """One input that shows somebody, and the consent found for it."""

    media: str
    """The file's own name, for sentences; never logged."""
    performer: str
    """``person``, ``synthetic``, or ``none`` for a job that shows nobody."""
    synthetic_proof: bool = False
    lends_voice: bool = False
    """Whether the input is a recording whose voice is to be imitated."""
    consent: ConsentFacts = field(default_factory=ConsentFacts)


_NOBODY = Depiction(media="the job", performer="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """One job, complete: what is asked, by whom, of whom, when."""

    task: str
    """A word of ``thsafe.core.types.Task``; it is the Cedar action."""
    requester: str
    """DID of the key that asks."""
    job: str
    """The request's digest."""
    purpose: str
    territories: tuple[str, ...] = ()
    language: str = "und"
    channel: str = "any"
    now: datetime
    last_logged: datetime = _LONG_AGO
    media_intact: bool
    named_model: bool = False
    screened_out: frozenset[str] = frozenset()
    declared: Declaration = field(default_factory=Declaration)
    depictions: tuple[Depiction, ...] = ()
    media: str = "V"
    """What is made: ``V`` video, ``I`` picture, ``A`` sound; it chooses among the law table's duties."""

    def shown(self) -> tuple[Depiction, ...]:
        """Every depiction to decide on; a job that shows nobody is still decided once."""
        return self.depictions or (_NOBODY,)

    def context(self, depiction: Depiction) -> dict[str, Json]:
        """The Cedar context for one depiction, in the shape of ``schema.cedarschema``."""
        consent = depiction.consent
        return {
            "now": _moment(self.now),
            "lastLogged": _moment(self.last_logged),
            "requester": self.requester,
            "task": self.task,
            "purpose": self.purpose,
            "languages": language_ranges(self.language),
            "channel": self.channel,
            "unknownTerritories": [code for code in self.territories if not is_known(code)],
            "mediaIntact": self.media_intact,
            "namedModel": self.named_model,
            "screenedOut": sorted(self.screened_out),
            # Only a job without any depiction shows nobody; an input that claims so has stated nothing.
            "performer": depiction.performer if self.depictions == () or depiction.performer != "none" else "unstated",
            "syntheticProof": depiction.synthetic_proof,
            "lendsVoice": depiction.lends_voice,
            "declared": {
                "sexual": self.declared.sexual,
                "fraud": self.declared.fraud,
                "election": self.declared.election,
                "celebrity": self.declared.celebrity,
            },
            "consent": {
                "present": consent.present,
                "subjectProof": consent.subject_proof,
                "collectorProof": consent.collector_proof,
                "holderProof": consent.holder_proof,
                "mediaMatch": consent.media_match,
                "evidence": consent.evidence,
                "licensees": sorted(consent.licensees),
                "validFrom": _moment(consent.valid_from),
                "validUntil": _moment(consent.valid_until),
                "modes": sorted(consent.modes),
                "purposes": sorted(consent.purposes),
                "prohibited": sorted(consent.prohibited),
                "languages": sorted(tag.lower() for tag in consent.languages),
                "channels": sorted(consent.channels),
                "uncovered": sorted(uncovered(self.territories, consent.territories)),
                "usesLeft": consent.uses_left,
                "usesDescribed": consent.uses_described,
                "assurance": consent.assurance,
                "ageClass": consent.age_class,
                "comesOfAge": _moment(consent.comes_of_age),
                "guardianProof": consent.guardian_proof,
                "courtReference": consent.court_reference,
                "deceased": consent.deceased,
                "estateProof": consent.estate_proof,
                "status": {
                    "available": consent.status.available,
                    "signed": consent.status.signed,
                    "fresh": consent.status.fresh,
                    "revoked": consent.status.revoked,
                    "suspended": consent.status.suspended,
                },
            },
        }


def language_ranges(tag: str) -> list[str]:
    """The ranges that match a BCP 47 tag by RFC 4647 §3.3.1: ``en-GB`` is matched by ``en-gb``, ``en`` and ``*``."""
    parts = tag.lower().split("-")
    return ["*", *("-".join(parts[:count]) for count in range(1, len(parts) + 1))]


def _moment(moment: datetime) -> dict[str, dict[str, str]]:
    return {"__extn": {"fn": "datetime", "arg": to_text(moment)}}
