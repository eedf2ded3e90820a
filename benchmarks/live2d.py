"""How fast figures are drawn, before anything is encoded: ``python benchmarks/live2d.py [--model x.model3.json]``.

Own figures in this process; a Live2D model in one child and in two, and, as the peer, with live2d-py as its own example
does it: one process, Mesa's default threads. Each is asked for the same movement, 512 x 512 pixels. Wall clock and CPU
seconds of this process and its children, and the machine's load, since a busy machine spoils the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from generators.embedded.pose import CHANNELS, Pose
from generators.live2d.cubism import Cubism, Look
from generators.live2d.model3 import read_model
from generators.live2d.puppet import Puppet

PEER = """
import ctypes, json, os, sys, time
os.environ["LIBGL_ALWAYS_SOFTWARE"] = "1"
sys.stdout, out = sys.stderr, sys.stdout
import live2d
from generators.live2d.egl import Surface
path, side, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
live2d.init(); live2d.enableLog(False)
model = live2d.Model(); model.LoadModelJson(path, create_renderer=False)
surface = Surface(side, side)
live2d.glInit(); model.CreateRenderer(); model.Resize(side, side)
def one(number):
    model.Update(0.04)
    model.SetParamById("ParamAngleX", 15 * ((number % 20) / 10 - 1))
    live2d.clearBuffer(1, 1, 1, 1); model.Draw(); surface.read()
for number in range(10): one(number)
begun, spent = time.perf_counter(), time.process_time()
for number in range(count): one(number)
print(json.dumps([time.perf_counter() - begun, time.process_time() - spent]), file=out)
"""


def _poses(count: int) -> Iterator[Pose]:
    for number in range(count):
        expression = np.zeros(len(CHANNELS), np.float32)
        expression[CHANNELS.index("jaw")] = 0.08 + 0.07 * np.sin(number / 3)
        blink = 1.0 if number % 60 < 4 else 0.0
        yield Pose(expression=expression, yaw=8 * np.sin(number / 20), blink_left=blink, blink_right=blink)


def _cpu() -> float:
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return sum(used.ru_utime + used.ru_stime for used in (own, children))


def _timed(make: Callable[[], Puppet | Cubism], count: int) -> dict[str, float]:
    """Pictures a second once the first ten are drawn; CPU seconds of all, with start and loading taken off."""
    cpu = _cpu()
    stage = make()
    frames = stage.frames(stage.rig.values(pose) for pose in _poses(10))
    for _ in frames:
        pass
    idle, cpu = _cpu() - cpu, _cpu()
    stage = make()
    frames = stage.frames(stage.rig.values(pose) for pose in _poses(count + 10))
    for _ in range(10):
        next(frames)
    begun = time.perf_counter()
    for _ in frames:
        pass
    wall = time.perf_counter() - begun
    return {"fps": count / wall, "cpu_ms": 1000 * max(_cpu() - cpu - idle, 0.0) / count}


def main() -> None:
    """Measure and print; ``--json`` for machines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, help="a model3.json; without it only our own figures are measured")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    look = Look(width=args.side, height=args.side, fps=Fraction(25))
    rows: dict[str, dict[str, float]] = {
        f"own figure {name}": _timed(lambda name=name: Puppet(name, look), args.count) for name in ("robin", "wren")
    }
    if args.model is not None:
        model = read_model(args.model)
        for view, workers in (("head", 1), ("head", 2), ("bust", 2), ("full", 1), ("full", 2)):
            seen = replace(look, view=view)
            rows[f"{model.name}, {view}, {workers} child{'ren' * (workers - 1)}"] = _timed(
                lambda seen=seen, workers=workers: Cubism(model, seen, workers=workers), args.count
            )
        said = subprocess.run(
            [sys.executable, "-c", PEER, str(args.model.absolute()), str(args.side), str(args.count)],
            capture_output=True, text=True, check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip
        wall, cpu = json.loads(said.stdout.splitlines()[-1])
        rows["live2d-py's own way, full, one process"] = {"fps": args.count / wall, "cpu_ms": 1000 * cpu / args.count}
    load = os.getloadavg()[0]
    if args.json:
        print(json.dumps({"side": args.side, "cores": os.cpu_count(), "load": load, "rows": rows}, indent=2))
        return
    print(f"{args.side} x {args.side}, {os.cpu_count()} cores, load {load:.1f}")
    for name, row in rows.items():
        print(f"  {name:<40} {row['fps']:7.1f} pictures/s  {row['cpu_ms']:6.1f} ms of CPU a picture")


if __name__ == "__main__":
    main()
