"""New speech for real footage: the mouth of a frame comes from another frame of the same shot, in which it is shut.

A few such donors per shot, spread over how the head is turned, are animated like portraits; the nearest one is laid
into the frame with an affine fit on what speech does not move, matched in colour on the rim of a soft mask. So nothing
of the old mouth is left to undo. Two passes: watch, then render; memory does not grow with the film.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from generators.embedded.drive import fitted
from generators.embedded.expression import MOUTH
from generators.embedded.landmarks import FaceFrame, head_angles
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.puppet import Puppet
from generators.embedded.quality import STABLE
from generators.pictures import Pictures
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from generators.embedded.filmed import Film, Person
    from thsafe.core.types import Frame, Json

__all__ = ["Dub", "check", "even_pictures", "fitted", "mixed", "order", "output_length", "pictures"]

Array = NDArray[np.float64]

SYNC_MODES: Final = ("loop", "bounce", "cut_off", "silence", "remap")
DONORS: Final = 3
SHUT: Final = 0.02
"""u: a mouth less open than this can be a donor."""
_FADE: Final = 4
"""Frames over which one donor gives way to the next."""
_STAY: Final = 1.5
"""Degrees by which another donor must be nearer before it takes over."""
_FIT: Final = (*STABLE, 50, 280, 117, 346, 118, 347, 101, 330, 127, 356, 234, 454, 9, 151)
"""Landmarks that speech does not move: eyes, nose, upper cheeks, temples."""
_JAW: Final = CHANNELS.index("jaw")
_SIDE: Final = 0.50
"""Half the mask's width, in u."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Donor:
    """One frame with a shut mouth, as a puppet."""

    puppet: Puppet
    marks: Array
    """(478, 2) in the crop."""
    face: FaceFrame
    yaw: float


def check(mode: str, bed: Json) -> None:
    """Make sure that a mode and a level exist.

    Raises:
        UsageError: ``dub.sync-mode`` or ``dub.bed``.
    """
    if mode not in SYNC_MODES:
        raise UsageError(
            f"There is no way called {mode!r} to bring film and sound together.",
            code="dub.sync-mode",
            found=mode,
            next_step="choose one of: " + ", ".join(SYNC_MODES),
        )
    if bed is not None and not (isinstance(bed, int | float) and -60 <= bed <= 6):
        raise UsageError(
            "The film's own sound can be kept between -60 and +6 dB of its level.",
            code="dub.bed",
            found=repr(bed),
            next_step="choose --bed -18",
        )


def order(mode: str, shown: int, wanted: int) -> Iterator[int]:
    """Which of ``shown`` pictures of the footage each of ``wanted`` pictures of the output takes.

    Args:
        mode: ``loop`` starts again, ``bounce`` runs back and forth, ``remap`` changes the footage's speed; ``cut_off``
            and ``silence`` go straight on, the last picture staying.
        shown: how many the footage has.
        wanted: how many the output has.
    """
    for number in range(wanted):
        if mode == "loop":
            yield number % shown
        elif mode == "bounce":
            place = number % max(2 * shown - 2, 1)
            yield place if place < shown else 2 * shown - 2 - place
        elif mode == "remap":
            yield number * shown // wanted
        else:
            yield min(number, shown - 1)


def output_length(mode: str, shown: int, heard: int) -> int:
    """Pictures of the output: ``cut_off`` ends with the shorter, ``silence`` with the longer, others with the sound."""
    if mode == "cut_off":
        return min(shown, heard)
    return max(shown, heard) if mode == "silence" else heard


def even_pictures(film: Film) -> list[int]:
    """For each moment n / fps the number of the picture then shown: footage of uneven rate in real time."""
    times = film.times - film.times[0]
    count = max(1, round((float(times[-1]) + 1 / float(film.fps)) * float(film.fps)))
    moments = np.arange(count) / float(film.fps)
    return [int(place) for place in np.clip(np.searchsorted(times, moments + 0.5 / film.fps) - 1, 0, len(times) - 1)]


def pictures(film: Film, numbers: Iterable[int]) -> Iterator[tuple[int, Frame]]:
    """Pictures of a film by number, with even sides; rising numbers cost one pass, falling ones a jump now and then."""
    from thsafe.media.decode import VideoReader

    height, width = film.height & ~1, film.width & ~1
    with VideoReader(film.path) as reader:
        running: Iterator[tuple[int, tuple[float, Frame]]] = iter(())
        at, frame = -1, np.zeros((0, 0, 3), np.uint8)
        held: dict[int, Frame] = {}
        for number in numbers:
            if number in held:
                frame = held[number]
            elif at > number > 0 and at - number < 16:
                held = _stretch(film, max(0, number - 15), number)
                running, frame = iter(()), held[number]
            elif number != at:
                held = {}
                found = next((item for place, item in running if place == number), None) if number > at else None
                if found is None:
                    running = enumerate(reader.iter_bgr())
                    found = next(item for place, item in running if place == number)
                frame = found[1]
            at = number
            yield number, frame[:height, :width]


def _stretch(film: Film, first: int, last: int) -> dict[int, Frame]:
    """Pictures ``first`` to ``last``, read at once."""
    from thsafe.media.decode import VideoReader

    with VideoReader(film.path) as reader:
        found = reader.frames_at(float(film.times[number]) for number in range(first, last + 1))
    times = np.array([seconds for seconds, _ in found])
    return {number: found[int(np.abs(times - film.times[number]).argmin())][1] for number in range(first, last + 1)}


class Dub:
    """Puts new mouths into a film.

    Args:
        film: what ``watch`` found.
        person: whose mouth.
    """

    def __init__(self, film: Film, person: Person) -> None:
        self._film = film
        self._person = person
        self._chosen = _choose(film, person)
        self._scene = -1
        self._donors: list[_Donor] = []
        self._current = -1
        self._before = -1
        self._faded = _FADE
        self._latest = -2

    def frames(self, numbers: Iterable[int], poses: Iterator[Pose]) -> Pictures[tuple[tuple[int, Frame], Pose]]:
        """The pictures ``numbers`` of the film, each with the mouth of the next pose; without a face, untouched."""
        return Pictures(zip(pictures(self._film, numbers), poses, strict=False), self._dubbed)

    def _dubbed(self, shown: tuple[tuple[int, Frame], Pose]) -> Frame:
        (number, frame), pose = shown
        marks = self._person.marks[number]
        if marks is None or not self._enter(number):
            self._latest = -2
            return frame
        self._pick(head_angles(marks).yaw, jumped=abs(number - self._latest) > 1)
        self._latest = number
        expression = np.zeros_like(pose.expression)
        expression[MOUTH] = pose.expression[MOUTH]
        expression[-1] = pose.expression[-1]
        spoken = Pose(expression=expression).clamped()
        result = self._laid(frame, number, marks, self._donors[self._current], spoken)
        if self._faded < _FADE:
            share = (self._faded + 1) / (_FADE + 1)
            before = self._laid(frame, number, marks, self._donors[self._before], spoken)
            mixed = before.astype(np.float32) * (1 - share) + result.astype(np.float32) * share
            result = np.rint(mixed).astype(np.uint8)
            self._faded += 1
        return result

    def _enter(self, number: int) -> bool:
        """Make ready the donors of the shot; whether it has any."""
        scene = int(self._film.scenes[number])
        if scene != self._scene:
            self._scene = scene
            self._current = self._before = -1
            self._faded = _FADE
            found = self._chosen.get(scene, [])
            self._donors = [_donor(self._film, self._person, place) for place in found]
        return bool(self._donors)

    def _pick(self, yaw: float, *, jumped: bool) -> None:
        """The donor whose head is turned most alike; a change fades, unless the film jumps anyway."""
        distance = [abs(donor.yaw - yaw) for donor in self._donors]
        best = int(np.argmin(distance))
        if self._current < 0 or jumped:
            self._current, self._faded = best, _FADE
        elif self._faded >= _FADE and distance[best] + _STAY < distance[self._current]:
            self._before, self._current, self._faded = self._current, best, 0

    def _laid(self, frame: Frame, number: int, marks: NDArray[np.float32], donor: _Donor, pose: Pose) -> Frame:
        """The donor's mouth on a copy of the frame."""
        import cv2

        matrix = self._fit(number, donor)
        drawn = donor.puppet.render(pose)
        # the mask reaches below the lower of both chins, in the donor's own measures
        inverse = cv2.invertAffineTransform(matrix)
        chin = donor.face.to_face(_moved(inverse, marks[[152], :2].astype(np.float64)))[0, 1]
        bottom = max(donor.face.chin + 0.97 * max(float(pose.expression[_JAW]), 0.0), float(chin)) + 0.10
        top = float(donor.face.points[2, 1]) + 0.02
        corners = np.array([[-_SIDE, top], [_SIDE, top], [-_SIDE, bottom], [_SIDE, bottom]])
        box = _moved(matrix, donor.face.turn_to_pixels(corners) + donor.face.origin)
        x0, y0 = np.maximum(np.floor(box.min(axis=0)).astype(int), 0)
        x1, y1 = np.minimum(np.ceil(box.max(axis=0)).astype(int) + 1, [frame.shape[1], frame.shape[0]])
        if x1 - x0 < 4 or y1 - y0 < 4:
            return frame
        shifted = matrix.copy()
        shifted[:, 2] -= (x0, y0)
        size = (int(x1 - x0), int(y1 - y0))
        patch = cv2.warpAffine(drawn, shifted, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        columns, rows = np.meshgrid(np.arange(x0, x1), np.arange(y0, y1))
        where = _moved(inverse, np.stack([columns, rows], axis=-1).reshape(-1, 2).astype(np.float64))
        local = donor.face.to_face(where).reshape(size[1], size[0], 2)
        middle, half = (top + bottom) / 2, (bottom - top) / 2
        radius = (np.abs(local[..., 0] / _SIDE) ** 2.6 + np.abs((local[..., 1] - middle) / half) ** 2.6) ** (1 / 2.6)
        mask = np.clip((1.0 - radius) / 0.22, 0.0, 1.0)
        mask = mask * mask * (3 - 2 * mask)
        under = frame[y0:y1, x0:x1].astype(np.float32)
        matched = patch.astype(np.float32) + _colour_step(under, patch.astype(np.float32), mask, local)
        share = mask[..., None].astype(np.float32)
        result = frame.copy()
        result[y0:y1, x0:x1] = np.clip(np.rint(under + (matched - under) * share), 0, 255).astype(np.uint8)
        return result

    def _fit(self, number: int, donor: _Donor) -> Array:
        """The affine map (2, 3) from the donor's crop to the frame, smoothed over .8 frames within the shot."""
        total, matrix = 0.0, np.zeros((2, 3))
        for step in (-2, -1, 0, 1, 2):
            near = number + step
            if not 0 <= near < len(self._film.times) or self._film.scenes[near] != self._film.scenes[number]:
                continue
            marks = self._person.marks[near]
            if marks is None:
                continue
            weight = float(np.exp(-0.5 * (step / 0.8) ** 2))
            source = np.column_stack([donor.marks[list(_FIT)], np.ones(len(_FIT))])
            found, *_ = np.linalg.lstsq(source, marks[list(_FIT), :2].astype(np.float64), rcond=None)
            matrix += weight * found.T
            total += weight
        return np.asarray(matrix / total, np.float64)


def _choose(film: Film, person: Person) -> dict[int, list[int]]:
    """Per shot the numbers of up to three frames with a shut mouth, spread over how the head is turned."""
    openings = np.full(len(film.times), np.inf)
    yaws = np.zeros(len(film.times))
    for number in range(len(film.times)):
        marks = person.marks[number]
        if marks is not None:
            openings[number] = FaceFrame.of(marks).gap
            yaws[number] = head_angles(marks).yaw
    chosen: dict[int, list[int]] = {}
    for scene in np.unique(film.scenes):
        seen = np.flatnonzero((film.scenes == scene) & np.isfinite(openings))
        if not len(seen):
            continue
        least = float(openings[seen].min())
        # where the mouth never shuts, its least open frames must do
        shut = seen[openings[seen] <= max(SHUT, least + 0.01)]
        by_yaw = shut[np.argsort(yaws[shut])]
        wanted = np.percentile(yaws[seen], np.linspace(10, 90, DONORS))
        picks = [_steady(by_yaw, yaws, openings, float(yaw)) for yaw in wanted]
        kept: list[int] = []
        for pick in picks:
            if all(abs(yaws[pick] - yaws[other]) > _STAY for other in kept):
                kept.append(pick)
        chosen[int(scene)] = kept
    return chosen


def _steady(numbers: NDArray[np.int64], yaws: Array, openings: Array, yaw: float) -> int:
    """The frame turned nearest to ``yaw``, of two alike the one whose mouth is shut tighter."""
    cost = np.abs(yaws[numbers] - yaw) + 60 * openings[numbers]
    return int(numbers[int(cost.argmin())])


def _donor(film: Film, person: Person, number: int) -> _Donor:
    found = person.marks[number]
    if found is None:
        raise ValueError(number)  # donors are chosen among frames that show the face
    _, frame = next(pictures(film, [number]))
    low, high = found[:468, :2].min(axis=0), found[:468, :2].max(axis=0)
    middle, half = (low + high) / 2, 1.0 * float((high - low).max())
    height, width = frame.shape[:2]
    x0, y0 = (int(value) for value in np.maximum(middle - half, 0))
    x1, y1 = min(int(middle[0] + half), width), min(int(middle[1] + half), height)
    x1, y1 = x0 + ((x1 - x0) & ~1), y0 + ((y1 - y0) & ~1)
    marks = found - np.array([x0, y0, 0], np.float32)
    return _Donor(
        puppet=Puppet(np.ascontiguousarray(frame[y0:y1, x0:x1]), marks),
        marks=marks[:, :2].astype(np.float64),
        face=FaceFrame.of(marks),
        yaw=head_angles(found).yaw,
    )


def _moved(matrix: Array, points: Array) -> Array:
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], np.float64)


def _colour_step(
    under: NDArray[np.float32], patch: NDArray[np.float32], mask: Array, local: Array
) -> NDArray[np.float32]:
    """What must be added to the patch so that its rim has the frame's colours: a plane per channel."""
    rim = (mask > 0.01) & (mask < 0.7)
    step = (under - patch)[rim]
    calm = np.abs(step).max(axis=1) < 45  # a lip or an edge in only one of both is no difference of light
    if calm.sum() < 12:
        return np.zeros((1, 1, 3), np.float32)
    x, y = local[..., 0], local[..., 1]
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    left = terms[rim][calm]
    plane = np.linalg.solve(left.T @ left + 0.02 * len(left) * np.diag([0.0, 1.0, 1.0]), left.T @ step[calm])
    return np.asarray(terms @ plane, np.float32)


def mixed(
    voice: Iterator[NDArray[np.float32]], bed: Iterator[NDArray[np.float32]], decibels: float
) -> Iterator[NDArray[np.float32]]:
    """The new voice with the footage's own sound under it; ends with the voice.

    Args:
        voice: blocks (n, channels).
        bed: blocks (n, any channels) at the same rate.
        decibels: how loud the bed is against its own level.
    """
    gain = np.float32(10 ** (decibels / 20))
    held: list[NDArray[np.float32]] = []
    for block in voice:
        while sum(map(len, held)) < len(block):
            more = next(bed, None)
            if more is None:
                break
            held.append(more)
        joined = np.concatenate(held) if held else np.zeros((0, 1), np.float32)
        under, rest = joined[: len(block)], joined[len(block) :]
        held = [rest] if len(rest) else []
        sound = block.copy()
        sound[: len(under)] += gain * _channels(under, block.shape[1])
        yield np.clip(sound, -1.0, 1.0)


def _channels(sound: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    if sound.shape[1] == count:
        return sound
    mono: NDArray[np.float32] = sound.mean(axis=1, keepdims=True)
    return np.repeat(mono, count, axis=1)
