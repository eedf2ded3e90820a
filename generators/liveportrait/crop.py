"""Which square of a picture LivePortrait looks at: upright along the face, around what is below the hair.

The authors cut by the landmarks of InsightFace, whose weights may not be used commercially, and by 203 of their own.
Here the square comes from the 478 of ``thsafe.media.faces``, of which those between brows and chin span about the same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.landmarks import BROWS, OVAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Array = NDArray[np.float64]

_FOREHEAD: Final = frozenset((10, 338, 297, 332, 284, 251, 389, 162, 21, 54, 103, 67, 109))
_OUTLINE: Final = (*(mark for mark in OVAL if mark not in _FOREHEAD), *BROWS)
_RIGHT_EYE, _LEFT_EYE, _MOUTH = (33, 159, 133, 145), (362, 386, 263, 374), (61, 291)
_INNER_LIPS: Final = (13, 14)
_PORTRAIT: Final = (2.3, -0.125)
"""The square's side, and how far it is moved down, in units of the face's longer side."""
_DRIVER: Final = (2.2, -0.1)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Square:
    """A square in a picture, perhaps turned."""

    centre: Array
    """(2,) pixels."""
    side: float
    """Pixels."""
    down: Array
    """(2,): the unit vector from brows to chin."""

    def cutting(self, side: int) -> Array:
        """(2, 3): from pixels of the picture to those of the square of ``side`` pixels."""
        scale = side / self.side
        across = np.array([self.down[1], -self.down[0]])
        turn = scale * np.stack((across, self.down))
        return np.concatenate((turn, (side / 2 - turn @ self.centre)[:, None]), axis=1)

    def back(self, side: int) -> Array:
        """(2, 3): the way back."""
        whole = np.concatenate((self.cutting(side), [[0.0, 0.0, 1.0]]))
        back: Array = np.linalg.inv(whole)[:2]
        return back

    def cut(self, picture: Frame, side: int) -> Frame:
        """The square, BGR ``uint8`` (side, side, 3); black beyond the picture."""
        import cv2

        steps = int(np.log2(max(1.0, self.side / side)))
        if steps:  # halved first, so that no detail folds over
            small = cv2.resize(picture, None, fx=0.5**steps, fy=0.5**steps, interpolation=cv2.INTER_AREA)
            smaller = Square(centre=self.centre * 0.5**steps, side=self.side * 0.5**steps, down=self.down)
            return smaller.cut(small, side)
        found: Frame = cv2.warpAffine(picture, self.cutting(side), (side, side), flags=cv2.INTER_LINEAR)
        return found


def portrait_square(landmarks: NDArray[np.float32]) -> Square:
    """The square around a portrait's face, turned with it."""
    return _square(landmarks, *_PORTRAIT, turned=True)


def driver_square(landmarks: Iterable[NDArray[np.float32]]) -> Square:
    """The square that fits a whole film on average: upright and at rest, so that the head's motion shows in it.

    Args:
        landmarks: (478, 3) of every picture that shows the face; at least one.
    """
    squares = [_square(marks, *_DRIVER, turned=False) for marks in landmarks]
    return Square(
        centre=np.mean([square.centre for square in squares], axis=0),
        side=float(np.mean([square.side for square in squares])),
        down=np.array([0.0, 1.0]),
    )


def eye_opening(landmarks: NDArray[np.float32]) -> tuple[float, float]:
    """Height over width of the right and the left eye."""
    return _ratio(landmarks, 159, 145, 33, 133), _ratio(landmarks, 386, 374, 362, 263)


def lip_opening(landmarks: NDArray[np.float32]) -> float:
    """Height between the lips over the mouth's width."""
    return _ratio(landmarks, *_INNER_LIPS, *_MOUTH)


def _square(landmarks: NDArray[np.float32], scale: float, shift: float, *, turned: bool) -> Square:
    marks = landmarks[:, :2].astype(np.float64)
    down = np.array([0.0, 1.0])
    if turned:
        eyes = (marks[list(_RIGHT_EYE)].mean(axis=0) + marks[list(_LEFT_EYE)].mean(axis=0)) / 2
        way = marks[list(_MOUTH)].mean(axis=0) - eyes
        down = way / max(float(np.hypot(*way)), 1e-6)
    axes = np.array([[down[1], -down[0]], down])
    outline = marks[list(_OUTLINE)] @ axes.T
    low, high = outline.min(axis=0), outline.max(axis=0)
    side = scale * max(float((high - low).max()), 1.0)
    return Square(centre=(low + high) / 2 @ axes + shift * side * down, side=side, down=down)


def _ratio(landmarks: NDArray[np.float32], top: int, bottom: int, left: int, right: int) -> float:
    marks = landmarks[:, :2].astype(np.float64)
    width = float(np.hypot(*(marks[left] - marks[right])))
    return float(np.hypot(*(marks[top] - marks[bottom]))) / max(width, 1e-6)
