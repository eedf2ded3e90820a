"""Films read for their faces: who is in them, followed from frame to frame, and where the camera cuts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from generators.embedded.motion import Marks
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from fractions import Fraction

    from thsafe.core.types import Frame, Progress
    from thsafe.media.faces import Face

CUT: Final = 28.0
"""Mean change of brightness (of 255) between two frames, above what the frames around it change, that is a cut."""
_LOST: Final = 12
"""Frames after which a place in the picture no longer tells who somebody is."""
_ALIKE: Final = 0.92
"""Correlation above which two looks are of one person: different people of one style reach .90, so somebody who comes
back turned far otherwise counts as somebody new. To take two people for one would put words into the wrong mouth."""
_LOOK: Final = 24
"""Pixels of a look's side."""
_RENEWED: Final = 8
"""Frames after which a look is taken anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody in a film."""

    marks: Marks
    """One row per frame of the film."""
    frames: int
    """How many frames show the face."""
    size: float
    """Mean width of the face, in pixels."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Film:
    """What one pass over a film finds."""

    path: Path
    width: int
    height: int
    fps: Fraction
    times: NDArray[np.float64]
    """(N,) seconds."""
    scenes: NDArray[np.int64]
    """(N,): number of the shot that each frame belongs to."""
    people: tuple[Person, ...]
    """Who is seen most, and largest, first."""
    has_sound: bool

    def person(self, number: int) -> Person:
        """The ``number``-th person, from 1.

        Raises:
            InputError: ``film.no-face`` or ``film.face``.
        """
        if not self.people:
            raise InputError(
                f"No face was found in {self.path.name}.",
                code="film.no-face",
                found=f"{len(self.times)} frames without a face",
                rule="somebody's face must be seen",
                next_step="choose a film that shows a face from the front",
            )
        if not 1 <= number <= len(self.people):
            raise InputError(
                f"{self.path.name} shows {len(self.people)} people.",
                code="film.face",
                found=f"face {number}",
                next_step=f"choose --face 1 to {len(self.people)}: 1 is the one seen most",
            )
        return self.people[number - 1]


def watch(path: Path, progress: Progress, *, max_faces: int = 1) -> Film:
    """Read a film once and follow its faces.

    Args:
        path: the film.
        progress: told how far it is.
        max_faces: how many people are looked for.

    Raises:
        InputError: as ``VideoReader``.
    """
    from thsafe.media.decode import VideoReader
    from thsafe.media.faces import FaceTracker

    times: list[float] = []
    scenes: list[int] = []
    crowd = _Crowd()
    with VideoReader(path) as reader, FaceTracker(max_faces=max_faces) as tracker:
        info = reader.info
        rate = info.fps
        expected = round(float(info.duration * rate)) if info.duration and rate else None
        progress.start("watching", expected)
        cuts = _Cuts()
        size = (0, 0)
        for seconds, frame in reader.iter_bgr():
            if cuts.between(frame):
                crowd.cut()
            crowd.add(tracker.next(frame), frame)
            times.append(seconds)
            scenes.append(cuts.count)
            size = (frame.shape[1], frame.shape[0])
            progress.advance()
    if not times:
        raise InputError(
            f"{path.name} holds no picture that decodes.",
            code="film.empty",
            next_step="choose another film, or convert this one: ffmpeg -i in.mp4 out.mp4",
        )
    return Film(
        path=path,
        width=size[0],
        height=size[1],
        fps=_rate(times, rate),
        times=np.array(times),
        scenes=np.array(scenes),
        people=crowd.people(),
        has_sound=info.audio_codec is not None,
    )


def _rate(times: list[float], stated: Fraction | None) -> Fraction:
    from fractions import Fraction as Ratio

    if stated and 1 <= stated <= 120:
        return stated
    span = times[-1] - times[0]
    return Ratio(round((len(times) - 1) / span * 100), 100) if span > 0 else Ratio(25)


class _Cuts:
    """Tells cuts: the picture changes at once by far more than it did just before."""

    def __init__(self) -> None:
        self.count = 0
        self._before: NDArray[np.float32] | None = None
        self._usual = 4.0

    def between(self, frame: Frame) -> bool:
        """Whether a cut lies between the frame before and this one."""
        import cv2

        grey = cv2.cvtColor(cv2.resize(frame, (64, 36), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        small = grey.astype(np.float32)
        before, self._before = self._before, small
        if before is None:
            return False
        change = float(np.abs(small - before).mean())
        cut = change > CUT and change > 4 * self._usual
        if cut:
            self.count += 1
        else:
            self._usual += 0.2 * (min(change, 12.0) - self._usual)
        return cut


class _Crowd:
    """Gives each face the number of the person it continues: by place from frame to frame, by look after a cut."""

    def __init__(self) -> None:
        self._marks: list[Marks] = []
        self._boxes: list[tuple[float, float, float, float]] = []
        self._looks: list[NDArray[np.float32]] = []
        self._latest: list[int] = []
        self._counts: list[int] = []
        self._widths: list[float] = []
        self._frame = 0
        self._since_cut = 0

    def cut(self) -> None:
        """Where somebody stood before tells nothing about who stands there now."""
        self._since_cut = self._frame

    def add(self, faces: tuple[Face, ...], frame: Frame) -> None:
        """The faces of the next frame."""
        free = list(range(len(self._boxes)))
        pairs: dict[int, Face] = {}
        fresh: list[Face] = []
        for face in faces:
            best = max(free, key=lambda index: self._overlap(index, face), default=None)
            if best is not None and self._overlap(best, face) > 0:
                free.remove(best)
                pairs[best] = face
            else:
                fresh.append(face)
        for face in fresh:
            look = _look(face, frame)
            likeness = {index: float((self._looks[index] * look).sum()) for index in free}
            best = max(likeness, key=lambda index: likeness[index], default=None)
            if best is not None and likeness[best] > _ALIKE:
                free.remove(best)
            else:
                best = self._newcomer(look)
            pairs[best] = face
        for index, marks in enumerate(self._marks):
            found = pairs.get(index)
            marks.append(found)
            if found is not None:
                self._boxes[index] = found.box
                self._latest[index] = self._frame
                if self._counts[index] % _RENEWED == 0:
                    self._looks[index] = _look(found, frame)
                self._counts[index] += 1
                self._widths[index] += found.box[2] - found.box[0]
        self._frame += 1

    def people(self) -> tuple[Person, ...]:
        """Everybody who was seen, by how much of the film and the picture they fill."""
        seen = [
            Person(marks=marks, frames=count, size=width / count)
            for marks, count, width in zip(self._marks, self._counts, self._widths, strict=True)
            if count
        ]
        return tuple(sorted(seen, key=lambda person: person.frames * person.size, reverse=True))

    def _overlap(self, index: int, face: Face) -> float:
        """Of where the person was last and the face, 0 to 1; nothing counts across a cut or a long absence."""
        if self._latest[index] < self._since_cut or self._frame - self._latest[index] > _LOST:
            return 0.0
        a, b = self._boxes[index], face.box
        wide = min(a[2], b[2]) - max(a[0], b[0])
        tall = min(a[3], b[3]) - max(a[1], b[1])
        if wide <= 0 or tall <= 0:
            return 0.0
        return wide * tall / max(min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])), 1e-6)

    def _newcomer(self, look: NDArray[np.float32]) -> int:
        marks = Marks()
        for _ in range(self._frame):
            marks.append(None)
        self._marks.append(marks)
        self._boxes.append((0.0, 0.0, 0.0, 0.0))
        self._looks.append(look)
        self._latest.append(-1)
        self._counts.append(0)
        self._widths.append(0.0)
        return len(self._marks) - 1


def _look(face: Face, frame: Frame) -> NDArray[np.float32]:
    """A small picture of brows, eyes, nose and the hair around, upright, of mean 0 and length 1.

    It tells two people of one film apart, no more: it is no measure of identity.
    """
    import cv2

    right, left = face.landmarks[33, :2].astype(np.float64), face.landmarks[263, :2].astype(np.float64)
    across = (left - right) / 2
    middle = (left + right) / 2
    down = np.array([-across[1], across[0]])
    # three corners of a square two eye distances wide, from well above the brows to the mouth
    corners = [middle - 2 * across - 2.2 * down, middle + 2 * across - 2.2 * down, middle - 2 * across + 1.8 * down]
    source = np.array(corners, np.float32)
    target = np.array([[0, 0], [_LOOK - 1, 0], [0, _LOOK - 1]], np.float32)
    # shrunk in two steps, so that the result does not depend on single pixels
    big = cv2.warpAffine(
        frame, cv2.getAffineTransform(source, target * 4), (4 * _LOOK, 4 * _LOOK), borderMode=cv2.BORDER_REPLICATE
    )
    small = cv2.resize(big, (_LOOK, _LOOK), interpolation=cv2.INTER_AREA).astype(np.float32)
    small -= small.mean(axis=(0, 1))
    return np.asarray(small / max(float(np.linalg.norm(small)), 1e-6), np.float32)
