"""A hypothesis on how a picture was changed since marking, and the evidence with that change undone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from thsafe.watermark.carriers import PLANES, SIDE, Spectrum, carriers
from thsafe.watermark.residual import Residual
from thsafe.watermark.spectrum import SYNC_SLOPE, fold, move, sync_z, whiten

Grid = NDArray[np.float32]

_BLOCK = 32
"""Cells: how finely the edges of a picture in a picture are told."""
_NEARLY_ALL = 0.75
_SLACK = 0.1
"""Samples over a whole picture that are not worth another resampling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """One hypothesis, and how well it fits."""

    scale_x: float = 1.0
    """Width of a marked cell in cells of the picture at hand, after undoing turns and mirroring."""
    scale_y: float = 1.0
    turns: int = 0
    """Quarter turns counter-clockwise since marking."""
    flip: bool = False
    """Mirrored left to right before the turn."""
    tilt: float = 0.0
    """Degrees counter-clockwise beyond the quarter turns."""
    dx: float = 0.0
    """Cell at which the tile begins, 0 … 256."""
    dy: float = 0.0
    z: float = 0.0


def upright(residual: Residual, pose: Pose) -> Residual:
    """The evidence with quarter turns and mirroring undone."""
    planes = []
    for plane in residual.planes:
        turned = np.rot90(plane, -pose.turns)
        planes.append(np.ascontiguousarray(turned[:, ::-1] if pose.flip else turned))
    columns, rows = residual.grid
    grid = (rows, columns) if pose.turns % 2 else (columns, rows)
    return Residual(grid=grid, planes=(planes[0], planes[1], planes[2]), frames=residual.frames)


def resample(plane: Grid, grid: tuple[int, int], pose: Pose) -> Grid:
    """One upright plane on the grid that a pose supposes."""
    import cv2

    columns, rows = grid
    size = (
        max(8, math.ceil(columns / pose.scale_x - 1e-6)),
        max(8, math.ceil(rows / pose.scale_y - 1e-6)),
    )
    # Shrink with an area filter first, so that the exact mapping below neither skips nor aliases samples.
    width = min(plane.shape[1], max(8, round(columns / pose.scale_x)))
    height = min(plane.shape[0], max(8, round(rows / pose.scale_y)))
    if (width, height) != (plane.shape[1], plane.shape[0]):
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    across, down = pose.scale_x * width / columns, pose.scale_y * height / rows
    if pose.tilt == 0 and abs(across - 1) * width < _SLACK and abs(down - 1) * height < _SLACK:
        return plane
    # Rotation about the picture's centre in square cells, then to the samples of this plane.
    angle = math.radians(pose.tilt)
    cosine, sine = math.cos(angle), math.sin(angle)
    square_x, square_y = width / columns, height / rows
    to_x, to_y = pose.scale_x, pose.scale_y
    matrix = np.array(
        [
            [square_x * cosine * to_x, square_x * sine * to_y, 0.0],
            [-square_y * sine * to_x, square_y * cosine * to_y, 0.0],
        ]
    )
    # Centres: output (i + 0.5) samples from its corner; the picture's own centre stays where it is.
    centre_out = np.array([columns / (2 * to_x) - 0.5, rows / (2 * to_y) - 0.5])
    centre_in = np.array([width / 2 - 0.5, height / 2 - 0.5])
    matrix[:, 2] = centre_in - matrix[:, :2] @ centre_out
    resampled: Grid = cv2.warpAffine(plane, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return resampled


def spectra(residual: Residual, pose: Pose) -> tuple[Spectrum, ...]:
    """Whitened spectra of Y, U and V with the pose undone, its shift included."""
    straight = upright(residual, pose)
    return tuple(
        move(whiten(fold(resample(plane, straight.grid, pose))), pose.dx, pose.dy) for plane in straight.planes
    )


def weighed(runs: Sequence[Residual], pose: Pose, key: bytes) -> tuple[Spectrum, ...]:
    """As :func:`spectra`, but runs of frames count by how well each carries the synchronisation.

    Where the picture moves, prediction from frame to frame drags the mark along: it is clear after each key frame and
    smeared later on.
    """
    sums = [np.zeros((SIDE, SIDE), dtype=np.float32) for _ in PLANES]
    for run in runs:
        straight = upright(run, pose)
        folded = [fold(resample(plane, straight.grid, pose)) for plane in straight.planes]
        aligned = [move(whiten(plane), pose.dx, pose.dy) for plane in folded]
        weight = max(sync_z(aligned, key), 0.0) ** 2
        for total, plane in zip(sums, folded, strict=True):
            np.add(total, weight * plane, out=total)
    return tuple(move(whiten(total), pose.dx, pose.dy) for total in sums)


def framed(fine: Residual, pose: Pose, key: bytes) -> tuple[Spectrum, ...] | None:
    """As :func:`spectra`, from the rectangle alone in which the mark is heard; None where that is nearly all.

    A picture in a picture stands among others that only add noise. The rectangle is the one whose synchronisation sums
    to the most, in deviations.
    """
    straight = upright(fine, pose)
    planes = [resample(plane, straight.grid, pose) for plane in straight.planes]
    rows, columns = (min(plane.shape[axis] for plane in planes) // _BLOCK for axis in (0, 1))
    blocks = np.zeros((rows, columns))
    for plane, name in zip(planes, PLANES, strict=True):
        agreed = _agreement(plane[: rows * _BLOCK, : columns * _BLOCK], _expected(key, name), pose)
        blocks += agreed.reshape(rows, _BLOCK, columns, _BLOCK).sum(axis=(1, 3))
    total = np.zeros((rows + 1, columns + 1))
    total[1:, 1:] = blocks.cumsum(axis=0).cumsum(axis=1)
    tops, bottoms = np.triu_indices(rows + 1, 1)
    lefts, rights = np.triu_indices(columns + 1, 1)
    bands = total[bottoms] - total[tops]
    scores = (bands[:, rights] - bands[:, lefts]) / np.sqrt(np.outer(bottoms - tops, rights - lefts))
    high, wide = np.unravel_index(int(np.argmax(scores)), scores.shape)
    top, bottom, left, right = (int(edge) * _BLOCK for edge in (tops[high], bottoms[high], lefts[wide], rights[wide]))
    if (bottom - top) * (right - left) > _NEARLY_ALL * blocks.size * _BLOCK**2:
        return None
    for plane in planes:
        plane[:top], plane[bottom:], plane[:, :left], plane[:, right:] = 0, 0, 0, 0
    return tuple(move(whiten(fold(plane)), pose.dx, pose.dy) for plane in planes)


def _agreement(plane: Grid, expected: Grid, pose: Pose) -> Grid:
    """Plane times pattern, cell by cell."""
    rows, columns = plane.shape
    shifted = np.roll(expected, (round(pose.dy), round(pose.dx)), axis=(0, 1))
    agreed: Grid = plane * np.tile(shifted, (-(-rows // SIDE), -(-columns // SIDE)))[:rows, :columns]
    return agreed


@lru_cache(maxsize=12)
def _expected(key: bytes, plane: str) -> Grid:
    """What the synchronisation carriers of one plane add up to on the tile, low ones louder, rms 1."""
    part = carriers(key, plane)
    known = part.sync
    spectrum = np.zeros((SIDE, SIDE // 2 + 1), dtype=np.complex128)
    spectrum[part.row[known], part.column[known]] = part.phase[known] * part.radius[known] ** SYNC_SLOPE
    first = known & (part.column == 0)
    spectrum[-part.row[first], 0] = np.conj(spectrum[part.row[first], 0])
    pattern = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    scaled: Grid = (pattern / pattern.std()).astype(np.float32)
    return scaled
