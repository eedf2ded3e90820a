"""From measures to differences: what was altered, where and when, in words.

The limits come from ``benchmarks/compare.py``: encoded at CRF 33, cropped, scaled, mirrored and brightened copies kept
mouths at 0.05 levels and below, dubs came to 1 and more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from thsafe.comparison.picture import CELL, smooth
from thsafe.comparison.result import Difference, Kind, clock, stretch
from thsafe.comparison.sounding import OTHER, SAME, TIMED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.comparison.footage import Footage
    from thsafe.comparison.picture import Differences
    from thsafe.comparison.sounding import Heard
    from thsafe.comparison.timing import Timing

ALTERED = 0.4
"""Levels of luma beyond copying, smoothed over 0.6 s, from which a mouth or a face is altered."""
_TIMES_AROUND = 4.0
"""And so many times what lies around the faces: a poor copy differs everywhere."""
_OTHER_PERSON = 0.5
"""Share of the mouth's difference from which the upper face is altered as well."""
_CELL = 5.0
_LEAST_SECONDS = 0.35
_JOIN_SECONDS = 1.2
_CUT = 0.12
"""Seconds missing between two runs from which frames were cut."""
_SHIFTED = 0.1
OTHER_TAKE = 1.0
"""Levels around the faces, median over time, from which two films are takes of one scene and no copies."""


def picture_differences(found: Differences, original: Footage) -> list[Difference]:
    """Mouths, faces and regions."""
    if not len(found.times):
        return []
    around = smooth(found.around, found.times)
    differences: list[Difference] = []
    for number in range(found.mouths.shape[1]):
        mouth, upper = smooth(found.mouths[:, number], found.times), smooth(found.uppers[:, number], found.times)
        limit = np.maximum(ALTERED, _TIMES_AROUND * around)
        with np.errstate(invalid="ignore"):
            whole = (upper > limit) & (upper > _OTHER_PERSON * mouth)
            lips = (mouth > limit) & ~whole
        name = number + 1 if found.mouths.shape[1] > 1 else None
        differences += _spans(Kind.FACE, whole, upper, found.times, name)
        differences += _spans(Kind.MOUTH, lips, mouth, found.times, name)
    return differences + _regions(found, original)


def time_differences(timing: Timing, *, suspect_end: float) -> list[Difference]:
    """Frames cut, repeated and put in."""
    differences = [
        Difference(
            kind=Kind.INSERTED,
            start=start,
            end=end,
            words=f"{stretch(start, end)} shows nothing of the original",
        )
        for start, end in timing.elsewhere
    ]
    for before, after in zip(timing.runs, timing.runs[1:], strict=False):
        moved, gap = after.original_start - before.original_end, max(0.0, after.start - before.end)
        # what stands between the two may take the place of as much of the original
        missing = moved - gap if moved > gap else min(moved, 0.0)
        at = f"{stretch(before.original_end, after.original_start)} of the original"
        if missing > _CUT:
            words = f"frames cut at {clock(after.start)}: {at} is missing ({missing:.1f} s)"
            differences.append(Difference(kind=Kind.CUT, start=after.start, end=after.start, words=words, size=missing))
        elif missing < -_CUT:
            words = f"at {clock(after.start)} it goes back to {clock(after.original_start)} of the original"
            end = min(suspect_end, after.start - missing)
            differences.append(Difference(kind=Kind.REPEATED, start=after.start, end=end, words=words, size=-missing))
    return differences


def sound_differences(heard: Sequence[Heard]) -> list[Difference]:
    """Stretches whose sound is not the original's, and sound that comes at another time."""
    differences: list[Difference] = []
    other = [item for item in heard if item.likeness < OTHER]
    for start, end in _windows(other):
        inside = [item for item in other if start <= item.start and item.end <= end]
        timed = float(np.median([item.rhythm for item in inside])) >= TIMED
        kind = Kind.SOUND_REVOICED if timed else Kind.SOUND_REPLACED
        what = "sound re-voiced in the original's rhythm" if timed else "sound replaced"
        likeness = round(float(np.median([item.likeness for item in inside])), 3)
        words = f"{what} {stretch(start, end)}"
        differences.append(Difference(kind=kind, start=start, end=end, words=words, size=likeness))
    same = [item for item in heard if item.likeness >= SAME]
    lag = float(np.median([item.lag for item in same])) if len(same) >= 2 else 0.0
    if abs(lag) >= _SHIFTED:
        how = "later" if lag > 0 else "earlier"
        words = f"the sound comes {abs(lag):.1f} s {how} than with the original's picture"
        start, end = same[0].start, same[-1].end
        differences.append(Difference(kind=Kind.SOUND_SHIFTED, start=start, end=end, words=words, size=lag))
    return differences


def _windows(items: Sequence[Heard]) -> list[tuple[float, float]]:
    """Overlapping windows as stretches; two at least, unless a window is all there is."""
    spans: list[list[Heard]] = []
    for item in items:
        if spans and item.start <= spans[-1][-1].end:
            spans[-1].append(item)
        else:
            spans.append([item])
    return [(span[0].start, span[-1].end) for span in spans]


_WORDS = {Kind.MOUTH: "mouth region altered", Kind.FACE: "face replaced or altered"}


def _spans(
    kind: Kind, flags: NDArray[np.bool_], sizes: NDArray[np.float32], times: NDArray[np.float64], person: int | None
) -> list[Difference]:
    found = []
    for start, end, inside in _stretches(flags, times):
        whose = f" (person {person})" if person else ""
        words = f"{_WORDS[kind]}{whose} {stretch(start, end)}"
        size = round(float(np.nanmax(sizes[inside])), 2)
        found.append(Difference(kind=kind, start=start, end=end, words=words, person=person, size=size))
    return found


def _stretches(flags: NDArray[np.bool_], times: NDArray[np.float64]) -> list[tuple[float, float, NDArray[np.int64]]]:
    """Runs of True with short gaps closed; seconds and places."""
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    places = np.flatnonzero(flags)
    if not len(places):
        return []
    groups = np.split(places, np.flatnonzero(np.diff(times[places]) > _JOIN_SECONDS) + 1)
    found = [(float(times[group[0]]), float(times[group[-1]]) + period, group) for group in groups]
    still = len(times) == 1
    return [item for item in found if still or item[1] - item[0] >= _LEAST_SECONDS]


def _regions(found: Differences, original: Footage) -> list[Difference]:
    """Cells outside of faces that differ, joined to regions."""
    import cv2

    cells = smooth(found.cells, found.times)
    around = np.maximum(_CELL, _TIMES_AROUND * np.nanmedian(np.nan_to_num(cells), axis=(1, 2)))
    with np.errstate(invalid="ignore"):
        differs = np.nan_to_num(cells) > around[:, None, None]
    often = differs.mean(axis=0) * (found.times[-1] - found.times[0] + 0.04) >= _LEAST_SECONDS
    if len(found.times) == 1:
        often = differs[0]
    count, numbered = cv2.connectedComponents(often.astype(np.uint8), connectivity=8)
    height, width = original.pictures.shape[1:]
    regions = []
    for number in range(1, count):
        rows, columns = np.nonzero(numbered == number)
        y0, x0, y1, x1 = rows.min() * CELL, columns.min() * CELL, (rows.max() + 1) * CELL, (columns.max() + 1) * CELL
        box = (x0 / width, y0 / height, min(1.0, x1 / width), min(1.0, y1 / height))
        flags = differs[:, rows, columns].any(axis=1)
        for start, end, inside in _stretches(flags, found.times):
            size = float(np.nanmax(cells[inside][:, rows, columns]))
            theirs, ours = (float(found.edges[side][rows, columns].mean()) for side in (0, 1))
            kind = Kind.REGION
            if min(box[1], 1 - box[3]) < 0.25 and (theirs > 1.6 * ours or ours > 1.6 * theirs):
                kind = Kind.OVERLAY_ADDED if theirs > ours else Kind.OVERLAY_REMOVED
            what = {
                Kind.REGION: "the picture differs at the {}",
                Kind.OVERLAY_ADDED: "a label or other overlay was put over the picture at the {}",
                Kind.OVERLAY_REMOVED: "a label or other overlay that the original shows at the {} is gone",
            }[kind].format(position(box))
            words = f"{what} {stretch(start, end)}"
            regions.append(Difference(kind=kind, start=start, end=end, words=words, box=box, size=round(size, 2)))
    return regions


def position(box: tuple[float, float, float, float]) -> str:
    """Where a box lies: ``top right``, ``middle``, ``bottom``."""
    x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    down = "top" if y < 0.36 else "bottom" if y > 0.64 else ""
    across = "left" if x < 0.36 else "right" if x > 0.64 else ""
    return " ".join(filter(None, (down, across))) or "middle"
