"""One stretch of a file: neighbouring frames through one window around a face, in the file's own pixels.

A photograph is a stretch of one frame. What a detector of ours sees of a file is a few stretches; what it was trained
on are the clips of the corpus, which are the same by make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.batches import MARGIN, load
from detectors.faceforensics.cooccurrence import co_occurrences
from detectors.faceforensics.own.grid import local_statistics
from detectors.faceforensics.own.temporal import temporal
from detectors.faceforensics.own.view import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.listing import Sample
    from detectors.faceforensics.selfmade.shapes import Marks
    from thsafe.core.types import Frame
    from thsafe.media.faces import Face, FaceFinder

LEAST_FACE: Final = 64
"""Pixels of a face's longer side; smaller faces were not trained on."""
MOST_FACE: Final = 192
"""Larger ones are brought down to it."""
FACE_SHARE: Final = 1.3
"""Faces that the co-occurrences are taken from, of the window's ``MARGIN``."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stretch:
    """One face in neighbouring frames."""

    frames: Sequence[Frame]
    """BGR ``uint8`` (side, side, 3), all through one window, ``MARGIN`` faces wide."""
    marks: Marks
    """(478, 2), in the middle frame."""
    seconds: float = 0.0
    """Of the middle frame."""
    window: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    """Left, top, right, bottom in the file's frame."""
    face: float = 0.0
    """Longer side of the face in the file, pixels."""

    @property
    def margin(self) -> float:
        """Side of the window in sides of the face."""
        return MARGIN

    def scaled(self, frames: Sequence[Frame], scale: float) -> Stretch:
        """The same face in frames that were made of these, ``scale`` times as large."""
        return Stretch(
            frames=frames,
            marks=self.marks * np.float32(frames[0].shape[0] / self.frames[0].shape[0]),
            seconds=self.seconds,
            window=self.window,
            face=self.face * scale,
        )


def find_stretches(frames: Sequence[tuple[float, Frame]], finder: FaceFinder, *, most: int = 1) -> list[Stretch]:
    """The largest faces of neighbouring frames, as they stand in the middle one, largest first.

    Args:
        frames: (seconds, BGR picture), all of one size.
        finder: kept warm from one moment to the next.
        most: how many faces.
    """
    seconds, middle = frames[len(frames) // 2]
    faces = finder.find(middle, max_faces=most)
    return [around(face, [frame for _, frame in frames], seconds) for face in faces]


def around(face: Face, pictures: Sequence[Frame], seconds: float) -> Stretch:
    """That face's window cut out of every picture."""
    import cv2

    x0, y0, x1, y1 = face.box
    size = _side(face)
    side = 2 * round(size * MARGIN / 2)
    left, top = round((x0 + x1 - side) / 2), round((y0 + y1 - side) / 2)
    height, width = pictures[0].shape[:2]
    over = max(0, -left, -top, left + side - width, top + side - height)
    scale = min(1.0, MOST_FACE / size)
    goal = 2 * round(side * scale / 2)
    cuttings = []
    for picture in pictures:
        part = picture[max(0, top) : top + side, max(0, left) : left + side]
        if over:
            part = cv2.copyMakeBorder(
                part,
                max(0, -top),
                max(0, top + side - height),
                max(0, -left),
                max(0, left + side - width),
                cv2.BORDER_REFLECT,
            )
        cuttings.append(part if goal == side else cv2.resize(part, (goal, goal), interpolation=cv2.INTER_AREA))
    marks = ((face.landmarks[:, :2] - np.array([left, top])) * (goal / side)).astype(np.float32)
    window = (float(left), float(top), float(left + side), float(top + side))
    return Stretch(frames=cuttings, marks=marks, seconds=seconds, window=window, face=size)


def stored_stretch(samples: Sequence[Sample], finder: FaceFinder) -> Stretch | None:
    """A clip of the corpus; None where no face is found in its middle frame."""
    frames = [load(sample.path) for sample in samples]
    faces = finder.find(frames[len(frames) // 2], max_faces=1)
    if not faces:
        return None
    face = frames[0].shape[0] / MARGIN
    return Stretch(frames=frames, marks=faces[0].landmarks[:, :2], face=face)


def measured(stretch: Stretch) -> Mapping[str, NDArray[Any]]:
    """What is looked at in one stretch.

    Returns:
        ``traces`` (n,), co-occurrences averaged over two frames; ``temporal``; ``grid``, local statistics averaged over
        those frames. One frame is all that a photograph has.
    """
    count = len(stretch.frames)
    chosen = [stretch.frames[place] for place in ((count // 2,) if count < 4 else (count // 2 - 1, count // 2 + 1))]
    side = chosen[0].shape[0]
    inset = round(side * (1 - FACE_SHARE / MARGIN) / 2)
    inner = np.stack([frame[inset : side - inset, inset : side - inset, ::-1] for frame in chosen])
    faces = inner.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    return {
        "traces": co_occurrences(faces).mean(axis=0),
        "temporal": temporal(stretch.frames, stretch.marks),
        "grid": np.mean([local_statistics(shown(frame)) for frame in chosen], axis=0, dtype=np.float32),
    }


def _side(face: Face) -> float:
    x0, y0, x1, y1 = face.box
    return max(x1 - x0, y1 - y0)
