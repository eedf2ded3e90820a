"""Faces by facenet-pytorch's MTCNN, with its ways of failing turned into "no face".

Its ``detect`` gives arrays of objects, fails on small, grey, transparent and face-less pictures in five different ways
(issues 107, 129, 147, 197, 206, 224 of its repository), and slows down with the square of the picture's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAST_SIDE: Final = 40
"""Pixels; in smaller pictures its pyramid of scales is empty."""
MOST_SIDE: Final = 720


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One face."""

    box: tuple[float, float, float, float]
    """x0, y0, x1, y1 in pixels of the picture given."""
    points: NDArray[np.float64]
    """(5, 2): eyes, tip of the nose, corners of the mouth; the picture's left first."""
    score: float


def detect(picture: NDArray[Any]) -> tuple[Found, ...]:
    """The faces of one picture, largest first; empty for everything that MTCNN cannot look at.

    Args:
        picture: BGR (height, width, 3), BGRA, or grey (height, width[, 1]); any number type in 0 to 255.
    """
    import cv2

    rgb = _rgb(picture)
    if rgb is None or min(rgb.shape[:2]) < LEAST_SIDE:
        return ()
    scale = min(1.0, MOST_SIDE / max(rgb.shape[:2]))
    if scale < 1:
        small = cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if min(small.shape[:2]) < LEAST_SIDE:
            return ()
        rgb = np.asarray(small, np.uint8)
    try:
        boxes, scores, points = _network().detect(rgb, landmarks=True)
    except (ValueError, RuntimeError, IndexError, TypeError):
        # "torch.cat(): expected a non-empty list", "inhomogeneous shape": its words for a picture without a face
        return ()
    if boxes is None:
        return ()
    height, width = rgb.shape[:2]
    found = []
    for box, score, marks in zip(boxes, scores, points, strict=True):
        if score is None:
            continue
        corners = np.clip(np.asarray(box, np.float64), 0, [width, height, width, height])
        if not np.isfinite(corners).all() or corners[2] - corners[0] < 4 or corners[3] - corners[1] < 4:
            continue
        x0, y0, x1, y1 = (float(value) for value in corners / scale)
        marks_there = np.asarray(marks, np.float64) / scale
        found.append(Found(box=(x0, y0, x1, y1), points=marks_there, score=float(score)))
    found.sort(key=lambda face: (face.box[2] - face.box[0]) * (face.box[3] - face.box[1]), reverse=True)
    return tuple(found)


def _rgb(picture: NDArray[Any]) -> NDArray[np.uint8] | None:
    if picture.ndim == 2:
        picture = picture[..., None]
    if picture.ndim != 3 or picture.shape[2] not in {1, 3, 4} or not picture.size:
        return None
    values = picture if picture.dtype == np.uint8 else np.clip(np.nan_to_num(picture.astype(np.float64)), 0, 255)
    whole = np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values[..., 2::-1]
    return np.ascontiguousarray(whole, np.uint8)


@cache
def _network() -> Any:
    """One network per process; its weights come with the package."""
    from thsafe._torch_compat import prepare_torchvision

    prepare_torchvision()
    from facenet_pytorch import MTCNN

    return MTCNN(keep_all=True, device="cpu", post_process=False)
