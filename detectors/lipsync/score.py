"""From points of lips and sound to LSE-D, LSE-C and the offset, as SyncNet's authors compute them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

REACH: Final = 15
"""Pictures by which sound and picture are shifted against each other, both ways: 0.6 s."""
_EPSILON: Final = 1e-6
"""Added to every difference before its square, as torch's pairwise distance does."""

Points = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well lips and sound of one face go together."""

    distance: float
    """LSE-D: the smallest mean distance over all shifts; lower is better."""
    confidence: float
    """LSE-C: the median over all shifts less the smallest; higher is better, near 0 when no shift stands out."""
    offset: int
    """Pictures of 40 ms by which the sound runs before the picture where both fit best; below 0 behind it."""
    windows: int
    """Windows of five pictures that were compared."""

    @property
    def inside(self) -> bool:
        """Whether the best shift is not the last one that was tried."""
        return abs(self.offset) < REACH


def score(lips: Points, sounds: Points) -> Score:
    """Compare each picture window with the sound windows up to 15 before and after it.

    Beyond the ends of the sound stand zeros, as with the authors: the measure is unsound for clips of a second or two.

    Args:
        lips: (n, 1024), n >= 1.
        sounds: (n, 1024).
    """
    padded = np.zeros((len(sounds) + 2 * REACH, sounds.shape[1]), dtype=np.float64)
    padded[REACH : REACH + len(sounds)] = sounds
    near = lips.astype(np.float64) + _EPSILON
    count = len(lips)
    means = np.array(
        [np.linalg.norm(near - padded[shift : shift + count], axis=1).mean() for shift in range(2 * REACH + 1)]
    )
    best = int(np.argmin(means))
    return Score(
        distance=float(means[best]),
        confidence=float(np.median(means) - means[best]),
        offset=REACH - best,
        windows=count,
    )
