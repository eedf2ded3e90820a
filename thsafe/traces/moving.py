"""One pass over the pictures of a film: what stands still, what comes twice, and where its noise changes.

Only brightness is looked at, on pictures of at most 640 columns; nothing of a film is kept but a few numbers a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]

Span = tuple[float, float]

STILL: Final = 0.02
"""Mean change of brightness, in levels, at or below which a frame counts as the one before."""
FROZEN_SECONDS: Final = 0.4
CUT: Final = 18.0
"""Mean change of the small picture, in levels, from which on a scene is said to change."""
LOOP_FRAMES: Final = 12
_SAME_THUMB: Final = 0.35
_LEAST_GAP: Final = 25
_MOST_LOOPED: Final = 1500
"""Frames up to which repeats at a distance are looked for."""
NOISE_STEP: Final = 1.6
"""Ratio of noise before and after, from which on it is said to change."""
_COLUMNS: Final = 640
_THUMB: Final = (32, 18)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Noise that is not the same before and after a moment."""

    seconds: float
    ratio: float
    """After to before."""
    at_cut: bool
    """Whether the scene changes there too, which explains it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Motion:
    """What a film's pictures do."""

    frames: int = 0
    frozen: tuple[Span, ...] = ()
    """Stretches that stand still, from the first to the last of equal frames."""
    repeated: tuple[float, ...] = ()
    """Seconds of single frames that are the one before once more."""
    every: int | None = None
    """Where they come at a beat, its length in frames: a rate that was converted."""
    looped: tuple[tuple[Span, Span], ...] = ()
    """Stretches that come again later: the first and the second time."""
    cuts: tuple[float, ...] = ()
    noise_changes: tuple[Change, ...] = ()


def look_at_motion(frames: Iterable[tuple[float, Plane]]) -> Motion:
    """Go over all frames.

    Args:
        frames: (seconds, brightness (height, width)), in order.
    """
    times: list[float] = []
    changes: list[float] = []
    thumbs: list[NDArray[np.float32]] = []
    noise: list[float] = []
    before: Plane | None = None
    for seconds, luma in frames:
        y = _small(luma)
        times.append(seconds)
        changes.append(float("inf") if before is None else _difference(y, before))
        thumbs.append(_thumb(y))
        noise.append(noise_of(y))
        before = y
    if len(times) < 2:
        return Motion(frames=len(times))
    moments, moved, small = np.array(times), np.array(changes), np.array(thumbs)
    jumps = np.abs(np.diff(small, axis=0)).mean(axis=1)
    cuts = tuple(round(float(moments[place + 1]), 2) for place in np.flatnonzero(_is_cut(jumps)))
    frozen, repeated = _standing(moments, moved)
    every = _beat(repeated)
    return Motion(
        frames=len(times),
        frozen=frozen,
        repeated=() if every else tuple(round(float(moments[place]), 2) for place in repeated),
        every=every,
        looped=_loops(moments, small, jumps),
        cuts=cuts,
        noise_changes=_noise_changes(moments, np.array(noise), cuts),
    )


def noise_of(y: Plane) -> float:
    """Spread of what a Laplacian leaves in the calmest fifth of the picture's cells, in levels."""
    import cv2

    rough = np.abs(cv2.Laplacian(y, cv2.CV_16S)).astype(np.float32)
    rows, columns = rough.shape[0] // 16, rough.shape[1] // 16
    if not rows or not columns:
        return 0.0
    cells = cv2.resize(rough[: rows * 16, : columns * 16], (columns, rows), interpolation=cv2.INTER_AREA)
    return float(np.percentile(cells, 20))


def _small(luma: Plane) -> Plane:
    """Every second or third row and column of a large picture: not averaged, so that its noise stays."""
    step = max(1, -(-luma.shape[1] // _COLUMNS))
    return np.ascontiguousarray(luma[::step, ::step])


def _difference(one: Plane, other: Plane) -> float:
    import cv2

    if one.shape != other.shape:
        return float("inf")
    return float(cv2.absdiff(one, other).mean())


def _thumb(y: Plane) -> NDArray[np.float32]:
    import cv2

    small: NDArray[np.float32] = cv2.resize(y, _THUMB, interpolation=cv2.INTER_AREA).astype(np.float32)
    return small.ravel()


def _is_cut(jumps: NDArray[np.float64]) -> NDArray[np.bool_]:
    near = np.array([np.median(jumps[max(0, place - 6) : place + 7]) for place in range(len(jumps))])
    found: NDArray[np.bool_] = (jumps > CUT) & (jumps > 5 * near + 1)
    return found


def _standing(times: NDArray[np.float64], moved: NDArray[np.float64]) -> tuple[tuple[Span, ...], list[int]]:
    """Stretches that stand still, and single frames that come twice while the film around them moves."""
    still = moved <= STILL
    frozen: list[Span] = []
    single: list[int] = []
    place = 0
    while place < len(still):
        if not still[place]:
            place += 1
            continue
        end = place
        while end + 1 < len(still) and still[end + 1]:
            end += 1
        span = (float(times[place - 1]), float(times[end]))
        if span[1] - span[0] >= FROZEN_SECONDS:
            frozen.append((round(span[0], 2), round(span[1], 2)))
        elif end == place and _moves_around(moved, place):
            single.append(place)
        place = end + 1
    return tuple(frozen), single


def _moves_around(moved: NDArray[np.float64], place: int) -> bool:
    near = np.delete(moved[max(1, place - 3) : place + 4], min(3, place - 1) if place > 0 else 0)
    return len(near) >= 4 and bool((near > 10 * STILL).all())


def _beat(places: list[int]) -> int | None:
    gaps = [after - before for before, after in pairwise(places)]
    if len(gaps) < 4:
        return None
    usual = max(set(gaps), key=gaps.count)
    return usual if gaps.count(usual) >= 0.7 * len(gaps) else None


def _loops(
    times: NDArray[np.float64], small: NDArray[np.float32], jumps: NDArray[np.float64]
) -> tuple[tuple[Span, Span], ...]:
    """Stretches of twelve frames or more that come again, and move while they do."""
    count = len(times)
    if count > _MOST_LOOPED:
        return ()
    found: list[tuple[int, int, int]] = []
    for gap in range(_LEAST_GAP, count - LOOP_FRAMES):
        alike = np.abs(small[gap:] - small[:-gap]).mean(axis=1) < _SAME_THUMB
        if alike.sum() < LOOP_FRAMES:
            continue
        edges = np.flatnonzero(np.diff(np.concatenate([[0], alike.view(np.int8), [0]])))
        for start, end in zip(edges[::2], edges[1::2], strict=True):
            # a film that hardly moves is like itself at any distance: that is no repeat
            if end - start >= LOOP_FRAMES and jumps[start : end - 1].mean() > 3 * _SAME_THUMB:
                found.append((int(end - start), int(start), gap))
    found.sort(reverse=True)
    kept: list[tuple[int, int, int]] = []
    for length, start, gap in found:
        if all(start + gap + length <= s + g or s + g + n <= start + gap for n, s, g in kept):
            kept.append((length, start, gap))
    spans = []
    for length, start, gap in sorted(kept[:8], key=lambda item: item[1]):
        first = (round(float(times[start]), 2), round(float(times[start + length - 1]), 2))
        again = (round(float(times[start + gap]), 2), round(float(times[start + gap + length - 1]), 2))
        spans.append((first, again))
    return tuple(spans)


def _noise_changes(
    times: NDArray[np.float64], noise: NDArray[np.float64], cuts: tuple[float, ...]
) -> tuple[Change, ...]:
    """Moments at which the noise of a second before and a second after are apart, on either side steadily."""
    period = float(np.median(np.diff(times)))
    width = max(6, round(1.0 / max(period, 1e-3)))
    if len(noise) < 2 * width + 1:
        return ()
    logs = np.log(np.maximum(noise, 0.05))
    steps = np.zeros(len(logs))
    for place in range(width, len(logs) - width + 1):
        one, other = logs[place - width : place], logs[place : place + width]
        spread = max(_spread(one), _spread(other), 0.03)
        step = float(np.median(other) - np.median(one))
        steps[place] = step if abs(step) > 3 * spread else 0.0
    found = []
    while abs(steps).max() > np.log(NOISE_STEP):
        place = int(abs(steps).argmax())
        seconds = round(float(times[place]), 2)
        at_cut = any(abs(seconds - cut) <= 3 * period for cut in cuts)
        found.append(Change(seconds=seconds, ratio=round(float(np.exp(steps[place])), 2), at_cut=at_cut))
        steps[max(0, place - width) : place + width] = 0.0
    return tuple(sorted(found, key=lambda item: item.seconds)[:8])


def _spread(values: NDArray[np.float64]) -> float:
    return float(np.median(np.abs(values - np.median(values)))) * 1.4826
