"""Pictures that the engine draws for a detector to learn from: frames in memory, never a file.

Nothing here is published: the frames go into the training of the detector that finds this engine's outputs, unmarked,
so that the detector learns the drawing and not the watermark.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
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

_FPS = Fraction(3)
"""Poses a second: neighbours differ, as frames sampled from a video do."""


def speaking(
    picture: Frame, landmarks: NDArray[np.float32], *, count: int, seed: int, short_side: int, still: bool = False
) -> tuple[Frame, NDArray[np.float32], list[Frame]]:
    """A portrait as it is framed, its landmarks there, and ``count`` frames of it speaking.

    Args:
        picture: BGR ``uint8`` (height, width, 3) with one face.
        landmarks: (478, 3) in its pixels.
        count: how many frames.
        seed: chooses what is mouthed, glances and the drift of the head.
        short_side: pixels of the frame's shorter side.
        still: the head and the shoulders stay where they are.
    """
    framed = frame_portrait(picture, landmarks, short_side=short_side)
    puppet = Puppet(framed.picture, framed.landmarks)
    poses = _poses(count, seed)
    if still:
        poses = (replace(pose, yaw=0.0, pitch=0.0, roll=0.0, breath=0.0) for pose in poses)
    return framed.picture, framed.landmarks, [puppet.render(pose) for pose in poses]


def dubbed(film: Path, *, count: int, seed: int) -> Iterator[tuple[Frame, NDArray[np.float32], Frame]]:
    """Frames of a film that show a face, their landmarks (478, 3), and the same with a mouth of the engine's.

    Args:
        film: a film of somebody speaking.
        count: how many frames, evenly spaced.
        seed: chooses what is mouthed.
    """
    from thsafe.media.decode import VideoReader

    seen = watch(film, Silent())
    person = seen.person(1)
    dub = Dub(seen, person)
    numbers = sorted({int(number) for number in np.linspace(0, len(seen.times) - 1, count)})
    with VideoReader(film) as reader:
        wanted = set(numbers)
        genuine = {place: frame for place, (_, frame) in enumerate(reader.iter_bgr()) if place in wanted}
    for number, frame in zip(numbers, dub.frames(numbers, _poses(len(numbers), seed)), strict=True):
        marks = person.marks[number]
        if marks is not None:
            height, width = frame.shape[:2]
            yield genuine[number][:height, :width], marks, frame


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
