"""One file under examination: what the checks of the verification share, so that nothing is decoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.types import Evidence, MediaKind, Status
from thsafe.home import Home
from thsafe.installation import Installation

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.media.probe import MediaInfo
    from thsafe.provenance.read import Credentials
    from thsafe.provenance.recover import Recovery
    from thsafe.store.outputs import OutputRecord
    from thsafe.watermark.reading import MarkReading

_SAMPLED_FRAMES = 48
_WINDOW = 2.0
"""Seconds for which one stretch of neighbouring frames stands."""
_STRETCH = 6
_LEAST_STRETCHES = 2
_MOST_STRETCHES = 8


@dataclass(slots=True)
class Examination:
    """One file under examination: what the checks share, filled in as they go."""

    path: Path
    info: MediaInfo
    sha256: str
    home: Home
    """Where trust lists are, also where there are no keys."""
    installation: Installation | None
    at: datetime | None = None
    """The moment that certificates are judged as of; None for now."""
    credentials: Credentials | None = None
    reading: MarkReading | None = None
    record: OutputRecord | None = None
    recovered: Credentials | None = None
    """The stored credentials that a mark led to."""
    recovery: Recovery | None = None
    """What those are worth for this file."""
    frames: list[tuple[float, Frame]] = field(default_factory=list)
    measured: dict[str, str] = field(default_factory=dict)
    """Digests that several checks ask for, taken once."""

    def sampled(self) -> list[tuple[float, Frame]]:
        """Evenly spaced frames as (seconds, BGR), decoded once for all checks."""
        if not self.frames:
            from thsafe.media.decode import VideoReader
            from thsafe.media.image import read_image

            if self.info.kind is MediaKind.IMAGE:
                self.frames = [(0.0, read_image(self.path))]
            elif self.info.kind is MediaKind.VIDEO:
                with VideoReader(self.path) as reader:
                    self.frames = reader.sample_bgr(_SAMPLED_FRAMES)
        return self.frames

    def stretches(self) -> Iterator[list[tuple[float, Frame]]]:
        """Neighbouring frames from a few moments, one moment at a time; of a still picture the picture."""
        from thsafe.media.decode import VideoReader

        if self.info.kind is not MediaKind.VIDEO:
            yield self.sampled()
            return
        windows = round((self.info.duration or 0.0) / _WINDOW)
        with VideoReader(self.path) as reader:
            yield from reader.stretches(min(_MOST_STRETCHES, max(_LEAST_STRETCHES, windows)), _STRETCH)

    def essence(self) -> str | None:
        """The digest of the encoded packets; None for a still picture, which has none."""
        from thsafe.provenance.essence import essence_of

        if self.info.kind is MediaKind.IMAGE:
            return None
        if "essence" not in self.measured:
            self.measured["essence"] = essence_of(self.path).digest
        return self.measured["essence"]

    def fingerprint(self) -> str | None:
        """The fingerprint of the sampled frames; None where there are none, as in a sound file."""
        from thsafe.provenance.fingerprint import fingerprint

        if not self.sampled():
            return None
        if "fingerprint" not in self.measured:
            self.measured["fingerprint"] = fingerprint(self.sampled())
        return self.measured["fingerprint"]

    def soundprint(self) -> str | None:
        """The fingerprint of the sound; None where there is none, or too little for one."""
        from thsafe.provenance.soundprint import MOST_BLOCKS, soundprint_of

        if self.info.audio_codec is None:
            return None
        if "soundprint" not in self.measured:
            self.measured["soundprint"] = soundprint_of(self.path, most=MOST_BLOCKS) or ""
        return self.measured["soundprint"] or None


def not_evaluated(check: str, reason: str, *, code: str = "NOT-EVALUATED") -> Evidence:
    """Evidence that a check could not look, and why."""
    return Evidence(check=check, status=Status.NOT_EVALUATED, summary=reason, code=code)
