"""What a face finder sees in rendered frames: the measures that tests and benchmarks hold the puppet to.

All lengths are in u, the distance between the outer eye corners of the first frame in which the face is found.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from generators.embedded.landmarks import LOWER_INNER, RIGID, UPPER_INNER, Z_COMPRESSION, eye_openness

if TYPE_CHECKING:
    from thsafe.core.types import Frame

Series = NDArray[np.float64]

STABLE = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 98, 327)
"""Landmarks that no expression moves: eye corners and nose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One number per frame; NaN where no face was found."""

    opening: Series
    """Between the inner lip contours, mean over the middle five pairs."""
    width: Series
    """Between the mouth corners."""
    eyes: Series
    """Lid opening over eye width, mean of both eyes: about .3 open, under .1 shut."""
    yaw: Series
    """Degrees against the first frame; positive turns towards the picture's right."""
    pitch: Series
    roll: Series
    drift: Series
    """Rms of the stable landmarks against the first frame, after similarity alignment."""

    @property
    def missed(self) -> int:
        """Frames without a face."""
        return int(np.isnan(self.opening).sum())


def look_at(frames: Iterable[Frame], *, apart: bool = False) -> Seen:
    """Find the face again in every frame (BGR ``uint8``).

    Args:
        frames: the frames in order; they are not kept.
        apart: look at each frame for itself, for poses that do not follow each other in time.
    """
    from thsafe.media.faces import FaceTracker, find_faces

    rows: list[tuple[float, ...]] = []
    first: NDArray[np.float32] | None = None
    with FaceTracker() as tracker:
        for frame in frames:
            faces = find_faces(frame, max_faces=1) if apart else tracker.next(frame)
            if not faces:
                rows.append((math.nan,) * 7)
                continue
            marks = faces[0].landmarks
            first = marks if first is None else first
            rows.append(_measure(marks, first))
    table = np.array(rows, np.float64).reshape(-1, 7).T
    return Seen(
        opening=table[0],
        width=table[1],
        eyes=table[2],
        yaw=table[3],
        pitch=table[4],
        roll=table[5],
        drift=table[6],
    )


def agreement(intended: Series, seen: Series) -> tuple[float, float]:
    """Correlation of two series, and the slope of ``seen`` over ``intended``; frames with NaN are left out."""
    there = np.isfinite(intended) & np.isfinite(seen)
    a, b = intended[there] - intended[there].mean(), seen[there] - seen[there].mean()
    power = float(a @ a)
    return float(a @ b) / max(math.sqrt(power * float(b @ b)), 1e-12), float(a @ b) / max(power, 1e-12)


def _measure(marks: NDArray[np.float32], first: NDArray[np.float32]) -> tuple[float, ...]:
    unit = float(np.hypot(*(first[263, :2] - first[33, :2])))
    upper, lower = marks[list(UPPER_INNER[3:8]), :2], marks[list(LOWER_INNER[3:8]), :2]
    opening = float(np.linalg.norm(lower - upper, axis=1).mean()) / unit
    width = float(np.hypot(*(marks[291, :2] - marks[61, :2]))) / unit
    yaw, pitch, roll = _turn(first[list(RIGID)], marks[list(RIGID)])
    return opening, width, float(np.mean(eye_openness(marks))), yaw, pitch, roll, _drift(marks, first, unit)


def _turn(before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees of the rotation between two sets of points (Kabsch 1976)."""
    # towards the camera positive, and stretched to true depth
    scale = np.array([1.0, 1.0, -1.0 / Z_COMPRESSION])
    a, b = before * scale, after * scale
    u, _, vt = np.linalg.svd((a - a.mean(axis=0)).T @ (b - b.mean(axis=0)))
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    turn = vt.T @ flip @ u.T
    # the order of ``head.rotation``: R = Rz Ry Rx
    yaw = math.asin(float(np.clip(-turn[2, 0], -1.0, 1.0)))
    pitch = math.atan2(-float(turn[2, 1]), float(turn[2, 2]))
    roll = math.atan2(float(turn[1, 0]), float(turn[0, 0]))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def _drift(marks: NDArray[np.float32], first: NDArray[np.float32], unit: float) -> float:
    """What a similarity (shift, turn, scale) leaves of the stable landmarks' movement."""
    a = first[list(STABLE), 0] + 1j * first[list(STABLE), 1]
    b = marks[list(STABLE), 0] + 1j * marks[list(STABLE), 1]
    a, b = a - a.mean(), b - b.mean()
    factor = np.vdot(a, b) / max(float(np.vdot(a, a).real), 1e-9)
    return float(np.sqrt(np.mean(np.abs(b / factor - a) ** 2))) / unit
