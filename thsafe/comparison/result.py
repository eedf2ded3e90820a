"""What a comparison came to, as values."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum

from thsafe.core.types import Json


class Kind(StrEnum):
    """What differs."""

    MOUTH = "mouth"
    FACE = "face"
    REGION = "region"
    OVERLAY_ADDED = "overlay-added"
    OVERLAY_REMOVED = "overlay-removed"
    SOUND_REPLACED = "sound-replaced"
    SOUND_REVOICED = "sound-revoiced"
    SOUND_REMOVED = "sound-removed"
    SOUND_ADDED = "sound-added"
    SOUND_SHIFTED = "sound-shifted"
    CUT = "cut"
    REPEATED = "repeated"
    INSERTED = "inserted"


class Outcome(StrEnum):
    """What the suspect is to the original."""

    IDENTICAL = "identical"
    """The same bytes."""
    COPY = "copy"
    """A copy: encoded, cropped, scaled, trimmed, but nothing in it was found to be altered."""
    ALTERED = "altered"
    """A copy in which something differs."""
    OTHER = "other"
    """Not a copy: another film, or another take of the same scene."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that differs."""

    kind: Kind
    start: float
    end: float
    """Seconds of the suspect."""
    words: str
    person: int | None = None
    """Whose face, from 1; None where there is one face or none."""
    box: tuple[float, float, float, float] | None = None
    """x0, y0, x1, y1 as shares of the original's picture."""
    size: float | None = None
    """How far beyond copying: levels of luma, or a correlation of sounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Two seconds of the suspect on the time line."""

    start: float
    end: float
    original: float | None
    """The original's second shown at its beginning; None for none."""
    mouth: float | None
    """How far the mouth that differs most lies beyond copying, levels of luma; None where no face is seen."""
    face: float | None
    around: float | None
    sound: float | None
    """Correlation of the sounds, -1 to 1; None where there is none to compare."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A suspect held against an original."""

    suspect: str
    original: str
    """File names, without folders."""
    suspect_sha256: str
    original_sha256: str
    outcome: Outcome
    sentence: str
    differences: tuple[Difference, ...] = ()
    changes: tuple[str, ...] = ()
    """What copying did, in words: mirrored, cropped, faster."""
    moments: tuple[Moment, ...] = ()
    limits: tuple[str, ...] = ()
    not_compared: tuple[str, ...] = ()
    """What could not be looked at, and why."""
    schema: str = "thsafe.comparison/1"

    def as_json(self) -> dict[str, Json]:
        """The whole as a JSON object."""
        return asdict(self)


def clock(seconds: float) -> str:
    """Minutes and seconds, ``0:03``; tenths where the second is not whole."""
    tenths = math.floor(max(seconds, 0.0) * 10 + 0.5)
    minutes, rest = divmod(tenths, 600)
    return f"{minutes}:{rest // 10:02d}" + (f".{rest % 10}" if rest % 10 else "")


def stretch(start: float, end: float) -> str:
    """A stretch of time, ``0:03-0:21``."""
    return f"{clock(start)}-{clock(end)}"
