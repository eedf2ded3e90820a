"""The folds from the wings of the nose past the corners of the mouth: they deepen as the cheeks are lifted.

A warp moves the folds that a picture shows and makes none; a smile without them looks pasted on. They are drawn into
the picture before it is warped, so that they move with the skin.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.embedded.landmarks import FaceFrame
from generators.embedded.pose import CHANNELS

Image = NDArray[np.uint8]
Field = NDArray[np.float32]

_LINES = ((129, 203, 206, 216, 212), (358, 423, 426, 436, 432))
"""Landmarks along the fold at the picture's left and right, from above."""
_DEPTH = 0.17
"""Share of the light that the deepest fold takes."""
_FULL = {"smile": 0.085, "wide": 0.16, "jaw": 0.55, "uraise": 0.16}
"""The value of each channel that alone makes a full fold."""
_STEPS = 256


class Folds:
    """Shades both folds of a portrait.

    Args:
        picture: BGR ``uint8`` (height, width, 3).
        face: the face in its pixels.
    """

    def __init__(self, picture: Image, face: FaceFrame) -> None:
        self._parts = [_fold(picture, face, line) for line in _LINES]
        self._weights = np.zeros(len(CHANNELS), np.float32)
        for name, value in _FULL.items():
            self._weights[CHANNELS.index(name)] = 1.0 / value
        self._shown = 0

    def draw(self, original: Image, source: Image, expression: NDArray[np.float32]) -> None:
        """Shade the folds in ``source``, a working copy of ``original``, as deep as an expression makes them."""
        import cv2

        step = round(_STEPS * min(max(float(self._weights @ expression), 0.0), 1.0))
        if step == self._shown:
            return
        self._shown = step
        for (x0, y0, x1, y1), shade in self._parts:
            if x1 <= x0 or y1 <= y0:
                continue
            part = original[y0:y1, x0:x1]
            lit = cv2.multiply(part, 1.0 - shade * np.float32(step / _STEPS), dtype=cv2.CV_8U) if step else part
            source[y0:y1, x0:x1, :3] = lit


def _fold(picture: Image, face: FaceFrame, line: tuple[int, ...]) -> tuple[tuple[int, int, int, int], Field]:
    """The fold's rectangle in the picture and what share of the light it takes there, (rows, columns, 3)."""
    points = face.points[list(line), :2]
    low, high = points.min(axis=0) - 0.14, points.max(axis=0) + 0.14
    corners = np.array([[low[0], low[1]], [high[0], low[1]], [low[0], high[1]], [high[0], high[1]]])
    box = face.turn_to_pixels(corners) + face.origin
    height, width = picture.shape[:2]
    x0, y0 = np.maximum(np.floor(box.min(axis=0)).astype(int), 0)
    x1, y1 = np.minimum(np.ceil(box.max(axis=0)).astype(int), [width, height])
    grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1).astype(np.float64)
    where = face.to_face(grid)
    order = np.argsort(points[:, 1])
    bend = np.polyfit(points[order, 1], points[order, 0], 2)
    across = (where[..., 0] - np.polyval(bend, where[..., 1])) * np.sign(points[:, 0].mean())
    top, bottom = points[:, 1].min(), points[:, 1].max()
    along = np.clip((where[..., 1] - top) / max(bottom - top, 1e-3), 0.0, 1.0)
    ends = np.clip((where[..., 1] - top + 0.02) / 0.08, 0, 1) * np.clip((bottom - where[..., 1]) / 0.10, 0, 1)
    # a soft edge towards the mouth, a sharper one under the cheek, which catches some light itself
    wide = 0.020 + 0.016 * along
    dark = np.exp(-((across / np.where(across < 0, 1.6 * wide, wide)) ** 2))
    bright = np.exp(-(((across - 0.055) / 0.035) ** 2))
    shade = (_DEPTH * dark - 0.06 * bright) * ends * (1.0 - 0.35 * along)
    return (int(x0), int(y0), int(x1), int(y1)), np.repeat(shade.astype(np.float32)[..., None], 3, axis=2)
