"""From a portrait and a voice to frames: measure the face once, perform the voice, draw picture by picture.

What grows with the voice is 280 bytes of coefficients and 1 kB of mel a picture; pictures are drawn when asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.embedded.drive import fitted
from generators.inlay import Inlay
from generators.pace import paced
from generators.pictures import Batches
from generators.portrait import bounded, check_size, read_portrait, shares
from generators.sadtalker.borrowing import film_rows
from generators.sadtalker.framing import Framed, Mode, framed
from generators.sadtalker.keypoints import placed
from generators.sadtalker.listening import EXPRESSIONS
from generators.sadtalker.performance import FPS, Borrowed, measured, perform, windows
from generators.wav2lip import mel
from thsafe.core.types import Draft, Json, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.sadtalker.networks import Networks
    from generators.sadtalker.performance import Rows
    from thsafe.core.types import Frame

RATE: Final = 48000
"""Samples per second of every output."""
LEAST_FACE: Final = 64.0
"""Pixels from cheek to cheek."""
_ON_GPU: Final = 8
"""Pictures drawn at once on a GPU; on a CPU one is as fast as many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the portrait speaks."""

    mode: Mode = Mode.CROP
    size: int = 256
    """Pixels of the square that is drawn."""
    still: bool = False
    """The head keeps the portrait's pose."""
    style: int = 0
    """Of the head's motion, 0 to 45."""
    expression_scale: float = 1.0
    turns: tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]] = ((), (), ())
    """Yaw, pitch and roll in degrees, spread over the video; the performance's own where empty."""
    seed: int = 0
    lids: Path | None = None
    """A film that lends its blinks."""
    head: Path | None = None
    """A film that lends its head motion."""


def render(
    portrait: Path,
    voice: Path,
    networks: Networks,
    manner: Manner,
    *,
    facts: Mapping[str, Json],
    progress: Progress,
) -> Draft:
    """Frames and sound of the portrait speaking the voice.

    Args:
        portrait: who is seen.
        voice: what is heard.
        networks: with their weights.
        manner: how.
        facts: for the manifest.
        progress: told how far it is.

    Raises:
        InputError: ``portrait.no-face``, ``portrait.two-faces``, ``portrait.too-small``, ``film.no-face``, or what is
            wrong with a file.
    """
    progress.start("finding the face", None)
    picture, marks = sitting(portrait)
    source = framed(picture, marks, manner.mode, manner.size)
    progress.start("listening", None)
    bands, samples = mel.mel_of(voice)
    channels = next(_sound(voice)).shape[1]
    count = max(1, round(Fraction(samples, mel.RATE) * FPS))
    row = measured(networks, source)
    films = {path: film_rows(networks, path, count, progress) for path in {manner.lids, manner.head} if path}
    borrowed = Borrowed(
        expression=films[manner.lids][:, :EXPRESSIONS] if manner.lids else None,
        pose=films[manner.head][:, EXPRESSIONS : EXPRESSIONS + 6] if manner.head else None,
    )
    rows = perform(networks, bands, row, count, style=manner.style, seed=manner.seed, borrowed=borrowed)
    rows[:, :EXPRESSIONS] *= manner.expression_scale
    if manner.still:
        rows[:, EXPRESSIONS:] = row[EXPRESSIONS : EXPRESSIONS + 6]
    inlay = _Whole(picture, source) if manner.mode.whole else _Square(source)
    drawn = _draw(networks, source, row, rows, manner)
    return Draft(
        width=inlay.width,
        height=inlay.height,
        fps=Fraction(FPS),
        frames=(inlay(face) for face in paced(drawn, progress)),
        skip=drawn.skip,
        sound=fitted(_sound(voice), round(Fraction(count, FPS) * RATE), channels),
        sample_rate=RATE,
        channels=channels,
        frame_count=count,
        face_box=inlay.face_box(marks),
        facts=facts,
    )


def sitting(portrait: Path) -> tuple[Frame, NDArray[np.float32]]:
    """The portrait and its landmarks (478, 3), no larger than is sent out.

    Raises:
        InputError: ``portrait.no-face``, ``portrait.two-faces``, ``portrait.too-small``, or what is wrong with a file.
    """
    picture, face = read_portrait(portrait)
    check_size(face, least=LEAST_FACE)
    return bounded(picture, face.landmarks)


class _Square:
    """The drawn square comes out, in the proportions in which it was cut."""

    def __init__(self, source: Framed) -> None:
        x0, y0, x1, y1 = self._box = source.box
        size = len(source.face)
        ratio = (y1 - y0) / (x1 - x0)
        self.width = size if ratio >= 1 else _even(size / ratio)
        self.height = _even(size * ratio) if ratio >= 1 else size

    def __call__(self, drawn: Frame) -> Frame:
        import cv2

        if drawn.shape[:2] == (self.height, self.width):
            return drawn
        resized: Frame = cv2.resize(drawn, (self.width, self.height), interpolation=cv2.INTER_CUBIC)
        return resized

    def face_box(self, marks: NDArray[np.float32]) -> tuple[float, float, float, float]:
        return shares(marks, self._box)


class _Whole:
    """The whole picture comes out, the drawn square in its place."""

    def __init__(self, picture: Frame, source: Framed) -> None:
        self.height, self.width = (side & ~1 for side in picture.shape[:2])
        self._inlay = Inlay(picture, source.box)

    def __call__(self, drawn: Frame) -> Frame:
        return np.ascontiguousarray(self._inlay(drawn)[: self.height, : self.width])

    def face_box(self, marks: NDArray[np.float32]) -> tuple[float, float, float, float]:
        return shares(marks, (0, 0, self.width, self.height))


def _draw(networks: Networks, source: Framed, row: Rows, rows: Rows, manner: Manner) -> Batches[int]:
    import torch

    device = networks.device
    if networks.whole:
        rows = np.concatenate((rows, np.broadcast_to(row[-3:], (len(rows), 3))), axis=1)
    angles = _angles(manner.turns, len(rows))
    with networks.arithmetic.running():
        seen = torch.from_numpy(np.ascontiguousarray(source.face[:, :, ::-1].transpose(2, 0, 1)))
        picture = seen[None].float().to(device) / 255
        volume = networks.appearance(picture)
        canonical = networks.key_points(picture)
        still = torch.from_numpy(windows(row[None, : rows.shape[1]], 0, 1)).to(device)
        at_rest = placed(canonical, networks.mapping(still))

    def drawn(numbers: list[int]) -> Iterator[Frame]:
        first, last = numbers[0], numbers[-1] + 1
        # entered anew for each batch: a generator that is left in between must not leave the mode switched on
        with networks.arithmetic.running():
            turn = networks.mapping(torch.from_numpy(windows(rows, first, last)).to(device))
            given = None if angles is None else torch.from_numpy(angles[first:last]).to(device)
            moved = placed(canonical, turn, given)
            many = last - first
            features, _ = networks.warping(volume.expand(many, -1, -1, -1, -1), at_rest.expand(many, -1, -1), moved)
            out: Any = networks.decoder(features).float().cpu().numpy()
        pictures = np.rint(out.transpose(0, 2, 3, 1)[..., ::-1] * np.float32(255)).astype(np.uint8)
        return (np.ascontiguousarray(one) for one in pictures)

    size = _ON_GPU if device.type == "cuda" else 1
    return Batches(range(len(rows)), drawn, size=size, count=len(rows))


def _angles(turns: tuple[tuple[float, ...], ...], count: int) -> NDArray[np.float32] | None:
    """(count, 3) yaw, pitch, roll; NaN where nothing was asked for. The way from angle to angle goes at one speed."""
    if not any(turns):
        return None
    found = np.full((count, 3), np.nan, np.float32)
    for column, stops in enumerate(turns):
        if stops:
            way = np.concatenate(([0.0], np.cumsum(np.abs(np.diff(stops)))))
            found[:, column] = np.interp(np.linspace(0.0, way[-1], count), way, stops) if way[-1] else stops[0]
    return found


def _sound(voice: Path) -> Iterator[NDArray[np.float32]]:
    from thsafe.media.sound import iter_sound

    return iter_sound(voice, rate=RATE, mono=False)


def _even(length: float) -> int:
    return max(2, 2 * round(length / 2))
