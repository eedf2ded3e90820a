"""How a face is cut out of a frame. Which way was taken stands beside every figure, for it moves them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.faceforensics.recipes import Crop
from detectors.faceforensics.selfmade.shapes import alignment, five_points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

SIDE = 256
DFB_MARGIN = 1.3
"""Side of DeepfakeBench's crop in sides of its template (preprocessing/preprocess.py, ``img_align_crop``)."""
BOX_MARGIN = 1.7
"""Side of our wider crop in sides of the face; recipes that use it cut their own part out of it."""
MTCNN_MARGIN = 1.3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cut:
    """One face cut out."""

    picture: Frame
    """BGR (256, 256, 3)."""
    marks: NDArray[np.float32] | None
    """(478, 2) in the crop's pixels; None with MTCNN, which finds five points only."""
    matrix: NDArray[np.float64]
    """(2, 3): from the frame to the crop."""
    face: float
    """Longer side of the face's box in the frame, in pixels."""


def cut_face(frame: Frame, crop: Crop, *, side: int = SIDE) -> Cut | None:
    """The largest face of a frame; None where there is none.

    Args:
        frame: BGR ``uint8`` (height, width, 3).
        crop: ``dfb-5pt`` aligns five points to a template, 1.3 of it; ``landmark-box`` is upright, 1.7 faces wide;
            ``mtcnn`` is upright, 1.3 of MTCNN's box.
        side: pixels of the result.
    """
    if crop == "mtcnn":
        from detectors.faceforensics.mtcnn import detect

        found = detect(frame)
        return None if not found else boxed(frame, found[0].box, MTCNN_MARGIN, side)
    from thsafe.media.faces import find_faces

    faces = find_faces(frame, max_faces=1)
    if not faces:
        return None
    marks = faces[0].landmarks[:, :2]
    if crop == "landmark-box":
        return boxed(frame, faces[0].box, BOX_MARGIN, side, marks)
    matrix = alignment(five_points(marks), side, DFB_MARGIN)
    x0, y0, x1, y1 = faces[0].box
    return _cut(frame, matrix, side, marks, max(x1 - x0, y1 - y0))


def boxed(
    frame: Frame,
    box: tuple[float, float, float, float],
    margin: float,
    side: int,
    marks: NDArray[np.float32] | None = None,
) -> Cut:
    """An upright square around a box."""
    x0, y0, x1, y1 = box
    face = max(x1 - x0, y1 - y0, 1.0)
    scale = side / (face * margin)
    left, top = (x0 + x1 - face * margin) / 2, (y0 + y1 - face * margin) / 2
    matrix = np.array([[scale, 0.0, -left * scale], [0.0, scale, -top * scale]])
    return _cut(frame, matrix, side, marks, face)


def warped(frame: Frame, matrix: NDArray[np.float64], side: int) -> Frame:
    """A frame through a similarity into a square; averaged first where it shrinks, so that no detail folds over."""
    import cv2

    scale = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    softer = cv2.GaussianBlur(frame, (0, 0), 0.4 / scale) if scale < 0.8 else frame
    way = cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR
    found: Frame = cv2.warpAffine(softer, matrix, (side, side), flags=way, borderMode=cv2.BORDER_REFLECT)
    return found


def _cut(frame: Frame, matrix: NDArray[np.float64], side: int, marks: NDArray[np.float32] | None, face: float) -> Cut:
    there = None if marks is None else (marks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return Cut(picture=warped(frame, matrix, side), marks=there, matrix=matrix, face=face)
