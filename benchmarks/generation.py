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
    sizes = {str(size): child("engine", size) for size in (512, 1080)}
    short, long = child("publish", 10), child("publish", long_seconds)
    return {
        "engine": sizes,
        "publish": {"10 s": short, f"{long_seconds} s": long},
        "memory ratio": round(long["peak_mb"] / short["peak_mb"], 3),
        "whole loop fps over engine and encoder fps": round(long["fps"] / sizes["512"]["render_encode_fps"], 2),
    }


def child(part: str, *arguments: int) -> dict[str, float]:
    """One part in a process of its own: ``engine SIZE [FRAMES]`` or ``publish SECONDS [SIZE]``."""
    command = [sys.executable, __file__, part, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
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
        started, used = time.perf_counter(), time.process_time()
        with Mp4Writer(Path(folder) / "x.mp4", width=width, height=height, fps=Fraction(25)) as writer:
            for frame in ahead(puppet.render(pose) for pose in poses):
                writer.write_picture(i420_from_bgr(frame))
        encoded, used = time.perf_counter() - started, time.process_time() - used
    return {
        "setup_s": round(setup, 2),
        "render_fps": round(frames / render, 1),
        "render_encode_fps": round(frames / encoded, 1),
        "render_encode_cpu_ms": round(1000 * used / frames, 2),
        "peak_mb": _peak(),
    }


def _talking(pose: object, number: int) -> object:
    import dataclasses
    import math

    import numpy as np

    expression = np.zeros(12, np.float32)
    expression[0] = 0.08 + 0.06 * math.sin(number / 2)
    return dataclasses.replace(pose, expression=expression, yaw=4 * math.sin(number / 20))  # type: ignore[type-var]


def _publish(seconds: int, size: int = 512) -> dict[str, float]:
    """The whole path: gate, voice, engine, label, watermark, encode, sign, read back, log.

    A short film goes first: it draws the person and warms up the imports.
    """
    from thsafe.core.types import Silent
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    class Stopwatch(Silent):
        """Notes when the loop over frames begins and ends."""

        def start(self, stage: str, total: int | None) -> None:
            del total
            if stage == "rendering":
                self.began, self.first = time.perf_counter(), 0.0
            elif stage == "signing":
                self.ended = time.perf_counter()

        def advance(self, steps: int = 1) -> None:
            del steps
            self.first = getattr(self, "first", 0.0) or time.perf_counter()

    watch = Stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["THSAFE_HOME"] = f"{folder}/home"
        home = Home.default()
        home.prepare()
        KeyRing.create(home)
        from thsafe import Portrait

        text = SENTENCE * max(1, round(seconds / 4.9))
        Portrait().say("Good morning.", person="ada", short_side=size, output_path=f"{folder}/warm.mp4")
        asked = time.perf_counter()
        output = Portrait(progress=watch).say(text, person="ada", short_side=size, output_path=f"{folder}/out.mp4")
        frames = output.duration * 25
        # the voice speaks all of a text before the first picture: what that took belongs to the text
        return {
            "duration_s": round(output.duration, 1),
            "fps": round(frames / (watch.ended - watch.began), 1),
            "first_frame_s": round(watch.first - asked, 2),
            "peak_mb": _peak(),
        }


def _peak() -> float:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


if __name__ == "__main__":
    if len(sys.argv) >= 3:
        part = {"engine": _engine, "publish": _publish}[sys.argv[1]]
        print(json.dumps(part(*map(int, sys.argv[2:]))))
    else:
        json.dump(measure(), sys.stdout, indent=2)
