"""From a portrait and a film to frames: look at the film once, then draw picture by picture while reading it again.

Nothing that grows with the film is held but a time and a flag per picture; landmarks lie in a temporary file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.embedded.drive import fitted
from generators.embedded.filmed import Film, watch
from generators.inlay import TurnedInlay
from generators.liveportrait.crop import (
    Square,
    driver_square,
    eye_opening,
    lip_opening,
    portrait_square,
)
from generators.liveportrait.motion import SIDE, Movement
from generators.liveportrait.transfer import Openings, Transfer
from generators.pace import paced
from generators.pictures import Batches
from generators.portrait import bounded, check_size, read_portrait, shares
from thsafe.core.types import Draft, Json, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.embedded.motion import Marks
    from generators.liveportrait.networks import Networks
    from thsafe.core.types import Frame

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""

RATE: Final = 48000
"""Samples per second of every output."""
LEAST_FACE: Final = 64.0
"""Pixels from cheek to cheek."""
_FASTEST: Final = 60
_ON_GPU: Final = 8
"""Pictures drawn at once on a GPU; on a CPU one is as fast as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the portrait follows the driver."""

    face: int = 1
    """Who drives: 1 is seen most."""
    whole: bool = True
    """The face moves inside its picture; otherwise its square alone comes out."""
    absolute: bool = False
    stitched: bool = True
    eyes: bool = False
    lips: bool = False
    multiplier: float = 1.0
    fps: Fraction | None = None
    """The film's own, at most 60, where None."""
    side: int = SIDE
    """Pixels of the square that the networks see; half of what they draw."""


def render(
    portrait: Path,
    driver: Path,
    networks: Networks,
    manner: Manner,
    *,
    facts: Mapping[str, Json],
    progress: Progress,
) -> Draft:
    """Frames and sound of the portrait that moves as the driver does.

    Args:
        portrait: who is seen.
        driver: the film.
        networks: with their weights.
        manner: how.
        facts: for the manifest.
        progress: told how far it is.

    Raises:
        InputError: ``portrait.no-face``, ``portrait.two-faces``, ``portrait.too-small``, ``film.no-face``,
            ``film.face``, or what is wrong with a file.
    """
    progress.start("finding the face", None)
    picture, face = read_portrait(portrait)
    check_size(face, least=LEAST_FACE)
    picture, marks = bounded(picture, face.landmarks)
    square = portrait_square(marks)
    film = watch(driver, progress, max_faces=max(manner.face, 2))
    person = film.person(manner.face).marks
    plan = _Plan(film, person, manner.fps)
    sound = _sound(film, plan)
    face_alone = square.cut(picture, manner.side)
    drawn = _draw(networks, face_alone, _openings(marks), plan, manner)
    faces = paced(drawn, progress)
    out: TurnedInlay | None = None
    width = height = 2 * manner.side
    box = shares(_in_square(square, marks, 2 * manner.side), (0, 0, width, height))
    if manner.whole:
        height, width = (side & ~1 for side in picture.shape[:2])
        out = TurnedInlay(picture, square.back(2 * manner.side), 2 * manner.side)
        box = shares(marks, (0, 0, width, height))
    return Draft(
        width=width,
        height=height,
        fps=plan.fps,
        frames=faces if out is None else (np.ascontiguousarray(out(face)[:height, :width]) for face in faces),
        skip=drawn.skip,
        sound=None if sound is None else sound[0],
        sample_rate=RATE,
        channels=1 if sound is None else sound[1],
        frame_count=plan.count,
        face_box=box,
        facts=facts,
    )


class _Plan:
    """Which picture of the film is followed in each picture of the output.

    Args:
        film: as it was watched.
        marks: the driver's landmarks.
        fps: pictures a second of the output; the film's own, at most 60, if None.
    """

    def __init__(self, film: Film, marks: Marks, fps: Fraction | None) -> None:
        self.film, self.marks = film, marks
        self.fps = min(film.fps, Fraction(_FASTEST)) if fps is None else fps
        length = float(film.times[-1] - film.times[0]) + 1 / float(film.fps)
        self.count = max(1, round(length * float(self.fps)))
        self.square = driver_square(
            found for found in (marks[number] for number in range(len(marks))) if found is not None
        )

    def followed(self) -> Iterator[int]:
        """The film's picture for each of the output's: the latest whose time has come, to within half a picture."""
        times = self.film.times - self.film.times[0]
        for number in range(self.count):
            moment = (number + 0.5) / float(self.fps)
            yield int(np.clip(np.searchsorted(times, moment) - 1, 0, len(times) - 1))

    def pictures(self, side: int) -> Iterator[tuple[int, Frame]]:
        """(number in the film, the driver's square) for each picture of the output, in one pass over the film."""
        from thsafe.media.decode import VideoReader

        with VideoReader(self.film.path) as reader:
            numbered = enumerate(frame for _, frame in reader.iter_bgr())
            number, frame = next(numbered)
            cut: tuple[int, Frame] | None = None
            for wanted in self.followed():
                while number < wanted:
                    number, frame = next(numbered, (wanted, frame))
                if cut is None or cut[0] != number:
                    cut = (number, self.square.cut(frame, side))
                yield cut


def _draw(
    networks: Networks, source: Frame, openings: Openings, plan: _Plan, manner: Manner
) -> Batches[_Followed | None]:
    import torch

    with networks.arithmetic.running():
        picture = _seen([source], networks)
        volume = networks.appearance(picture)
        transfer = Transfer(
            networks,
            networks.motion(picture),
            openings,
            absolute=manner.absolute,
            stitched=manner.stitched,
            eyes=manner.eyes,
            lips=manner.lips,
            multiplier=manner.multiplier,
        )
    driver = _Driver(networks, transfer)

    def drawn(followed: list[_Followed | None]) -> Iterator[Frame]:
        many = len(followed)
        # entered anew for each batch: a generator that is left in between must not leave the mode switched on
        with networks.arithmetic.running():
            points = torch.cat([driver.points(one) for one in followed])
            features, _ = networks.warping(
                volume.expand(many, -1, -1, -1, -1), transfer.at_rest.expand(many, -1, -1), points
            )
            out: Any = networks.decoder(features).float().cpu().numpy()
        pictures = np.rint(out.transpose(0, 2, 3, 1)[..., ::-1] * np.float32(255)).astype(np.uint8)
        return (np.ascontiguousarray(one) for one in pictures)

    size = _ON_GPU if networks.device.type == "cuda" else 1
    return Batches(driver.begun(_shown(plan, manner.side)), drawn, size=size, count=plan.count)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Followed:
    """A picture of the film that shows the driver's face."""

    number: int
    square: Frame
    openings: Openings


class _Driver:
    """Where the portrait's key points go for each picture of the driver."""

    def __init__(self, networks: Networks, transfer: Transfer) -> None:
        self._networks, self._transfer = networks, transfer
        self._latest: tuple[int, Movement] | None = None

    def begun(self, shown: Iterator[_Followed | None]) -> Iterator[_Followed | None]:
        """The same; the driver's first picture, against which all is measured, is looked at even if skipped."""
        for followed in shown:
            if self._latest is None and followed is not None:
                with self._networks.arithmetic.running():
                    self.points(followed)
            yield followed

    def points(self, followed: _Followed | None) -> Tensor:
        """(1, 21, 3); at rest as long as the driver has not been seen."""
        if followed is None:
            return self._transfer.at_rest
        if self._latest is None or self._latest[0] != followed.number:
            self._latest = (followed.number, self._networks.motion(_seen([followed.square], self._networks)))
        return self._transfer.moved(self._latest[1], followed.openings)


def _shown(plan: _Plan, side: int) -> Iterator[_Followed | None]:
    """For each picture of the output the latest of the film's that shows the driver's face; None before the first."""
    latest: _Followed | None = None
    at = -1
    for number, square in plan.pictures(side):
        marks = plan.marks[number] if number != at else None
        at = number
        if marks is not None:
            latest = _Followed(number=number, square=square, openings=_openings(marks))
        yield latest


def _seen(pictures: list[Frame], networks: Networks) -> Tensor:
    import torch

    rgb = np.ascontiguousarray(np.stack(pictures)[..., ::-1].transpose(0, 3, 1, 2))
    return torch.from_numpy(rgb).to(networks.device).float() / 255


def _openings(marks: NDArray[np.float32]) -> Openings:
    return Openings(eyes=eye_opening(marks), lips=lip_opening(marks))


def _in_square(square: Square, marks: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    way = square.cutting(side)
    moved: NDArray[np.float32] = (marks[:, :2] @ way[:, :2].T + way[:, 2]).astype(np.float32)
    return moved


def _sound(film: Film, plan: _Plan) -> tuple[Iterator[NDArray[np.float32]], int] | None:
    """The film's own sound at the output's length, and its channels."""
    from thsafe.media.sound import iter_sound

    if not film.has_sound:
        return None
    channels = next(iter_sound(film.path, rate=RATE, mono=False)).shape[1]
    blocks = iter_sound(film.path, rate=RATE, mono=False)
    return fitted(blocks, round(plan.count / plan.fps * RATE), channels), channels
