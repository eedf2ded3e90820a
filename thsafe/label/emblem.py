"""The sign of AI: a capital "AI" cut out of a rounded plate, drawn by us from six straight strokes.

The EU's Code of Practice (section 2, visual content) asks for a capital "AI" or the common icon; the letters are those
that it names, and the drawing is nobody's trade mark.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_PAD: Final = 0.3
"""Plate around the letters, in heights of a letter."""
_A_WIDTH: Final = 0.92
_STROKE: Final = 0.2
_GAP: Final = 0.2
_BAR: Final = (0.56, 0.72)
"""Top and bottom of the bar of the A."""
_ROUND: Final = 0.28
_FINE: Final = 8
"""Oversampling of slanted edges."""


def emblem_size(tall: int) -> tuple[int, int]:
    """Rows and columns of the sign whose letters are ``tall`` pixels high."""
    return math.ceil(tall * (1 + 2 * _PAD)), math.ceil(tall * (_A_WIDTH + _GAP + _STROKE + 2 * _PAD))


def emblem(tall: int) -> NDArray[np.float32]:
    """Coverage in [0, 1], shaped as ``emblem_size``: 1 where it is white, 0 in the letters and outside."""
    from PIL import Image, ImageDraw

    rows, columns = emblem_size(tall)
    unit = tall * _FINE
    canvas = Image.new("L", (columns * _FINE, rows * _FINE))
    pen = ImageDraw.Draw(canvas)
    pen.rounded_rectangle((0, 0, columns * _FINE - 1, rows * _FINE - 1), radius=_ROUND * unit, fill=255)
    top = (rows * _FINE - unit) / 2
    left = (columns * _FINE - (_A_WIDTH + _GAP + _STROKE) * unit) / 2

    def at(x: float, y: float) -> tuple[float, float]:
        return left + x * unit, top + y * unit

    middle, half = _A_WIDTH / 2, _STROKE * 0.58
    # the two legs as one outline, then the bar between them, then the I
    pen.polygon([at(0, 1), at(middle - half, 0), at(middle + half, 0), at(_A_WIDTH, 1)], fill=0)
    pen.polygon([at(_STROKE * 1.1, 1), at(middle, 0.24), at(_A_WIDTH - _STROKE * 1.1, 1)], fill=255)
    pen.rectangle((*at(_STROKE * 1.1 + 0.12, _BAR[0]), *at(_A_WIDTH - _STROKE * 1.1 - 0.12, _BAR[1])), fill=0)
    pen.rectangle((*at(_A_WIDTH + _GAP, 0), *at(_A_WIDTH + _GAP + _STROKE, 1)), fill=0)
    return np.asarray(canvas.resize((columns, rows), Image.Resampling.BOX), np.float32) / 255
