"""Pictures of a film at working size, few enough to hold: what placing, timing and differences look at."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.types import MediaKind

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from thsafe.core.types import Frame, Progress
    from thsafe.media.faces import Face
    from thsafe.media.probe import MediaInfo

SIDE = 320
"""Longer side of the pictures at working size, pixels."""
MOST = 1500
"""Pictures held of one film; of longer films every second, third … frame is looked at."""
_RATE = 25.5
_FACES = 250
"""Pictures in which faces are looked for."""
_PEOPLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Regions:
    """The parts of one face at one moment, as boxes x0, y0, x1, y1 in working pixels."""

    mouth: tuple[float, float, float, float]
    upper: tuple[float, float, float, float]
    """Brows to the middle of the nose."""
    face: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One face followed through a film."""

    times: tuple[float, ...]
    regions: tuple[Regions, ...]

    def at(self, seconds: float) -> Regions | None:
        """The face at a moment; None more than half a second from where it was seen."""
        place = int(np.argmin(np.abs(np.asarray(self.times) - seconds)))
        return self.regions[place] if abs(self.times[place] - seconds) <= 0.5 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A film or picture at working size."""

    times: NDArray[np.float64]
    """Seconds, (n,)."""
    pictures: NDArray[np.uint8]
    """Luma, (n, height, width)."""
    scale: float
    """Working pixels per pixel of the file."""
    people: tuple[Person, ...] = ()

    @property
    def rate(self) -> float:
        """Pictures a second; 25 where there is only one."""
        gaps = np.diff(self.times)
        return float(1 / np.median(gaps)) if len(gaps) and np.median(gaps) > 0 else 25.0


def load(path: Path, info: MediaInfo, progress: Progress, *, people: bool = False) -> Footage:
    """Read a film or picture at working size.

    Args:
        path: the file.
        info: what ``probe`` found.
        progress: told how many pictures were read.
        people: also follow the faces.

    Raises:
        InputError: the file cannot be read.
    """
    step = _step(info)
    times: list[float] = []
    pictures: list[NDArray[np.uint8]] = []
    seen: list[tuple[float, list[Regions]]] = []
    progress.start(f"reading {path.name}", None)
    every = max(1, math.ceil(min(MOST, (info.duration or 0.0) * float(info.fps or 25) / step) / _FACES))
    scale = SIDE / max(info.width or SIDE, info.height or SIDE)
    tracker = _Faces(still=info.kind is MediaKind.IMAGE) if people else None
    try:
        for seconds, frame in _frames(path, info, step):
            if tracker is not None and len(times) % every == 0:
                seen.append((seconds, [_regions(face, scale) for face in tracker.next(frame)]))
            times.append(seconds)
            pictures.append(_small(frame, scale))
            progress.advance()
            if len(times) >= 2 * MOST:
                # a header that told of fewer: keep every second picture rather than grow
                times, pictures = times[::2], pictures[::2]
    finally:
        if tracker is not None:
            tracker.close()
    shape = (0, 1, 1)
    return Footage(
        times=np.asarray(times, np.float64),
        pictures=np.stack(pictures) if pictures else np.zeros(shape, np.uint8),
        scale=scale,
        people=_people(seen),
    )


class _Faces:
    """Faces of one picture after the other, or of a single one."""

    def __init__(self, *, still: bool) -> None:
        from thsafe.media.faces import FaceTracker

        self._tracker = None if still else FaceTracker(max_faces=_PEOPLE)

    def next(self, frame: Frame) -> tuple[Face, ...]:
        from thsafe.media.faces import find_faces

        return find_faces(frame, max_faces=_PEOPLE) if self._tracker is None else self._tracker.next(frame)

    def close(self) -> None:
        if self._tracker is not None:
            self._tracker.close()


def _step(info: MediaInfo) -> int:
    rate = float(info.fps or 25)
    long = (info.duration or 0.0) * rate / MOST
    return max(1, round(rate / _RATE), math.ceil(long))


def _frames(path: Path, info: MediaInfo, step: int) -> Iterator[tuple[float, Frame]]:
    if info.kind is MediaKind.IMAGE:
        from thsafe.media.image import read_image

        yield 0.0, read_image(path)
        return
    from thsafe.media.decode import VideoReader

    with VideoReader(path) as reader:
        yield from reader.iter_bgr(step)


def _small(frame: Frame, scale: float) -> NDArray[np.uint8]:
    import cv2

    height, width = frame.shape[:2]
    size = (max(8, round(width * scale)), max(8, round(height * scale)))
    grey = cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY)
    small: NDArray[np.uint8] = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return small


_LIPS = (61, 291, 0, 17)
_UPPER = (70, 300, 105, 334, 33, 263, 5)
# mediapipe's canonical face: corners and middle of the lips; brows, outer corners of the eyes, middle of the nose


def _regions(face: Face, scale: float) -> Regions:
    points = face.landmarks[:, :2] * scale
    x0, y0, x1, y1 = (float(value) * scale for value in face.box)
    width, height = x1 - x0, y1 - y0
    lips, upper = points[list(_LIPS)], points[list(_UPPER)]
    middle = lips.mean(axis=0)
    # lips, and as much around them as a moving jaw changes
    mouth = (middle[0] - 0.27 * width, middle[1] - 0.13 * height, middle[0] + 0.27 * width, middle[1] + 0.2 * height)
    return Regions(
        mouth=tuple(float(value) for value in mouth),  # type: ignore[arg-type]
        upper=(float(upper[:, 0].min()), float(upper[:, 1].min()), float(upper[:, 0].max()), float(upper[:, 1].max())),
        face=(x0 - 0.12 * width, y0 - 0.3 * height, x1 + 0.12 * width, y1 + 0.15 * height),
    )


def _people(seen: list[tuple[float, list[Regions]]]) -> tuple[Person, ...]:
    """Faces joined over time by where they are; who is seen most comes first, glimpses do not count."""
    tracks: list[list[tuple[float, Regions]]] = []
    for seconds, faces in seen:
        free = list(tracks)
        for found in faces:
            near = min(free, key=lambda track: _apart(track[-1][1], found), default=None)
            if near is not None and _apart(near[-1][1], found) < 1.0:
                near.append((seconds, found))
                free.remove(near)
            else:
                tracks.append([(seconds, found)])
    least = max(1, len(seen) // 20)
    kept = sorted((track for track in tracks if len(track) >= least), key=len, reverse=True)[:_PEOPLE]
    return tuple(Person(times=tuple(at for at, _ in track), regions=tuple(part for _, part in track)) for track in kept)


def _apart(one: Regions, other: Regions) -> float:
    """Distance of two faces' middles in widths of the first."""
    ax, ay = (one.face[0] + one.face[2]) / 2, (one.face[1] + one.face[3]) / 2
    bx, by = (other.face[0] + other.face[2]) / 2, (other.face[1] + other.face[3]) / 2
    return math.hypot(ax - bx, ay - by) / max(one.face[2] - one.face[0], 1.0)
