"""Cutting a face out of a picture and putting the new one back so that no edge shows."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.wav2lip.detection import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

Corners = tuple[int, int, int, int]
"""y0, y1, x0, x1 of a crop, in pixels inside the picture."""

SIDE: Final = 96
CHIN: Final = 10
"""Pixels that the authors add below a found face, at the size of their training videos."""
_TRAINED_FACE: Final = 160
"""Height in pixels of a face for which :data:`CHIN` was meant."""
_LEAST: Final = 8
_EDGE: Final = 0.08
"""Share of the box over which sides and chin fade."""
_FADE_FROM, _FADE_TO = 0.42, 0.55
"""Share of the box's height over which the new face comes in: from the lower lids to the tip of the nose."""
_MOST_SHIFT: Final = 12.0
"""Grey levels of colour correction; a larger difference is no tint but another picture."""


def corners(box: Box, width: int, height: int) -> Corners | None:
    """The crop of a face: its box and a chin's breadth below; None for what is too small to cut."""
    x0, y0, x1, y1 = box
    chin = CHIN * (y1 - y0) / _TRAINED_FACE
    top, bottom = max(0, int(y0)), min(height, int(y1 + chin))
    left, right = max(0, int(x0)), min(width, int(x1))
    return (top, bottom, left, right) if min(bottom - top, right - left) >= _LEAST else None


def cut(frame: Frame, crop: Corners) -> Frame:
    """The crop at the network's size."""
    import cv2

    top, bottom, left, right = crop
    face: Frame = cv2.resize(frame[top:bottom, left:right], (SIDE, SIDE))
    return face


def paste_hard(frame: Frame, face: Frame, crop: Corners) -> Frame:
    """The authors' way: the whole box is replaced."""
    import cv2

    top, bottom, left, right = crop
    out = frame.copy()
    out[top:bottom, left:right] = cv2.resize(face, (right - left, bottom - top))
    return out


def paste(frame: Frame, face: Frame, crop: Corners, before: Frame) -> Frame:
    """The new lower face, matched in colour and faded into the picture.

    Args:
        frame: BGR ``uint8``.
        face: the network's, (96, 96, 3) BGR ``uint8``.
        crop: where it goes.
        before: what :func:`cut` gave, to compare colours with.
    """
    import cv2

    top, bottom, left, right = crop
    size = (right - left, bottom - top)
    new = cv2.resize(
        np.clip(face + _tint(face, before), 0, 255).astype(np.float32), size, interpolation=cv2.INTER_CUBIC
    )
    old = frame[top:bottom, left:right].astype(np.float32)
    mask = _mask(*size)
    out = frame.copy()
    out[top:bottom, left:right] = np.clip(np.rint(old + (new - old) * mask), 0, 255).astype(np.uint8)
    return out


def _tint(face: Frame, before: Frame) -> NDArray[np.float64]:
    """What to add to each channel: the network saw the upper half and drew it again, so the two should be equal."""
    upper = np.s_[8 : SIDE // 2, 8 : SIDE - 8]
    shift = before[upper].astype(np.float64).mean(axis=(0, 1)) - face[upper].astype(np.float64).mean(axis=(0, 1))
    limited: NDArray[np.float64] = np.clip(shift, -_MOST_SHIFT, _MOST_SHIFT)
    return limited


@lru_cache(maxsize=64)
def _mask(width: int, height: int) -> NDArray[np.float32]:
    """(height, width, 1) in [0, 1]: 0 over the eyes and at the edges, 1 over mouth and chin."""
    across, down = (np.arange(width) + 0.5) / width, (np.arange(height) + 0.5) / height
    sides = _rise(np.minimum(across, 1 - across) / _EDGE)
    falls = _rise((down - _FADE_FROM) / (_FADE_TO - _FADE_FROM)) * _rise((1 - down) / _EDGE)
    return (falls[:, None] * sides[None, :])[:, :, None].astype(np.float32)


def _rise(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Smoothly from 0 to 1 over [0, 1]."""
    t = np.clip(x, 0, 1)
    smooth: NDArray[np.float64] = t * t * (3 - 2 * t)
    return smooth
