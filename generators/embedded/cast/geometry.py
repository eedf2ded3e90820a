"""The 478 landmarks of a drawn face: the mean face, bent by a person's shape offsets, placed in the picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from generators.embedded.cast.person import Person

FloatArray = npt.NDArray[np.float32]

UNIT = 0.215
"""Distance of the outer eye corners as a share of the picture width: the face then takes about a third of it."""
EYE_LINE = 0.385
"""Height of the eye line in the picture, from the top: leaves 0.4 eye distances above the hair."""

UPPER_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LOWER_OUTER = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)
UPPER_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_INNER = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
JAW = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234)


@dataclass(frozen=True, slots=True)
class EyeMarks:
    """Landmark indices of one eye, listed from the corner by the nose outwards."""

    upper: tuple[int, ...]
    lower: tuple[int, ...]
    iris: int
    ring: tuple[int, ...]
    brow_upper: tuple[int, ...]
    brow_lower: tuple[int, ...]
    side: int


LEFT_EYE = EyeMarks(
    upper=(133, 173, 157, 158, 159, 160, 161, 246, 33),
    lower=(133, 155, 154, 153, 145, 144, 163, 7, 33),
    iris=468,
    ring=(469, 470, 471, 472),
    brow_upper=(107, 66, 105, 63, 70),
    brow_lower=(55, 65, 52, 53, 46),
    side=-1,
)
RIGHT_EYE = EyeMarks(
    upper=(362, 398, 384, 385, 386, 387, 388, 466, 263),
    lower=(362, 382, 381, 380, 374, 373, 390, 249, 263),
    iris=473,
    ring=(474, 475, 476, 477),
    brow_upper=(336, 296, 334, 293, 300),
    brow_lower=(285, 295, 282, 283, 276),
    side=1,
)
EYES = (LEFT_EYE, RIGHT_EYE)


@cache
def mean_face() -> FloatArray:
    """The symmetric mean of many faces: ``(478, 3)`` in eye distances, x right, y down, z away from the viewer."""
    with np.load(Path(__file__).with_name("mean_face.npz")) as stored:
        return np.asarray(stored["mean"], np.float32)


def _bell(x: FloatArray, width: float) -> FloatArray:
    return np.asarray(np.exp(-((x / width) ** 2)), np.float32)


def _ramp(x: FloatArray, low: float, high: float) -> FloatArray:
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def shape(person: Person) -> FloatArray:
    """The person's landmarks in the face frame: ``(478, 3)`` in eye distances, origin between the eyes.

    Every offset is a smooth closed form of the position, so neighbouring points stay neighbours.
    """
    p = mean_face().copy()
    x, y = p[:, 0].copy(), p[:, 1].copy()

    # Eyes grow about their own middles; a drawn character carries larger ones than a photograph.
    for eye in EYES:
        middle = (p[eye.upper[0], :2] + p[eye.upper[-1], :2]) / 2
        away = p[:, :2] - middle
        near = _bell(np.hypot(away[:, 0] / 1.25, away[:, 1]), 0.25)
        grow = 0.20 + 0.09 * person.eye_size
        p[:, 0] += away[:, 0] * near * grow * 0.75
        p[:, 1] += away[:, 1] * near * grow * 1.55
        p[:, 1] -= 0.03 * person.eye_tilt * near * away[:, 0] * eye.side / 0.15
        brow = list(eye.brow_upper + eye.brow_lower)
        p[brow, 1] -= 0.034 + 0.034 * person.brow_height

    below = _ramp(y, 0.05, 1.25)
    side = _ramp(np.abs(x), 0.1, 0.75)
    p[:, 0] *= 1 + 0.045 * person.face_width * _ramp(np.abs(x), 0.35, 0.8)
    p[:, 0] *= 1 + 0.10 * (person.jaw - 0.25) * side * below
    p[:, 1] += (0.07 * person.face_length - 0.07) * _ramp(y, 0.15, 1.3)
    chin = _bell(x, 0.35) * _ramp(y, 0.95, 1.25)
    p[:, 1] += 0.05 * person.chin * chin
    p[:, 0] += 0.05 * person.chin * np.sign(x) * _bell(np.abs(x) - 0.25, 0.15) * _ramp(y, 1.0, 1.25)

    nose = _bell(x, 0.3) * _bell(y - 0.45, 0.2)
    p[:, 0] *= 1 + (0.10 * person.nose_width - 0.10) * nose
    p[:, 1] += (0.05 * person.nose_length - 0.03) * _bell(x, 0.3) * _bell(y - 0.5, 0.22)

    mouth_y = float(mean_face()[[61, 291], 1].mean())
    rise = y - mouth_y
    half = abs(float(mean_face()[61, 0]))
    mouth = _bell(x, 0.42) * _bell(rise, 0.17)
    p[:, 0] *= 1 + 0.07 * person.mouth_width * mouth
    p[:, 1] += rise * (0.16 * person.lip_fullness + 0.12) * _bell(x, 0.36) * _bell(rise, 0.16)
    p[:, 1] -= 0.042 * person.smile * _bell(np.abs(x) - half, 0.12) * _bell(rise, 0.12)
    p[:, 1] += 0.008 * person.smile * _bell(x, 0.12) * _bell(rise, 0.12)
    p[:, 0] *= 1 + 0.05 * person.smile * mouth
    _close_lips(p)
    for eye in EYES:
        p[list(eye.ring), :2] += (p[list(eye.ring), :2] - p[eye.iris, :2]) * 0.10
    return p


def _close_lips(p: FloatArray) -> None:
    """Lay both inner contours along one even curve a hair apart, in place: the mean's own is a little uneven."""
    upper, lower = list(UPPER_INNER), list(LOWER_INNER)
    both = np.concatenate([upper, lower[1:-1], [61, 291]])
    x, y = p[both, 0], p[both, 1]
    terms = np.column_stack([np.ones_like(x), x**2, x**4, x**6])
    fit, *_ = np.linalg.lstsq(terms, y, rcond=None)
    for row, apart in ((upper, -0.0015), (lower, 0.0015), ([61, 291], 0.0)):
        at = p[row, 0]
        p[row, 1] = np.column_stack([np.ones_like(at), at**2, at**4, at**6]) @ fit + apart


@dataclass(frozen=True, slots=True)
class Frame:
    """Where the face frame lies in the picture.

    Attributes:
        size: Side of the square picture in pixels.
        unit: Pixels per eye distance.
        x0: Picture column of the face frame's origin.
        y0: Picture row of the face frame's origin.
    """

    size: int
    unit: float
    x0: float
    y0: float

    def pixels(self, points: npt.ArrayLike) -> FloatArray:
        """Face frame to pixels; ``(n, 2)`` or ``(n, 3)``, z scaled alike."""
        points = np.asarray(points, np.float32)
        out = points * np.float32(self.unit)
        out[..., 0] += self.x0
        out[..., 1] += self.y0
        return out

    def grid(self) -> tuple[FloatArray, FloatArray]:
        """Face-frame x and y of every pixel, each ``(size, size)``."""
        line = np.arange(self.size, dtype=np.float32)
        x, y = np.meshgrid((line - self.x0) / self.unit, (line - self.y0) / self.unit)
        return x.astype(np.float32), y.astype(np.float32)


def frame(size: int) -> Frame:
    """The frame every portrait uses at a given size."""
    return Frame(size=size, unit=size * UNIT, x0=size / 2, y0=size * EYE_LINE)


def spline(points: npt.ArrayLike, count: int, *, closed: bool = False) -> FloatArray:
    """``count`` points along the smooth curve through the given ones, evenly spaced in arc length."""
    from scipy.interpolate import CubicSpline

    knots = np.asarray(points, np.float64)
    if closed:
        knots = np.vstack([knots, knots[:1]])
    steps = np.linalg.norm(np.diff(knots, axis=0), axis=1) ** 0.5
    at = np.concatenate([[0.0], np.cumsum(steps)])
    curve = CubicSpline(at, knots, bc_type="periodic" if closed else "natural")
    fine = curve(np.linspace(0, at[-1], 16 * len(knots)))
    run = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
    want = np.linspace(0, run[-1], count, endpoint=not closed)
    return np.column_stack([np.interp(want, run, fine[:, k]) for k in range(fine.shape[1])]).astype(np.float32)


def head_outline(points: FloatArray) -> FloatArray:
    """Outline of the bare head in the face frame, ``(n, 2)``: the jaw of the landmarks, closed over the skull."""
    jaw = points[list(JAW), :2]
    right, left = jaw[0], jaw[-1]
    top = float(points[10, 1]) - 0.40
    half = abs(float(right[0]))
    skull = [
        (-half * 1.025, left[1] - 0.28),
        (-half * 1.02, left[1] - 0.55),
        (-half * 0.885, top + 0.36),
        (-half * 0.54, top + 0.085),
        (0.0, top),
        (half * 0.54, top + 0.085),
        (half * 0.885, top + 0.36),
        (half * 1.02, right[1] - 0.55),
        (half * 1.025, right[1] - 0.28),
    ]
    return spline(np.vstack([jaw, np.asarray(skull, np.float32)]), 240, closed=True)
