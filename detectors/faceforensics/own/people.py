"""Who is who in a file: faces of several stretches put together as people, by place, size and colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.own.stretches import Stretch

_FAR: Final = 1.5
"""Face widths by which somebody may have moved between two looks."""
_UNLIKE: Final = 0.55
"""Least correlation of colour histograms of one person who has moved."""


@dataclass(slots=True, kw_only=True)
class Person:
    """One face through a file."""

    stretches: list[Stretch] = field(default_factory=list)

    @property
    def size(self) -> float:
        """Median side of the face in the file, pixels."""
        return float(np.median([stretch.face for stretch in self.stretches]))


def put_together(looks: Sequence[Sequence[Stretch]]) -> tuple[Person, ...]:
    """The people of a file, most seen and largest first.

    Args:
        looks: for each moment the faces found there.
    """
    people: list[Person] = []
    for faces in looks:
        free = list(people)
        for face in sorted(faces, key=lambda item: -item.face):
            fitting = [(value, person) for person in free if (value := _fit(person, face)) is not None]
            if fitting:
                person = min(fitting, key=lambda item: item[0])[1]
                free.remove(person)
            else:
                person = Person()
                people.append(person)
            person.stretches.append(face)
    return tuple(sorted(people, key=lambda person: (-len(person.stretches), -person.size)))


def _fit(person: Person, face: Stretch) -> float | None:
    """How unlike the person's latest look a face is; None for somebody else."""
    latest = person.stretches[-1]
    ratio = max(latest.face, face.face) / min(latest.face, face.face)
    apart = float(np.hypot(*(_middle(latest) - _middle(face)))) / max(latest.face, face.face)
    alike = float(np.corrcoef(_colours(latest), _colours(face))[0, 1])
    if ratio > 2 or (apart > _FAR and alike < _UNLIKE) or (apart > 0.5 and alike < _UNLIKE / 2):
        return None
    return apart + (1 - alike)


def _middle(stretch: Stretch) -> NDArray[np.float64]:
    left, top, right, bottom = stretch.window
    return np.array([(left + right) / 2, (top + bottom) / 2])


def _colours(stretch: Stretch) -> NDArray[np.float64]:
    """Histogram of hue and saturation in the middle of the window."""
    import cv2

    frame = stretch.frames[len(stretch.frames) // 2]
    inset = frame.shape[0] // 4
    hsv = cv2.cvtColor(np.ascontiguousarray(frame[inset:-inset, inset:-inset]), cv2.COLOR_BGR2HSV)
    counts = cv2.calcHist([hsv], [0, 1], None, [12, 8], [0, 180, 0, 256])
    return np.asarray(np.sqrt(counts.ravel()), np.float64)
