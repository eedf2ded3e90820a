"""Where the embedded engine's time goes: CPU milliseconds per frame, and the functions that take them.

``python benchmarks/profile_engine.py [SIZE] [FRAMES]``. One thread for OpenCV, so that figures add up; the processor's
clock, so that a busy machine changes them less than it changes seconds.
"""

from __future__ import annotations

import cProfile
import math
import pstats
import sys
import time

import numpy as np


def poses(count: int) -> list[object]:
    """A head that talks, turns, looks about and blinks."""
    from generators.embedded.pose import CHANNELS, Pose

    made: list[object] = []
    for number in range(count):
        expression = np.zeros(len(CHANNELS), np.float32)
        expression[CHANNELS.index("jaw")] = 0.08 + 0.06 * math.sin(number / 2)
        expression[CHANNELS.index("wide")] = 0.02
        expression[CHANNELS.index("browup")] = 0.01
        shut = float(number % 75 < 7)
        made.append(
            Pose(
                expression=expression,
                yaw=4 * math.sin(number / 20),
                pitch=1.0,
                roll=1.0,
                breath=0.004 * math.sin(number / 9),
                gaze_x=0.01,
                blink_left=shut,
                blink_right=shut,
            )
        )
    return made


def main(size: int, frames: int) -> None:
    """Print milliseconds per frame and the dozen functions that take most of them."""
    import cv2

    from generators.embedded.cast.cache import framed_person
    from generators.embedded.puppet import Puppet

    cv2.setNumThreads(1)
    framed = framed_person("ada", short_side=size)
    started = time.process_time()
    puppet = Puppet(framed.picture, framed.landmarks, matte=framed.matte)
    print(f"set-up {time.process_time() - started:.2f} s")
    acting = poses(frames)
    for pose in acting[:5]:
        puppet.render(pose)  # type: ignore[arg-type]
    started = time.process_time()
    for pose in acting:
        puppet.render(pose)  # type: ignore[arg-type]
    print(f"{size} pixels: {1000 * (time.process_time() - started) / frames:.2f} CPU ms per frame")
    profile = cProfile.Profile()
    profile.enable()
    for pose in acting:
        puppet.render(pose)  # type: ignore[arg-type]
    profile.disable()
    pstats.Stats(profile).sort_stats("tottime").print_stats(12)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 512, int(sys.argv[2]) if len(sys.argv) > 2 else 100)
