"""What is left of pictures when the pictures are taken out: the evidence a reader sums over frames.

Per frame and plane: subtract the local mean, cut off at three local deviations, divide by the local variance. The mark
is about as strong everywhere and the picture's own detail is its noise, so places count by the inverse of that noise's
power (maximum-ratio combining, Brennan 1959). The mark is static, so sums over frames strengthen it while the pictures'
own detail averages out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from thsafe.media.planes import i420_from_bgr, split_planes
from thsafe.watermark.picture import grid_size

if TYPE_CHECKING:
    from thsafe.media.planes import Plane, Planes

Grid = NDArray[np.float32]

_REACH = 4.0
"""Standard deviation of the local window, in cells."""
_FLOOR = 1.0
"""Code values; below this local deviation a surface is taken as plain."""
_CLIP = 3.0
FINE = 2
"""Luma samples per cell and axis that the geometry search works on."""


def planes_of(frame: Plane | Planes) -> Planes:
    """I420 planes of a BGR frame (height, width, 3) of any size; planes pass through."""
    if isinstance(frame, tuple):
        return frame
    height, width = frame.shape[:2]
    # Odd sides occur in other people's pictures: one row or column less does not move the grid measurably.
    even = frame[: height - height % 2, : width - width % 2]
    return split_planes(i420_from_bgr(np.ascontiguousarray(even)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """Summed evidence of one picture geometry."""

    grid: tuple[int, int]
    """Columns and rows of cells."""
    planes: tuple[Grid, Grid, Grid]
    """Y, U and V; each covers the whole picture, at its own number of samples."""
    frames: int


def _scaled(plane: Plane, size: tuple[int, int]) -> Grid:
    import cv2

    shrinks = plane.shape[1] >= size[0]
    scaled: Grid = cv2.resize(
        plane.astype(np.float32) if not shrinks or plane.shape[1] < 2 * size[0] else plane,
        size,
        interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR,
    ).astype(np.float32)
    return scaled


def flatten(plane: Plane, size: tuple[int, int], reach: float) -> Grid:
    """One plane scaled to ``size`` (columns, rows), without local mean, its busy places turned down; within -3 … 3."""
    import cv2

    picture = _scaled(plane, size)
    width = 2 * round(2 * reach) + 1
    window = (width, width)
    detail = picture - cv2.GaussianBlur(picture, window, reach)
    spread = np.sqrt(cv2.GaussianBlur(detail * detail, window, reach) + _FLOOR**2)
    flat: Grid = np.clip(detail / spread, -_CLIP, _CLIP) / spread
    return flat


def accumulate(frames: Iterable[Planes]) -> Residual | None:
    """Sum all frames on the cell grid; None when there is no frame. Frames have one size."""
    grid: tuple[int, int] | None = None
    sums: list[Grid] = []
    count = 0
    for planes in frames:
        if grid is None:
            grid = grid_size(planes.y.shape[1], planes.y.shape[0])
            sums = [np.zeros((grid[1], grid[0]), dtype=np.float32) for _ in planes]
        for total, plane in zip(sums, planes, strict=True):
            np.add(total, flatten(plane, grid, _REACH), out=total)
        count += 1
    if grid is None:
        return None
    return Residual(grid=grid, planes=(sums[0], sums[1], sums[2]), frames=count)


def gathered(frames: Sequence[Planes], most: int) -> list[Residual]:
    """The evidence of at most ``most`` runs of neighbouring frames, each by itself."""
    size = max(1, -(-len(frames) // most))
    runs = (accumulate(frames[first : first + size]) for first in range(0, len(frames), size))
    return [run for run in runs if run is not None]


def joined(runs: Sequence[Residual]) -> Residual | None:
    """The evidence of several runs together; None when there is none."""
    if not runs:
        return None
    y, u, v = (np.sum(planes, axis=0) for planes in zip(*(run.planes for run in runs), strict=True))
    return Residual(grid=runs[0].grid, planes=(y, u, v), frames=sum(run.frames for run in runs))


def refine(residual: Residual, frames: Iterable[Planes]) -> Residual:
    """The same evidence with luma on a grid twice as fine, where the pictures have that many pixels."""
    columns, rows = residual.grid
    size = (columns * FINE, rows * FINE)
    total: Grid | None = None
    for planes in frames:
        if planes.y.shape[0] < rows * FINE * 0.75:
            return residual
        flat = flatten(planes.y, size, _REACH * FINE)
        total = flat if total is None else total + flat
    if total is None:
        return residual
    return Residual(grid=residual.grid, planes=(total, *residual.planes[1:]), frames=residual.frames)
