"""Was a picture compressed before? Its own coefficients, the grid of its blocks, and what compressing it again does.

Three old and simple methods. Histograms of DCT coefficients that were rounded twice have gaps and peaks (Lukáš and
Fridrich 2003); eight-pixel blocks leave a grid (Fan and de Queiroz 2003); a part that was once saved at a lower quality
changes least when it is saved at that quality again (Farid 2009, "JPEG ghosts").
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]

_MODES: Final = ((0, 1), (1, 0), (1, 1), (0, 2), (2, 0), (1, 2), (2, 1), (2, 2), (0, 3), (3, 0))
"""Frequencies that are looked at: low ones, which are seldom rounded to zero."""
_REACH: Final = 24
_LARGEST_STEP: Final = 40
_SIDE: Final = 1024
"""Pixels of the middle part that is looked at."""
TWICE: Final = 0.42
"""How much better two roundings must explain the histograms than one."""
GRID: Final = 0.22
"""By how much steps at one column in eight must exceed those at its neighbours."""
GHOST: Final = 0.30
_CELL: Final = 16
_QUALITIES: Final = tuple(range(40, 96, 5))


@dataclass(frozen=True, slots=True, kw_only=True)
class Compression:
    """What the coding of a picture tells."""

    quality: int | None = None
    """Of the file's own tables, 1 to 100 as libjpeg counts; None for a file that is no JPEG."""
    twice: float = 0.0
    """How much better two compressions explain the coefficients than one, 0 to 1; above ``TWICE`` it is said."""
    earlier_step: int | None = None
    """The commonest step of the earlier compression, in the lowest frequencies."""
    grid: tuple[int, int] | None = None
    """Where a grid of eight pixels lies that is not the file's own; None without one."""
    ghost: tuple[int, int, int, int] | None = None
    """x0, y0, x1, y1 of a part that was once saved at another quality than the rest."""
    ghost_quality: int | None = None


def look_at_picture(path: Path, luma: Plane) -> Compression:
    """Look for an earlier compression.

    Args:
        path: the file, for the tables of a JPEG.
        luma: its brightness (height, width), as decoded.
    """
    own = _own_tables(path)
    steps, y = own if own is not None else (None, luma)
    top, left = _corner(y)
    y = y[top : top + _SIDE, left : left + _SIDE]
    quality = None if steps is None else quality_of(steps)
    twice, earlier = (0.0, None) if steps is None else twice_rounded(y, steps)
    ghost = ghost_of(y, below=quality or 101)
    return Compression(
        quality=quality,
        twice=round(twice, 3),
        earlier_step=earlier if twice > TWICE else None,
        grid=grid_of(y, own_at_zero=steps is not None),
        ghost=None if ghost is None else _moved(ghost[0], left, top),
        ghost_quality=None if ghost is None else ghost[1],
    )


def quality_of(steps: NDArray[np.int64]) -> int:
    """Libjpeg's quality whose luma table comes nearest."""
    scale = float(np.median(steps / _ANNEX_K)) * 100
    found = 5000 / scale if scale > 100 else (200 - scale) / 2
    return int(np.clip(round(found), 1, 100))


_ANNEX_K: Final = np.array(
    [
        *([16, 11, 10, 16, 24, 40, 51, 61], [12, 12, 14, 19, 26, 58, 60, 55], [14, 13, 16, 24, 40, 57, 69, 56]),
        *([14, 17, 22, 29, 51, 87, 80, 62], [18, 22, 37, 56, 68, 109, 103, 77], [24, 35, 55, 64, 81, 104, 113, 92]),
        *([49, 64, 78, 87, 103, 121, 120, 101], [72, 92, 95, 98, 112, 100, 103, 99]),
    ]
)
"""ITU-T T.81 table K.1."""


def _own_tables(path: Path) -> tuple[NDArray[np.int64], Plane] | None:
    """The luma steps (8, 8) and the luma plane as the decoder has it; None for anything but a JPEG."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            tables = getattr(picture, "quantization", None)
            if picture.format != "JPEG" or not tables:
                return None
            picture.draft("L", picture.size)
            return np.array(tables[0], np.int64).reshape(8, 8), np.asarray(picture.convert("L"))
    except (OSError, UnidentifiedImageError, ValueError, Image.DecompressionBombError):
        return None


def _corner(y: Plane) -> tuple[int, int]:
    """Top and left of the middle part that is looked at, on whole blocks."""
    top, left = (max(0, (side - _SIDE) // 2) & ~7 for side in y.shape)
    return top, left


def _moved(box: tuple[int, int, int, int], left: int, top: int) -> tuple[int, int, int, int]:
    return box[0] + left, box[1] + top, box[2] + left, box[3] + top


def _coefficients(y: Plane) -> NDArray[np.float64]:
    """Of each block of eight pixels square: (blocks, 8, 8)."""
    from scipy.fft import dctn

    rows, columns = y.shape[0] // 8, y.shape[1] // 8
    blocks = y[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).swapaxes(1, 2).reshape(-1, 8, 8)
    found: NDArray[np.float64] = dctn(blocks.astype(np.float64) - 128.0, axes=(1, 2), norm="ortho")
    return found


def twice_rounded(y: Plane, steps: NDArray[np.int64]) -> tuple[float, int | None]:
    """How much better an earlier rounding with other steps explains the coefficients, and the step that does.

    What the coefficients were before is taken from the same picture moved by half a block, where no rounding shows.
    """
    if min(y.shape) < 128:
        return 0.0, None
    here, before = _coefficients(y), _coefficients(y[4:, 4:])
    gains: list[float] = []
    found: list[int] = []
    for mode in _MODES:
        step = int(steps[mode])
        seen = _histogram(here[:, *mode] / step)
        smooth = before[:, *mode]
        if seen[_REACH + 1 :].sum() + seen[:_REACH].sum() < 0.15:
            continue  # nearly all zero: nothing to see
        one = float(np.abs(seen - _histogram(smooth / step)).sum())
        best, which = one, step
        for earlier in range(2, _LARGEST_STEP + 1):
            if step % earlier == 0:
                continue  # rounding to multiples of that step leaves no trace
            two = float(np.abs(seen - _histogram(np.rint(smooth / earlier) * earlier / step)).sum())
            if two < best:
                best, which = two, earlier
        gains.append((one - best) / max(one, 0.05))
        found.append(which)
    if len(gains) < 3:
        return 0.0, None
    return float(np.median(gains)), int(np.median(found[:3]))


def _histogram(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares of the whole numbers from -24 to 24 (49,)."""
    whole = np.rint(values).astype(np.int64)
    kept = whole[np.abs(whole) <= _REACH] + _REACH
    return np.bincount(kept, minlength=2 * _REACH + 1) / max(len(values), 1)


def grid_of(y: Plane, *, own_at_zero: bool) -> tuple[int, int] | None:
    """Offset of a grid of eight pixels, both ways; None without one, or where it is only the file's own."""
    if min(y.shape) < 64:
        return None
    places = []
    for plane in (y, y.T):
        rows = plane.astype(np.float64)
        second = np.abs(rows[:, :-3] - 3 * rows[:, 1:-2] + 3 * rows[:, 2:-1] - rows[:, 3:])
        phases = np.array([np.minimum(second[:, start::8], 40).mean() for start in range(8)])
        best = int(phases.argmax())
        rest = float(np.median(np.delete(phases, best)))
        if rest <= 0 or phases[best] / rest - 1 < GRID:
            return None
        places.append((best + 2) % 8)
    if own_at_zero and places == [0, 0]:
        return None
    return places[0], places[1]


def ghost_of(y: Plane, *, below: int) -> tuple[tuple[int, int, int, int], int] | None:
    """A part that changes least at a quality at which the rest does not; its box and that quality."""
    if min(y.shape) < 8 * _CELL:
        return None
    curves = np.stack([_changed(y, quality) for quality in _QUALITIES])  # (qualities, rows, columns)
    span = curves.max(axis=0) - curves.min(axis=0)
    usual = (curves - curves.min(axis=0)) / np.maximum(span, 1e-6)
    lively = span > np.percentile(span, 30)
    best: tuple[float, tuple[int, int, int, int], int] | None = None
    for place in range(1, len(_QUALITIES) - 1):
        if _QUALITIES[place] >= below - 4:
            continue
        dip = np.minimum(usual[place - 1], usual[place + 1]) - usual[place]
        box = _cluster((dip > 0.08) & lively)
        if box is None:
            continue
        inside = dip[box[1] : box[3], box[0] : box[2]]
        outside = np.median(dip[lively]) if lively.any() else 0.0
        depth = float(np.median(inside) - outside)
        if best is None or depth > best[0]:
            best = (depth, box, place)
    if best is None or best[0] < GHOST * 0.5:
        return None
    x0, y0, x1, y1 = (side * _CELL for side in best[1])
    return (x0, y0, x1, y1), _QUALITIES[best[2]]


def _changed(y: Plane, quality: int) -> NDArray[np.float64]:
    """Mean square change of each cell when the picture is saved at a quality."""
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(y).save(target, "JPEG", quality=quality)
    saved = np.asarray(Image.open(io.BytesIO(target.getvalue())), np.float64)
    square = (saved - y) ** 2
    rows, columns = y.shape[0] // _CELL, y.shape[1] // _CELL
    cells: NDArray[np.float64] = (
        square[: rows * _CELL, : columns * _CELL].reshape(rows, _CELL, columns, _CELL).mean(axis=(1, 3))
    )
    return cells


def _cluster(marked: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """x0, y0, x1, y1 of the largest connected part, if it is 2 to 60 % of the picture and fills its box; else None."""
    import cv2

    closed = cv2.morphologyEx(marked.astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(closed, connectivity=8)
    if count < 2:
        return None
    x, y, width, height, area = (int(value) for value in stats[1 + int(stats[1:, 4].argmax())])
    if not 0.02 <= area / marked.size <= 0.6 or area < 0.55 * width * height:
        return None
    return x, y, x + width, y + height
