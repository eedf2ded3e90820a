"""Whose face is where in a film at 25 pictures a second, and that face cut out as SyncNet's authors cut it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from detectors.lipsync.network import SIDE

if TYPE_CHECKING:
    from thsafe.core.types import Frame

FPS: Final = 25
MOST_FACES: Final = 5
_SAME: Final = 0.5
"""Overlap of two boxes of one face, one picture apart."""
_MEMORY: Final = 10
"""Pictures that a face may be away and still be the same."""
_CUT: Final = 30.0
"""Mean difference of two pictures, in grey levels at 32 x 32, that makes a cut."""
_MARGIN: Final = 0.4
"""What the cut-out shows beside the face, in halves of its larger side."""
_SMOOTHED: Final = 13
"""Pictures over which a median steadies the box."""
_GREY: Final = 110
"""What stands beyond the picture's edge."""

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""


@dataclass(slots=True, kw_only=True)
class Track:
    """One face from where it comes to where it goes, or to a cut."""

    boxes: dict[int, Box] = field(default_factory=dict)
    """Picture number to box."""

    @property
    def first(self) -> int:
        """Its first picture."""
        return min(self.boxes)

    @property
    def length(self) -> int:
        """Pictures from its first to its last."""
        return max(self.boxes) - self.first + 1

    @property
    def seen(self) -> float:
        """How much of the film it fills: area times pictures."""
        return sum((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in self.boxes.values())

    def squares(self) -> NDArray[np.float64]:
        """Half side, middle across and middle down of every picture, filled in between and steadied: (length, 3).

        For tracks of 13 pictures and more.
        """
        from scipy.signal import medfilt

        known = sorted(self.boxes)
        found = np.array([self.boxes[number] for number in known])
        numbers = np.arange(self.first, self.first + self.length)
        x0, y0, x1, y1 = (np.interp(numbers, known, found[:, side]) for side in range(4))
        half = np.maximum(x1 - x0, y1 - y0) / 2
        rows = (half, (x0 + x1) / 2, (y0 + y1) / 2)
        # The ends are medians with zeros beyond them, as with the authors.
        return np.stack([medfilt(row, kernel_size=_SMOOTHED) for row in rows], axis=1)


def at_25(pictures: Iterable[tuple[float, Frame]]) -> Iterator[Frame]:
    """A film's pictures, each shown until the next one's time has come, 25 a second from the film's beginning."""
    shown: Frame | None = None
    index = 0
    for seconds, frame in pictures:
        while shown is not None and (index + 0.5) / FPS < seconds:
            yield shown
            index += 1
        shown = frame
    if shown is not None:
        yield shown


def follow(pictures: Iterable[Frame], *, seen: list[int] | None = None) -> tuple[Track, ...]:
    """The faces of a film, the one that is seen most first.

    Args:
        pictures: at 25 a second.
        seen: gets the number of pictures as its one item.
    """
    import cv2

    from thsafe.media.faces import FaceTracker

    tracks: list[Track] = []
    live: list[Track] = []
    before: NDArray[np.float32] | None = None
    number = -1
    with FaceTracker(max_faces=MOST_FACES) as tracker:
        for number, frame in enumerate(pictures):
            grey = cv2.cvtColor(cv2.resize(frame, (32, 32), interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
            small = grey.astype(np.float32)
            if before is not None and float(np.abs(small - before).mean()) > _CUT:
                live = []
            before = small
            live = [track for track in live if number - max(track.boxes) <= _MEMORY]
            _enter(number, [face.box for face in tracker.next(frame)], live, tracks)
    if seen is not None:
        seen[:] = [number + 1]
    return tuple(sorted(tracks, key=lambda track: -track.seen))


def _enter(number: int, boxes: list[Box], live: list[Track], tracks: list[Track]) -> None:
    """Give each box to the track that it overlaps most; what is left begins a track."""
    pairs = sorted(
        ((_overlap(track.boxes[max(track.boxes)], box), which, place)
         for which, track in enumerate(live) for place, box in enumerate(boxes)),
        reverse=True,
    )  # fmt: skip
    given: dict[int, int] = {}
    for share, which, place in pairs:
        if share >= _SAME and place not in given and which not in given.values():
            given[place] = which
    for place, box in enumerate(boxes):
        if place in given:
            live[given[place]].boxes[number] = box
        else:
            track = Track(boxes={number: box})
            live.append(track)
            tracks.append(track)


def _overlap(a: Box, b: Box) -> float:
    """Intersection over union."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def cut_out(frame: Frame, square: NDArray[np.float64]) -> Frame:
    """A face, 224 x 224: from half a face above its middle to 0.9 below, 0.7 to each side.

    Args:
        frame: BGR ``uint8``.
        square: half side, middle across, middle down, in pixels.
    """
    import cv2

    half, across, down = (float(value) for value in square)
    wide = half * (1 + _MARGIN)
    top, bottom = int(down - half), int(down + half * (1 + 2 * _MARGIN))
    left, right = int(across - wide), int(across + wide)
    height, width = frame.shape[:2]
    inside = frame[max(0, top) : max(0, min(height, bottom)), max(0, left) : max(0, min(width, right))]
    if inside.size == 0:
        return np.full((SIDE, SIDE, 3), _GREY, dtype=np.uint8)
    beyond = (max(0, -top), max(0, bottom - height), max(0, -left), max(0, right - width))
    whole = cv2.copyMakeBorder(inside, *beyond, cv2.BORDER_CONSTANT, value=(_GREY, _GREY, _GREY))
    found: Frame = cv2.resize(whole, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.uint8, copy=False)
    return found
