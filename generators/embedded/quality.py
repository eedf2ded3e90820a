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

from generators.embedded.landmarks import LOWER_INNER, RIGID, UPPER_INNER, eye_openness
from generators.embedded.motion import angles_of, rotation_between

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
    yaw, pitch, roll = angles_of(rotation_between(first[list(RIGID)], marks[list(RIGID)])[0])
    return opening, width, float(np.mean(eye_openness(marks))), yaw, pitch, roll, _drift(marks, first, unit)


def _drift(marks: NDArray[np.float32], first: NDArray[np.float32], unit: float) -> float:
    """What a similarity (shift, turn, scale) leaves of the stable landmarks' movement."""
    a = first[list(STABLE), 0] + 1j * first[list(STABLE), 1]
    b = marks[list(STABLE), 0] + 1j * marks[list(STABLE), 1]
    a, b = a - a.mean(), b - b.mean()
    factor = np.vdot(a, b) / max(float(np.vdot(a, a).real), 1e-9)
    return float(np.sqrt(np.mean(np.abs(b / factor - a) ** 2))) / unit
