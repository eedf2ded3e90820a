"""A window around a face as one square, always of the same size."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.faceforensics.batches import MARGIN

if TYPE_CHECKING:
    from thsafe.core.types import Frame

SIDE: Final = 160
"""Pixels of a view's side."""
WANTED: Final = 1.4
"""Faces that it is wide."""


def shown(window: Frame, *, zoom: float = 1.0, shift: tuple[float, float] = (0.0, 0.0)) -> Frame:
    """The middle of a window, BGR ``uint8`` (SIDE, SIDE, 3).

    Args:
        window: square, ``MARGIN`` faces wide.
        zoom: how much more of it is shown.
        shift: of the middle, in sides of the view.
    """
    import cv2

    part = window.shape[0] * WANTED / MARGIN * zoom
    scale = SIDE / part
    corner = (window.shape[0] - part) / 2 + np.array(shift) * part
    softer = cv2.GaussianBlur(window, (0, 0), 0.4 / scale) if scale < 0.8 else window
    matrix = np.array([[scale, 0.0, 0.0], [0.0, scale, 0.0]])
    # half a pixel: pixels lie at their centres
    matrix[:, 2] = 0.5 * scale - 0.5 - corner * scale
    found: Frame = cv2.warpAffine(softer, matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    return found
