"""The embedded engine against its bars, and the neural engines beside it: to be run on idle cores.

    python benchmarks/engine_speed.py [--no-peers] [--brief]

Frames a second of drawing and encoding alone, and of the whole publishing loop with all marks; seconds to the first
frame once everything was imported; memory of a long film over a short one. Peers are the networks of SadTalker and
LivePortrait with random weights, which cost the same (``benchmarks/neural.py``): seconds of processor time a picture of
256 pixels.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from generation import child

BARS = {"render and encode": {512: 100.0, 1080: 30.0}, "whole publishing loop": {512: 60.0, 1080: 20.0}}
FIRST_FRAME, MEMORY = 1.5, 1.10


def main(*, peers: bool, brief: bool) -> None:
    """Print the table."""
    frames, short_film, long_film = (25, 1, 10) if brief else (200, 10, 90)
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the start")
    engine = {size: child("engine", size, frames) for size in BARS["render and encode"]}
    loop = {size: child("publish", short_film, size) for size in BARS["whole publishing loop"]}
    long = child("publish", long_film, 512)
    for size, bar in BARS["render and encode"].items():
        _row(f"render and encode, {size}", engine[size]["render_encode_fps"], bar, "fps")
        print(f"{'':34}{engine[size]['render_encode_cpu_ms']:8.1f} ms of processor time a frame")
    for size, bar in BARS["whole publishing loop"].items():
        _row(f"whole publishing loop, {size}", loop[size]["fps"], bar, "fps")
    _row("first frame, 512", loop[512]["first_frame_s"], FIRST_FRAME, "s", below=True)
    _row(f"memory, {long_film} s over {short_film} s", long["peak_mb"] / loop[512]["peak_mb"], MEMORY, "", below=True)
    if peers:
        ours = engine[512]["render_encode_cpu_ms"] / 1000
        for name in ("sadtalker", "liveportrait"):
            command = [sys.executable, Path(__file__).with_name("neural.py"), "--engine", name, "--batches", "1"]
            command += ["--pictures", "1" if brief else "2"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            theirs = json.loads(done.stdout.splitlines()[-1])["a picture"]
            print(
                f"{name:34}{theirs:8.2f} s of processor time a picture: {theirs / ours:,.0f} times ours at 512 pixels"
            )
    print(f"load {os.getloadavg()[0]:.1f} at the end")


def _row(name: str, value: float, bar: float, unit: str, *, below: bool = False) -> None:
    met = value <= bar if below else value >= bar
    print(f"{name:34}{value:8.2f} {unit:4} bar {'<=' if below else '>='} {bar:g}: {'met' if met else 'MISSED'}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--no-peers", action="store_true", help="leave the neural engines out")
    parser.add_argument("--brief", action="store_true", help="few pictures: shows that it runs, not how fast")
    given = parser.parse_args()
    main(peers=not given.no_peers, brief=given.brief)
