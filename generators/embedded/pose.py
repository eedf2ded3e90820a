"""What one frame shows: the twelve expression channels, the eyes and the head."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CHANNELS = (
    "jaw",
    "wide",
    "pucker",
    "press",
    "ftuck",
    "uraise",
    "ldrop",
    "smile",
    "frown",
    "browup",
    "browdn",
    "tongue",
)
"""Order of ``Pose.expression``. Mouth and brow channels are lengths in u, the distance between the outer eye corners
(about 90 mm on an adult); ``tongue`` is a share, 0 to 1."""

MAX_GAZE = 0.045
MAX_YAW = 15.0
MAX_PITCH = 10.0
MAX_ROLL = 15.0
MAX_BREATH = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """One frame's pose; ``clamped`` brings every number into the range the renderer shows without tearing.

    Angles are degrees as seen in the picture: positive ``yaw`` turns the face towards the picture's right, positive
    ``pitch`` nods it down, positive ``roll`` tilts it clockwise. Gaze is in u, positive right and down.
    """

    expression: NDArray[np.float32]
    """float32, shape (12,), in the order of ``CHANNELS``."""
    blink_left: float = 0.0
    """0 open to 1 shut, of the eye at the picture's right (the person's left)."""
    blink_right: float = 0.0
    gaze_x: float = 0.0
    gaze_y: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    breath: float = 0.0
    """How far the shoulders are raised, in u."""

    @classmethod
    def neutral(cls) -> Pose:
        """The pose that shows the picture as it is."""
        return cls(expression=np.zeros(len(CHANNELS), np.float32))

    def channel(self, name: str) -> float:
        """The value of one channel of ``CHANNELS``."""
        return float(self.expression[CHANNELS.index(name)])

    def clamped(self) -> Pose:
        """The nearest pose within the renderer's limits; numbers that are not finite become 0."""

        def keep(value: float, low: float, high: float) -> float:
            return float(min(max(value, low), high)) if np.isfinite(value) else 0.0

        expression = np.nan_to_num(np.asarray(self.expression, np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        return Pose(
            expression=np.clip(expression, LOWEST, HIGHEST),
            blink_left=keep(self.blink_left, 0.0, 1.0),
            blink_right=keep(self.blink_right, 0.0, 1.0),
            gaze_x=keep(self.gaze_x, -MAX_GAZE, MAX_GAZE),
            gaze_y=keep(self.gaze_y, -MAX_GAZE, MAX_GAZE),
            yaw=keep(self.yaw, -MAX_YAW, MAX_YAW),
            pitch=keep(self.pitch, -MAX_PITCH, MAX_PITCH),
            roll=keep(self.roll, -MAX_ROLL, MAX_ROLL),
            breath=keep(self.breath, -MAX_BREATH, MAX_BREATH),
        )


# the least and the most of each channel:
#                  jaw   wide   puck   press ftck urse ldrp smile frown brup  brdn  tongue
LOWEST = np.array([-0.05, -0.05, -0.05, 0.0, 0.0, 0.0, 0.0, -0.03, -0.03, -0.04, -0.09, 0.0], np.float32)
HIGHEST = np.array([0.25, 0.08, 0.13, 0.06, 0.05, 0.05, 0.05, 0.10, 0.08, 0.10, 0.10, 1.0], np.float32)
