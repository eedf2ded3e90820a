"""The 478 face landmarks in groups, and the face's own coordinates.

Indices follow mediapipe's face mesh with irises. Face coordinates: origin between the mouth corners, x along the outer
eye corners towards the picture's right, y down, unit u = the distance between the outer eye corners.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UPPER_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LOWER_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
# rows between the outer and the inner contour
UPPER_MIDDLE = (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292)
LOWER_MIDDLE = (77, 90, 180, 85, 16, 315, 404, 320, 307, 96, 89, 179, 86, 15, 316, 403, 319, 325)
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152),
    *(148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
BROWS = (70, 63, 105, 66, 107, 46, 53, 52, 65, 55, 300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
FOREHEAD = (10, 151, 9, 108, 337, 69, 299, 109, 338, 67, 297, 104, 333, 103, 332, 68, 298, 54, 284)
NOSE = (1, 2, 98, 327, 168, 6, 197, 195, 4, 5, 45, 275, 115, 344, 129, 358, 94, 19, 97, 326, 48, 278, 64, 294, 141, 370)
# eye contours from the outer to the inner corner; "right" is the person's right, at the picture's left
RIGHT_UPPER = (33, 246, 161, 160, 159, 158, 157, 173, 133)
RIGHT_LOWER = (33, 7, 163, 144, 145, 153, 154, 155, 133)
LEFT_UPPER = (263, 466, 388, 387, 386, 385, 384, 398, 362)
LEFT_LOWER = (263, 249, 390, 373, 374, 380, 381, 382, 362)
RIGHT_BROW_LOW = (46, 53, 52, 65, 55)
LEFT_BROW_LOW = (276, 283, 282, 295, 285)
RIGHT_IRIS = (468, 469, 470, 471, 472)
LEFT_IRIS = (473, 474, 475, 476, 477)
RIGID = (33, 263, 133, 362, 168, 6, 197, 195, 5, 4, 1, 10, 151, 9, 67, 297, 127, 356, 234, 454, 103, 332, 54, 284)

Z_COMPRESSION = 0.72
"""Measured: what mediapipe reports of a face's true depth (rendered against re-detected yaw, .66 to .76)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaceFrame:
    """The face's own coordinates, and the way between them and pixels."""

    origin: NDArray[np.float64]
    """(2,) pixels: between the mouth corners."""
    axes: NDArray[np.float64]
    """(2, 2): rows are the unit vectors of x and y in pixels."""
    unit: float
    """u in pixels."""
    points: NDArray[np.float64]
    """(478, 3): the landmarks in face coordinates; z is mediapipe's, in u."""

    @classmethod
    def of(cls, landmarks: NDArray[np.float32]) -> FaceFrame:
        """Measure a face; ``landmarks`` is (478, 3) in pixels."""
        marks = np.asarray(landmarks, np.float64)
        across = marks[263, :2] - marks[33, :2]
        unit = max(float(np.hypot(*across)), 1e-6)
        x_axis = across / unit
        axes = np.array([x_axis, (-x_axis[1], x_axis[0])])
        origin = (marks[61, :2] + marks[291, :2]) / 2
        flat = (marks[:, :2] - origin) @ axes.T / unit
        points = np.concatenate([flat, marks[:, 2:3] / unit], axis=1)
        return cls(origin=origin, axes=axes, unit=unit, points=points)

    def to_face(self, pixels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Positions (..., 2) in pixels to face coordinates."""
        face: NDArray[np.float64] = (pixels - self.origin) @ self.axes.T / self.unit
        return face

    def turn_to_pixels(self, vectors: NDArray[np.float64]) -> NDArray[np.float64]:
        """Displacements (..., 2) in u to pixels."""
        turned: NDArray[np.float64] = vectors @ self.axes * self.unit
        return turned

    @property
    def half_mouth(self) -> float:
        """Half the mouth's width, in u."""
        return float(self.points[291, 0] - self.points[61, 0]) / 2

    @property
    def chin(self) -> float:
        """Height (y) of the chin's tip, in u."""
        return float(self.points[152, 1])

    @property
    def gap(self) -> float:
        """Mean opening between the inner lip contours, in u; about 0 when the mouth is closed."""
        opening = self.points[list(LOWER_INNER[3:8]), 1] - self.points[list(UPPER_INNER[3:8]), 1]
        return float(np.maximum(opening, 0.0).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Angles:
    """How a face is turned, in degrees; signs as in ``Pose``."""

    yaw: float
    pitch: float
    roll: float


def head_angles(landmarks: NDArray[np.float32]) -> Angles:
    """How far a face is turned from facing the camera, measured on its symmetric pairs and the line from brow to chin.

    Good to about 3 degrees; pitch depends on the shape of the face, so only yaw is fit for a limit.
    """
    marks = np.asarray(landmarks, np.float64).copy()
    marks[:, 2] /= Z_COMPRESSION
    pairs = ((33, 263), (133, 362), (61, 291), (234, 454), (127, 356), (132, 361), (54, 284), (172, 397))
    across = np.sum([marks[left] - marks[right] for right, left in pairs], axis=0)
    down = marks[152] - marks[10]
    # z grows away from the camera: the far side has the greater z
    yaw = math.degrees(math.atan2(across[2], float(np.hypot(across[0], across[1]))))
    roll = math.degrees(math.atan2(across[1], across[0]))
    pitch = math.degrees(math.atan2(down[2], float(np.hypot(down[0], down[1]))))
    return Angles(yaw=yaw, pitch=pitch, roll=roll)


def eye_openness(landmarks: NDArray[np.float32]) -> tuple[float, float]:
    """Lid opening over eye width of the right and the left eye: about .3 open, under .1 shut."""
    marks = np.asarray(landmarks, np.float64)[:, :2]

    def ratio(upper: tuple[int, ...], lower: tuple[int, ...]) -> float:
        tall = np.linalg.norm(marks[list(upper[3:6])] - marks[list(lower[3:6])], axis=1).mean()
        return float(tall / max(float(np.linalg.norm(marks[upper[0]] - marks[upper[-1]])), 1e-6))

    return ratio(RIGHT_UPPER, RIGHT_LOWER), ratio(LEFT_UPPER, LEFT_LOWER)
