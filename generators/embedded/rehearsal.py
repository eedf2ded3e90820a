"""Pictures that the engine draws for a detector to learn from: frames in memory, never a published file.

The frames go into the training of the detector that finds this engine's outputs, unmarked, so that the detector learns
the drawing and not the watermark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from generators.embedded.dub import Dub
from generators.embedded.filmed import watch
from generators.embedded.performance import Performance
from generators.embedded.puppet import Puppet, frame_portrait
from generators.embedded.visemes import VISEMES, Viseme
from thsafe.core.types import Silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.embedded.pose import Pose
    from thsafe.core.types import Frame

_FPS = Fraction(25)
_APART = 40
"""Frames from one run's end to the next one's beginning."""


def speaking(
    picture: Frame,
    landmarks: NDArray[np.float32],
    *,
    runs: int,
    length: int,
    seed: int,
    short_side: int,
    still: bool = False,
) -> tuple[Frame, NDArray[np.float32], list[list[Frame]]]:
    """A portrait as it is framed, its landmarks there, and ``runs`` times ``length`` frames of it speaking.

    Args:
        picture: BGR ``uint8`` (height, width, 3) with one face.
        landmarks: (478, 3) in its pixels.
        runs: how many stretches, some seconds apart.
        length: frames of each, 25 a second.
        seed: chooses what is mouthed, glances and the drift of the head.
        short_side: pixels of the frame's shorter side.
        still: the head and the shoulders stay where they are.
    """
    framed = frame_portrait(picture, landmarks, short_side=short_side)
    puppet = Puppet(framed.picture, framed.landmarks)
    poses = _poses(runs * (length + _APART), seed)
    found = []
    for _ in range(runs):
        chosen = list(islice(poses, length + _APART))[_APART // 2 :][:length]
        if still:
            chosen = [replace(pose, yaw=0.0, pitch=0.0, roll=0.0, breath=0.0) for pose in chosen]
        found.append([puppet.render(pose) for pose in chosen])
    return framed.picture, framed.landmarks, found


def dubbed(
    film: Path, *, runs: int, length: int, seed: int
) -> Iterator[list[tuple[Frame, NDArray[np.float32], Frame]]]:
    """Stretches of a film that show a face: frames, their landmarks (478, 3), and the same with the engine's mouth.

    Args:
        film: a film of somebody speaking.
        runs: how many stretches, evenly spaced.
        length: frames of each.
        seed: chooses what is mouthed.
    """
    from thsafe.media.decode import VideoReader

    seen = watch(film, Silent())
    person = seen.person(1)
    dub = Dub(seen, person)
    starts = [int(start) for start in np.linspace(0, max(0, len(seen.times) - length), runs)]
    numbers = sorted({start + place for start in starts for place in range(length) if start + place < len(seen.times)})
    with VideoReader(film) as reader:
        wanted = set(numbers)
        genuine = {place: frame for place, (_, frame) in enumerate(reader.iter_bgr()) if place in wanted}
    made = dict(zip(numbers, dub.frames(numbers, _poses(len(numbers), seed)), strict=True))
    for start in starts:
        run = []
        for number in range(start, min(start + length, len(seen.times))):
            marks = person.marks[number]
            if marks is not None:
                height, width = made[number].shape[:2]
                run.append((genuine[number][:height, :width], marks, made[number]))
        if len(run) == length:
            yield run


def _poses(count: int, seed: int) -> Iterator[Pose]:
    """Poses of somebody who mouths random syllables."""
    random = np.random.default_rng(seed)
    rows = int(count / _FPS * 100) + 200
    table = np.zeros((rows, VISEMES))
    start = 0
    while start < rows:
        length = int(random.integers(6, 17))
        silent = random.random() < 0.1
        table[start : start + length, Viseme.SIL if silent else int(random.integers(1, VISEMES))] = 1.0
        start += length
    level = random.uniform(0.2, 1.0, rows).astype(np.float32)
    return Performance(iter([table]), level, fps=_FPS, frames=count, seed=seed)
