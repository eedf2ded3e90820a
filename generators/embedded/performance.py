"""A performance: one pose per video frame, from mouth shapes, the loudness of the voice, and life.

Everything streams: curves are made a little ahead of the frame that needs them and dropped behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded import coarticulation
from generators.embedded.life import COLUMNS, life
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.visemes import FRAMES_PER_SECOND
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BROWUP: Final = CHANNELS.index("browup")
_LIFE_BROWUP: Final = COLUMNS.index("browup")


class Performance(Iterator[Pose]):
    """``frames`` poses at ``fps``; the pose of frame n is that of n / fps seconds."""

    def __init__(
        self,
        posteriors: Iterable[NDArray[np.float64]],
        level: NDArray[np.float32],
        *,
        fps: Fraction,
        frames: int,
        seed: int = 0,
        blink_rate: float | None = None,
    ) -> None:
        """Prepare; nothing is computed before the first pose is asked for.

        Args:
            posteriors: Class probabilities (n, 14) at 100 Hz in chunks of any length; silence follows their end.
            level: (T,) loudness at 100 Hz, 0 to 1.
            fps: Frames per second, 1 to 120.
            frames: How many poses.
            seed: 0 or more; chooses blinks, glances and the drift of the head, nothing of the mouth.
            blink_rate: Blinks a minute; None for the natural rate.

        Raises:
            UsageError: ``engine.fps`` or ``engine.seed`` out of range.
        """
        if not 1 <= fps <= 120:
            raise UsageError(
                "The frame rate must lie between 1 and 120.",
                code="engine.fps",
                found=str(fps),
                next_step="choose --fps 25",
            )
        if seed < 0:
            raise UsageError(
                "The seed must be 0 or more.", code="engine.seed", found=str(seed), next_step="choose --seed 0"
            )
        self._mouth = _Track(coarticulation.stream(posteriors), len(CHANNELS))
        self._life = _Track(life(level, seed=seed, blink_rate=blink_rate), len(COLUMNS))
        self._fps = fps
        self._frames = frames
        self._frame = 0

    def __next__(self) -> Pose:
        """The next frame's pose."""
        if self._frame >= self._frames:
            raise StopIteration
        time = float(self._frame / self._fps)
        self._frame += 1
        expression = self._mouth.at(time + coarticulation.LEAD).copy()
        alive = self._life.at(time)
        expression[_BROWUP] += alive[_LIFE_BROWUP]
        blink, gaze_x, gaze_y, yaw, pitch, roll, breath = (float(value) for value in alive[:_LIFE_BROWUP])
        return Pose(
            expression=expression.astype(np.float32),
            blink_left=blink,
            blink_right=blink,
            gaze_x=gaze_x,
            gaze_y=gaze_y,
            yaw=yaw,
            pitch=pitch,
            roll=roll,
            breath=breath,
        )


class _Track:
    """Rows at 100 Hz that come in chunks, read at times that only move forward; zeros follow their end."""

    def __init__(self, chunks: Iterator[NDArray[np.float64]], columns: int) -> None:
        self._chunks = chunks
        self._held = np.zeros((0, columns))
        self._first = 0

    def at(self, time: float) -> NDArray[np.float64]:
        """The row at ``time`` seconds, interpolated between the two nearest."""
        place = time * FRAMES_PER_SECOND
        index = int(place)
        while self._first + len(self._held) < index + 2:
            passed = max(0, min(index - self._first, len(self._held)))
            self._held = self._held[passed:]
            self._first += passed
            chunk = next(self._chunks, None)
            if chunk is None:
                chunk = np.zeros((FRAMES_PER_SECOND, self._held.shape[1]))
            self._held = np.concatenate([self._held, chunk])
        low, high = self._held[index - self._first], self._held[index - self._first + 1]
        return np.asarray(low + (high - low) * (place - index), np.float64)
