"""Where the mark lies when a picture was scaled, stretched, cropped, framed, mirrored or turned.

Every hypothesis resamples the evidence to the grid it supposes, folds it to one tile and correlates it with the
synchronisation carriers at all shifts at once, which takes crops and borders out of the search; a mild shear or squeeze
leaves enough of the tile in place to be read as it is. A coarse pass at half
the resolution finds candidates; the best are refined and handed to the decoder. Hypotheses are independent of each
other, so two are tried at a time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from thsafe.watermark.carriers import PLANES, SIDE, Spectrum, carriers
from thsafe.watermark.residual import Residual
from thsafe.watermark.spectrum import fold, move, sync_z, whiten

Grid = NDArray[np.float32]
Window = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of width and height."""

_COARSE = SIDE // 2
_SMALLEST, _SMALL, _LARGEST, _STEP = 0.32, 0.55, 2.35, 0.0075
_MOST_CANDIDATES = 5
_LARGEST_INSET = 0.75
_WHOLE: tuple[Window, ...] = ((0.0, 0.0, 1.0, 1.0),)
_WINDOWS: tuple[Window, ...] = tuple(
    (x, y, x + 0.6, y + 0.6) for x, y in ((0.0, 0.0), (0.4, 0.0), (0.0, 0.4), (0.4, 0.4), (0.2, 0.2))
)
"""Where a picture in a picture is looked for by itself."""
_THREADS = 2
_BLOCK = 32
"""Cells: how finely the edges of a picture in a picture are told."""
_NEARLY_ALL = 0.75
_COARSE_NOISE_Z = 5.6
"""About the highest coarse peak that noise gives: below it only the best two are worth refining."""
NOISE_Z, SURE_Z = 5.0, 6.5
"""A refined peak below the first is not decoded, one below the second only as it stands: decodings are rationed."""
TESTS = 2e8
"""Correlations that a full search looks at, rounded up: the factor of its false alarms."""


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


def resample(plane: Grid, grid: tuple[int, int], pose: Pose, pitch: float = 1.0) -> Grid:
    """One upright plane on the grid that a pose supposes, ``pitch`` supposed cells per sample."""
    import cv2

    columns, rows = grid
    size = (
        max(8, math.ceil(columns / (pose.scale_x * pitch) - 1e-6)),
        max(8, math.ceil(rows / (pose.scale_y * pitch) - 1e-6)),
    )
    # Shrink with an area filter first, so that the exact mapping below neither skips nor aliases samples.
    width = min(plane.shape[1], max(8, round(columns / (pose.scale_x * pitch))))
    height = min(plane.shape[0], max(8, round(rows / (pose.scale_y * pitch))))
    if (width, height) != (plane.shape[1], plane.shape[0]):
        plane = cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
    across, down = pose.scale_x * pitch * width / columns, pose.scale_y * pitch * height / rows
    # The coarse pass lets half a sample go, the fine pass does not.
    slack = 0.55 if pitch > 1 else 0.1
    if pose.tilt == 0 and abs(across - 1) * width < slack and abs(down - 1) * height < slack:
        return plane
    # Rotation about the picture's centre in square cells, then to the samples of this plane.
    angle = math.radians(pose.tilt)
    cosine, sine = math.cos(angle), math.sin(angle)
    square_x, square_y = width / columns, height / rows
    to_x, to_y = pose.scale_x * pitch, pose.scale_y * pitch
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
    pattern = np.fft.irfft2(np.conj(_filter(key, plane, SIDE, 0, False)), s=(SIDE, SIDE))
    scaled: Grid = (pattern / pattern.std()).astype(np.float32)
    return scaled


@lru_cache(maxsize=96)
def _filter(key: bytes, plane: str, side: int, turns: int, flip: bool) -> Spectrum:
    """The matched filter for the synchronisation carriers of one plane in one orientation: (side, side / 2 + 1)."""
    part = carriers(key, plane)
    known = part.sync
    full = np.zeros((SIDE, SIDE // 2 + 1), dtype=np.complex128)
    # Codecs keep low frequencies best, so they speak louder; the exact law matters little.
    full[part.row[known], part.column[known]] = part.phase[known] * part.radius[known] ** -1.2
    first = known & (part.column == 0)
    full[-part.row[first], 0] = np.conj(full[part.row[first], 0])
    pattern = np.fft.irfft2(full, s=(SIDE, SIDE))
    seen = np.rot90(pattern[:, ::-1] if flip else pattern, turns)
    spectrum = np.fft.rfft2(seen)
    if side < SIDE:
        half = side // 2
        spectrum = np.concatenate([spectrum[:half], spectrum[-half:]])[:, : half + 1].copy()
        spectrum[half] = 0
        spectrum[:, half] = 0
    matched: Spectrum = np.conj(spectrum).astype(np.complex64)
    matched /= np.sqrt(np.mean(np.abs(matched) ** 2))
    return matched


def _peak(folded: Sequence[Spectrum], filters: Sequence[Spectrum]) -> tuple[float, float, float]:
    """Best shift (dx, dy) in samples and its z."""
    import scipy.fft

    product = np.zeros_like(folded[0])
    for spectrum, matched in zip(folded, filters, strict=True):
        product += spectrum * matched
    side = product.shape[0]
    scores = scipy.fft.irfft2(product, s=(side, side))
    place = int(np.argmax(scores))
    row, column = divmod(place, side)
    # Parseval: the deviation of the scores without a second pass over them.
    power = np.abs(product) ** 2
    deviation = math.sqrt(float(2 * power.sum() - power[:, 0].sum() - power[:, -1].sum())) / side**2
    return (
        column + _vertex(scores[row, (column - 1) % side], scores[row, column], scores[row, (column + 1) % side]),
        row + _vertex(scores[(row - 1) % side, column], scores[row, column], scores[(row + 1) % side, column]),
        float(scores[row, column]) / max(deviation, 1e-12),
    )


def _vertex(before: float, at: float, after: float) -> float:
    """Offset of the top of the parabola through three points, -0.5 … 0.5."""
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))


def _coarse(
    residual: Residual, key: bytes, poses: Iterable[Pose], orientations: Sequence[tuple[int, bool]]
) -> list[Pose]:
    """Every pose in every orientation, with its z; poses are given on the axes of the picture at hand."""
    filters = {
        orientation: [_filter(key, plane, _COARSE, *orientation) for plane in PLANES] for orientation in orientations
    }

    def rated(pose: Pose) -> list[Pose]:
        # Half a cell per sample is enough for whatever is marked at least half as large as seen.
        folded = [
            whiten(fold(resample(plane, residual.grid, pose, SIDE / _COARSE), _COARSE)) for plane in residual.planes
        ]
        found = []
        for (turns, flip), matched in filters.items():
            _, _, z = _peak(folded, matched)
            sideways = turns % 2 == 1
            found.append(
                replace(
                    pose,
                    scale_x=pose.scale_y if sideways else pose.scale_x,
                    scale_y=pose.scale_x if sideways else pose.scale_y,
                    # Undoing a mirror turns the sense of a tilt around.
                    tilt=-pose.tilt if flip else pose.tilt,
                    turns=turns,
                    flip=flip,
                    z=z,
                )
            )
        return found

    with ThreadPoolExecutor(_THREADS) as pool:
        return [pose for found in pool.map(rated, poses) for pose in found]


def _refined(residual: Residual, key: bytes, pose: Pose) -> Pose:
    """Scale, stretch and tilt by shrinking steps, shift by correlation, at full resolution."""
    straight = upright(residual, pose)
    matched = [_filter(key, plane, SIDE, 0, False) for plane in PLANES]

    def rated(candidate: Pose) -> Pose:
        folded = [whiten(fold(resample(plane, straight.grid, candidate))) for plane in straight.planes]
        dx, dy, z = _peak(folded, matched)
        return replace(candidate, dx=dx, dy=dy, z=z)

    best = rated(pose)
    step, turn = 0.004, 0.25
    while step > 0.0006:
        before = best
        for candidate in (
            replace(best, scale_x=best.scale_x * (1 + step), scale_y=best.scale_y * (1 + step)),
            replace(best, scale_x=best.scale_x * (1 - step), scale_y=best.scale_y * (1 - step)),
        ):
            best = max(best, rated(candidate), key=lambda one: one.z)
        for change in (step, -step):
            best = max(best, rated(replace(best, scale_x=best.scale_x * (1 + change))), key=lambda one: one.z)
        if pose.tilt:
            for change in (turn, -turn):
                best = max(best, rated(replace(best, tilt=best.tilt + change)), key=lambda one: one.z)
        if best is before:
            step, turn = step / 2, turn / 2
    return best


def _scales(smallest: float, largest: float, step: float = _STEP) -> list[float]:
    count = math.ceil(math.log(largest / smallest) / step)
    return [float(scale) for scale in np.geomspace(smallest, largest, count + 1)]


def stages(residual: Residual, fine: Residual, key: bytes) -> Iterator[list[Pose]]:
    """Refined candidates, likeliest first, stage by stage from common changes to rare ones.

    Args:
        residual: Evidence on the cell grid, for the coarse pass.
        fine: The same with finer luma (:func:`thsafe.watermark.residual.refine`), for the refinement.
        key: The watermark key.
    """
    both = [(0, False), (0, True)]
    turned = [(turns, flip) for turns in (1, 2, 3) for flip in (False, True)]
    same = [Pose()]
    # Whatever is shown that small fills a part of the picture, where a scale need not be met so exactly.
    scales = [*_scales(_SMALLEST, _SMALL, 1.5 * _STEP), *_scales(_SMALL, _LARGEST)]
    sized = [Pose(scale_x=scale, scale_y=scale) for scale in scales]
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
    small = [Pose(scale_x=scale, scale_y=scale) for scale in _scales(_SMALLEST, _LARGEST_INSET, 2 * _STEP)]
    for poses, orientations, windows in (
        (same, [(0, True), *turned], _WHOLE),
        (sized, both, _WHOLE),
        (stretched, both, _WHOLE),
        (tilted, [(0, False)], _WHOLE),
        (small, both, _WINDOWS),
        ([pose for pose in sized if pose.scale_x >= _SMALL], turned, _WHOLE),
    ):
        found = [
            (pose, window)
            for window in windows
            for pose in _distinct(_coarse(_seen_through(residual, window), key, poses, orientations))
        ]
        with ThreadPoolExecutor(_THREADS) as pool:
            yield list(pool.map(lambda one: _refined(_seen_through(fine, one[1]), key, one[0]), _promising(found)))


def _seen_through(residual: Residual, window: Window) -> Residual:
    """The evidence with nothing outside a window, which is given in shares of width and height."""
    if window == _WHOLE[0]:
        return residual
    x0, y0, x1, y1 = window
    planes = []
    for plane in residual.planes:
        rows, columns = plane.shape
        inside = slice(round(y0 * rows), round(y1 * rows)), slice(round(x0 * columns), round(x1 * columns))
        kept = np.zeros_like(plane)
        kept[inside] = plane[inside]
        planes.append(kept)
    return replace(residual, planes=(planes[0], planes[1], planes[2]))


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
