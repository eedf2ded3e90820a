"""The values that travel along the two straight paths of thsafe: generate and verify.

All are frozen. Shapes and units: frames are ``uint8`` arrays (height, width, 3) in BGR order; sound is ``float32``
in [-1, 1], shaped (samples, channels); times are seconds; digests are lower-case hexadecimal SHA-256.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from thsafe.core.canonical import canonical_digest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Frame = NDArray[np.uint8]
    SoundBlock = NDArray[np.float32]

Json = Any
"""A JSON value; its shape is documented where it is made."""


class MediaKind(StrEnum):
    """What a file is once it has been probed; names are never trusted."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"
    MODEL = "model"
    """A puppet: a drawn figure as a folder of mesh, textures and motions, named by its ``model3.json``."""


class Task(StrEnum):
    """The public verbs of generation; policy and consent scopes use the same words."""

    SAY = "say"
    ANIMATE = "animate"
    LIPSYNC = "lipsync"
    DRIVE = "drive"
    SWAP = "swap"
    PUPPET = "puppet"
    LABEL = "label"
    """Mark and sign media that was made elsewhere; nothing is generated."""


LENT_VOICE = "lent-voice"
"""The role of a recording whose voice is to be imitated: its speaker must have agreed to the mode ``voice``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaRef:
    """One input, bound by its digest: what was approved is what is read."""

    role: str
    """``portrait``, ``voice``, ``text``, ``driver``, ``target``, ``lent-voice`` for a recording whose voice is to be
    imitated, or ``media`` for what is labelled as it is."""
    path: Path | None
    """Where the bytes are; None for text given on the command line."""
    sha256: str
    kind: MediaKind
    media_type: str = ""
    """IANA media type found by probing, such as ``image/png``."""
    duration: float | None = None
    text: str | None = None
    """The words themselves, for ``kind == TEXT``."""
    performer: str = "person"
    """``person`` needs consent; ``synthetic`` only for the portraits drawn by thsafe itself; ``puppet`` only for a
    model of which the requester states on record that it is nobody's likeness, or whose person is another input."""

    def facts(self) -> dict[str, Json]:
        """What a digest or the log may hold: no path, no words."""
        return {"role": self.role, "sha256": self.sha256, "kind": str(self.kind), "performer": self.performer}


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One generation job, complete before the gate is asked."""

    task: Task
    engine: str
    inputs: tuple[MediaRef, ...]
    params: Mapping[str, Json] = field(default_factory=dict)
    purpose: str
    """One word of the consent vocabulary, such as ``demonstration``, ``training-video``, ``advertising``."""
    territories: tuple[str, ...] = ()
    """ISO 3166 codes (``DE``, ``US-CA``) or ``EU``; they choose the labels the law wants."""
    language: str = "und"
    channel: str = "any"
    requester: str = ""
    """DID of the key that asks; never a name."""
    job_id: str
    nonce: str
    """Random per job, so that no two jobs share a digest and no presentation can be replayed."""

    def digest(self) -> str:
        """SHA-256 over the canonical job: the challenge that a consent presentation must answer."""
        return canonical_digest({**self._work(), "job": self.job_id, "nonce": self.nonce})

    def work_digest(self) -> str:
        """The same for every request of the same work, however often it is asked for: no job id, no nonce."""
        return canonical_digest(self._work())

    def _work(self) -> dict[str, Json]:
        return {
            "task": str(self.task),
            "engine": self.engine,
            "inputs": [ref.facts() for ref in self.inputs],
            "params": dict(self.params),
            "purpose": self.purpose,
            "territories": list(self.territories),
            "language": self.language,
            "channel": self.channel,
            "requester": self.requester,
        }

    def input(self, role: str) -> MediaRef:
        """The input with that role; raises KeyError when the job has none."""
        for ref in self.inputs:
            if ref.role == role:
                return ref
        raise KeyError(role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """One visible label that the law or the house wants."""

    text: str
    position: str = "top-right"
    """``top-left``, ``top-right``, ``bottom-left`` or ``bottom-right``."""
    height: float = 0.05
    """Text height as a share of the shorter side of the picture."""
    start: float = 0.0
    seconds: float | None = None
    """None: the whole video."""
    icon: bool = False
    """Whether the sign of AI, the capital letters in a frame, stands before the text."""
    rule_ids: tuple[str, ...] = ()
    """The rules of ``policies/rules.yaml`` that ask for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obligations:
    """What the publishing loop must do to the output; chosen by policy, applied without exception."""

    labels: tuple[Label, ...]
    metadata: Mapping[str, Json] = field(default_factory=dict)
    """Container metadata that a law names, such as China's ``AIGC`` key."""
    spoken_notice: str | None = None
    rule_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The gate's answer, as logged."""

    allowed: bool
    rule_ids: tuple[str, ...]
    """Ids of the policies that decided."""
    reasons: tuple[str, ...]
    obligations: Obligations | None
    policy_digest: str
    """SHA-256 over the policy bundle that was asked."""
    consent_ids: tuple[str, ...] = ()
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an engine yields: frames and sound that are not yet anything a file could be."""

    width: int
    height: int
    fps: Fraction
    frames: Iterator[Frame]
    skip: Callable[[int], None] | None = None
    """Pass over so many frames without drawing them, before the first is taken; None where the engine cannot."""
    sound: Iterator[SoundBlock] | None
    sample_rate: int = 0
    channels: int = 1
    frame_count: int | None = None
    """Known length, for progress; None while streaming from an open end."""
    face_box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 as shares of width and height: where the face stays."""
    captions: tuple[Caption, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)
    """For the manifest: ``digital_source_type``, ``software_agent``, ``model_name``, ``seed``. Nothing personal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """A word or phrase and when it is heard."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Output(os.PathLike[str]):
    """A published file: marked, signed, read back and logged. Usable wherever a path is."""

    path: Path
    sha256: str
    manifest_id: str
    watermark_id: str
    ledger_index: int
    decision: Decision
    engine: str
    duration: float

    def __fspath__(self) -> str:
        return os.fspath(self.path)


class Status(StrEnum):
    """What one check came to."""

    FOUND = "found"
    """It found what it looks for."""
    ABSENT = "absent"
    """It looked and there is nothing."""
    CONFLICT = "conflict"
    """What it found contradicts the file or another finding."""
    NOT_EVALUATED = "not-evaluated"
    """It could not look: wrong kind of file, missing part, limit or crash. Never a pass."""


class Verdict(StrEnum):
    """The graded word of a report; never "real" or "fake"."""

    DISCLOSED = "disclosed"
    RECOVERED = "recovered"
    TAMPERED = "tampered"
    SIGNS_OF_SYNTHESIS = "signs-of-synthesis"
    NO_SIGNS_FOUND = "no-signs-found"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One check's finding."""

    check: str
    """``credentials``, ``watermark``, ``log``, ``container``, ``detector.<name>``…"""
    status: Status
    summary: str
    """One plain sentence."""
    code: str = ""
    """Stable word of the check's own ladder, such as ``INTACT-UNKNOWN-SIGNER``."""
    strength: float | None = None
    """log10 likelihood ratio where the check is calibrated; None where it is a fact or not calibrated."""
    interval: tuple[float, float] | None = None
    detail: Mapping[str, Json] = field(default_factory=dict)
    model_digest: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All findings on one file and the verdict that follows; ``schema`` is versioned."""

    file: str
    """The file's own name, without folders."""
    sha256: str
    kind: str
    verdict: Verdict
    sentence: str
    evidence: tuple[Evidence, ...]
    limits: tuple[str, ...]
    """What this report cannot tell."""
    at: str
    tool: Mapping[str, str]
    media: Mapping[str, Json] = field(default_factory=dict)
    schema: str = "thsafe.report/1"

    def finding(self, check: str) -> Evidence | None:
        """The evidence of one check, or None if it did not run."""
        return next((item for item in self.evidence if item.check == check), None)


class Progress(Protocol):
    """Where long work tells how far it is; the library never prints."""

    def start(self, stage: str, total: int | None) -> None:
        """A stage begins; ``total`` steps if that is known."""

    def advance(self, steps: int = 1) -> None:
        """So many more steps of the current stage are done."""

    def note(self, text: str) -> None:
        """Something a person may want to know."""


class Silent:
    """A Progress that tells nobody."""

    def start(self, stage: str, total: int | None) -> None:
        """Nothing."""

    def advance(self, steps: int = 1) -> None:
        """Nothing."""

    def note(self, text: str) -> None:
        """Nothing."""
