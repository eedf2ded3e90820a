"""What a face finder sees in encoded videos of the cast, against what was asked for: a table, nothing asserted.

``python benchmarks/quality.py [NAME ...]``. Each person performs the same eight seconds: an opening mouth, closures,
blinks and turns, rendered at 512 pixels, encoded to MP4 (no marks), decoded, and looked at again.
"""

from __future__ import annotations

import math
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from thsafe.home import Home

FRAMES = 200
BARS = (
    "bars: missed 0, opening r >= 0.92, slope 0.8-1.2, lag <= 1, shut <= 0.02 u, blink r >= 0.9, yaw r >= 0.95,"
    " still <= 0.02, likeness >= 0.88"
)


def asked() -> tuple[list[object], dict[str, np.ndarray]]:
    """The poses and what they ask for: jaw opening (u), lids (share), yaw (degrees), closures."""
    from generators.embedded.pose import CHANNELS, Pose

    times = np.arange(FRAMES) / 25
    closed = (times % 1.0) < 0.12
    jaw = np.where(closed, 0.0, 0.03 + 0.055 * (1 - np.cos(2 * np.pi * 1.5 * times)))
    blink = np.maximum(0.0, np.sin(2 * np.pi * times / 1.6)) ** 12
    yaw = 9 * np.sin(2 * np.pi * times / 4)
    poses: list[object] = []
    for number in range(FRAMES):
        expression = np.zeros(len(CHANNELS), np.float32)
        expression[CHANNELS.index("jaw")] = jaw[number]
        expression[CHANNELS.index("press")] = 0.035 * closed[number]
        poses.append(
            Pose(expression=expression, blink_left=blink[number], blink_right=blink[number], yaw=float(yaw[number]))
        )
    return poses, {"jaw": jaw, "blink": blink, "yaw": yaw, "closed": closed}


def measure(name: str, home: Home | None = None) -> str:
    """One row of the table; ``home`` keeps drawn people for the next time."""
    from generators.embedded.cast.cache import framed_person
    from generators.embedded.puppet import Puppet
    from generators.embedded.quality import agreement, look_at
    from thsafe.media.decode import VideoReader
    from thsafe.media.encode import Mp4Writer
    from thsafe.media.planes import i420_from_bgr

    framed = framed_person(name, short_side=512, home=home)
    puppet = Puppet(framed.picture, framed.landmarks, matte=framed.matte)
    poses, wanted = asked()
    height, width = framed.picture.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.mp4"
        with Mp4Writer(path, width=width, height=height, fps=Fraction(25)) as writer:
            for pose in poses:
                writer.write_picture(i420_from_bgr(puppet.render(pose)))  # type: ignore[arg-type]
        with VideoReader(path) as reader:
            seen = look_at(frame for _, frame in reader.iter_bgr())
    r, slope = agreement(wanted["jaw"], seen.opening)
    blink, _ = agreement(-wanted["blink"], seen.eyes)
    yaw, yaw_slope = agreement(wanted["yaw"], seen.yaw)
    inside = np.convolve(wanted["closed"].astype(float), [1, 1, 1], mode="same") == 3
    shut = float(np.nanmedian(seen.opening[inside])) if inside.any() else math.nan
    still = float(np.sqrt(np.nanmean(seen.drift**2)))
    lag = _lag(wanted["jaw"], seen.opening)
    return (
        f"{name:8} {seen.missed:6d} {r:9.2f} {slope:6.2f} {lag:4d} {shut:6.3f} {blink:7.2f}"
        f" {yaw:6.2f} {yaw_slope:6.2f} {still:6.3f} {float(np.nanmin(seen.likeness)):9.2f}"
        f" {float(np.nanmean(seen.flicker)):8.2f}"
    )


def _lag(asked: np.ndarray, seen: np.ndarray) -> int:
    """Frames by which what is seen follows what was asked."""
    from generators.embedded.quality import agreement

    reach = range(-3, 4)
    middle = slice(3, FRAMES - 3)
    return max(reach, key=lambda step: agreement(asked[middle], np.roll(seen, -step)[middle])[0])


def main(names: list[str]) -> None:
    """Print the table."""
    print("person   missed opening-r  slope  lag   shut blink-r  yaw-r  slope  still  likeness  flicker", flush=True)
    for name in names:
        print(measure(name), flush=True)
    print(BARS)


if __name__ == "__main__":
    from generators.embedded.cast import CAST

    main(sys.argv[1:] or list(CAST))
