"""Putting a picture of a moving face back into the picture that it was cut out of, so that no edge shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Array = NDArray[np.float64]

_FADE: Final = 0.08
"""Share of the square over which it fades into the picture around."""


class Inlay:
    """Puts the moving square back into the picture, faded in along its edges.

    Args:
        picture: BGR ``uint8`` (height, width, 3).
        box: x0, y0, x1, y1.
    """

    def __init__(self, picture: Frame, box: tuple[int, int, int, int]) -> None:
        self._picture = picture
        self._box = box
        x0, y0, x1, y1 = box
        height, width = picture.shape[:2]
        across = _edges(x1 - x0, faded=(x0 > 0, x1 < width))
        down = _edges(y1 - y0, faded=(y0 > 0, y1 < height))
        self._share = (down[:, None] * across[None, :])[:, :, None].astype(np.float32)

    def __call__(self, face: Frame) -> Frame:
        """The picture with another face."""
        import cv2

        x0, y0, x1, y1 = self._box
        shrinks = x1 - x0 < face.shape[1]
        new = cv2.resize(face, (x1 - x0, y1 - y0), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
        old = self._picture[y0:y1, x0:x1].astype(np.float32)
        out = self._picture.copy()
        out[y0:y1, x0:x1] = np.clip(np.rint(old + (new.astype(np.float32) - old) * self._share), 0, 255)
        return out


class TurnedInlay:
    """The same for a square that was cut out at an angle.

    Args:
        picture: BGR ``uint8`` (height, width, 3).
        back: (2, 3), from pixels of the square to pixels of the picture.
        side: pixels of the square.
    """

    def __init__(self, picture: Frame, back: Array, side: int) -> None:
        import cv2

        line = _edges(side, faded=(True, True))
        height, width = picture.shape[:2]
        share = cv2.warpAffine((line[:, None] * line[None, :]).astype(np.float32), back, (width, height))
        rows, columns = np.nonzero(share.max(axis=1))[0], np.nonzero(share.max(axis=0))[0]
        self._picture = picture
        if not len(rows):  # the square lies beyond the picture
            rows = columns = np.zeros(1, np.intp)
        self._part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        self._size = (int(columns[-1] - columns[0] + 1), int(rows[-1] - rows[0] + 1))
        self._back = back - np.array([[0, 0, columns[0]], [0, 0, rows[0]]])
        self._share = share[self._part][:, :, None]
        self._old = picture[self._part].astype(np.float32)

    def __call__(self, face: Frame) -> Frame:
        """The picture with another face."""
        import cv2

        # enlarged or about as large: the squares are 512 pixels, and no picture is much larger than is sent out
        new = cv2.warpAffine(face, self._back, self._size, flags=cv2.INTER_CUBIC).astype(np.float32)
        out = self._picture.copy()
        out[self._part] = np.clip(np.rint(self._old + (new - self._old) * self._share), 0, 255)
        return out


def _edges(length: int, *, faded: tuple[bool, bool]) -> Array:
    """(length,) in [0, 1]: 1 inside, smoothly down to 0 at the ends that are faded."""
    place = (np.arange(length) + 0.5) / length / _FADE
    ends = np.minimum(np.where(faded[0], place, 1.0), np.where(faded[1], place[::-1], 1.0))
    t = np.clip(ends, 0.0, 1.0)
    smooth: Array = t * t * (3 - 2 * t)
    return smooth
