"""From any picture with one face to a bust: cropped, scaled, and refused where it cannot become a good puppet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from generators.embedded.landmarks import head_angles
from generators.portrait import read_portrait
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.media.faces import Face

MIN_FACE = 64.0
"""Pixels from cheek to cheek; below that a 512-pixel bust would be enlarged more than 2.5 times."""
MAX_TURN = 20.0
"""Degrees of yaw; beyond that the far corner of the mouth warps and one eye hides."""
FACE_SHARE = 0.36
"""Face width as a share of the frame's shorter side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Framed:
    """A portrait ready for ``Puppet``."""

    picture: Frame
    """BGR ``uint8`` (height, width, 3), both sides even."""
    landmarks: NDArray[np.float32]
    """(478, 3) in its pixels."""
    matte: NDArray[np.float32] | None = None
    """How much of each pixel is person, (height, width) in 0 to 1, where that is known exactly."""


def load_portrait(path: Path, *, short_side: int = 512) -> Framed:
    """Read a picture, find its one face and frame it.

    A face is also found on animals, busts and dolls; this is no check that a human is shown.

    Raises:
        InputError: ``portrait.no-face``, ``portrait.two-faces``, ``portrait.too-small``, ``portrait.turned``, or what
            ``read_image`` raises for an unreadable file.
    """
    picture, face = read_portrait(path)
    return frame_portrait(picture, face, short_side=short_side)


def frame_portrait(
    picture: Frame,
    face: Face | NDArray[np.float32],
    *,
    short_side: int = 512,
    aspect: Literal["source", "square"] = "square",
    matte: NDArray[np.float32] | None = None,
) -> Framed:
    """Crop a picture to a bust and scale it.

    The face takes about 36 % of the shorter side, with at least .35 eye distances above the hair where the picture has
    them. The crop never reaches past the border or into letterbox bars.

    Args:
        picture: BGR ``uint8`` (height, width, 3).
        face: the face, or its landmarks (478, 3) in pixels.
        short_side: pixels of the frame's shorter side.
        aspect: ``square``, or ``source`` to keep the picture's own proportions, within 9:16 to 16:9.
        matte: how much of each pixel of the picture is person, where that is known; framed along with it.

    Raises:
        InputError: ``portrait.too-small`` or ``portrait.turned``.
    """
    import cv2

    marks = np.asarray(face if isinstance(face, np.ndarray) else face.landmarks, np.float32)
    _check(marks)
    left, top, right, bottom = _content(picture, marks)
    wide, tall = right - left, bottom - top
    ratio = 1.0 if aspect == "square" else float(np.clip(wide / tall, 9 / 16, 16 / 9))
    low, high = marks[:468, :2].min(axis=0), marks[:468, :2].max(axis=0)
    face_width = float(high[0] - low[0])
    face_height = float(high[1] - low[1])
    short = max(face_width / FACE_SHARE, face_height / 0.52)
    width, height = (short * ratio, short) if ratio >= 1 else (short, short / ratio)
    # never past the border: a smaller crop rather than invented pixels
    shrink = min(1.0, wide / width, tall / height)
    width, height = width * shrink, height * shrink
    centre_x = float((low[0] + high[0]) / 2)
    # hair and forehead above the mesh take about .35 of the face's height
    above = 0.40 * face_height + 0.02 * height
    crown = float(low[1]) - above
    spare = height - (face_height + above)
    y0 = crown - 0.18 * max(spare, 0.0)
    x0 = float(np.clip(centre_x - width / 2, left, right - width))
    y0 = float(np.clip(y0, top, bottom - height))
    column, row = round(x0), round(y0)
    columns, rows = min(int(width), right - column), min(int(height), bottom - row)
    crop = picture[row : row + rows, column : column + columns]
    scale = short_side / min(columns, rows)
    new_columns = 2 * round(columns * scale / 2)
    new_rows = 2 * round(rows * scale / 2)
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(crop, (new_columns, new_rows), interpolation=method)
    factor = np.array([new_columns / columns, new_rows / rows, new_columns / columns], np.float32)
    # resize aligns pixel corners: centres shift by half a pixel at either scale
    half = np.array([0.5, 0.5, 0.0], np.float32)
    moved = (marks - np.array([column, row, 0], np.float32) + half) * factor - half
    cut = None if matte is None else matte[row : row + rows, column : column + columns]
    framed_matte = None if cut is None else cv2.resize(cut, (new_columns, new_rows), interpolation=method)
    return Framed(picture=np.ascontiguousarray(scaled), landmarks=moved.astype(np.float32), matte=framed_matte)


def _check(marks: NDArray[np.float32]) -> None:
    width = float(np.hypot(*(marks[454, :2] - marks[234, :2])))
    if width < MIN_FACE:
        raise InputError(
            "The face is too small to animate.",
            code="portrait.too-small",
            found=f"a face {width:.0f} pixels wide",
            rule=f"a face is at least {MIN_FACE:.0f} pixels wide from cheek to cheek; 150 and more look sharp",
            next_step="use the picture in its original size, or one taken from nearer",
        )
    yaw = head_angles(marks).yaw
    if abs(yaw) > MAX_TURN:
        raise InputError(
            "The face is turned away too far to animate.",
            code="portrait.turned",
            found=f"a head turned by about {abs(yaw):.0f} degrees",
            rule=f"a portrait faces the camera within {MAX_TURN:.0f} degrees",
            next_step="choose a picture that shows the face from the front",
        )


def _content(picture: Frame, marks: NDArray[np.float32]) -> tuple[int, int, int, int]:
    """The picture without uniform bars at its borders: left, top, right, bottom; never into the face."""
    height, width = picture.shape[:2]

    def bar(lines: NDArray[np.uint8], most: int) -> int:
        """How many leading lines are of one colour, the same for all."""
        first = lines[0].astype(np.int16)
        if int(np.ptp(first, axis=0).max()) > 10:
            return 0
        colour = np.median(first, axis=0)
        count = 0
        while count < most and int(np.abs(lines[count].astype(np.int16) - colour).max()) <= 12:
            count += 1
        return count

    low, high = marks[:, :2].min(axis=0), marks[:, :2].max(axis=0)
    reach = 0.5 * float(high[1] - low[1])
    across = picture.transpose(1, 0, 2)
    top = bar(picture, max(int(low[1] - reach), 0))
    bottom = bar(picture[::-1], max(int(height - high[1] - reach / 2), 0))
    left = bar(across, max(int(low[0] - reach / 2), 0))
    right = bar(across[::-1], max(int(width - high[0] - reach / 2), 0))
    # a plain studio backdrop is no bar: bars come in pairs, black, white or grey, and go all the way
    if min(top, bottom) < 3:
        top = bottom = 0
    if min(left, right) < 3:
        left = right = 0
    return left, top, width - right, height - bottom
