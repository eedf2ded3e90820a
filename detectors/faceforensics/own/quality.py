"""What can be told of a file's quality from the file itself: a film or a photograph, and how large the face is.

How strongly it was compressed cannot be told well enough: a still background looks like strong compression, and what
this engine makes has one. So a bin holds scores after all kinds of compression, as they may come.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from detectors.faceforensics.own.stretches import Stretch

SMALL: Final = 96.0
"""Pixels of a face's longer side under which it counts as small."""
SIZES: Final = ("large", "small")


def quality_of(stretches: Sequence[Stretch], *, moving: bool) -> str:
    """``film/large``, ``film/small``, ``photo/large`` or ``photo/small``."""
    return bin_of(float(np.median([stretch.face for stretch in stretches])), moving=moving)


def bin_of(face: float, *, moving: bool) -> str:
    """The same, of a face's size in pixels."""
    return f"{'film' if moving else 'photo'}/{SIZES[face < SMALL]}"
