"""Where a face's parts are, as masks, and pictures warped from one face's landmarks to another's.

Landmarks are (478, 2) pixels in the order of the face mesh; masks are float32 (height, width) in 0 to 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from thsafe.core.types import Frame

Marks = NDArray[np.float32]
Mask = NDArray[np.float32]
Region = Literal["face", "inner", "lower", "mouth"]

OVAL: Final = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
    *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The outline of the face."""
LIPS: Final = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
"""The outline of the lips."""
_BROWS: Final = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_LOWER: Final = (
    *(2, 98, 327, 207, 427, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
    *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234),
)
_LEFT_EYE, _RIGHT_EYE, _NOSE, _LEFT_LIP, _RIGHT_LIP = (33, 133), (263, 362), (1,), (61,), (291,)
# Where eyes, nose tip and corners of the mouth lie in a 112-pixel square: the template of ArcFace's alignment, which
# DeepfakeBench uses too (preprocessing/preprocess.py).
_TEMPLATE: Final = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float64
)


def five_points(marks: Marks) -> NDArray[np.float64]:
    """Centres of the eyes, tip of the nose and corners of the mouth, (5, 2), the picture's left first."""
    return np.array(
        [marks[list(part), :2].mean(axis=0) for part in (_LEFT_EYE, _RIGHT_EYE, _NOSE, _LEFT_LIP, _RIGHT_LIP)],
        np.float64,
    )


def alignment(points: NDArray[np.float64], side: int, margin: float) -> NDArray[np.float64]:
    """The similarity (2, 3) that brings five points into a square crop.

    Args:
        points: (5, 2), as :func:`five_points`.
        side: pixels of the crop's side.
        margin: side of the crop in sides of the template; DeepfakeBench takes 1.3.
    """
    target = (_TEMPLATE / 112 + (margin - 1) / 2) / margin * side
    return similarity(points, target)


def similarity(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """The least-squares similarity (2, 3) from points (n, 2) to points (n, 2) (Umeyama, TPAMI 1991, without mirror)."""
    a, b = source.mean(axis=0), target.mean(axis=0)
    from_ = (source - a) @ np.array([1.0, 1j])
    to = (target - b) @ np.array([1.0, 1j])
    turn = np.vdot(from_, to) / max(float(np.vdot(from_, from_).real), 1e-9)
    matrix = np.array([[turn.real, -turn.imag], [turn.imag, turn.real]])
    return np.column_stack([matrix, b - matrix @ a])


def region_mask(marks: Marks, shape: tuple[int, ...], region: Region, *, grow: float = 0.0) -> Mask:
    """A hard mask over part of a face.

    Args:
        marks: the face.
        shape: of the picture.
        region: ``face`` to the hair line, ``inner`` from brows to mouth, ``lower`` below the nose, ``mouth``.
        grow: widths of the face by which the mask is widened (negative: narrowed).
    """
    import cv2

    chosen = {"face": OVAL, "inner": (*_BROWS, *LIPS, 117, 346, 205, 425), "lower": _LOWER, "mouth": LIPS}[region]
    hull = cv2.convexHull(marks[list(chosen), :2].astype(np.float32))
    mask = np.zeros(shape[:2], np.float32)
    cv2.fillConvexPoly(mask, np.rint(hull).astype(np.int32), 1.0)
    reach = round(abs(grow) * face_width(marks))
    if reach:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        mask = cv2.dilate(mask, kernel) if grow > 0 else cv2.erode(mask, kernel)
    return mask


def softened(mask: Mask, width: float) -> Mask:
    """The mask with an edge of about ``width`` pixels, drawn in so that nothing outside it is touched."""
    import cv2

    if width < 0.7:
        return mask
    size = 2 * round(width) + 1
    inner = cv2.erode(mask, np.ones((size, size), np.uint8)) if width >= 1 else mask
    return np.asarray(cv2.GaussianBlur(inner, (0, 0), width / 1.5), np.float32) * (mask > 0)


def face_width(marks: Marks) -> float:
    """Pixels from cheek to cheek."""
    return float(np.hypot(*(marks[454, :2] - marks[234, :2])))


def warped_to(picture: Frame, marks: Marks, target: Marks, shape: tuple[int, ...]) -> Frame:
    """A face with its landmarks moved to another face's, triangle by triangle; grey outside the face.

    Args:
        picture: the face's picture.
        marks: its landmarks.
        target: where they should lie.
        shape: of the result.
    """
    import cv2
    from scipy.interpolate import LinearNDInterpolator

    low = np.maximum(np.floor(target[:468, :2].min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(target[:468, :2].max(axis=0)).astype(int) + 1, [shape[1], shape[0]])
    result = np.full((shape[0], shape[1], 3), 128, np.uint8)
    if (high <= low).any():
        return result
    columns, rows = np.meshgrid(np.arange(low[0], high[0]), np.arange(low[1], high[1]))
    places = LinearNDInterpolator(target[:468, :2].astype(np.float64), marks[:468, :2].astype(np.float64), -1.0)
    source = places(np.stack([columns, rows], axis=-1)).astype(np.float32)
    patch = cv2.remap(picture, source[..., 0], source[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inside = source[..., :1] >= 0
    result[low[1] : high[1], low[0] : high[0]] = np.where(inside, patch, 128)
    return result
