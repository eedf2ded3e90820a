"""Turning the head: a rigid rotation with depth that fades out below the neck and towards the picture's border."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from generators.embedded.flow import Field, Lattice, smooth_inverse, smoothstep
from generators.embedded.landmarks import OVAL, FaceFrame
from generators.embedded.pose import Pose

Array = NDArray[np.float64]

DEPTH = 0.85
"""What the landmarks' z is divided by; chosen so that a drawn turn is found again at its own angle (slope near 1)."""


class HeadField:
    """The forward displacement of a turned head: linear in fields that are computed once.

    A node at (X, Y) in face coordinates with depth Z is turned as (X, Y, Zc - Z) about a pivot below the chin; the
    displacement (R - 1) (X, Y, Zc - Z) times the falloff M is linear in M X, M Y and M (Zc - Z).
    """

    def __init__(self, face: FaceFrame, lattice: Lattice, size: tuple[int, int], *, layered: bool) -> None:
        height, width = size
        pixels = lattice.pixels()
        where = face.to_face(pixels)
        x, y = where[..., 0], where[..., 1]
        middle = (face.points[234, :2] + face.points[454, :2]) / 2
        depth, level = _depth(face, where, lattice.cell / face.unit)
        pivot = np.array([middle[0] * 0.5, face.chin + 0.15])
        falloff = smoothstep(y, face.chin + 1.15, face.chin + 0.05)
        # shoulders stay: below the chin only what is near the neck goes along
        aside = 1.0 - smoothstep(np.abs(x - middle[0]), 1.9, 0.7)
        falloff = falloff * (1.0 - aside * smoothstep(y, face.chin - 0.2, face.chin + 0.5))
        edge = np.minimum(np.minimum(pixels[..., 0], width - 1 - pixels[..., 0]), pixels[..., 1]) / face.unit
        if not layered:
            # one sheet: the border must not move; a person cut out has nothing there to bend
            falloff = falloff * smoothstep(edge, 0.0, 0.6) * smoothstep(_radius(face, where), 2.65, 1.15)
        self._parts = np.stack([falloff * (x - pivot[0]), falloff * (y - pivot[1]), falloff * (level - depth)])
        floor = smoothstep((height - 1 - pixels[..., 1]) / face.unit, 0.0, 0.5)
        shoulders = 0.5 + 0.5 * smoothstep(y, face.chin, face.chin + 0.6)
        if not layered:
            shoulders = shoulders * smoothstep(edge, 0.0, 0.35)
        self._breath = (shoulders * floor).astype(np.float32)
        self._parts = self._parts.astype(np.float32).reshape(3, -1)
        self._face = face
        self._lattice = lattice
        self._zero = np.zeros((lattice.rows, lattice.columns, 2), np.float32)

    def forward(self, pose: Pose) -> Field:
        """The displacement of every node, (rows, columns, 2) in pixels."""
        turn = rotation(pose)
        if pose.yaw == 0.0 and pose.pitch == 0.0 and pose.roll == 0.0 and pose.breath == 0.0:
            return self._zero
        rows = (turn - np.eye(3))[:2].astype(np.float32)
        flat = (rows @ self._parts).reshape(2, self._lattice.rows, self._lattice.columns)
        flat[1] -= np.float32(pose.breath) * self._breath
        axes = (self._face.axes * self._face.unit).astype(np.float32)
        field = np.empty_like(self._zero)
        field[..., 0] = flat[0] * axes[0, 0] + flat[1] * axes[1, 0]
        field[..., 1] = flat[0] * axes[0, 1] + flat[1] * axes[1, 1]
        return field

    def backward(self, pose: Pose) -> Field:
        """Output node to source displacement: the source of node y is y minus this."""
        field = self.forward(pose)
        return field if field is self._zero else smooth_inverse(field, self._lattice.cell, steps=10, damping=0.3)


def rotation(pose: Pose) -> Array:
    """R of the pose for vectors (x right, y down, towards the camera)."""
    yaw, pitch, roll = (math.radians(angle) for angle in (pose.yaw, pose.pitch, pose.roll))
    cy, sy, cp, sp, cr, sr = (
        math.cos(yaw),
        math.sin(yaw),
        math.cos(pitch),
        math.sin(pitch),
        math.cos(roll),
        math.sin(roll),
    )
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    turn: Array = about_z @ about_y @ about_x
    return turn


def _radius(face: FaceFrame, where: Array) -> Array:
    """Distance from the face's middle in radii of its ellipse."""
    oval = face.points[list(OVAL), :2]
    low, high = oval.min(axis=0), oval.max(axis=0)
    centre, half = (low + high) / 2, (high - low) / 2
    radius: Array = np.hypot((where[..., 0] - centre[0]) / half[0], (where[..., 1] - centre[1]) / half[1])
    return radius


def _depth(face: FaceFrame, where: Array, cell: float) -> tuple[Array, float]:
    """Depth of every node in u, and the depth of the turning axis."""
    import cv2

    marks = face.points[:468]
    depth = marks[:, 2] / DEPTH
    deepest = float(depth[list(OVAL)].max())
    flat = where.reshape(-1, 2).astype(np.float32)
    points = marks[:, :2].astype(np.float32)
    squared = (flat[:, None, 0] - points[None, :, 0]) ** 2 + (flat[:, None, 1] - points[None, :, 1]) ** 2
    weights = 1.0 / (squared + 4e-4) ** 2
    inside = (weights @ depth.astype(np.float32)) / weights.sum(axis=1)
    inside = inside.reshape(where.shape[:2]).astype(np.float64)
    # beyond the oval the head curves away behind the face
    sunk = smoothstep(_radius(face, where), 0.92, 1.5)
    field = inside * (1 - sunk) + (deepest + 0.25) * sunk
    fine = cv2.GaussianBlur(field, (0, 0), max(0.03 / cell, 0.5))
    soft = cv2.GaussianBlur(field, (0, 0), max(0.07 / cell, 0.5))
    rim = smoothstep(_radius(face, where), 0.70, 0.95)
    blended: Array = fine * (1 - rim) + soft * rim
    return blended, deepest + 0.35
