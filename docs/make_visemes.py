"""Eight of the cast speaking, as one picture: ``python docs/make_visemes.py`` writes ``docs/pictures/visemes.jpg``.

Rows are people, columns mouth shapes: rest, p, f, th, s, sh, a, e, i, o, u, and a blink with a turned head.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from generators.embedded.cast import CAST, draw
from generators.embedded.framing import frame_portrait
from generators.embedded.pose import Pose
from generators.embedded.puppet import Puppet
from generators.embedded.visemes import TARGETS, Viseme

PEOPLE = ("ada", "kofi", "mei", "omar", "ines", "bruno", "greta", "priya")
SHAPES = ("SIL", "PP", "FF", "TH", "SS", "CH", "AA", "EH", "IH", "OO", "UU")
SIDE = 256
"""Pixels of a framed portrait; drawn at twice that."""


def row(name: str) -> np.ndarray:
    """One person in all shapes."""
    drawn = draw(CAST[name], size=2 * SIDE)
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=SIDE, matte=drawn.matte)
    puppet = Puppet(framed.picture, framed.landmarks, matte=framed.matte)
    poses = [Pose(expression=TARGETS[Viseme[shape]].astype(np.float32)) for shape in SHAPES]
    shut = Pose(expression=TARGETS[Viseme.EH].astype(np.float32), blink_left=1.0, blink_right=1.0, yaw=10.0)
    x0, y0, x1, y1 = (int(value * SIDE) for value in puppet.face_box)
    grow = SIDE // 16
    return np.hstack([puppet.render(pose)[y0 - 2 * grow : y1 + grow, x0 - grow : x1 + grow] for pose in [*poses, shut]])


def main(target: Path) -> None:
    """Write the sheet."""
    rows = [row(name) for name in PEOPLE]
    height, width = max(len(item) for item in rows), max(item.shape[1] for item in rows)
    even = [cv2.resize(item, (width, height), interpolation=cv2.INTER_AREA) for item in rows]
    cv2.imwrite(str(target), np.vstack(even), [cv2.IMWRITE_JPEG_QUALITY, 85])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures" / "visemes.jpg")
