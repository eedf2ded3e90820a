"""What keeps a head from looking like a photograph: drift, nods, blinks, glances, breath. All from one seed.

The rates and sizes follow head tracking of real speakers, at the calm end: slow Gaussian drift of the head, a little
more while it talks, a nod and a lift of the brows where the voice gets louder than around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from generators.embedded.visemes import FRAMES_PER_SECOND

if TYPE_CHECKING:
    from numpy.typing import NDArray

COLUMNS: Final = ("blink", "gaze_x", "gaze_y", "yaw", "pitch", "roll", "breath", "browup")
"""Columns of :func:`life`: share; u; u; degrees three times; u; u."""

BLINK_CLOSES, BLINK_HOLDS, BLINK_OPENS = 0.090, 0.040, 0.170
"""Seconds."""
BLINKS_PER_MINUTE: Final = 16.8
"""What waits of 3.6 seconds in the mean come to."""
_GLANCE_TAKES: Final = 0.05
_BREATHS_PER_SECOND: Final = 0.27


class _Drift(NamedTuple):
    """Gaussian noise low-passed at ``hertz`` with standard deviation ``size``."""

    hertz: float
    size: float


_YAW, _YAW_TALKING = _Drift(0.18, 2.6), _Drift(0.6, 0.7)
_PITCH, _PITCH_TALKING = _Drift(0.20, 1.3), _Drift(0.6, 0.4)
_ROLL, _ROLL_TALKING = _Drift(0.15, 1.3), _Drift(0.5, 0.4)
_BROWS = _Drift(0.30, 0.004)
_DRIFTS: Final = (_YAW, _YAW_TALKING, _PITCH, _PITCH_TALKING, _ROLL, _ROLL_TALKING, _BROWS)


def life(level: NDArray[np.float32], *, seed: int, blink_rate: float | None = None) -> Iterator[NDArray[np.float64]]:
    """An endless stream of life, one second (100, 8) at a time, at 100 Hz; it begins at rest.

    Args:
        level: (T,) loudness of the voice at 100 Hz, 0 silent to 1 loud; silence follows its end.
        seed: 0 or more. The same seed and level give the same life at any frame rate.
        blink_rate: blinks a minute; None for the natural rate, about :data:`BLINKS_PER_MINUTE`.
    """
    sources = [np.random.default_rng(part) for part in np.random.SeedSequence(seed).spawn(3)]
    drift, blinks, glances = _drift(sources[0]), _Blinks(sources[1], blink_rate), _Glances(sources[2])
    fading = np.zeros(2 * FRAMES_PER_SECOND, np.float32)  # so that nothing jumps where the voice ends
    accent, nod, talk = _voice(np.concatenate([level, fading]))
    step = 0
    while True:
        times = np.arange(step, step + FRAMES_PER_SECOND) / FRAMES_PER_SECOND
        yaw, yaw_talking, pitch, pitch_talking, roll, roll_talking, brows = next(drift).T
        stress, nodding, speaking = _slice(accent, step), _slice(nod, step), _slice(talk, step)
        turned = yaw + speaking * yaw_talking
        gaze_x, gaze_y = glances.towards(times)
        nodded = pitch + speaking * pitch_talking + 3.5 * nodding
        columns = (
            blinks.shut(times),
            gaze_x - 0.1 * np.radians(turned),  # the eyes stay on the viewer while the head turns
            gaze_y - 0.1 * np.radians(nodded),
            turned,
            nodded,
            roll + speaking * roll_talking,
            0.006 * np.sin(2 * math.pi * _BREATHS_PER_SECOND * times),
            0.05 * np.maximum(stress, 0.0) + brows,
        )
        yield np.stack(columns, axis=1)
        step += FRAMES_PER_SECOND


def _slice(curve: NDArray[np.float32], step: int) -> NDArray[np.float64]:
    piece = np.zeros(FRAMES_PER_SECOND)
    found = curve[step : step + FRAMES_PER_SECOND]
    piece[: len(found)] = found
    return piece


def _voice(level: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Accent: louder now than around (400 ms), for brows (60 ms) and the slower head (120 ms). Talk: 0 to 1."""
    around = _smooth(level, 0.400)
    return _smooth(level, 0.060) - around, _smooth(level, 0.120) - around, np.clip(2 * around, 0.0, 1.0)


def _smooth(curve: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    width = seconds * FRAMES_PER_SECOND
    reach = math.ceil(3 * width)
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / width) ** 2)
    padded = np.concatenate([np.zeros(reach, np.float32), curve, np.zeros(reach, np.float32)])
    return np.asarray(np.convolve(padded, kernel / kernel.sum(), mode="valid"), np.float32)


def _drift(random: np.random.Generator) -> Iterator[NDArray[np.float64]]:
    """(100, drifts) per second: white noise through three equal one-pole filters, so that even speed is smooth."""
    pole = np.array([math.exp(-2 * math.pi * drift.hertz / FRAMES_PER_SECOND) for drift in _DRIFTS])
    # Variance of the cascade: the sum of ((n+1)(n+2)/2 a^n)^2 (1-a)^6 over n.
    n = np.arange(4000)[:, None]
    gain = (1 - pole) ** 3 * np.sqrt(np.sum(((n + 1) * (n + 2) / 2 * pole**n) ** 2, axis=0))
    limit = 2.5 * np.array([drift.size for drift in _DRIFTS])
    size = limit / 2.5 / gain
    first = second = third = np.zeros(len(_DRIFTS))
    while True:
        rows = np.empty((FRAMES_PER_SECOND, len(_DRIFTS)))
        for row, white in enumerate(random.standard_normal(rows.shape)):
            first = white + pole * (first - white)
            second = first + pole * (second - first)
            third = second + pole * (third - second)
            rows[row] = third
        yield np.clip(rows * size, -limit, limit)


class _Blinks:
    """Blinks after gamma-distributed waits: shutting fast, opening slower."""

    def __init__(self, random: np.random.Generator, rate: float | None) -> None:
        self._random = random
        self._stretch = math.inf if rate == 0 else BLINKS_PER_MINUTE / (rate or BLINKS_PER_MINUTE)
        self._starts = [self._stretch * (0.8 + 1.6 * float(random.random()))]

    def shut(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """How far the lids are shut, 0 to 1; ``times`` only move forward."""
        while self._starts[-1] <= times[-1]:
            wait = float(np.clip(self._random.gamma(3.0, 1.2), 0.9, 7.0))
            self._starts.append(self._starts[-1] + max(self._stretch * wait, 0.4))
        self._starts = [start for start in self._starts if start > times[0] - 1.0]  # the last lies ahead
        shut = np.zeros(len(times))
        for start in self._starts:
            since = times - start
            closing = np.clip(since / BLINK_CLOSES, 0.0, 1.0)
            opening = np.clip((since - BLINK_CLOSES - BLINK_HOLDS) / BLINK_OPENS, 0.0, 1.0)
            shut = np.maximum(shut, np.sin(closing * math.pi / 2) ** 2 * np.cos(opening * math.pi / 2) ** 2)
        return shut


class _Glances:
    """Small jumps of the eyes around the viewer, every half second to two seconds."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._marks = [(0.0, 0.0, 0.0)]
        """(time, x, y) of each jump; the last lies ahead."""
        self._look()

    def _look(self) -> None:
        time = self._marks[-1][0] + float(self._random.uniform(0.5, 2.2))
        x, y = self._random.normal(0.0, (0.010, 0.005))
        self._marks.append((time, float(np.clip(x, -0.03, 0.03)), float(np.clip(y, -0.015, 0.015))))

    def towards(self, times: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Gaze right and down, in u; ``times`` only move forward."""
        while self._marks[-1][0] <= times[-1]:
            self._look()
        x, y = np.full(len(times), self._marks[0][1]), np.full(len(times), self._marks[0][2])
        for (_, x0, y0), (time, x1, y1) in zip(self._marks, self._marks[1:], strict=False):
            done = np.clip((times - time) / _GLANCE_TAKES, 0.0, 1.0)
            eased = done * done * (3 - 2 * done)
            x += (x1 - x0) * eased
            y += (y1 - y0) * eased
        while len(self._marks) > 2 and self._marks[1][0] < times[-1] - _GLANCE_TAKES:
            self._marks.pop(0)
        return x, y
