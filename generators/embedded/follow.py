"""A portrait that follows a face before a camera, picture by picture.

The same measures as for a film (``generators.embedded.motion``), but nothing of the future is known: rest is the
calmest look of the first second, and the One-Euro filter runs forwards alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from generators.embedded.landmarks import RIGID, FaceFrame, eye_openness, head_angles
from generators.embedded.motion import NOD_OF_MOUTH, OneEuro, Solver, angles_of, iris_of, rotation_between, turned_back
from generators.embedded.pose import CHANNELS, Pose

if TYPE_CHECKING:
    from thsafe.core.types import Frame

_LEARNING: Final = 1.0
"""Seconds in which the face at rest is looked for."""
_LOST: Final = 0.6
"""Seconds in which the portrait eases to rest once the face is lost."""
_FILTERS: Final = ((2.5, 20.0), (4.0, 4.0), (1.5, 8.0), (0.8, 0.05))
"""Cut-off and slope for expression, lids, gaze, head."""


class Follower:
    """Poses from pictures of one face; use it in one thread."""

    def __init__(self) -> None:
        from thsafe.media.faces import FaceTracker

        self._tracker = FaceTracker()
        self._rest: NDArray[np.float32] | None = None
        self._calm = np.inf
        self._wide = np.full(2, 0.2)
        self._solver: Solver | None = None
        self._looks = np.zeros(2)
        self._filters = [OneEuro(*settings) for settings in _FILTERS]
        self._latest = [np.zeros(len(CHANNELS)), np.zeros(2), np.zeros(2), np.zeros(3)]
        self._seen = -np.inf
        self._before = 0.0

    def pose(self, seconds: float, picture: Frame) -> Pose:
        """The pose of the face in a BGR picture; times rise."""
        faces = self._tracker.next(picture)
        return self.next(seconds, faces[0].landmarks if faces else None)

    def next(self, seconds: float, marks: NDArray[np.float32] | None) -> Pose:
        """The pose at a moment, from the landmarks (478, 3) in pixels that were found; None where none were."""
        if marks is not None:
            self._learn(seconds, marks)
            self._latest = self._measured(marks)
            self._seen = seconds
        lost = min(max((seconds - self._seen) / _LOST, 0.0), 1.0) if np.isfinite(self._seen) else 1.0
        step = max(seconds - self._before, 0.0)
        self._before = seconds
        expression, lids, gaze, angles = (
            filter_.next(values * (1.0 - lost), step)
            for filter_, values in zip(self._filters, self._latest, strict=True)
        )
        return Pose(
            expression=expression.astype(np.float32),
            blink_right=float(lids[0]),
            blink_left=float(lids[1]),
            gaze_x=float(gaze[0]),
            gaze_y=float(gaze[1]),
            yaw=float(angles[0]),
            pitch=float(angles[1]),
            roll=float(angles[2]),
        )

    def _learn(self, seconds: float, marks: NDArray[np.float32]) -> None:
        """Keep the calmest look of the first second as rest: mouth shut, head straight, eyes open."""
        eyes = np.array(eye_openness(marks))
        self._wide = np.maximum(self._wide, eyes)
        if self._rest is not None and seconds > _LEARNING:
            return
        calm = 4 * FaceFrame.of(marks).gap + abs(head_angles(marks).yaw) / 100 - float(eyes.min())
        if calm < self._calm:
            self._calm, self._rest = calm, marks
            self._solver = Solver(FaceFrame.of(marks))
            self._looks = iris_of(FaceFrame.of(marks))

    def _measured(self, marks: NDArray[np.float32]) -> list[NDArray[np.float64]]:
        assert self._rest is not None
        assert self._solver is not None
        rest, now = self._rest, FaceFrame.of(marks)
        rotation, scale = rotation_between(rest[list(RIGID)], marks[list(RIGID)])
        angles = np.array(angles_of(rotation))
        angles[1] += NOD_OF_MOUTH * (now.gap - FaceFrame.of(rest).gap)
        lids = np.clip(1.25 * (1 - np.array(eye_openness(marks)) / self._wide) - 0.12, 0.0, 1.0)
        gaze = np.clip(iris_of(now) - self._looks, -0.06, 0.06) if lids.max() < 0.3 else self._latest[2]
        return [self._solver.solve(turned_back(rest, marks, rotation, scale)), lids, gaze, angles]
