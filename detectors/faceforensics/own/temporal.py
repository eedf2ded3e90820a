"""What the finest residuals of a face do from one frame to the next, region by region.

A camera's noise is new in every frame and the same in kind all over the picture. A picture brought to life carries its
noise along, or has none; a mouth drawn anew has another; what is pasted is smoother or sharper than its surroundings.
So for each region of a face: how residuals of neighbouring frames agree where they lie and after the motion between
them is undone, how much is left of the difference, how much did not change at all, and how strong residuals are at two
scales. Amounts of motion are no statistics here: genuine people move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.faceforensics.selfmade.shapes import LIPS, OVAL, face_width

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.selfmade.shapes import Marks
    from thsafe.core.types import Frame

    Array = NDArray[np.float32]
    Masks = Mapping[str, NDArray[np.bool_]]
    Places = Mapping[str, NDArray[np.intp]]
    """For each region its pixels' places in the picture laid out flat."""

REGIONS: Final = ("mouth", "lips", "lower", "eyes", "skin", "edge", "outside")
_STILL: Final = ("fine", "coarse", "slope", "peak")
_MOVING: Final = ("agree", "agree-aligned", "left-over", "left-over-coarse", "unchanged")
NAMES: Final = (
    *(f"{region}.{name}" for region in REGIONS for name in _STILL),
    *(f"{region}.{name}" for region in REGIONS for name in _MOVING),
    *(f"{region}.{name}.spread" for region in REGIONS for name in _MOVING),
)
STILL: Final = len(REGIONS) * len(_STILL)
"""So many come first that one frame is enough for."""
_INNER: Final = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
_EYES: Final = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466),
)
_LEAST: Final = 24
"""Pixels without which a region says nothing."""


def temporal(frames: Sequence[Frame], marks: Marks) -> Array:
    """Statistics of one stretch, (``len(NAMES)``,) in the order of ``NAMES``; those between frames are 0 for one frame.

    Args:
        frames: neighbouring frames through one window, BGR ``uint8``.
        marks: the face, in the middle frame.
    """
    places = {name: np.flatnonzero(mask) for name, mask in region_masks(marks, frames[0].shape).items()}
    grey = [_grey(frame) for frame in frames]
    fine = [picture - _blurred(picture, 1.0) for picture in grey]
    still = np.mean([_still(grey[place], fine[place], places) for place in _some(len(frames))], axis=0)
    if len(frames) < 2:
        return np.asarray(np.concatenate([still, np.zeros(len(NAMES) - STILL)]), np.float32)
    pairs = np.stack([_between(grey[i], grey[i + 1], fine[i], fine[i + 1], places) for i in range(len(frames) - 1)])
    return np.asarray(np.concatenate([still, np.median(pairs, axis=0), np.ptp(pairs, axis=0)]), np.float32)


def _some(count: int) -> tuple[int, ...]:
    return (count // 2,) if count < 4 else (count // 2 - 1, count // 2 + 1)


def region_masks(marks: Marks, shape: tuple[int, ...]) -> Masks:
    """For each of ``REGIONS`` the pixels that belong to it, ``bool`` (height, width)."""
    import cv2

    wide = max(face_width(marks), 8.0)

    def hull(points: Sequence[int], grow: float) -> NDArray[np.bool_]:
        mask = np.zeros(shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.rint(cv2.convexHull(marks[list(points), :2].astype(np.float32))).astype(int), 1)
        reach = round(abs(grow) * wide)
        if reach:
            kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
            mask = cv2.dilate(mask, kernel) if grow > 0 else cv2.erode(mask, kernel)
        return mask.astype(bool)

    face, mouth, lips = hull(OVAL, 0.0), hull(_INNER, 0.02), hull(LIPS, 0.05)
    eyes = hull(_EYES[0], 0.03) | hull(_EYES[1], 0.03)
    inner, outer = hull(OVAL, -0.06), hull(OVAL, 0.06)
    below = np.arange(shape[0])[:, None] > float(marks[2, 1])
    return {
        "mouth": mouth,
        "lips": lips & ~mouth,
        "lower": inner & below & ~lips,
        "eyes": eyes,
        "skin": inner & ~below & ~eyes,
        "edge": outer & ~inner,
        "outside": ~(face | outer),
    }


def _grey(frame: Frame) -> Array:
    import cv2

    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY), np.float32)


def _blurred(picture: Array, width: float) -> Array:
    import cv2

    return np.asarray(cv2.GaussianBlur(picture, (0, 0), width), np.float32)


def _still(grey: Array, fine: Array, places: Places) -> NDArray[np.float64]:
    """Strength of the fine and of the coarse residual, how one goes into the other, and how rare large ones are."""
    coarse = _blurred(grey, 1.0) - _blurred(grey, 2.0)
    rows = []
    for region in REGIONS:
        inside = places[region]
        if len(inside) < _LEAST:
            rows.append(np.zeros(len(_STILL)))
            continue
        a, b = np.abs(fine.take(inside)), np.abs(coarse.take(inside))
        mean, other = float(a.mean()) + 0.05, float(b.mean()) + 0.05
        middle = float(np.median(a)) + 0.05
        rows.append(np.log(np.array([mean, other, mean / other, mean / middle])))
    return np.concatenate(rows)


def _between(first: Array, second: Array, fine: Array, other: Array, places: Places) -> NDArray[np.float64]:
    flow = _motion(first, second)
    moved, moved_fine = _along(second, flow), _along(other, flow)
    gap, same = np.abs(first - moved), first == second
    gap_coarse = np.abs(_blurred(first - moved, 1.5))
    rows = []
    for region in REGIONS:
        inside = places[region]
        if len(inside) < _LEAST:
            rows.append(np.zeros(len(_MOVING)))
            continue
        still = fine.take(inside)
        level = float(np.abs(still).mean()) + 0.05
        rows.append(
            np.array(
                [
                    _agreement(still, other.take(inside)),
                    _agreement(still, moved_fine.take(inside)),
                    np.log((float(gap.take(inside).mean()) + 0.05) / level),
                    np.log((float(gap_coarse.take(inside).mean()) + 0.05) / level),
                    float(same.take(inside).mean()),
                ]
            )
        )
    return np.concatenate(rows)


def _motion(first: Array, second: Array) -> Array:
    """Dense optical flow from the first frame to the second (dense inverse search, Kroeger et al., ECCV 2016)."""
    import cv2

    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    found = search.calc(first.astype(np.uint8), second.astype(np.uint8), np.zeros((*first.shape, 2), np.float32))
    return np.asarray(found, np.float32)


def _along(picture: Array, flow: Array) -> Array:
    import cv2

    height, width = picture.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return np.asarray(
        cv2.remap(picture, x + flow[..., 0], y + flow[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE),
        np.float32,
    )


def _agreement(a: Array, b: Array) -> float:
    """Correlation; a little noise is taken as given, so that two blanks do not agree."""
    a, b = a - a.mean(), b - b.mean()
    return float((a * b).mean() / np.sqrt(((a * a).mean() + 0.02) * ((b * b).mean() + 0.02)))
