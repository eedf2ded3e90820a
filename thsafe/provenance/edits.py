"""Where a copy looks different from what was published: seconds for people to look at.

Fingerprints are of whole frames, one a second; a frame whose hash lies far from the published one although the others
lie near was changed there. Smaller edits than a painted-over mouth stay below that and are not found.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass

from thsafe.provenance.fingerprint import SAME_FRAME, frame_distance, hashes_of, times_of

_LENGTHS = 0.5
"""Seconds that two durations may differ and still be of one cut: containers round, encoders pad."""
_OUTLIER = 16
"""Bits beyond the file's own median. Encoding, scaling and cropping a talking head moved no second further than 16
beyond it; painting over the mouth moved it by 28, over the face by 62."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of time, in seconds."""

    start: float
    end: float

    def __str__(self) -> str:
        return f"{_clock(math.floor(self.start))}-{_clock(math.ceil(self.end))}"


def differing_seconds(known: str, suspect: str, *, known_length: float, suspect_length: float) -> tuple[Interval, ...]:
    """The stretches where the suspect's frames are not those published at that time.

    Args:
        known: the published fingerprint.
        suspect: that of the file in hand; the more frames of it are hashed, the shorter an edit is found.
        known_length: duration of the published file, in seconds.
        suspect_length: that of the file in hand; if they differ it was cut, and nothing is said.

    Raises:
        ValueError: a text is no fingerprint of this version.
    """
    if abs(known_length - suspect_length) > _LENGTHS:
        return ()
    times, theirs = times_of(known), times_of(suspect)
    ours, other = hashes_of(known), hashes_of(suspect)
    if not times or not theirs:
        return ()
    measured: list[tuple[float, float, float]] = []
    for place, moment in enumerate(times):
        end = times[place + 1] if place + 1 < len(times) else max(known_length, moment)
        inside = [number for number, at in enumerate(theirs) if moment <= at < end]
        if inside:
            far = statistics.median(frame_distance(ours[place], other[number]) for number in inside)
            measured.append((moment, end, far))
    if not measured:
        return ()
    usual = sorted(bits for _, _, bits in measured)[(len(measured) - 1) // 2]
    limit = max(SAME_FRAME, usual + _OUTLIER)
    return _joined([(start, end) for start, end, bits in measured if bits > limit])


def _joined(spans: list[tuple[float, float]]) -> tuple[Interval, ...]:
    joined: list[Interval] = []
    for start, end in spans:
        if joined and start <= joined[-1].end:
            joined[-1] = Interval(start=joined[-1].start, end=end)
        else:
            joined.append(Interval(start=start, end=end))
    return tuple(joined)


def _clock(seconds: int) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{minutes}:{rest:02d}"
