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
    """Rms of the stable landmarks against the best view (weak perspective) of the first frame's: a turn is no drift."""
    likeness: Series
    """Gradients of brows, eyes and nose against the first frame's, 1 when equal; other people come to about .8."""
    flicker: Series
    """Mean change of brightness (of 255) from one frame to the next beyond the change before, on the aligned face."""

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
    looks = _Looks()
    with FaceTracker() as tracker:
        for frame in frames:
            faces = find_faces(frame, max_faces=1) if apart else tracker.next(frame)
            if not faces:
                rows.append((math.nan,) * 9)
                continue
            marks = faces[0].landmarks
            first = marks if first is None else first
            rows.append((*_measure(marks, first), *looks.compare(frame, marks)))
    table = np.array(rows, np.float64).reshape(-1, 9).T
    return Seen(
        opening=table[0],
        width=table[1],
        eyes=table[2],
        yaw=table[3],
        pitch=table[4],
        roll=table[5],
        drift=table[6],
        likeness=table[7],
        flicker=table[8],
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
    """What no view of the first frame's stable landmarks, seen from far away, explains of where they are now."""
    stable = list(STABLE)
    before = (first[stable] - first[stable].mean(axis=0)).astype(np.float64)
    now = (marks[stable, :2] - marks[stable, :2].mean(axis=0)).astype(np.float64)
    view, *_ = np.linalg.lstsq(before, now, rcond=None)
    scale = max(float(np.linalg.norm(view)) / math.sqrt(2), 1e-9)
    return float(np.sqrt(np.mean(np.sum((before @ view - now) ** 2, axis=1)))) / scale / unit


class _Looks:
    """The face cut out upright, 96 pixels square, from frame to frame."""

    SIDE = 96

    def __init__(self) -> None:
        self._first: NDArray[np.float64] | None = None
        self._before: list[NDArray[np.float32]] = []

    def compare(self, frame: Frame, marks: NDArray[np.float32]) -> tuple[float, float]:
        """Likeness to the first frame, and flicker."""
        import cv2

        eyes = marks[[33, 263], :2].astype(np.float32)
        across = (eyes[1] - eyes[0]) / 2
        down = np.array([-across[1], across[0]], np.float32)
        middle = eyes.mean(axis=0)
        source = np.array([eyes[0], eyes[1], middle + down], np.float32)
        target = np.array([[24, 34], [72, 34], [48, 58]], np.float32)
        grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
        crop = cv2.warpAffine(grey, cv2.getAffineTransform(source, target), (self.SIDE, self.SIDE))
        gradients = cv2.HOGDescriptor((96, 96), (32, 32), (16, 16), (16, 16), 9).compute(cv2.equalizeHist(crop))
        now = np.asarray(gradients, np.float64).reshape(-1)
        self._first = now if self._first is None else self._first
        alike = float(now @ self._first) / max(float(np.linalg.norm(now) * np.linalg.norm(self._first)), 1e-9)
        self._before = [*self._before[-2:], crop.astype(np.float32)]
        if len(self._before) < 3:
            return alike, 0.0
        a, b, c = self._before
        return alike, float(np.abs(a - 2 * b + c).mean())
