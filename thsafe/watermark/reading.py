"""What a reader of marks reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["id", "present", "absent", "not-evaluated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """How the picture at hand lies relative to the marked one, in cells of 1/256 of the shorter side."""

    scale_x: float = 1.0
    """Width of a cell here over its width in a picture of this size marked as it is."""
    scale_y: float = 1.0
    dx: float = 0.0
    """Where the tile's origin lies, 0 … 256 cells; a crop of c cells at the left gives 256 - c."""
    dy: float = 0.0
    flip: bool = False
    """Mirrored left to right, before any rotation."""
    rotation: float = 0.0
    """Degrees, counter-clockwise."""

    @property
    def unchanged(self) -> bool:
        """Neither scaled, moved, mirrored nor turned."""
        return self == Geometry()


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the timeline and the id read there, or None."""

    start: float
    """Seconds."""
    end: float
    mark_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkReading:
    """The answer on one file. An id is a pointer to a manifest, never evidence by itself; absence says nothing."""

    state: State
    """``id``: read exactly; ``present``: a mark under one of the keys, id unreadable; ``absent``; ``not-evaluated``."""
    mark_id: str | None = None
    key_name: str | None = None
    confidence: float = 0.0
    """Synchronisation statistic z: standard normal where there is no mark and nothing was searched."""
    geometry: Geometry = Geometry()
    frames_read: int = 0
    """Pictures for a picture mark, tiles for a sound mark."""
    false_alarm: float = 1.0
    """Upper bound of the probability that an unmarked file gives this state."""
    reason: str = ""
    """One sentence: why this state."""
    segments: tuple[Segment, ...] = ()
