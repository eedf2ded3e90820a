"""Generation: frames a second of the engine, of engine and encoder, of the whole publishing loop; memory by length.

Each part runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

SENTENCE = "The quick brown fox jumps over the lazy dog, and nobody was filmed for any of it. "


def measure(*, long_seconds: int = 60) -> dict[str, object]:
    """All figures as JSON values; seconds are wall clock, memory is the process's peak."""
    sizes = {str(size): _child("engine", size) for size in (512, 1080)}
    short, long = _child("publish", 10), _child("publish", long_seconds)
    return {
        "engine": sizes,
        "publish": {"10 s": short, f"{long_seconds} s": long},
        "memory ratio": round(long["peak_mb"] / short["peak_mb"], 3),
        "whole loop fps over engine and encoder fps": round(long["fps"] / sizes["512"]["render_encode_fps"], 2),
    }


def _child(part: str, argument: int) -> dict[str, float]:
    done = subprocess.run([sys.executable, __file__, part, str(argument)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _engine(size: int, frames: int = 200) -> dict[str, float]:
    """Rendering alone, then rendering into the encoder (no marks)."""
    from generators.embedded.cast import CAST, draw
    from generators.embedded.pose import Pose
    from generators.embedded.puppet import Puppet, frame_portrait
    from thsafe.media.ahead import ahead
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.planes import i420_from_bgr

    drawn = draw(CAST["ada"], size=max(1024, size))
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=size, matte=drawn.matte)
    started = time.perf_counter()
    puppet = Puppet(framed.picture, framed.landmarks, matte=framed.matte)
    setup = time.perf_counter() - started
    poses = [_talking(Pose.neutral(), number) for number in range(frames)]
    for pose in poses[:10]:
        puppet.render(pose)
    started = time.perf_counter()
    for pose in poses:
        puppet.render(pose)
    render = time.perf_counter() - started
    height, width = framed.picture.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        with Mp4Writer(Path(folder) / "x.mp4", width=width, height=height, fps=Fraction(25)) as writer:
            for frame in ahead(puppet.render(pose) for pose in poses):
                writer.write_picture(i420_from_bgr(frame))
        encoded = time.perf_counter() - started
    return {
        "setup_s": round(setup, 2),
        "render_fps": round(frames / render, 1),
        "render_encode_fps": round(frames / encoded, 1),
        "peak_mb": _peak(),
    }


def _talking(pose: object, number: int) -> object:
    import dataclasses
    import math

    import numpy as np

    expression = np.zeros(12, np.float32)
    expression[0] = 0.08 + 0.06 * math.sin(number / 2)
    return dataclasses.replace(pose, expression=expression, yaw=4 * math.sin(number / 20))  # type: ignore[type-var]


def _publish(seconds: int) -> dict[str, float]:
    """The whole path: gate, voice, engine, label, watermark, encode, sign, read back, log."""
    from thsafe.core.types import Silent
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    class Stopwatch(Silent):
        """Notes when the loop over frames begins and ends."""

        def start(self, stage: str, total: int | None) -> None:
            del total
            if stage == "rendering":
                self.began = time.perf_counter()
            elif stage == "signing":
                self.ended = time.perf_counter()

    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["THSAFE_HOME"] = f"{folder}/home"
        home = Home.default()
        home.prepare()
        KeyRing.create(home)
        from thsafe import Portrait

        text = SENTENCE * max(1, round(seconds / 4.9))
        output = Portrait(progress=watch).say(text, person="ada", output_path=f"{folder}/out.mp4")
        frames = output.duration * 25
        return {
            "duration_s": round(output.duration, 1),
            "fps": round(frames / (watch.ended - watch.began), 1),
            "peak_mb": _peak(),
        }


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    if len(sys.argv) == 3:
        part = {"engine": _engine, "publish": _publish}[sys.argv[1]]
        print(json.dumps(part(int(sys.argv[2]))))
    else:
        json.dump(measure(), sys.stdout, indent=2)
