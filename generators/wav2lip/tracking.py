"""Which face is where in every picture of a video, from one pass over it.

Faces are looked for every few pictures. Where two looks agree, the boxes between them are interpolated; where they do
not (a cut, a quick movement, a face that comes or goes), every picture between is looked at. Boxes are joined into
tracks by their overlap, so that two people do not exchange their mouths when one is found more surely than the other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.wav2lip.detection import Box

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

Find = Callable[["Frame"], tuple[Box, ...]]

_STRIDE: Final = 8
"""Pictures from one look to the next: a third of a second."""
_STEADY: Final = 0.6
"""Overlap of two looks between which a face is taken to move evenly."""
_SAME: Final = 0.3
"""Overlap of two boxes of one face."""
_MEMORY: Final = 25
"""Pictures that a face may be away (turned, hidden) and still be the same track."""
_CUT: Final = 30.0
"""Mean difference of two pictures, in grey levels at 32 x 32, that makes a cut."""
_BRIEF: Final = 3
"""Looks that found it; tracks with fewer, in scenes longer than that, are false alarms."""
_SMOOTHING: Final = 2
"""Pictures on each side over which boxes are averaged."""


@dataclass(slots=True, kw_only=True)
class Track:
    """One face through one scene."""

    scene: int
    boxes: dict[int, Box] = field(default_factory=dict)
    """Picture to box, in the order of time."""

    @property
    def size(self) -> float:
        """Its area over all its pictures."""
        return sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in self.boxes.values())

    @property
    def latest(self) -> int:
        """The last picture that shows it."""
        return next(reversed(self.boxes))

    @property
    def left(self) -> float:
        """Where its middle is at first, in pixels from the left."""
        x0, _, x1, _ = self.boxes[min(self.boxes)]
        return (x0 + x1) / 2

    def smoothed(self) -> dict[int, Box]:
        """Its boxes, each averaged with its neighbours in time."""
        even: dict[int, Box] = {}
        for index in self.boxes:
            near = [self.boxes[n] for n in range(index - _SMOOTHING, index + _SMOOTHING + 1) if n in self.boxes]
            x0, y0, x1, y1 = np.mean(near, axis=0)
            even[index] = (float(x0), float(y0), float(x1), float(y1))
        return even


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What one pass over a video found."""

    pictures: int
    scenes: int
    looks: int
    """Pictures that were looked at."""
    tracks: tuple[Track, ...]

    def choose(self, face: int | None) -> dict[int, Box]:
        """The box of one face in every picture that shows it.

        Args:
            face: counted from the left in each scene, from 1; None for the largest of each scene.
        """
        chosen: dict[int, Box] = {}
        for scene in range(self.scenes):
            here = sorted((track for track in self.tracks if track.scene == scene), key=lambda track: track.left)
            if face is None and here:
                chosen |= max(here, key=lambda track: track.size).smoothed()
            elif face is not None and face <= len(here):
                chosen |= here[face - 1].smoothed()
        return chosen

    @property
    def most_faces(self) -> int:
        """The largest number of faces in one scene."""
        return max((sum(track.scene == scene for track in self.tracks) for scene in range(self.scenes)), default=0)


def survey(frames: Iterable[Frame], find: Find) -> Survey:
    """Look at a video once.

    Args:
        frames: its pictures; no more than one stride of them is held.
        find: the faces of one picture.
    """
    watch = _Watch(find)
    for frame in frames:
        watch.see(frame)
    return watch.finish()


class _Watch:
    def __init__(self, find: Find) -> None:
        self._find = find
        self._count = 0
        self._scene = 0
        self._looks = 0
        self._held: list[Frame] = []
        """Pictures since the latest look."""
        self._seen: tuple[Box, ...] | None = None
        """What the latest look of this scene found."""
        self._thumbnail: NDArray[np.float32] | None = None
        self._tracks: list[Track] = []
        self._found: dict[int, int] = {}
        self._scene_looks: list[int] = [0]

    def see(self, frame: Frame) -> None:
        import cv2

        grey = cv2.cvtColor(cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
        thumbnail = grey.astype(np.float32)
        if self._thumbnail is not None and float(np.abs(thumbnail - self._thumbnail).mean()) > _CUT:
            self._settle()
            self._scene, self._seen = self._scene + 1, None
            self._scene_looks.append(0)
        self._thumbnail = thumbnail
        self._held.append(frame)
        self._count += 1
        if self._seen is None or len(self._held) >= _STRIDE:
            self._settle()

    def finish(self) -> Survey:
        self._settle()
        real = [
            track
            for number, track in enumerate(self._tracks)
            if self._found[number] >= min(_BRIEF, self._scene_looks[track.scene])
        ]
        return Survey(
            pictures=self._count,
            scenes=self._scene + 1 if self._count else 0,
            looks=self._looks,
            tracks=tuple(real),
        )

    def _settle(self) -> None:
        """Look at the newest held picture, and at those before it where that is needed."""
        if not self._held:
            return
        start = self._count - len(self._held)
        *between, newest = self._held
        now = self._look(newest)
        pairs = _pairs(self._seen, now) if self._seen is not None else None
        if pairs is None:
            for offset, frame in enumerate(between):
                self._enter(start + offset, self._look(frame))
        else:
            steps = len(self._held)
            for offset in range(len(between)):
                share = (offset + 1) / steps
                self._enter(start + offset, tuple(_mix(a, b, share) for a, b in pairs), interpolated=True)
        self._enter(self._count - 1, now)
        self._seen, self._held = now, []

    def _look(self, frame: Frame) -> tuple[Box, ...]:
        self._looks += 1
        self._scene_looks[self._scene] += 1
        return self._find(frame)

    def _enter(self, index: int, boxes: Sequence[Box], *, interpolated: bool = False) -> None:
        """Give each box to the track that it overlaps most; what is left begins a track."""
        open_tracks = [
            number
            for number, track in enumerate(self._tracks)
            if track.scene == self._scene and index - track.latest <= _MEMORY
        ]
        candidates = sorted(
            (
                (overlap(self._tracks[number].boxes[self._tracks[number].latest], box), number, place)
                for number in open_tracks
                for place, box in enumerate(boxes)
            ),
            reverse=True,
        )
        taken: dict[int, int] = {}
        for share, number, place in candidates:
            if share >= _SAME and place not in taken and number not in taken.values():
                taken[place] = number
        for place, box in enumerate(boxes):
            if place not in taken:
                taken[place] = len(self._tracks)
                self._tracks.append(Track(scene=self._scene))
                self._found[taken[place]] = 0
            self._tracks[taken[place]].boxes[index] = box
            self._found[taken[place]] += not interpolated


def _pairs(before: Sequence[Box], now: Sequence[Box]) -> list[tuple[Box, Box]] | None:
    """Each face of two looks with itself; None when they do not agree."""
    if len(before) != len(now):
        return None
    pairs = [(old, max(now, key=lambda box: overlap(old, box))) for old in before]
    steady = all(overlap(old, new) >= _STEADY for old, new in pairs)
    return pairs if steady and len({new for _, new in pairs}) == len(now) else None


def overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return shared / (areas - shared)


def _mix(a: Box, b: Box, share: float) -> Box:
    x0, y0, x1, y1 = (p + (q - p) * share for p, q in zip(a, b, strict=True))
    return (x0, y0, x1, y1)


def authors_smoothing(boxes: NDArray[np.int64], window: int = 5) -> NDArray[np.int64]:
    """The authors' smoothing: each box becomes the truncated mean of itself and the next four, in place.

    The last four see the last five rows, of which some are smoothed already; of n < window rows, the last window - n
    (a negative index in the original).

    Args:
        boxes: (n, 4).
        window: rows of a mean.
    """
    out = boxes.copy()
    for index in range(len(out)):
        rows = out[index : index + window] if index + window <= len(out) else out[len(out) - window :]
        out[index] = rows.mean(axis=0)
    return out
