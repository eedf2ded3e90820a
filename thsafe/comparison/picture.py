"""What of the picture differs, where and when.

A pixel differs by as much as it lies outside of what the original shows within a pixel and a picture of it, after the
tone curve between the two. Codecs, scaling and a placement that is off by half a pixel stay inside; another mouth does
not. The mouth and the upper face of everybody in the original are judged by themselves, the rest in cells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from thsafe.comparison.placing import shown, warp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.comparison.footage import Footage, Regions
    from thsafe.comparison.placing import Placement
    from thsafe.comparison.timing import Timing

    Floats = NDArray[np.float32]

CELL = 16
"""Side of a cell in working pixels."""
_MARGIN = 4.0
"""Levels of luma that codecs may add outside the range."""
_BINS = 16
_EDGE = 4
_TONE = 35.0
# Levels by which a tone curve may leave the straight line: a gamma of 0.7 leaves it by 20.


@dataclass(frozen=True, slots=True, kw_only=True)
class Differences:
    """How far the suspect lies from the original, in levels of luma beyond what copying explains."""

    times: NDArray[np.float64]
    """Seconds of the suspect, (n,)."""
    mouths: Floats
    """(n, people); NaN where a face is not seen."""
    uppers: Floats
    """(n, people)."""
    around: Floats
    """(n,): what three quarters of the cells stay below; an overlay or a face does not raise it."""
    cells: Floats
    """(n, rows, columns): mean of each cell, faces left out; NaN where the suspect shows nothing."""
    edges: Floats
    """(2, rows, columns): mean detail of suspect and original in each cell."""
    heat: Floats
    """(height, width): mean over time, faces included."""


def measure(suspect: Footage, original: Footage, placement: Placement, timing: Timing) -> Differences:
    """Hold every picture of the suspect against its own of the original."""
    import cv2

    shape = original.pictures.shape[1:]
    valid = shown(suspect.pictures.shape[1:], placement.matrix, shape)
    # bars and frames that a copy was put between bleed into the edge
    valid[:_EDGE], valid[-_EDGE:], valid[:, :_EDGE], valid[:, -_EDGE:] = False, False, False, False
    curve = _curve(suspect, original, placement, timing, valid)
    rows, columns = -(-shape[0] // CELL), -(-shape[1] // CELL)
    count, people = len(timing.pairs), original.people
    mouths = np.full((count, len(people)), np.nan, np.float32)
    uppers = mouths.copy()
    around = np.zeros(count, np.float32)
    cells = np.full((count, rows, columns), np.nan, np.float32)
    heat = np.zeros(shape, np.float64)
    edges = np.zeros((2, rows, columns), np.float64)
    for place, (i, j) in enumerate(timing.pairs):
        seen = cv2.GaussianBlur(warp(suspect.pictures[i], placement.matrix, shape).astype(np.float32), (0, 0), 1.0)
        low, high = _range(original, j, curve)
        outside = _outside(seen, low, high, valid)
        heat += outside
        free = valid.copy()
        for number, person in enumerate(people):
            regions = person.at(float(original.times[j]))
            if regions is None:
                continue
            mouths[place, number] = _mean(outside, valid, regions.mouth)
            uppers[place, number] = _mean(outside, valid, regions.upper)
            _blank(free, regions)
        cells[place] = _by_cell(outside, free, rows, columns)
        known = cells[place][~np.isnan(cells[place])]
        around[place] = float(np.percentile(known, 75)) if len(known) else 0.0
        if place % 5 == 0:
            both = (seen, (low + high) / 2)
            edges += np.stack([_by_cell(_detail(item), valid, rows, columns, missing=0.0) for item in both])
    return Differences(
        times=suspect.times[[i for i, _ in timing.pairs]],
        mouths=mouths,
        uppers=uppers,
        around=around,
        cells=cells,
        edges=(edges / max(1, -(-count // 5))).astype(np.float32),
        heat=(heat / max(count, 1)).astype(np.float32),
    )


def _range(original: Footage, j: int, curve: Floats) -> tuple[Floats, Floats]:
    """The least and the greatest that the original shows within a pixel and a picture."""
    import cv2

    low: Any = None
    high: Any = None
    kernel = np.ones((3, 3), np.uint8)
    for near in range(max(0, j - 1), min(len(original.pictures), j + 2)):
        picture = cv2.GaussianBlur(curve[original.pictures[near]], (0, 0), 1.0)
        least, most = cv2.erode(picture, kernel), cv2.dilate(picture, kernel)
        low = least if low is None else np.minimum(low, least)
        high = most if high is None else np.maximum(high, most)
    return low, high


def _outside(seen: Floats, low: Floats, high: Floats, valid: NDArray[np.bool_]) -> Floats:
    """Levels outside the range, after the shift of the whole picture that flicker makes."""
    middle = (low + high) / 2
    shift = float(np.median((seen - middle)[valid])) if valid.any() else 0.0
    shift = float(np.clip(shift, -12, 12))
    beyond = np.maximum(np.maximum(low - (seen - shift), (seen - shift) - high) - _MARGIN, 0)
    beyond[~valid] = 0
    found: Floats = beyond.astype(np.float32)
    return found


def _curve(
    suspect: Footage, original: Footage, placement: Placement, timing: Timing, valid: NDArray[np.bool_]
) -> Floats:
    """The tone curve from original to suspect, (256,): medians by level, so that what was painted over has no say."""
    shape = original.pictures.shape[1:]
    ours, theirs = [], []
    for place in np.unique(np.linspace(0, len(timing.pairs) - 1, min(16, len(timing.pairs))).astype(int)):
        i, j = timing.pairs[place]
        ours.append(original.pictures[j][valid][::7])
        theirs.append(warp(suspect.pictures[i], placement.matrix, shape)[valid][::7])
    levels = np.arange(256, dtype=np.float32)
    if not ours:
        return levels
    known, seen = np.concatenate(ours).astype(np.float32), np.concatenate(theirs).astype(np.float32)
    xs, ys = [], []
    for part in np.array_split(np.argsort(known, kind="stable"), _BINS):
        if len(part) >= 20:
            xs.append(float(np.median(known[part])))
            ys.append(float(np.median(seen[part])))
    if len(xs) < 2:
        return levels
    kept = _near_a_line(np.asarray(xs), np.asarray(ys))
    places, first = np.unique(np.asarray(xs)[kept], return_index=True)
    values = np.maximum.accumulate(np.asarray(ys)[kept][first])
    curve = np.interp(levels, places, values)
    curve[levels < places[0]] = values[0] + (levels[levels < places[0]] - places[0])
    curve[levels > places[-1]] = values[-1] + (levels[levels > places[-1]] - places[-1])
    return np.clip(curve, 0, 255).astype(np.float32)


def _near_a_line(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which levels lie near the line through most (Theil-Sen): the rest was covered by something, not toned."""
    one, other = np.triu_indices(len(xs), 1)
    apart = xs[other] - xs[one]
    slope = float(np.median((ys[other] - ys[one])[apart > 0] / apart[apart > 0])) if (apart > 0).any() else 1.0
    rest = np.abs(ys - slope * xs - np.median(ys - slope * xs))
    near: NDArray[np.bool_] = rest <= min(_TONE, max(14.0, 4 * float(np.median(rest))))
    return near


def _mean(values: Floats, valid: NDArray[np.bool_], box: tuple[float, float, float, float]) -> float:
    """Mean in a box; NaN where less than half of it can be seen."""
    x0, y0, x1, y1 = (max(0, round(value)) for value in box)
    inside, seen = values[y0:y1, x0:x1], valid[y0:y1, x0:x1]
    if not seen.size or seen.mean() < 0.5:
        return float("nan")
    return float(inside[seen].mean())


def _blank(free: NDArray[np.bool_], regions: Regions) -> None:
    x0, y0, x1, y1 = (max(0, round(value)) for value in regions.face)
    free[y0:y1, x0:x1] = False


def _by_cell(
    values: Floats, valid: NDArray[np.bool_], rows: int, columns: int, *, missing: float = float("nan")
) -> Floats:
    height, width = values.shape
    padded = np.zeros((rows * CELL, columns * CELL), np.float32)
    counted = padded.copy()
    padded[:height, :width] = np.where(valid, values, 0)
    counted[:height, :width] = valid
    sums = padded.reshape(rows, CELL, columns, CELL).sum(axis=(1, 3))
    counts = counted.reshape(rows, CELL, columns, CELL).sum(axis=(1, 3))
    cells: Floats = np.where(counts >= CELL * CELL / 4, sums / np.maximum(counts, 1), missing).astype(np.float32)
    return cells


def _detail(picture: Floats) -> Floats:
    import cv2

    across, down = cv2.Sobel(picture, cv2.CV_32F, 1, 0), cv2.Sobel(picture, cv2.CV_32F, 0, 1)
    size: Floats = np.hypot(across, down).astype(np.float32)
    return size


def smooth(values: Floats, times: NDArray[np.float64], seconds: float = 0.6) -> Floats:
    """Mean over a moving window, along the first axis; NaN counts as nothing seen."""
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    width = max(1, round(seconds / period)) | 1
    known = ~np.isnan(values)
    kernel = np.ones(width)
    flat = np.where(known, values, 0).reshape(len(values), -1)
    sums = np.apply_along_axis(np.convolve, 0, flat, kernel, "same") if len(values) > width else flat.sum(0) + 0 * flat
    counts = known.reshape(len(values), -1).astype(np.float64)
    if len(values) > width:
        counts = np.apply_along_axis(np.convolve, 0, counts, kernel, "same")
    else:
        counts = counts.sum(0) + 0 * counts
    with np.errstate(invalid="ignore"):
        means = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    found: Floats = means.reshape(values.shape).astype(np.float32)
    return found
