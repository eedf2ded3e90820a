"""Which moment of the original each picture of the suspect shows: trimmed, faster, cut, or from elsewhere.

Dynamic programming over the table of distances (Sakoe and Chiba 1978), with steps of none to four pictures, dear jumps,
and a state "nothing of the original". Runs of it are straight lines in time: where each begins and how fast it goes.
Mouths count little, so that new lips do not pull the moments about.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from thsafe.comparison.placing import shown, warp

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.comparison.footage import Footage
    from thsafe.comparison.placing import Placement

    Floats = NDArray[np.float64]

_SIDE = 96
_STEPS = ((0, 1.0), (1, 0.0), (2, 1.0), (3, 1.5), (4, 2.0))
"""Moments of the original that one picture of the suspect moves on by, and what that costs."""
_JUMP = 8.0
_ELSEWHERE = 0.5
"""Distance (2 - 2 x correlation) from which a picture shows nothing of the original: a correlation of 0.75."""
_LEAVE = 4.0
_SCENE = 4.0
"""Weight of what a picture shows beside how it moves."""
_MOST = 1.5
"""Most that motion alone may cost: what appears in a still scene must not take its moments away."""
_LEAST_RUN = 0.2
_SAME_LINE = 0.1
_SEAM = 0.5
_MOUTH_WEIGHT = 0.1
_MOVING = 0.5
"""Seconds to either side whose mean is taken off: a placement or an overlay that is wrong all the time drops out."""
_SPEEDS = (1.0, 0.5, 0.67, 0.75, 0.8, 0.9, 0.96, 1.04, 1.1, 1.25, 1.33, 1.5, 2.0)
_WINDOW = 1.6
"""Seconds that a speed is tried on."""
_BETTER = 0.93
"""Another speed than one must fit so much better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stretch of the suspect that is a stretch of the original; seconds."""

    start: float
    end: float
    original_start: float
    original_end: float

    @property
    def speed(self) -> float:
        """How much faster than the original it plays."""
        length = self.end - self.start
        return (self.original_end - self.original_start) / length if length > 0 else 1.0

    def original_at(self, seconds: float) -> float:
        """The original's moment at a moment of the suspect."""
        return self.original_start + (seconds - self.start) * self.speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How two films lie in time."""

    pairs: tuple[tuple[int, int], ...]
    """(picture of the suspect, picture of the original) of all that belong together."""
    runs: tuple[Run, ...]
    elsewhere: tuple[tuple[float, float], ...]
    """Stretches of the suspect that show nothing of the original, seconds."""
    share: float
    """Of the suspect's pictures that show the original."""
    agreement: float
    """How far what moves, mouths aside, moves alike: 1 for a copy, about 0 for another take and for noise."""
    straight: float
    """Share of pictures that lie on a run's line: all of a copy's; what is searched together from a take wanders."""
    energy: float
    """How much moves in the original at those moments: mean square of the change of unit vectors."""


def align(suspect: Footage, original: Footage, placement: Placement) -> Timing:
    """Lay the suspect along the original."""
    theirs, ours = _looks(suspect, original, placement)
    scene = _squares(theirs, ours)
    moved = _motion(theirs, suspect.rate), _motion(ours, original.rate)
    moving = _squares(*moved)
    contrast = max(float(np.median(np.median(moving, axis=1) - moving.min(axis=1))), 1e-6)
    cost = np.minimum(moving / contrast, _MOST) + _SCENE * scene
    speed = _speed(cost, suspect, original)
    # the original at the suspect's pace: a picture on, a column on
    period = 1 / suspect.rate
    grid = np.arange(original.times[0], original.times[-1] + period * speed / 2, period * speed)
    places = np.abs(original.times[None, :] - grid[:, None]).argmin(axis=1)
    nothing = float(np.median(cost.min(axis=1))) + _SCENE * _ELSEWHERE
    steps = _best_path(cost[:, places], nothing)
    path = np.where(steps < 0, -1, places[steps])
    runs, members = _runs(path, suspect.times, original.times)
    runs, members = _seams(runs, members, (theirs, ours), suspect.times, original.times)
    kept = [place for inside in members for place in inside]
    pairs = []
    for run, inside in zip(runs, members, strict=True):
        for i in inside:
            j = int(np.argmin(np.abs(original.times - run.original_at(suspect.times[i]))))
            pairs.append((i, j))
    wandering = [
        abs(original.times[path[i]] - run.original_at(suspect.times[i])) > _SAME_LINE
        for run, inside in zip(runs, members, strict=True)
        for i in inside
    ]
    agreement, energy = _agreement(pairs, *moved)
    return Timing(
        agreement=agreement,
        straight=1.0 - float(np.mean(wandering)) if wandering else 0.0,
        energy=energy,
        pairs=tuple(pairs),
        runs=tuple(runs),
        elsewhere=_stretches(np.isin(np.arange(len(path)), kept, invert=True), suspect.times),
        share=len(kept) / max(len(path), 1),
    )


def _looks(
    suspect: Footage, original: Footage, placement: Placement
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The pictures of both in the original's frame, mouths fainter, as unit vectors."""
    import cv2

    height, width = original.pictures.shape[1:]
    shrink = min(1.0, _SIDE / max(height, width))
    shape = (max(4, round(height * shrink)), max(4, round(width * shrink)))
    matrix = placement.matrix * shrink
    weight = shown(suspect.pictures.shape[1:], matrix, shape).astype(np.float32)
    for person in original.people:
        for regions in person.regions[:: max(1, len(person.regions) // 8)]:
            x0, y0, x1, y1 = (max(0, round(value * shrink)) for value in regions.mouth)
            weight[y0:y1, x0:x1] = np.minimum(weight[y0:y1, x0:x1], _MOUTH_WEIGHT)
    ours = [cv2.resize(picture, shape[::-1], interpolation=cv2.INTER_AREA) for picture in original.pictures]
    theirs = [warp(picture, matrix, shape) for picture in suspect.pictures]
    return _vectors(theirs, weight), _vectors(ours, weight)


def _agreement(
    pairs: list[tuple[int, int]], theirs: NDArray[np.float32], ours: NDArray[np.float32]
) -> tuple[float, float]:
    if not pairs:
        return 0.0, 0.0
    one, other = theirs[[i for i, _ in pairs]], ours[[j for _, j in pairs]]
    energies = (other**2).sum(axis=1)
    norms = np.sqrt((one**2).sum(axis=1) * energies)
    # the median: next to a cut or to what was put in, motion is of both sides
    return float(np.median((one * other).sum(axis=1) / np.maximum(norms, 1e-12))), float(np.median(energies))


def _squares(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    mean = other.mean(axis=0)
    # about their mean: neighbours of a still scene differ by less than float32 keeps of the whole
    one, other = one - mean, other - mean
    squares: NDArray[np.float32] = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * (one @ other.T)
    return np.maximum(squares, 0)


def _motion(vectors: NDArray[np.float32], rate: float) -> NDArray[np.float32]:
    """What moved: each less the mean of its second."""
    reach = max(1, round(_MOVING * rate))
    sums = np.concatenate([np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)])
    places = np.arange(len(vectors))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(vectors))
    means = (sums[last] - sums[first]) / (last - first)[:, None]
    moved: NDArray[np.float32] = (vectors - means).astype(np.float32)
    return moved


def _speed(cost: NDArray[np.float32], suspect: Footage, original: Footage) -> float:
    """The speed at which stretches of the suspect fit the original best."""
    if len(cost) < 2 or len(original.times) < 2:
        return 1.0
    length = min(round(_WINDOW * suspect.rate), len(cost))
    starts = np.unique(np.linspace(0, len(cost) - length, 8).astype(int))
    best, chosen = float("inf"), 1.0
    for speed in _SPEEDS:
        steps = np.round(np.arange(length) * speed * original.rate / suspect.rate).astype(int)
        reach = cost.shape[1] - int(steps[-1])
        if reach < 1:
            continue
        fits = []
        for start in starts:
            table = cost[start : start + length]
            lines = np.zeros(reach)
            for row, step in enumerate(steps):
                lines += table[row, step : step + reach]
            fits.append(float(lines.min()) / length)
        fit = float(np.median(fits))
        if fit < best * (_BETTER if chosen == 1.0 else 1.0):
            best, chosen = fit, speed
    return chosen


def _vectors(pictures: list[NDArray[Any]], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    values = np.stack(pictures).astype(np.float32).reshape(len(pictures), -1)
    weights = weight.ravel() / max(float(weight.sum()), 1e-6)
    values = values - (values @ weights)[:, None]
    values *= np.sqrt(weights)
    norms = np.sqrt((values**2).sum(axis=1, keepdims=True))
    scaled: NDArray[np.float32] = values / np.maximum(norms, 1e-3)
    return scaled


def _best_path(cost: NDArray[np.float32], nothing: float) -> NDArray[np.int64]:
    """For every picture of the suspect the original's, or -1 for none."""
    count, states = cost.shape
    total = np.append(cost[0], nothing + _LEAVE).astype(np.float64)
    back = np.zeros((count, states + 1), np.int32)
    for i in range(1, count):
        best_place = int(np.argmin(total[:-1]))
        arrive = np.full(states, total[best_place] + _JUMP)
        origin = np.full(states, best_place, np.int32)
        if total[-1] + _LEAVE < total[best_place] + _JUMP:
            arrive[:], origin[:] = total[-1] + _LEAVE, states
        for step, price in _STEPS:
            if step >= states:
                continue
            moved = total[: states - step] + price
            better = moved < arrive[step:]
            arrive[step:][better] = moved[better]
            origin[step:][better] = np.flatnonzero(better)
        stay, leave = total[-1], total[best_place] + _LEAVE
        back[i, :-1], back[i, -1] = origin, states if stay <= leave else best_place
        total = np.append(arrive + cost[i], min(stay, leave) + nothing)
    path = np.zeros(count, np.int64)
    path[-1] = int(np.argmin(total))
    for i in range(count - 1, 0, -1):
        path[i - 1] = back[i, path[i]]
    path[path == states] = -1
    return path


def _runs(path: NDArray[np.int64], times: Floats, originals: Floats) -> tuple[list[Run], list[list[int]]]:
    """Straight stretches of the path, and which of the suspect's pictures each holds."""
    groups: list[list[int]] = []
    for i, j in enumerate(path):
        if j < 0:
            continue
        if groups and groups[-1][-1] == i - 1 and 0 <= j - path[i - 1] <= _STEPS[-1][0]:
            groups[-1].append(i)
        else:
            groups.append([i])
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    long = [group for group in groups if len(group) * period >= _LEAST_RUN or len(times) == 1]
    joined: list[list[int]] = []
    for group in long:
        if joined and _continues(joined[-1], group, path, times, originals):
            joined[-1] = joined[-1] + group
        else:
            joined.append(group)
    return [_line(group, path, times, originals, period) for group in joined], joined


def _continues(before: list[int], after: list[int], path: NDArray[np.int64], times: Floats, originals: Floats) -> bool:
    gap = times[after[0]] - times[before[-1]]
    moved = originals[path[after[0]]] - originals[path[before[-1]]]
    return bool(abs(moved - gap) <= _SAME_LINE and gap <= 1.0)


def _line(group: list[int], path: NDArray[np.int64], times: Floats, originals: Floats, period: float) -> Run:
    mine, theirs = times[group], originals[path[group]]
    slope, start = 1.0, float(np.median(theirs - mine))
    if mine[-1] - mine[0] >= 1.0:
        # Theil-Sen over distant pairs: single pictures of a still moment lie beside the line
        half = len(mine) // 2
        slope = float(
            np.median((theirs[half:] - theirs[: len(theirs) - half]) / (mine[half:] - mine[: len(mine) - half]))
        )
        slope = 1.0 if abs(slope - 1) * (mine[-1] - mine[0]) < 0.12 else slope
        start = float(np.median(theirs - slope * mine))
    end = float(mine[-1]) + period
    return Run(
        start=float(mine[0]),
        end=end,
        original_start=start + slope * float(mine[0]),
        original_end=start + slope * end,
    )


def _seams(
    runs: list[Run],
    members: list[list[int]],
    looks: tuple[NDArray[np.float32], NDArray[np.float32]],
    times: Floats,
    originals: Floats,
) -> tuple[list[Run], list[list[int]]]:
    """Put every seam where the pictures change from one line to the next: motion near a cut is of both sides."""
    theirs, ours = looks
    runs, members = list(runs), [list(inside) for inside in members]
    for place in range(len(runs) - 1):
        before, after = runs[place], runs[place + 1]
        if after.start - before.end > _LEAST_RUN:
            continue
        both = members[place] + members[place + 1]
        lines = [
            [int(np.argmin(np.abs(originals - run.original_at(times[i])))) for i in both] for run in (before, after)
        ]
        held = len(members[place])
        # what differs all the time, such as an overlay, favours neither line
        constant = (theirs[both] - ours[lines[0][:held] + lines[1][held:]]).mean(axis=0)
        costs = [((theirs[both] - constant - ours[line]) ** 2).sum(axis=1) for line in lines]
        # the first so many on the line before, the others on the line after
        totals = np.concatenate([[0.0], np.cumsum(costs[0])]) + np.concatenate([np.cumsum(costs[1][::-1])[::-1], [0.0]])
        near = np.flatnonzero(np.abs(np.append(times[both], times[both[-1]]) - after.start) <= _SEAM)
        near = near[(near >= 1) & (near < len(both))]
        cut = int(near[np.argmin(totals[near])]) if len(near) else held
        members[place], members[place + 1] = both[:cut], both[cut:]
        seam = float(times[both[cut]])
        runs[place] = replace(before, end=seam, original_end=before.original_at(seam))
        runs[place + 1] = replace(after, start=seam, original_start=after.original_at(seam))
    return runs, members


def _stretches(outside: NDArray[np.bool_], times: Floats) -> tuple[tuple[float, float], ...]:
    """Runs of True as seconds; what is shorter than the least run is a flicker."""
    found: list[tuple[float, float]] = []
    period = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    edges = np.flatnonzero(np.diff(np.concatenate([[False], outside, [False]]).astype(np.int8)))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        if (last - first) * period >= _LEAST_RUN:
            found.append((float(times[first]), float(times[last - 1]) + period))
    return tuple(found)
