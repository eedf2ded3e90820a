"""What a mouth does in a film: ten distances a frame, in units of the face, on a clock of 25 a second.

The landmarks are those of ``thsafe.media.faces``. Distances in the picture's plane, not the third coordinate, which is
a guess of the model; divided by the distance of the outer corners of the eyes, so that size and camera cancel.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from thsafe.core.types import Frame

PER_SECOND: Final = 25
DISTANCES: Final = (
    *((13, 14), (82, 87), (312, 317)),  # how far the inner lips are apart, in the middle and to both sides
    *((0, 17), (37, 84), (267, 314)),  # the same of the outer lips
    *((78, 308), (61, 291)),  # how wide the mouth is, inside and outside
    *((2, 0), (17, 152)),  # nose to upper lip, lower lip to chin
)
"""Pairs of landmarks."""
_EYES: Final = (33, 263)
_NOSE, _LEFT, _RIGHT = 1, 234, 454
_WIDEST_GAP: Final = 0.12
"""Seconds between frames with a face that are still bridged."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lips:
    """The mouth of one person over a film."""

    motion: NDArray[np.float32]
    """(n, 10) at :data:`PER_SECOND`; rows where nothing was seen are zero."""
    seen: NDArray[np.bool_]
    """(n,): whether there was a face that looks this way."""
    frames: int
    """Frames looked at."""
    with_face: int
    frontal: int
    """Frames whose face is turned by less than some 35 degrees."""
    several: int
    """Frames with more than one face of such a size that it may be the one that speaks."""
    face_pixels: float
    """Median width of the face; 0 without one."""
    seconds: float


def watch_lips(frames: Iterable[tuple[float, Frame]]) -> Lips:
    """Follow the largest face of a film.

    Args:
        frames: (seconds, BGR picture), all of them, in order.
    """
    from thsafe.media.faces import FaceTracker

    times: list[float] = []
    rows: list[NDArray[np.float64]] = []
    widths: list[float] = []
    count = with_face = several = 0
    last = 0.0
    with FaceTracker(max_faces=2) as tracker:
        for seconds, frame in frames:
            count += 1
            last = seconds
            faces = tracker.next(frame)
            if not faces:
                continue
            with_face += 1
            size = [face.box[2] - face.box[0] for face in faces]
            several += len(faces) > 1 and size[1] > 0.5 * size[0]
            if abs(turned(faces[0].landmarks)) <= _FRONTAL:
                times.append(seconds)
                rows.append(distances(faces[0].landmarks))
                widths.append(size[0])
    motion, seen = _on_clock(np.array(times), np.array(rows).reshape(-1, len(DISTANCES)), last)
    return Lips(
        motion=motion,
        seen=seen,
        frames=count,
        with_face=with_face,
        frontal=len(rows),
        several=several,
        face_pixels=float(np.median(widths)) if widths else 0.0,
        seconds=last,
    )


_FRONTAL: Final = 0.45


def turned(landmarks: NDArray[np.float32]) -> float:
    """How far a head is turned aside, -1 to 1: where the tip of the nose lies between the sides of the face."""
    x = landmarks[:, 0]
    return float((2 * x[_NOSE] - x[_LEFT] - x[_RIGHT]) / max(abs(x[_RIGHT] - x[_LEFT]), 1e-6))


def distances(landmarks: NDArray[np.float32]) -> NDArray[np.float64]:
    """(10,): the distances of :data:`DISTANCES` in distances of the outer corners of the eyes."""
    points = landmarks[:, :2].astype(np.float64)
    ends = np.array(DISTANCES)
    found = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    unit = float(np.linalg.norm(landmarks[_EYES[0]].astype(np.float64) - landmarks[_EYES[1]]))
    scaled: NDArray[np.float64] = found / max(unit, 1e-6)
    return scaled


def _on_clock(
    times: NDArray[np.float64], rows: NDArray[np.float64], last: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Rows at their times, brought to the common clock; short holes are bridged, long ones stay unseen."""
    ticks = np.arange(int(last * PER_SECOND + 1e-6) + 1) / PER_SECOND
    motion = np.zeros((len(ticks), len(DISTANCES)), np.float32)
    if len(times) < 2:
        return motion, np.zeros(len(ticks), bool)
    for column in range(len(DISTANCES)):
        motion[:, column] = np.interp(ticks, times, rows[:, column])
    after = np.clip(np.searchsorted(times, ticks), 1, len(times) - 1)
    gap = times[after] - times[after - 1]
    seen = (ticks >= times[0]) & (ticks <= times[-1] + 1e-6) & (gap <= max(_WIDEST_GAP, 1.5 * float(np.median(gap))))
    motion[~seen] = 0.0
    return motion, seen
