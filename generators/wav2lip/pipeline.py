"""From a video and a voice to frames with other lips: look once, then cut, draw and paste in batches.

Nothing that grows with the video is held but a box, a time and, of the sound, 320 bytes a frame of mel per picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.pace import paced
from generators.pictures import Batches
from generators.wav2lip import mel, paste, timing, tracking
from generators.wav2lip.footage import Footage
from generators.wav2lip.timing import SyncMode
from thsafe.core.errors import InputError
from thsafe.core.types import Draft, Json, Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.wav2lip.network import Network
    from thsafe.core.types import Frame, SoundBlock

RATE: Final = 48000
"""Samples per second of every output."""
_BLOCK: Final = 16384
_BATCH: Final = 16
_BATCH_ON_GPU: Final = 64
_BATCH_BYTES: Final = 256 << 20
"""Of pictures held at once: fewer of them where they are large."""
_SILENT: Final = np.float32(-4.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the lips are put in."""

    face: int | None = None
    """Counted from the left in each scene; None for the largest."""
    sync_offset: int = 0
    """Pictures by which the lips follow the sound."""
    sync_mode: SyncMode = SyncMode.LOOP
    box: paste.Corners | None = None
    """y0, y1, x0, x1 where the face is in every picture; None to find it."""
    as_authors: bool = False
    """Chunk rule, smoothing and hard paste of the authors' script."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Picture:
    frame: Frame
    crop: paste.Corners | None
    start: int
    """First mel frame."""


def render(
    video: Path,
    voice: Path,
    network: Network,
    manner: Manner,
    *,
    find: tracking.Find | None,
    facts: Mapping[str, Json],
    progress: Progress,
) -> Draft:
    """Frames and sound of the video speaking the voice.

    Args:
        video: whose lips move.
        voice: what is heard.
        network: with its weights.
        manner: how.
        find: finds faces; not needed where ``manner`` has the box.
        facts: for the manifest.
        progress: told how many pictures were looked at, and how long the rest takes.

    Raises:
        InputError: ``face.none``, ``face.number``, ``face.box`` or ``voice.too-short``.
    """
    from thsafe.media.sound import iter_sound

    footage = Footage(video)
    progress.start("listening", None)
    bands, samples = mel.mel_of(voice)
    channels = next(iter_sound(voice, rate=RATE, mono=False)).shape[1]
    crops, pictures = _crops(footage, manner, find, progress)
    if manner.as_authors:
        starts: Sequence[int] = _authors_starts(bands, footage.fps)
        count = len(starts)
        order = timing.picture_order(count, pictures, SyncMode.LOOP)
        begin = iter(starts)
    else:
        count = timing.output_frames(Fraction(samples, mel.RATE), pictures, footage.fps, manner.sync_mode)
        order = timing.picture_order(count, pictures, manner.sync_mode)
        begin = (timing.mel_start(index, footage.fps, manner.sync_offset) for index in range(count))
    shown = _pictures(footage, order, begin, crops)
    draw = partial(_draw, network=network, bands=bands, hard=manner.as_authors)
    drawn = Batches(shown, draw, size=_batch(network, footage), count=count)
    return Draft(
        width=footage.width,
        height=footage.height,
        fps=footage.fps,
        frames=paced(drawn, progress),
        skip=drawn.skip,
        sound=_fitted(voice, channels, round(count / footage.fps * RATE)),
        sample_rate=RATE,
        channels=channels,
        frame_count=count,
        face_box=_around(crops, footage),
        facts=facts,
    )


def _authors_starts(bands: NDArray[np.float32], fps: Fraction) -> list[int]:
    if len(bands) < mel.STEPS:
        raise InputError(
            "The voice is too short for the authors' rule.",
            code="voice.too-short",
            found=f"{len(bands) / mel.PER_SECOND:.2f} s",
            rule=f"at least {mel.STEPS / mel.PER_SECOND} s",
            next_step="leave --as-authors away, or give a longer voice",
        )
    return timing.authors_starts(len(bands), float(fps))


def _crops(
    footage: Footage, manner: Manner, find: tracking.Find | None, progress: Progress
) -> tuple[Mapping[int, paste.Corners], int]:
    """The crop of every picture that shows the face, and how many pictures there are."""
    progress.start("finding the face", footage.expected)
    if manner.box is not None or find is None:
        pictures = sum(1 for _ in _told(footage.frames(), progress))
        return dict.fromkeys(range(pictures), _checked(manner.box, footage)), pictures
    found = tracking.survey(_told(footage.frames(), progress), find)
    chosen = found.choose(manner.face)
    if not found.tracks:
        raise InputError(
            "There is no face in the video.",
            code="face.none",
            found=f"looked at {found.looks} of {found.pictures} pictures",
            rule="the face must be seen from the front and be at least 20 pixels wide",
            next_step="give a video with a face, or say where it is: --box TOP,BOTTOM,LEFT,RIGHT",
        )
    if not chosen:
        raise InputError(
            "There are not that many faces in the video.",
            code="face.number",
            found=f"{found.most_faces} at most in one scene; face {manner.face} was asked for",
            next_step=f"choose --face 1 to --face {found.most_faces}, counted from the left",
        )
    progress.note(
        f"the face is in {len(chosen)} of {found.pictures} pictures; the others stay as they are"
        if len(chosen) < found.pictures
        else f"the face is in all {found.pictures} pictures"
    )
    crops = {index: paste.corners(box, footage.width, footage.height) for index, box in chosen.items()}
    return {index: crop for index, crop in crops.items() if crop is not None}, found.pictures


def _told(frames: Iterator[Frame], progress: Progress) -> Iterator[Frame]:
    for frame in frames:
        progress.advance()
        yield frame


def _checked(box: paste.Corners | None, footage: Footage) -> paste.Corners:
    top, bottom, left, right = box or (0, footage.height, 0, footage.width)
    if not (0 <= top <= bottom - 8 and bottom <= footage.height and 0 <= left <= right - 8 and right <= footage.width):
        raise InputError(
            "The box does not lie in the picture.",
            code="face.box",
            found=f"rows {top} to {bottom}, columns {left} to {right}",
            rule=f"{footage.height} rows, {footage.width} columns; at least 8 of each",
            next_step="give --box TOP,BOTTOM,LEFT,RIGHT in pixels",
        )
    return top, bottom, left, right


def _pictures(
    footage: Footage, order: Iterator[int], starts: Iterator[int], crops: Mapping[int, paste.Corners]
) -> Iterator[_Picture]:
    mine, theirs = itertools.tee(order)  # they run side by side: nothing piles up
    for index, frame, start in zip(mine, footage.ordered(theirs), starts, strict=True):
        yield _Picture(frame=frame, crop=crops.get(index), start=start)


def _batch(network: Network, footage: Footage) -> int:
    """Pictures that are drawn at once."""
    most = _BATCH_ON_GPU if network.device.type == "cuda" else _BATCH
    return max(1, min(most, _BATCH_BYTES // max(1, footage.width * footage.height * 3)))


def _draw(batch: list[_Picture], *, network: Network, bands: NDArray[np.float32], hard: bool) -> Iterator[Frame]:
    shown = [item for item in batch if item.crop is not None]
    faces = [paste.cut(item.frame, item.crop) for item in shown if item.crop is not None]
    drawn = iter(zip(_run(network, faces, [_window(bands, item.start) for item in shown]), faces, strict=True))
    for item in batch:
        if item.crop is None:
            yield item.frame
            continue
        face, before = next(drawn)
        if hard:
            yield paste.paste_hard(item.frame, face, item.crop)
        else:
            yield paste.paste(item.frame, face, item.crop, before)


def _run(network: Network, faces: Sequence[Frame], windows: Sequence[NDArray[np.float32]]) -> NDArray[np.uint8]:
    """(n, 96, 96, 3) BGR."""
    if not faces:
        return np.zeros((0, paste.SIDE, paste.SIDE, 3), np.uint8)
    import torch

    whole = np.stack(faces)
    masked = whole.copy()
    masked[:, paste.SIDE // 2 :] = 0
    stacked = np.concatenate((masked, whole), axis=3).transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    heard = np.stack(windows)[:, None]
    out: Any = network(torch.from_numpy(heard), torch.from_numpy(stacked)).cpu().numpy()
    # the authors cut the fraction off, too
    pictures: NDArray[np.uint8] = (out.transpose(0, 2, 3, 1) * np.float32(255)).astype(np.uint8)
    return pictures


def _window(bands: NDArray[np.float32], start: int) -> NDArray[np.float32]:
    """(80, 16) from mel frame ``start``: the ends are held for as long as one picture sees, then it is silent."""
    rows = np.arange(start, start + mel.STEPS)
    seen = bands[np.clip(rows, 0, len(bands) - 1)]
    seen[(rows >= len(bands) + mel.STEPS) | (rows < -mel.STEPS)] = _SILENT
    return np.ascontiguousarray(seen.T)


def _fitted(voice: Path, channels: int, samples: int) -> Iterator[SoundBlock]:
    """The voice at :data:`RATE`, cut or filled with silence to exactly so many samples."""
    from thsafe.media.sound import iter_sound

    left = samples
    for block in iter_sound(voice, rate=RATE, mono=False):
        if left <= 0:
            return
        yield block[:left]
        left -= len(block)
    while left > 0:
        yield np.zeros((min(left, _BLOCK), channels), np.float32)
        left -= _BLOCK


def _around(crops: Mapping[int, paste.Corners], footage: Footage) -> tuple[float, float, float, float] | None:
    """Where the face stays, as shares: labels and marks keep clear of it."""
    if not crops:
        return None
    top, bottom, left, right = np.array(list(crops.values())).T
    width, height = footage.width, footage.height
    return (left.min() / width, top.min() / height, right.max() / width, bottom.max() / height)
