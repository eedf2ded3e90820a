"""Where the mark lies when a picture was scaled, stretched, cropped, framed, mirrored or turned.

Every hypothesis reads the synchronisation carriers off the picture's spectrum where it supposes them and correlates
them at all shifts at once, which takes crops and borders out of the search; a mild shear or squeeze leaves enough of
the tile in place to be read as it is. A coarse pass finds candidates; the best are refined and handed to the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from thsafe.watermark.carriers import SIDE
from thsafe.watermark.planespectra import WHOLE, PlaneSpectra, Window
from thsafe.watermark.pose import Pose
from thsafe.watermark.residual import Residual

_COARSE = SIDE // 2
_SMALLEST, _SMALL, _LARGEST, _STEP = 0.32, 0.55, 2.35, 0.009
_MOST_CANDIDATES = 5
_LARGEST_INSET = 0.75
_BOTH = [(0, False), (0, True)]
_TURNED = [(turns, flip) for turns in (1, 2, 3) for flip in (False, True)]
_WINDOWS: tuple[Window, ...] = tuple(
    (x, y, x + 0.6, y + 0.6) for x, y in ((0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.4, 0.4), (0.2, 0.2))
)
"""Where a picture in a picture is looked for by itself."""
_THREADS, _BATCH = 2, 32
_COARSE_NOISE_Z = 5.6
"""About the highest coarse peak that noise gives: below it only the best two are worth refining."""
NOISE_Z, SURE_Z = 5.0, 6.5
"""A refined peak below the first is not decoded, one below the second only as it stands: decodings are rationed."""
TESTS = 2e8
"""Correlations that a full search looks at, rounded up: the factor of its false alarms."""


class Views:
    """The spectra of a picture of evidence and of windows of it, made when first asked for, whatever the key.

    Args:
        residual: Evidence on the cell grid.
    """

    def __init__(self, residual: Residual) -> None:
        self._residual = residual
        self._made: dict[Window, PlaneSpectra] = {}

    def __getitem__(self, window: Window) -> PlaneSpectra:
        if window not in self._made:
            self._made[window] = PlaneSpectra.of(self._residual, window)
        return self._made[window]


def _coarse(
    spectra: PlaneSpectra, key: bytes, poses: Iterable[Pose], orientations: Sequence[tuple[int, bool]]
) -> list[Pose]:
    """Every pose in every orientation, with its z; poses are given on the axes of the picture at hand."""
    hypotheses = [
        replace(
            pose,
            scale_x=pose.scale_y if turns % 2 else pose.scale_x,
            scale_y=pose.scale_x if turns % 2 else pose.scale_y,
            # Undoing a mirror turns the sense of a tilt around.
            tilt=-pose.tilt if flip else pose.tilt,
            turns=turns,
            flip=flip,
        )
        for pose in poses
        for turns, flip in orientations
    ]
    batches = [hypotheses[first : first + _BATCH] for first in range(0, len(hypotheses), _BATCH)]
    with ThreadPoolExecutor(_THREADS) as pool:
        rated = pool.map(lambda batch: [spectra.rated(pose, key, _COARSE) for pose in batch], batches)
        return [pose for batch in rated for pose in batch]


def _refined(spectra: PlaneSpectra, key: bytes, pose: Pose) -> Pose:
    """Scale, stretch and tilt by shrinking steps, shift by correlation."""

    def better(best: Pose, **change: float) -> Pose:
        other = spectra.rated(replace(best, **change), key)  # type: ignore[arg-type]
        return other if other.z > best.z else best

    best = spectra.rated(pose, key)
    step, turn = 0.004, 0.25
    while step > 0.0006:
        before = best
        for factor in (1 + step, 1 - step):
            best = better(best, scale_x=best.scale_x * factor, scale_y=best.scale_y * factor)
        for factor in (1 + step, 1 - step):
            best = better(best, scale_x=best.scale_x * factor)
        if pose.tilt:
            for change in (turn, -turn):
                best = better(best, tilt=best.tilt + change)
        if best is before:
            step, turn = step / 2, turn / 2
    return best


def _scales(smallest: float, largest: float, step: float = _STEP) -> list[float]:
    count = math.ceil(math.log(largest / smallest) / step)
    return [float(scale) for scale in np.geomspace(smallest, largest, count + 1)]


def stages(views: Views, key: bytes) -> Iterator[list[Pose]]:
    """Refined candidates, likeliest first, stage by stage from common changes to rare ones."""
    yield from common_stages(views, key)
    stretched = [
        pose
        for scale in _scales(0.5, 2.0)
        for pose in (Pose(scale_x=scale, scale_y=1.0), Pose(scale_x=1.0, scale_y=scale))
    ]
    tilted = [
        Pose(scale_x=scale, scale_y=scale, tilt=tilt)
        for tilt in np.arange(-5.6, 5.61, 0.7).tolist()
        if abs(tilt) > 0.1
        for scale in _scales(0.88, 1.16, 0.011)
    ]
    small = _sized(_scales(_SMALLEST, _LARGEST_INSET, 1.7 * _STEP))
    for poses, orientations, windows in (
        (stretched, _BOTH, (WHOLE,)),
        (tilted, [(0, False)], (WHOLE,)),
        (small, _BOTH, _WINDOWS),
        (_sized(_scales(_SMALL, _LARGEST, 1.3 * _STEP)), _TURNED, (WHOLE,)),
    ):
        yield _stage(views, key, poses, orientations, windows)


def common_stages(views: Views, key: bytes) -> Iterator[list[Pose]]:
    """The first of them: mirrored, turned by quarters, cropped, framed, shown smaller or larger."""
    # Whatever is shown that small fills a part of the picture, where a scale need not be met so exactly.
    scales = [*_scales(_SMALLEST, _SMALL, 1.3 * _STEP), *_scales(_SMALL, _LARGEST)]
    yield _stage(views, key, [Pose()], [(0, False), (0, True), *_TURNED])
    yield _stage(views, key, _sized(scales), _BOTH)


def _sized(scales: Iterable[float]) -> list[Pose]:
    return [Pose(scale_x=scale, scale_y=scale) for scale in scales]


def _stage(
    views: Views,
    key: bytes,
    poses: Sequence[Pose],
    orientations: Sequence[tuple[int, bool]],
    windows: Sequence[Window] = (WHOLE,),
) -> list[Pose]:
    found = [
        (pose, window) for window in windows for pose in _distinct(_coarse(views[window], key, poses, orientations))
    ]
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(lambda one: _refined(views[one[1]], key, one[0]), _promising(found)))


def _promising(found: Sequence[tuple[Pose, Window]]) -> list[tuple[Pose, Window]]:
    """The few that are worth the work of refining."""
    kept = sorted(found, key=lambda one: -one[0].z)[:_MOST_CANDIDATES]
    return [one for rank, one in enumerate(kept) if rank < 2 or one[0].z >= _COARSE_NOISE_Z]


def _distinct(found: Sequence[Pose]) -> list[Pose]:
    """The best, without those that lie beside a better one."""
    kept: list[Pose] = []
    for pose in sorted(found, key=lambda one: -one.z)[:40]:
        near = any(
            (one.turns, one.flip) == (pose.turns, pose.flip)
            and abs(math.log(one.scale_x / pose.scale_x)) < 2.1 * _STEP
            and abs(math.log(one.scale_y / pose.scale_y)) < 2.1 * _STEP
            and abs(one.tilt - pose.tilt) < 1.5
            for one in kept
        )
        if not near:
            kept.append(pose)
    return kept


def nudged(pose: Pose) -> Iterator[Pose]:
    """The pose as found, then moved by a part of a cell, since a peak is not exact; none for what noise gives."""
    if pose.z < NOISE_Z:
        return
    yield pose
    if pose.z < SURE_Z:
        return
    for dx, dy in ((0.5, 0.0), (-0.5, 0.0), (0.0, 0.5), (0.0, -0.5)):
        yield replace(pose, dx=pose.dx + dx, dy=pose.dy + dy)
