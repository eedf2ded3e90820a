"""What marking and reading the picture cost: processor milliseconds per frame, and seconds for a blind search.

    python benchmarks/watermark_speed.py

Frames are measured by the processor's clock over all threads, so that a busy machine changes the figures less than it
changes seconds; the search, which runs on two threads, by both clocks.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time

import cv2
from watermark_clips import drawn

from thsafe.media.planes import i420_from_bgr, split_planes
from thsafe.watermark import PictureMarker, read_pictures, read_presence
from thsafe.watermark.residual import accumulate

KEY = bytes(range(32))
FRAMES = 48


def measure(width: int, height: int) -> dict[str, float]:
    """Of one frame size: a picture that stands still, one that drifts, and nothing to be found."""
    cv2.setNumThreads(1)
    moving = [split_planes(i420_from_bgr(frame)) for frame in drawn(width, height, FRAMES)]
    standing = [split_planes(i420_from_bgr(drawn(width, height, 1)[0])) for _ in range(FRAMES)]

    def marking(film: list[object]) -> float:
        marker = PictureMarker(KEY, "0123456789abcdef", width=width, height=height)
        start = time.process_time()
        for planes in film:
            marker.apply(planes)  # type: ignore[arg-type]
        return 1e3 * (time.process_time() - start) / len(film)

    start = time.process_time()
    accumulate(moving)
    reading = 1e3 * (time.process_time() - start) / FRAMES
    searches: dict[str, float] = {}
    for name, search in (
        ("blind search of an unmarked file", lambda: read_pictures(moving, {"other": bytes(32)})),
        ("public mark of an unmarked file", lambda: read_presence(moving)),
    ):
        start, clock = time.process_time(), time.perf_counter()
        search()
        searches[f"{name}, s by the clock"] = round(time.perf_counter() - clock, 1)
        searches[f"{name}, CPU s"] = round(time.process_time() - start, 1)
    return {
        "marking, standing": round(marking(list(standing)), 2),
        "marking, drifting": round(marking(list(moving)), 2),
        "reading": round(reading, 2),
        **searches,
    }


if __name__ == "__main__":
    found = {f"{width}x{height}": measure(width, height) for width, height in ((512, 512), (1280, 720), (1920, 1080))}
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    sys.stdout.write(json.dumps({"machine": machine, **found}, indent=1) + "\n")
