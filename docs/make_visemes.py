"""Eight of the cast speaking and feeling, as two pictures: ``python docs/make_visemes.py [FOLDER]``.

``visemes.jpg``: rows are people, columns mouths: rest, p, f, th, l, s, sh, a, e, i, o, u. ``emotions.jpg``: neutral,
then happy, sad, angry, surprised and serious, each at half and at full strength. Written to ``docs/pictures``.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

from generators.embedded.cast import CAST, draw
from generators.embedded.direction import MOODS, Direction
from generators.embedded.framing import Framed, frame_portrait
from generators.embedded.pose import Pose
from generators.embedded.puppet import Puppet
from generators.embedded.visemes import TARGETS, Viseme

PEOPLE = ("ada", "kofi", "mei", "omar", "ines", "bruno", "greta", "priya")
SHAPES = ("SIL", "PP", "FF", "TH", "DD", "SS", "CH", "AA", "EH", "IH", "OO", "UU")
SIDE = 512
MOUTH, FACE = (152, 128), (136, 174)
"""Width and height of one picture of either sheet."""


def framed(name: str) -> Framed:
    """One of the cast."""
    drawn = draw(CAST[name], size=2 * SIDE)
    return frame_portrait(drawn.picture, drawn.landmarks, short_side=SIDE, matte=drawn.matte)


def mouths(puppet: Puppet, person: Framed) -> np.ndarray:
    """From the nose to the chin, in all shapes."""
    unit = puppet.eye_distance
    middle = (person.landmarks[61, :2] + person.landmarks[291, :2]) / 2
    x0, y0 = (middle - unit * np.array([0.57, 0.36])).astype(int)
    x1, y1 = (middle + unit * np.array([0.57, 0.60])).astype(int)
    shown = [puppet.render(Pose(expression=TARGETS[Viseme[shape]].astype(np.float32))) for shape in SHAPES]
    return np.hstack([cv2.resize(frame[y0:y1, x0:x1], MOUTH, interpolation=cv2.INTER_AREA) for frame in shown])


def moods(puppet: Puppet) -> np.ndarray:
    """The whole face in all moods."""
    x0, y0, x1, y1 = (int(share * SIDE) for share in puppet.face_box)
    y0 -= 40
    faces = []
    for mood in MOODS:
        for strength in (0.5, 1.0) if mood != "neutral" else (1.0,):
            asked = Direction.read(emotion=f"{mood}:{strength}")
            frame = puppet.render(next(asked.direct([Pose.neutral()], Fraction(25))))
            face = frame[max(y0 - 20, 0) : y1 + 24, max(x0 - 20, 0) : x1 + 20]
            faces.append(cv2.resize(face, FACE, interpolation=cv2.INTER_AREA))
    return np.hstack(faces)


def main(folder: Path) -> None:
    """Write both sheets."""
    speaking, feeling = [], []
    for name in PEOPLE:
        person = framed(name)
        puppet = Puppet(person.picture, person.landmarks, matte=person.matte)
        speaking.append(mouths(puppet, person))
        feeling.append(moods(puppet))
    for name, rows in (("visemes.jpg", speaking), ("emotions.jpg", feeling)):
        cv2.imwrite(str(folder / name), np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pictures")
