"""The expression channels as two dense fields, one for each side of the lip seam."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.embedded.basis import expression_basis, lower_lip, mouth_scale, upper_lip
from generators.embedded.flow import Field, Lattice, ThinPlate, inverse, smoothstep
from generators.embedded.landmarks import OVAL, FaceFrame
from generators.embedded.pose import CHANNELS
from generators.embedded.seam import Seam

Array = NDArray[np.float64]

MOUTH = slice(0, 9)
"""The channels that move the mouth, and so scale with its size."""
STEPS = 14


class ExpressionFields:
    """F = sum of c_k F_k above and below the seam, on a window of the picture's lattice around the face."""

    def __init__(self, face: FaceFrame, seam: Seam, lattice: Lattice) -> None:
        points = face.points[:, :2]
        oval = points[list(OVAL)]
        low, high = oval.min(axis=0), oval.max(axis=0)
        centre, half = (low + high) / 2, (high - low) / 2
        corners = np.array([[low[0], low[1]], [high[0], low[1]], [low[0], high[1]], [high[0], high[1]]])
        reach = corners + 0.45 * np.sign(corners - centre)
        box = face.turn_to_pixels(reach) + face.origin
        x0, y0 = box.min(axis=0)
        x1, y1 = box.max(axis=0)
        self.lattice, self.column, self.row = lattice.window(x0, y0, x1, y1)
        where = face.to_face(self.lattice.pixels()).reshape(-1, 2)
        radius = np.hypot(*((where - centre) / half).T)
        window = smoothstep(radius, 1.55, 1.30)

        basis = expression_basis(face)
        basis[MOUTH] *= mouth_scale(face)
        self.basis = basis
        angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        ring = np.stack([np.cos(angles), np.sin(angles)], axis=1) * half
        anchors = np.concatenate([centre + 1.30 * ring, centre + 1.55 * ring])

        x, y = where[:, 0], where[:, 1]
        width = face.half_mouth
        hold = smoothstep(np.abs(x), 1.15 * width, 1.0 * width)
        above = y + hold * (np.minimum(y, seam.upper_at(x)) - y)
        below = y + hold * (np.maximum(y, seam.lower_at(x)) - y)
        upper = _field(points, basis, anchors, lower_lip(), np.stack([x, above], axis=1))
        lower = _field(points, basis, anchors, upper_lip(), np.stack([x, below], axis=1))
        # beyond the corners there is one skin: blend both into one field there, or it would tear
        middle = (seam.upper_at(x) + seam.lower_at(x)) / 2
        share = 1.0 / (1.0 + np.exp(np.clip(-(y - middle) / 0.03, -40, 40)))
        apart = smoothstep(np.abs(x), 1.10 * width, 0.98 * width)
        joint = upper * (1 - share)[:, None, None] + lower * share[:, None, None]
        self._upper = self._pack(face, (apart[:, None, None] * (upper - joint) + joint) * window[:, None, None])
        self._lower = self._pack(face, (apart[:, None, None] * (lower - joint) + joint) * window[:, None, None])

    def _pack(self, face: FaceFrame, field: Array) -> Field:
        pixels = face.turn_to_pixels(field)
        shaped = pixels.reshape(self.lattice.rows * self.lattice.columns, len(CHANNELS), 2)
        packed = np.ascontiguousarray(np.moveaxis(shaped, 1, 0), dtype=np.float32)
        return packed.reshape(len(CHANNELS), -1)

    def forward(self, expression: NDArray[np.float32]) -> tuple[Field, Field]:
        """The upper and the lower field for channel values (12,): each (rows, columns, 2) in pixels."""
        import cv2

        shape = (self.lattice.rows, self.lattice.columns, 2)
        upper, lower = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        # few channels are in use at once: adding them up beats a product, whose threads cost more than they carry
        for channel in np.flatnonzero(expression):
            for total, fields in ((upper, self._upper), (lower, self._lower)):
                cv2.scaleAdd(fields[channel].reshape(shape), float(expression[channel]), total, total)
        return upper, lower

    def backward(self, expression: NDArray[np.float32]) -> tuple[Field, Field]:
        """The inverses of both fields."""
        upper, lower = self.forward(expression)
        if not upper.any() and not lower.any():
            return upper, lower
        cell = self.lattice.cell
        return inverse(upper, cell, steps=STEPS), inverse(lower, cell, steps=STEPS)


def _field(points: Array, basis: Array, anchors: Array, left_out: list[int], where: Array) -> Array:
    """The basis as a dense field at ``where``: (nodes, channels, 2)."""
    kept = np.setdiff1d(np.arange(468), left_out)
    plate = ThinPlate(np.concatenate([points[kept], anchors]))
    values = np.zeros((len(kept) + len(anchors), len(basis) * 2))
    values[: len(kept)] = np.moveaxis(basis[:, kept], 0, 1).reshape(len(kept), -1)
    return plate.evaluate(plate.solve(values), where).reshape(len(where), len(basis), 2)
