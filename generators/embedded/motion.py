"""How a filmed face moves: pose, expression, blinks and gaze against its own neutral, in the channels of ``Pose``.

Landmarks are turned back to the neutral frame's pose (Kabsch 1976); what is left is told in the twelve expression
channels by bounded ridge regression on that face's own basis. All lengths are in units of that face, so the numbers
carry over to any other face and carry nothing of this one's shape.
"""

from __future__ import annotations

import math
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from generators.embedded.basis import expression_basis, lower_lip, mouth_scale, upper_lip
from generators.embedded.expression import MOUTH
from generators.embedded.landmarks import (
    BROWS,
    LEFT_IRIS,
    LOWER_INNER,
    RIGHT_IRIS,
    RIGID,
    UPPER_INNER,
    Z_COMPRESSION,
    FaceFrame,
    eye_openness,
    head_angles,
)
from generators.embedded.pose import CHANNELS, HIGHEST, LOWEST, Pose

if TYPE_CHECKING:
    from thsafe.media.faces import Face

Array = NDArray[np.float64]

_JAW: Final = CHANNELS.index("jaw")
_RIDGE: Final = 0.3
NOD_OF_MOUTH: Final = 20.0
"""Degrees per u: landmarks of an opening mouth look like a head that nods up (11 to 26 measured, filmed and drawn)."""
_HOLD: Final = 0.6
"""Seconds in which a face that is lost eases to neutral, and one that is found again eases back."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Motion:
    """One row per frame of a film. Where ``seen`` is false, the rows are what was filled in."""

    times: Array
    """(N,) seconds."""
    seen: NDArray[np.bool_]
    expression: Array
    """(N, 12), in the order of ``CHANNELS``."""
    blink: Array
    """(N, 2): of the person's right and left eye, 0 open to 1 shut."""
    gaze: Array
    """(N, 2): right and down, in u."""
    angles: Array
    """(N, 3): yaw, pitch, roll in degrees against the neutral frame; signs as in ``Pose``."""
    opening: Array
    """(N,): between the inner lips, in u, as seen."""
    neutral: int
    """The frame against which all is measured."""

    def poses(self, times: Iterable[float]) -> Iterator[Pose]:
        """The pose at each time."""
        table = self._table()
        for time in times:
            right = int(np.clip(np.searchsorted(self.times, time), 1, max(len(self.times) - 1, 1)))
            left = right - 1
            right = min(right, len(self.times) - 1)
            span = max(float(self.times[right] - self.times[left]), 1e-9)
            share = float(np.clip((time - self.times[left]) / span, 0.0, 1.0))
            yield _pose(table[left] * (1 - share) + table[right] * share)

    def _table(self) -> Array:
        return np.concatenate([self.expression, self.blink, self.gaze, self.angles], axis=1)


class Marks:
    """Landmarks of a film's face, kept in an unnamed temporary file (6 kB a frame) and not in memory."""

    _ROW: Final = 478 * 3

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object, see below
        weakref.finalize(self, self._file.close)
        self._present: list[bool] = []

    def append(self, face: Face | None) -> None:
        """The next frame's face, or that there is none."""
        row = np.zeros(self._ROW, np.float32) if face is None else face.landmarks.astype(np.float32).reshape(-1)
        self._file.seek(4 * self._ROW * len(self._present))
        self._file.write(row.tobytes())
        self._present.append(face is not None)

    def __len__(self) -> int:
        return len(self._present)

    def __getitem__(self, frame: int) -> NDArray[np.float32] | None:
        """(478, 3) in pixels, or None."""
        if not self._present[frame]:
            return None
        self._file.seek(4 * self._ROW * frame)
        return np.frombuffer(self._file.read(4 * self._ROW), np.float32).reshape(478, 3)


def measure(marks: Marks, times: Array, *, smooth: bool = True) -> Motion | None:
    """What a film's face does; None where it never shows.

    Args:
        marks: the landmarks of every frame.
        times: (N,) seconds.
        smooth: whether jitter is taken out with a One-Euro filter, run both ways so that nothing lags.
    """
    neutral, seen, eyes = _survey(marks)
    if neutral < 0:
        return None
    first = marks[neutral]
    assert first is not None
    face = FaceFrame.of(first)
    solver = Solver(face)
    count = len(marks)
    expression, gaze = np.zeros((count, len(CHANNELS))), np.zeros((count, 2))
    angles, opening = np.zeros((count, 3)), np.zeros(count)
    for frame in np.flatnonzero(seen):
        found = marks[int(frame)]
        assert found is not None
        rotation, scale = rotation_between(first[list(RIGID)], found[list(RIGID)])
        now = FaceFrame.of(found)
        opening[frame] = now.gap
        angles[frame] = angles_of(rotation)
        angles[frame, 1] += NOD_OF_MOUTH * (opening[frame] - face.gap)
        expression[frame] = solver.solve(turned_back(first, found, rotation, scale))
        gaze[frame] = iris_of(now)
    wide = np.percentile(eyes[seen], 75, axis=0)
    blink = np.clip(1.25 * (1 - eyes / np.maximum(wide, 1e-3)) - 0.12, 0.0, 1.0)
    open_eyes = seen & (blink.max(axis=1) < 0.3)
    gaze -= np.median(gaze[open_eyes] if open_eyes.any() else gaze[seen], axis=0)
    gaze = _held(gaze, open_eyes)
    angles -= 0.7 * np.median(angles[seen], axis=0)
    parts = [_filled(part, seen, times) for part in (expression, blink, np.clip(gaze, -0.06, 0.06), angles)]
    if smooth:
        settings = ((2.5, 20.0), (4.0, 4.0), (1.5, 8.0), (0.8, 0.05))
        parts = [one_euro(part, times, cutoff, beta) for part, (cutoff, beta) in zip(parts, settings, strict=True)]
    return Motion(
        times=times,
        seen=seen,
        expression=parts[0],
        blink=np.clip(parts[1], 0.0, 1.0),
        gaze=parts[2],
        angles=parts[3],
        opening=opening,
        neutral=neutral,
    )


class Follower:
    """The same for landmarks that come one by one, with no film to look ahead in: the past alone smooths.

    Args:
        warm_up: pictures in which the measure of the face is taken: the most neutral of them is what all is told
            against, and how far its eyes are open then counts as open.
    """

    def __init__(self, warm_up: int = 20) -> None:
        self._left = warm_up
        self._first: tuple[float, NDArray[np.float32]] | None = None
        self._wide = np.full(2, 1e-3)
        self._solver: Solver | None = None
        self._filters = [OneEuro(*settings) for settings in ((2.5, 20.0), (4.0, 4.0), (1.5, 8.0), (0.8, 0.05))]
        self._last = 0.0

    def next(self, found: NDArray[np.float32], time: float) -> Pose | None:
        """The pose of the next picture, or None while the measure is taken.

        Args:
            found: (478, 3) in pixels.
            time: seconds, on any clock.
        """
        eyes = np.asarray(eye_openness(found), np.float64)
        if self._left > 0 or self._first is None:
            self._left -= 1
            self._wide = np.maximum(self._wide, eyes)
            unrest = 4 * FaceFrame.of(found).gap + math.radians(abs(head_angles(found).yaw)) * 0.5
            if self._first is None or unrest < self._first[0]:
                self._first = (unrest, found.copy())
            self._last = time
            return None
        first = self._first[1]
        face = FaceFrame.of(first)
        self._solver = self._solver or Solver(face)
        rotation, scale = rotation_between(first[list(RIGID)], found[list(RIGID)])
        now = FaceFrame.of(found)
        angles = np.array(angles_of(rotation))
        angles[1] += NOD_OF_MOUTH * (now.gap - face.gap)
        rows = (
            self._solver.solve(turned_back(first, found, rotation, scale)),
            np.clip(1.25 * (1 - eyes / self._wide) - 0.12, 0.0, 1.0),
            np.clip(iris_of(now) - iris_of(face), -0.06, 0.06),
            angles,
        )
        step, self._last = time - self._last, time
        parts = [each.next(row, step) for each, row in zip(self._filters, rows, strict=True)]
        return _pose(np.concatenate(parts))


def rotation_between(before: NDArray[np.float32], after: NDArray[np.float32]) -> tuple[Array, float]:
    """The rotation (3, 3) and the scale that bring one set of points (n, 3) closest to another (Kabsch 1976).

    For axes x right, y down, z towards the camera; mediapipe's z is stretched to true depth first.
    """
    stretch = np.array([1.0, 1.0, -1.0 / Z_COMPRESSION])
    a, b = before * stretch, after * stretch
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    u, _, vt = np.linalg.svd(a.T @ b)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    turn = vt.T @ flip @ u.T
    scale = float(np.sqrt((b**2).sum() / max(float((a**2).sum()), 1e-9)))
    return np.asarray(turn, np.float64), scale


def angles_of(turn: Array) -> tuple[float, float, float]:
    """Yaw, pitch, roll in degrees, in the order of ``head.rotation``: R = Rz Ry Rx."""
    yaw = math.asin(float(np.clip(-turn[2, 0], -1.0, 1.0)))
    pitch = math.atan2(-float(turn[2, 1]), float(turn[2, 2]))
    roll = math.atan2(float(turn[1, 0]), float(turn[0, 0]))
    return math.degrees(yaw), math.degrees(pitch), math.degrees(roll)


def one_euro(rows: Array, times: Array, cutoff: float, beta: float) -> Array:
    """Smooth (N, k) over time: little where it moves fast, much where it rests (Casiez, Roussel & Vogel 2012).

    Run forwards and backwards and averaged, so that it lags neither way.
    """
    forward = _euro(rows, np.diff(times), cutoff, beta)
    backward = _euro(rows[::-1], np.diff(times)[::-1], cutoff, beta)[::-1]
    return np.asarray((forward + backward) / 2, np.float64)


class OneEuro:
    """The same filter for values that come one at a time."""

    def __init__(self, cutoff: float, beta: float) -> None:
        self._cutoff, self._beta = cutoff, beta
        self._value: Array | None = None
        self._speed: Array | None = None

    def next(self, value: Array, seconds: float) -> Array:
        """The smoothed value, ``seconds`` after the one before."""
        if self._value is None or self._speed is None:
            self._value, self._speed = value.astype(np.float64), np.zeros_like(value, np.float64)
            return self._value
        seconds = max(seconds, 1e-4)
        slow = _share(np.array(1.0), seconds)
        self._speed = self._speed + slow * ((value - self._value) / seconds - self._speed)
        quick = _share(self._cutoff + self._beta * np.abs(self._speed), seconds)
        self._value = np.asarray(self._value + quick * (value - self._value), np.float64)
        return self._value


def _euro(rows: Array, steps: Array, cutoff: float, beta: float) -> Array:
    filter_ = OneEuro(cutoff, beta)
    out = np.empty_like(rows)
    for number, row in enumerate(rows):
        out[number] = filter_.next(row, float(steps[number - 1]) if number else 0.0)
    return out


def _share(cutoff: Array, seconds: float) -> Array:
    """How much of a step a one-pole low-pass takes."""
    reach = 2 * math.pi * cutoff * seconds
    return np.asarray(reach / (reach + 1), np.float64)


def _survey(marks: Marks) -> tuple[int, NDArray[np.bool_], Array]:
    """The most neutral frame: mouth shut, head straight, eyes open; where a face is; lid openings (N, 2)."""
    best, neutral = math.inf, -1
    seen = np.zeros(len(marks), np.bool_)
    eyes = np.zeros((len(marks), 2))
    scores = np.full(len(marks), math.inf)
    for frame in range(len(marks)):
        found = marks[frame]
        if found is None:
            continue
        seen[frame] = True
        eyes[frame] = eye_openness(found)
        turned = head_angles(found)
        scores[frame] = 4 * FaceFrame.of(found).gap + math.radians(abs(turned.yaw)) * 0.5
    if seen.any():
        usual = np.median(eyes[seen], axis=0)
        scores += 2.0 * np.maximum(1 - eyes / np.maximum(usual, 1e-3), 0.0).max(axis=1)
        neutral = int(scores.argmin())
        best = float(scores[neutral])
    return (neutral if math.isfinite(best) else -1), seen, eyes


def turned_back(
    first: NDArray[np.float32], found: NDArray[np.float32], rotation: Array, scale: float
) -> NDArray[np.float64]:
    """What differs from the neutral face once the head is turned back: (478, 2) in pixels of the neutral frame."""
    stretch = np.array([1.0, 1.0, -1.0 / Z_COMPRESSION])
    a, b = first * stretch, found * stretch
    rigid = list(RIGID)
    back = (b - b[rigid].mean(axis=0)) @ rotation / scale + a[rigid].mean(axis=0)
    return np.asarray((back - a)[:, :2], np.float64)


class Solver:
    """Twelve channels from displacements, by ridge regression within the channels' limits (coordinate descent).

    Args:
        face: the face at rest.
    """

    def __init__(self, face: FaceFrame) -> None:
        basis = expression_basis(face)
        basis[MOUTH] *= mouth_scale(face)
        weight = np.full(478, 0.25)
        weight[[*upper_lip(), *lower_lip(), 61, 291, 78, 308]] = 2.0
        weight[[*UPPER_INNER[2:9], *LOWER_INNER[2:9]]] = 4.0
        weight[list(BROWS)] = 1.5
        weight[[152, 148, 377, 176, 400, 175, 199, 200]] = 1.0
        weight[468:] = 0.0
        self._face = face
        self._matrix = (basis * weight[:, None]).reshape(len(CHANNELS), -1)
        self._gram = self._matrix @ basis.reshape(len(CHANNELS), -1).T
        upper, lower = list(UPPER_INNER[3:8]), list(LOWER_INNER[3:8])
        self._parts = (basis[:, lower, 1] - basis[:, upper, 1]).mean(axis=1)
        self._inner = (upper, lower)

    def solve(self, moved: NDArray[np.float64]) -> Array:
        """The channels (12,) of displacements (478, 2) in pixels; see :func:`turned_back`."""
        local = moved @ self._face.axes.T / self._face.unit
        wanted = self._matrix @ local.reshape(-1)
        found = np.zeros(len(CHANNELS))
        stiff = np.diag(self._gram) + _RIDGE
        for _ in range(40):
            for channel in range(len(CHANNELS)):
                rest = wanted[channel] - self._gram[channel] @ found + self._gram[channel, channel] * found[channel]
                found[channel] = min(max(rest / stiff[channel], float(LOWEST[channel])), float(HIGHEST[channel]))
        # the lips' parting is what is seen first: what the rest of the face takes off it, the jaw gives back
        parted = float((local[self._inner[1], 1] - local[self._inner[0], 1]).mean())
        short = (parted - float(self._parts @ found)) / float(self._parts[_JAW])
        found[_JAW] = min(max(found[_JAW] + short, float(LOWEST[_JAW])), float(HIGHEST[_JAW]))
        return found


def iris_of(face: FaceFrame) -> Array:
    """Where the irises stand between the corners of their eyes, mean of both, in u."""
    right = face.points[RIGHT_IRIS[0], :2] - (face.points[33, :2] + face.points[133, :2]) / 2
    left = face.points[LEFT_IRIS[0], :2] - (face.points[263, :2] + face.points[362, :2]) / 2
    return np.asarray((right + left) / 2, np.float64)


def _held(rows: Array, good: NDArray[np.bool_]) -> Array:
    """Bad rows take the last good one (the first good one before it): eyes that are shut look nowhere."""
    if not good.any():
        return np.zeros_like(rows)
    place = np.where(good, np.arange(len(rows)), -1)
    place = np.maximum.accumulate(place)
    place[place < 0] = int(np.flatnonzero(good)[0])
    return np.asarray(rows[place], np.float64)


def _filled(rows: Array, seen: NDArray[np.bool_], times: Array) -> Array:
    """Frames without a face: short gaps are bridged, long ones ease to neutral and back."""
    out = rows.copy()
    known = np.flatnonzero(seen)
    for frame in np.flatnonzero(~seen):
        place = int(np.searchsorted(known, frame))
        before = known[place - 1] if place > 0 else None
        after = known[place] if place < len(known) else None
        since = math.inf if before is None else float(times[frame] - times[before])
        until = math.inf if after is None else float(times[after] - times[frame])
        if before is not None and after is not None and since + until <= 2 * _HOLD:
            out[frame] = (rows[before] * until + rows[after] * since) / max(since + until, 1e-9)
            continue
        out[frame] = 0.0
        if before is not None:
            out[frame] += rows[before] * _ease(since)
        if after is not None:
            out[frame] += rows[after] * _ease(until)
    return out


def _ease(seconds: float) -> float:
    share = min(max(1 - seconds / _HOLD, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _pose(row: Array) -> Pose:
    channels = len(CHANNELS)
    right, left, gaze_x, gaze_y, yaw, pitch, roll = (float(value) for value in row[channels:])
    return Pose(
        expression=row[:channels].astype(np.float32),
        blink_right=right,
        blink_left=left,
        gaze_x=gaze_x,
        gaze_y=gaze_y,
        yaw=yaw,
        pitch=pitch,
        roll=roll,
    )
