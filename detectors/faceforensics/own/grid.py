"""Where in a face what is unlike its surroundings: local statistics on a grid of cells, and a direction a method.

Colours and how they spread, residuals at three scales, how often they vanish or keep their sign, gradients by their
angle: 24 numbers in each of 10 x 10 cells of a view, the two halves of the face folded together. For each method of
manipulation, one direction (Fisher 1936) says how fakes differ from their own twins, as seen against how genuine faces
differ from one another and fakes from fakes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Array = NDArray[np.float32]
    Double = NDArray[np.float64]

METHODS: Final = (
    *("autoencoder-swap", "engine-dub", "engine-say", "face-swap", "gradient-swap", "mouth-paste", "reenactment"),
    *("rendered-mouth", "self-blend", "up-sampled"),
)
"""For each a direction; a method never trained on has none."""
CELLS: Final = 10
"""Cells of a view, either way."""
_FINE: Final = 2 * CELLS
"""Cells in which spreads and shares are taken, before four are put together."""
_ANGLES: Final = 6
CHANNELS: Final = 24
FEATURES: Final = CELLS * CELLS // 2 * CHANNELS
RIDGE: Final = 0.1
"""Added to the covariance of standardised statistics; chosen by people left out."""
_AMONG: Final = 3.0
"""Weight of how genuine faces differ from one another: people, light and cameras to come differ more than those known.

Chosen by people left out.
"""
# residuals of the square of three and of five pixels, and of a line either way (Fridrich and Kodovský, TIFS 2012)
_KERNELS: Final = tuple(
    np.array(kernel, np.float32) / np.float32(scale)
    for kernel, scale in (
        (((-1, 2, -1), (2, -4, 2), (-1, 2, -1)), 4.0),
        (
            ((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (2, -6, 8, -6, 2), (-1, 2, -2, 2, -1)),
            12.0,
        ),
        (((1, -2, 1),), 2.0),
        (((1,), (-2,), (1,)), 2.0),
    )
)


def local_statistics(view: Frame) -> Array:
    """Statistics of one view, (``FEATURES``,), cell by cell.

    Args:
        view: BGR ``uint8`` (side, side, 3), of ``view.shown``.
    """
    import cv2

    def cells(values: Any) -> Array:
        return np.asarray(cv2.resize(values, (_FINE, _FINE), interpolation=cv2.INTER_AREA), np.float32)

    def filtered(kernel: Array) -> Array:
        return np.asarray(cv2.filter2D(grey, -1, kernel, borderType=cv2.BORDER_REFLECT), np.float32)

    lab = cv2.cvtColor(view.astype(np.float32) / np.float32(255), cv2.COLOR_BGR2LAB)
    grey = cv2.cvtColor(view, cv2.COLOR_BGR2GRAY).astype(np.float32)
    mean = cells(lab)
    spread = np.sqrt(np.maximum(cells(lab * lab) - mean * mean, 0))
    found = [mean / np.array([50, 20, 20], np.float32) - np.array([1, 0, 0], np.float32), np.log(spread + 0.3)]
    residuals = [filtered(kernel) for kernel in _KERNELS]
    layers = [np.log(cells(np.abs(residual)) + 0.1) for residual in residuals]
    square = residuals[0]
    signs = np.sign(square)
    layers.append(cells((np.abs(square) < 0.5).astype(np.float32)))
    layers += [cells(signs * np.roll(signs, 1, axis)) for axis in (1, 0)]
    for channel in (1, 2):
        colour = np.ascontiguousarray(lab[..., channel])
        layers.append(np.log(cells(np.abs(colour - cv2.GaussianBlur(colour, (0, 0), 1.0))) + 0.05))
    softer = [grey, *(cv2.GaussianBlur(grey, (0, 0), width) for width in (1.0, 2.0, 4.0))]
    layers += [np.log(cells(np.abs(softer[i] - softer[i + 1])) + 0.1) for i in range(3)]
    across, down = cv2.Sobel(softer[1], -1, 1, 0), cv2.Sobel(softer[1], -1, 0, 1)
    steep, angle = np.hypot(across, down), np.arctan2(down, across) % np.pi
    places = np.minimum((angle / np.pi * _ANGLES).astype(np.intp), _ANGLES - 1)
    layers += [np.log(cells(np.where(places == k, steep, 0).astype(np.float32)) + 1) for k in range(_ANGLES)]
    whole = np.concatenate([*found, np.stack(layers, axis=-1)], axis=-1)
    coarse = whole.reshape(CELLS, 2, CELLS, 2, CHANNELS).mean(axis=(1, 3))
    mirrored = coarse[:, ::-1].copy()
    mirrored[..., -_ANGLES:] = mirrored[..., -_ANGLES:][..., ::-1]
    return np.asarray(((coarse + mirrored) / 2)[:, : CELLS // 2].reshape(-1), np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Directions:
    """One direction a method."""

    middle: Double
    """(``FEATURES``,) of genuine faces; ``spread``: their deviations."""
    spread: Double
    weight: Double
    """(methods, ``FEATURES``), such that within a class scores spread by about 1."""

    def scores(self, statistics: NDArray[Any]) -> Double:
        """(n, methods) of statistics (n, ``FEATURES``)."""
        found: Double = ((statistics - self.middle) / self.spread) @ self.weight.T
        return found


def fit_directions(pairs: NDArray[np.float32], methods: Sequence[str]) -> Directions:
    """Directions of all ``METHODS`` that there are pairs of; zeros for others.

    Args:
        pairs: (n, 2, ``FEATURES``): genuine, then manipulated.
        methods: of each pair.
    """
    named = np.array(methods)
    known = [name for name in METHODS if (named == name).sum() > 1]
    middle = pairs[:, 0].mean(axis=0).astype(np.float64)
    spread = pairs[:, 0].std(axis=0).astype(np.float64) + 0.05
    genuine = (pairs[:, 0] - middle) / spread
    change = (pairs[:, 1] - pairs[:, 0]) / spread
    within = _AMONG * np.cov(genuine.T) + sum(np.cov(change[named == name].T) for name in known) / len(known)
    within = within + RIDGE * np.eye(len(within))
    found = np.zeros((len(METHODS), FEATURES))
    means = np.stack([change[named == name].mean(axis=0) for name in known])
    solved = np.linalg.solve(within, means.T).T
    solved /= np.sqrt(np.einsum("ki,ij,kj->k", solved, within, solved))[:, None]
    found[[METHODS.index(name) for name in known]] = solved
    return Directions(middle=middle, spread=spread, weight=found)
