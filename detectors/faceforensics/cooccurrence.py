"""How neighbouring residuals go together in the mouth, the face and around it, counted without a deep network.

A picture's finest residuals, rounded to five levels, and how often each pair of levels meets side by side: statistics
that resampling, blending and synthesis change (Fridrich and Kodovský, "Rich Models for Steganalysis", TIFS 2012).

Residuals of eight-bit pictures often lie halfway between two levels, so the way they are summed decides which one is
counted. It is laid down here, the same on every machine: tap by tap in float32, each product exact before it is added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_LEVELS: Final = 5
_KERNELS: Final = (
    # first, second and third order, the square of 3 and of 5 pixels, and the diagonal: each over its scale
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 0, -1, 1, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 1, -2, 1, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, -2, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 1, -3, 3, -1), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, -1, 2, -1, 0), (0, 2, -4, 2, 0), (0, -1, 2, -1, 0), (0, 0, 0, 0, 0)),
    ((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (2, -6, 8, -6, 2), (-1, 2, -2, 2, -1)),
)
_SCALES: Final = (1.0, 2.0, 2.0, 3.0, 4.0, 12.0)
_STEPS: Final = (1.0, 4.0)
# left, top, right, bottom as shares of the crop: the mouth, the face from brows to chin, everything
_REGIONS: Final = ((0.28, 0.58, 0.72, 0.86), (0.20, 0.26, 0.80, 0.88), (0.0, 0.0, 1.0, 1.0))
_GREY: Final = (0.299, 0.587, 0.114)
FEATURES: Final = len(_KERNELS) * len(_REGIONS) * 2 * _LEVELS**2 * len(_STEPS)


def co_occurrences(faces: Array) -> Array:
    """Square roots of the shares of all pairs of levels, (n, ``FEATURES``): fine steps, then coarse ones.

    Args:
        faces: RGB (n, 3, height, width) in [0, 1], ``float32``.
    """
    red, green, blue = (faces[:, place] * np.float32(weight) for place, weight in enumerate(_GREY))
    grey = (red + green + blue) * np.float32(255)
    return np.stack([_counted(_residuals(picture)) for picture in grey])


def _residuals(grey: Array) -> Array:
    """What is left of every pixel when its neighbours have foretold it, (kernels, height, width); black lies beyond."""
    height, width = grey.shape
    padded = np.pad(grey, 2)
    exact = padded.astype(np.float64)
    found = np.zeros((len(_KERNELS), height, width), np.float32)
    for number, (kernel, scale) in enumerate(zip(_KERNELS, _SCALES, strict=True)):
        weights = np.array(kernel, np.float32) / np.float32(scale)
        total = found[number]
        for y, x in np.argwhere(weights):
            weight = weights[y, x]
            near = slice(y, y + height), slice(x, x + width)
            if abs(np.frexp(weight)[0]) == 0.5:  # a power of two: the product is exact as it is
                total += padded[near] * weight
            else:
                total[:] = total + exact[near] * np.float64(weight)
    return found


def _counted(residuals: Array) -> Array:
    """Row (``FEATURES``,) of one picture."""
    half = _LEVELS // 2
    height, width = residuals.shape[1:]
    columns = []
    for step in _STEPS:
        levels = np.clip(np.rint(residuals / np.float32(step)), -half, half).astype(np.intp) + half
        across = levels[..., :-1] * _LEVELS + levels[..., 1:]
        down = levels[:, :-1] * _LEVELS + levels[:, 1:]
        for left, top, right, bottom in _REGIONS:
            x0, y0, x1, y1 = round(left * width), round(top * height), round(right * width), round(bottom * height)
            columns += [_shares(across[:, y0:y1, x0 : x1 - 1]), _shares(down[:, y0 : y1 - 1, x0:x1])]
    return np.concatenate(columns)


def _shares(pairs: NDArray[np.intp]) -> Array:
    """Square roots of how often each pair of levels is met, (kernels * 25,)."""
    flat = pairs.reshape(len(pairs), -1)
    found = np.concatenate([np.bincount(row, minlength=_LEVELS**2) for row in flat]).astype(np.float32)
    return np.asarray(np.sqrt(found / np.float32(flat.shape[1])), np.float32)
