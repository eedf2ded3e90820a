"""A picture that shows one face: read, looked at, and refused where it shows none or several."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame
    from thsafe.media.faces import Face

_LONGEST: Final = 1920
"""Pixels of the longer side of what is sent out."""


def read_portrait(path: Path) -> tuple[Frame, Face]:
    """The picture and its one face.

    A face is also found on animals, busts and dolls; this is no check that a human is shown.

    Raises:
        InputError: ``portrait.no-face``, ``portrait.two-faces``, or what ``read_image`` raises for an unreadable file.
    """
    from thsafe.media.faces import find_faces
    from thsafe.media.image import read_image

    picture = read_image(path)
    faces = find_faces(picture)
    height, width = picture.shape[:2]
    if not faces:
        raise InputError(
            f"No face was found in {path.name}.",
            code="portrait.no-face",
            found=f"a picture of {width}x{height} pixels without a face that the finder knows",
            rule="a portrait shows one face, turned to the camera and not covered",
            next_step="choose a picture that shows the face from the front, or crop closer to it",
        )
    first = faces[0].box[2] - faces[0].box[0]
    others = [face for face in faces[1:] if face.box[2] - face.box[0] > 0.4 * first]
    if others:
        raise InputError(
            f"{path.name} shows {len(others) + 1} faces.",
            code="portrait.two-faces",
            found=f"{len(others) + 1} faces of similar size",
            rule="a portrait shows one face: consent is given for one person",
            next_step="crop the picture to the one face that is to speak",
        )
    return picture, faces[0]


def check_size(face: Face, *, least: float) -> None:
    """Refuse a face that is too small to draw from.

    Args:
        face: the face.
        least: pixels from cheek to cheek.

    Raises:
        InputError: ``portrait.too-small``.
    """
    width = face.box[2] - face.box[0]
    if width < least:
        raise InputError(
            "The face is too small to animate.",
            code="portrait.too-small",
            found=f"a face {width:.0f} pixels wide",
            rule=f"a face is at least {least:.0f} pixels wide; 150 and more look sharp",
            next_step="use the picture in its original size, or one taken from nearer",
        )


def bounded(picture: Frame, marks: NDArray[np.float32]) -> tuple[Frame, NDArray[np.float32]]:
    """The picture with its landmarks (478, 3), no larger than is sent out."""
    import cv2

    height, width = picture.shape[:2]
    scale = min(1.0, _LONGEST / max(height, width))
    if scale == 1.0:
        return picture, marks
    size = (round(width * scale), round(height * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA), marks * np.float32(scale)


def shares(marks: NDArray[np.float32], box: tuple[int, int, int, int]) -> tuple[float, float, float, float]:
    """Where the face is inside a box of x0, y0, x1, y1, as shares of it."""
    x0, y0, x1, y1 = box
    (left, top), (right, bottom) = marks[:, :2].min(axis=0), marks[:, :2].max(axis=0)
    found = ((left - x0) / (x1 - x0), (top - y0) / (y1 - y0), (right - x0) / (x1 - x0), (bottom - y0) / (y1 - y0))
    clipped = [float(np.clip(share, 0.0, 1.0)) for share in found]
    return clipped[0], clipped[1], clipped[2], clipped[3]
