"""What an audit asks for and what it finds. Values only; frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from policies.rules import Rule
from thsafe.core.types import Json, Label
from thsafe.ledger.check import LogReport
from thsafe.ledger.log import InclusionProof
from thsafe.ledger.note import Checkpoint
from thsafe.store.outputs import OutputRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSeen:
    """What can be seen of one label in the file's pictures."""

    label: Label
    """The one that was looked for."""
    present: bool
    """Seen in every frame of its time that was looked at."""
    height: float
    """Of a letter, as a share of the picture's shorter side; 0 if unseen."""
    contrast: float
    """Of letters to ground, 1 to 21; 0 if unseen."""
    first_seen: float | None
    """Seconds."""
    last_seen: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One file as it is now, measured without believing the log."""

    media: str = "V"
    """``I`` picture, ``A`` sound, ``V`` video."""
    duration: float | None = None
    credentials_state: str = "not-evaluated"
    """The word of the provenance ladder, for people."""
    credentials_intact: bool | None = None
    """Signature and content agree; None where that could not be evaluated."""
    manifest_id: str | None = None
    signer: str = ""
    """Name in the signing certificate."""
    signed_at: str | None = None
    """RFC 3339."""
    time_stamped: bool = False
    """By a time-stamp authority, not by the signer's own clock."""
    digital_source_types: tuple[str, ...] = ()
    """Full addresses of the IPTC terms."""
    actions: tuple[str, ...] = ()
    """``c2pa.created``, ``c2pa.opened``, ``c2pa.edited``…"""
    software: str = ""
    """Name and version of the generating system, as the manifest gives them."""
    ingredients: int = 0
    signpost: str = ""
    """Address of a detector that the manifest names."""
    watermark_state: str = "not-evaluated"
    """``id``, ``present``, ``absent`` or ``not-evaluated``."""
    watermark_id: str | None = None
    labels: tuple[LabelSeen, ...] | None = None
    """None where labels were not looked for."""
    notices: tuple[str, ...] | None = None
    """Spoken notices heard at the beginning of sound alone; None where none were listened for."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Keys of the container, such as ``AIGC``."""
    notes: tuple[str, ...] = ()
    """What could not be measured, in words."""


class MeasurePort(Protocol):
    """Measures one file with the same code that verifies anyone's media."""

    def __call__(self, path: Path, *, labels: Sequence[Label]) -> Measurement:
        """Read marks, credentials and the given labels.

        Raises:
            InputError: this is not media.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What has become of a consent."""

    id: str
    state: str
    """``active``, ``revoked``, ``suspended``, ``expired`` or ``unknown``."""
    digest: str = ""
    """Of the record as it is kept now; empty where it is gone."""
    valid_until: str = ""
    takedown: bool = False
    """Whether withdrawal means that what was made must go, not only that nothing new is made."""
    specific: bool | None = None
    """Whether the record describes the intended uses in words; None if it cannot be read."""
    deceased: bool | None = None
    estate: bool | None = None
    """Whether the heirs' consent is part of it."""
    biometric: str = ""
    """How face and voice measurements may be kept: ``none``, ``transient``, ``stored``."""


class ConsentPort(Protocol):
    """Tells how a consent stands."""

    def __call__(self, consent_id: str, at: datetime) -> Standing:
        """The consent at that time; ``unknown`` where nothing is known."""


class Verdict(StrEnum):
    """What one rule comes to for one file."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    UNDETERMINED = "undetermined"
    NOT_APPLICABLE = "not-applicable"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One rule, one file."""

    rule: str
    verdict: Verdict
    reason: str
    """One sentence."""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    """What was measured or logged that the verdict rests on."""


class FileState(StrEnum):
    """How the file of a logged output was found."""

    INTACT = "intact"
    """The very bytes that were published."""
    CHANGED = "changed"
    """A file stands at its place but with other bytes."""
    MISSING = "missing"
    """No file with its bytes, nor any at its place."""
    WITHDRAWN = "withdrawn"
    """Logged, but its process died before the file got its name, and the log says so: nothing was published."""
    NOT_SAMPLED = "not-sampled"
    """Outside the sample: not looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditedOutput:
    """One published output, with everything known of it."""

    record: OutputRecord
    """Without its manifest: the log's digest of that was compared while the log was verified."""
    at: str
    intent: Mapping[str, Json]
    """The logged decision it was made under; empty if there is none."""
    intent_index: int | None
    state: FileState
    path: Path | None
    """Where its bytes were found."""
    measurement: Measurement | None
    consents: tuple[Standing, ...]
    """How they stand now."""
    consents_then: tuple[Standing, ...]
    """How they stood when the job was permitted, as the log has it."""
    judgements: tuple[Judgement, ...]
    proof: InclusionProof | None

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return readable((self.path or Path(self.record.path)).name)

    @property
    def place(self) -> str:
        """Where the file is, else where it was published."""
        return readable(self.path or self.record.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class StrayFile:
    """A media file in the audited folders that is no published output."""

    path: Path
    sha256: str
    kind: str
    """``copy`` of a logged output, ``unlogged`` with our marks but no entry, ``foreign`` without them."""
    words: str
    of: int | None = None
    """Log index of the output it is a copy of."""
    credentials: bool = False
    """Whether its own credentials are whole: a copy with them still says what it is."""

    @property
    def name(self) -> str:
        """The file's name without folders."""
        return readable(self.path.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that an auditor must look at."""

    severity: str
    """``high``: the record or a mark is broken; ``medium``: something is missing; ``low``: to be noted."""
    code: str
    words: str
    index: int | None = None
    """Log entry."""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Which outputs were measured."""

    population: int
    size: int
    seed: str
    """The log's root, so that whoever is audited cannot choose."""

    @property
    def bound(self) -> float:
        """If none of the sample failed, at most this share of all can have, with 95 % confidence (binomial)."""
        return 0.0 if self.size >= self.population else 1 - 0.05 ** (1 / self.size) if self.size else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """Everything an audit found."""

    at: str
    since: str | None
    as_of: str
    """The day whose law is asked."""
    scope: tuple[str, ...]
    """Packs or rules asked for; empty: what each file's own territories want."""
    folders: tuple[Path, ...]
    tool: str
    policies: tuple[str, ...]
    """Digests of the policy bundles under which the outputs were permitted."""
    decisions: Mapping[str, int]
    """What asking the policies again with the logged facts came to: how many ``same``, ``differs``…"""
    log: LogReport
    checkpoint: Checkpoint | None
    """The newest one of the log."""
    sample: Sample
    outputs: tuple[AuditedOutput, ...]
    strays: tuple[StrayFile, ...]
    exceptions: tuple[Finding, ...]
    rules: tuple[Rule, ...]
    """Those that a file can show, in the matrix's order."""
    house_rules: tuple[Rule, ...]
    """Rules in scope about organisations, which no file can show."""
    timeline: tuple[tuple[str, str, int], ...]
    """(minute, event type, how many) in the period, in order of time."""
    limits: tuple[str, ...]
    schema: str = "thsafe.audit/1"

    def count(self, verdict: Verdict) -> int:
        """How many judgements came to that verdict."""
        return sum(item.verdict is verdict for output in self.outputs for item in output.judgements)

    @property
    def clean(self) -> bool:
        """No exception above ``low``."""
        return all(item.severity == "low" for item in self.exceptions)


def readable(path: Path | str) -> str:
    """A name of a stranger's choice as text: bytes that are no UTF-8 and signs that steer a terminal as escapes."""
    signs = str(path)
    return signs if signs.isprintable() else "".join(map(_sign, signs))


def _sign(sign: str) -> str:
    return sign if sign.isprintable() else sign.encode("unicode_escape").decode()
