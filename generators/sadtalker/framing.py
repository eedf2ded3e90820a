"""Which part of a picture SadTalker looks at, and the five points by which it measures the face.

The authors find 68 landmarks with two networks of their own choice; here they come from the 478 of
``thsafe.media.faces``, so crops differ from theirs by a few pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.sadtalker.coefficients import SIDE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Array = NDArray[np.float64]

_RIGHT_EYE: Final = (33, 160, 158, 133, 153, 144)
_LEFT_EYE: Final = (362, 385, 387, 263, 373, 380)
"""The six points around each eye; "right" is the person's right, at the picture's left."""
_RIGHT_CORNERS, _LEFT_CORNERS = (33, 133), (362, 263)
_NOSE: Final = 4
_MOUTH: Final = (61, 291)
_BORDER: Final = 0.1
"""Share of the face's square that the wider crops add on each side."""
_STANDARD: Final = np.array(
    [
        [-0.31148657, 0.29036078, 0.13377953],
        [0.30979887, 0.28972036, 0.13179526],
        [0.0032535, -0.04617932, 0.55244243],
        [-0.25216928, -0.38133916, 0.22405732],
        [0.2484662, -0.38128236, 0.22235769],
    ]
)
"""Eyes, tip of the nose and mouth corners of the mean face; x right, y up, z to the camera (Deng et al. 2019)."""
_FACE: Final = 102.0
"""The scale of the mean face in the network's 224 pixels."""


class Mode(StrEnum):
    """Which part of the picture moves, and what comes out."""

    CROP = "crop"
    """The face's square comes out."""
    EXTCROP = "extcrop"
    """The same with a border."""
    RESIZE = "resize"
    """The whole picture is animated: for pictures that are little more than a face."""
    FULL = "full"
    """The face's square moves inside the whole picture."""
    EXTFULL = "extfull"
    """The same with a border; needs a head that keeps still."""

    @property
    def whole(self) -> bool:
        """Whether the whole picture comes out, of which a part moves."""
        return self in {Mode.FULL, Mode.EXTFULL}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Framed:
    """A face, cut out and scaled for the networks."""

    face: Frame
    """BGR ``uint8`` (size, size, 3)."""
    points: Array
    """(5, 2): eyes, tip of the nose and mouth corners, in its pixels."""
    box: tuple[int, int, int, int]
    """x0, y0, x1, y1 in the picture, where it was cut out."""


def framed(picture: Frame, landmarks: NDArray[np.float32], mode: Mode, size: int) -> Framed:
    """Cut a face out.

    Args:
        picture: BGR ``uint8`` (height, width, 3).
        landmarks: (478, 3) in its pixels.
        mode: which part.
        size: pixels of the square that the networks see.
    """
    import cv2

    height, width = picture.shape[:2]
    marks = landmarks[:, :2].astype(np.float64)
    box = (0, 0, width, height) if mode is Mode.RESIZE else square(marks, width, height, mode)
    x0, y0, x1, y1 = box
    shrinks = size < max(x1 - x0, y1 - y0)
    face = cv2.resize(picture[y0:y1, x0:x1], (size, size), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    scale = np.array([size / (x1 - x0), size / (y1 - y0)])
    return Framed(face=face, points=(five_points(marks) - (x0, y0)) * scale, box=box)


def square(marks: Array, width: int, height: int, mode: Mode) -> tuple[int, int, int, int]:
    """x0, y0, x1, y1 of the upright box around the face's square (Karras et al. 2018, as in FFHQ), in the picture."""
    right, left = marks[list(_RIGHT_EYE)].mean(axis=0), marks[list(_LEFT_EYE)].mean(axis=0)
    eyes, mouth = (right + left) / 2, marks[list(_MOUTH)].mean(axis=0)
    between, down = left - right, mouth - eyes
    x = between - np.array([-down[1], down[0]])
    x *= max(2.0 * float(np.hypot(*between)), 1.8 * float(np.hypot(*down))) / max(float(np.hypot(*x)), 1e-6)
    y = np.array([-x[1], x[0]])
    centre = eyes + 0.1 * down
    corners = np.array([centre + a * x + b * y for a in (-1, 1) for b in (-1, 1)])
    border = 2 * _BORDER * float(np.hypot(*x)) if mode in {Mode.EXTCROP, Mode.EXTFULL} else 0.0
    low, high = np.floor(corners.min(axis=0) - border), np.ceil(corners.max(axis=0) + border)
    return (
        int(np.clip(low[0], 0, width - 2)),
        int(np.clip(low[1], 0, height - 2)),
        int(np.clip(high[0], 2, width)),
        int(np.clip(high[1], 2, height)),
    )


def five_points(marks: Array) -> Array:
    """Middles of the eyes, tip of the nose, corners of the mouth, (5, 2)."""
    right, left = marks[list(_RIGHT_CORNERS)].mean(axis=0), marks[list(_LEFT_CORNERS)].mean(axis=0)
    return np.stack((right, left, marks[_NOSE], marks[_MOUTH[0]], marks[_MOUTH[1]]))


def aligned(face: Frame, points: Array) -> tuple[Frame, Array]:
    """The face as the coefficient network wants it, and how it was moved.

    The mean face is laid over the five points by least squares, without perspective.

    Returns:
        BGR ``uint8`` (224, 224, 3), black beyond the picture's border; and the scale, and x and y of the mean face's
        origin in the picture, y upwards.
    """
    import cv2

    height, width = face.shape[:2]
    up = np.stack((points[:, 0], height - 1 - points[:, 1]), axis=1)
    spatial = np.concatenate((_STANDARD, np.ones((5, 1))), axis=1)
    solved, *_ = np.linalg.lstsq(spatial, up, rcond=None)
    size = (float(np.linalg.norm(solved[:3, 0])) + float(np.linalg.norm(solved[:3, 1]))) / 2
    scale, (x, y) = _FACE / max(size, 1e-6), solved[3]
    wide, tall = max(1, int(width * scale)), max(1, int(height * scale))
    left = int(wide / 2 - SIDE / 2 + (x - width / 2) * scale)
    top = int(tall / 2 - SIDE / 2 + (height / 2 - y) * scale)
    scaled = cv2.resize(face, (wide, tall), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    out = np.zeros((SIDE, SIDE, 3), np.uint8)
    x0, y0, x1, y1 = max(left, 0), max(top, 0), min(left + SIDE, wide), min(top + SIDE, tall)
    if x1 > x0 and y1 > y0:
        out[y0 - top : y1 - top, x0 - left : x1 - left] = scaled[y0:y1, x0:x1]
    return out, np.array([scale, x, y])
