"""What marking and reading the picture cost: processor milliseconds per frame, and seconds for a blind search.

    python benchmarks/watermark_speed.py

The processor's clock over all threads, so that a busy machine changes the figures less than it changes seconds; the
search runs on two threads, so on two idle cores it takes little more than half of what is printed.
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
from thsafe.watermark import PictureMarker, read_pictures
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
    start = time.process_time()
    read_pictures(moving, {"other": bytes(32)})
    search = time.process_time() - start
    return {
        "marking, standing": round(marking(list(standing)), 2),
        "marking, drifting": round(marking(list(moving)), 2),
        "reading": round(reading, 2),
        "blind search of an unmarked file, CPU s": round(search, 1),
    }


if __name__ == "__main__":
    found = {f"{width}x{height}": measure(width, height) for width, height in ((512, 512), (1280, 720), (1920, 1080))}
    machine = f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}"
    sys.stdout.write(json.dumps({"machine": machine, **found}, indent=1) + "\n")
