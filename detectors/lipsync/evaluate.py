"""LSE-D and LSE-C of the faces of a film, always beside those of real speech."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from detectors.lipsync.faces import FPS, Track, at_25, cut_out, follow
from detectors.lipsync.mfcc import PER_SECOND, RATE, as_pcm, mfcc
from detectors.lipsync.score import Score, score
from thsafe.core.errors import InputError, MissingError, UsageError
from thsafe.media.decode import VideoReader
from thsafe.media.sound import load_sound
from thsafe.models.card import find_card
from thsafe.models.checkpoint import load_tensors
from thsafe.models.fetch import require_weights

if TYPE_CHECKING:
    from detectors.lipsync.network import SyncNet
    from thsafe.core.types import Frame, Json, Progress
    from thsafe.home import Home

CARD: Final = "syncnet-v2"
PUBLISHED_ANCHOR: Final[Mapping[str, Json]] = {
    "what": "real videos of LRS2, as published with Wav2Lip (Prajwal et al. 2020)",
    "lse_d": 6.736,
    "lse_c": 7.838,
}
LEAST_PICTURES: Final = 50
"""2 s. The authors' pipeline asks for 100; GRID's clips have 75."""
_LEAST_WINDOWS: Final = 25
_FACE_PICTURES: Final = 40
"""Of windows computed together: some 0.4 GB."""
_SAMPLES_PER_PICTURE: Final = RATE // FPS
_STEPS_PER_PICTURE: Final = PER_SECOND // FPS
_SILENT: Final = 1e-4


class LipsyncMeter:
    """SyncNet with the weights that the user has pulled, and what its figures are held against.

    Args:
        home: where the weights are.
        device: ``cpu``, ``cuda``, ``cuda:1``.

    Raises:
        MissingError: ``model.missing``; ``device.missing`` where PyTorch sees no such device.
        InputError: ``model.other-network``; what ``thsafe.models.checkpoint.load_tensors`` raises.
    """

    published_anchor = PUBLISHED_ANCHOR

    def __init__(self, home: Home, *, device: str = "cpu") -> None:
        path = require_weights(find_card(CARD), home)
        from detectors.lipsync.network import SyncNet

        _require(device)
        self._network = SyncNet(load_tensors(path), device=device)

    def measure(
        self, path: Path, *, progress: Progress, face: int | None = None, voice: Path | None = None
    ) -> dict[str, Json]:
        """As :func:`measure`."""
        return measure(path, self._network, progress=progress, face=face, voice=voice)


def _require(device: str) -> None:
    import torch

    there = ["cpu", "cuda"][: 1 + torch.cuda.is_available()]
    there += [f"cuda:{number}" for number in range(torch.cuda.device_count())]
    if device not in there:
        raise MissingError(
            f"PyTorch sees no device {device} here.",
            code="device.missing",
            found=", ".join(there),
            next_step=f"choose --device {there[-1]}",
        )


def measure(
    path: Path, network: SyncNet, *, progress: Progress, face: int | None = None, voice: Path | None = None
) -> dict[str, Json]:
    """Measure one film.

    Args:
        path: any video with sound; brought to 25 pictures and 16,000 samples a second.
        network: SyncNet.
        progress: told of the pictures.
        face: only this one, counted from the one that is seen most, 1; None for all.
        voice: the sound, where it is in a file of its own.

    Returns:
        ``file``, ``pictures``, ``faces``: for each ``face``, ``from`` and ``to`` in seconds, ``lse_d``, ``lse_c``,
        ``offset`` in pictures and ``offset_ms``, ``windows``, ``notes``; and ``lse_d``, ``lse_c``, ``offset`` of the
        first of them.

    Raises:
        InputError: ``lipsync.no-face``, ``lipsync.short``, ``lipsync.silent``; ``input.no-picture``,
            ``input.no-sound`` and what else decoding finds.
        UsageError: ``lipsync.face`` for a face that is not there.
    """
    sound = load_sound(voice or path, rate=RATE)
    if float(np.max(np.abs(sound), initial=0.0)) < _SILENT:
        raise InputError(
            f"The sound of {path.name} is silent: there is nothing to compare lips with.",
            code="lipsync.silent",
            next_step="give a film in which somebody speaks",
        )
    tracks, pictures = _survey(path, progress)
    long = [track for track in tracks if track.length >= LEAST_PICTURES]
    if not long:
        _refuse(path, tracks, pictures)
    if face is not None and face > len(long):
        raise UsageError(
            f"{path.name} shows no face number {face} for {LEAST_PICTURES / FPS:g} s.",
            code="lipsync.face",
            found=f"{len(long)} of them",
            next_step=f"choose --face 1 to {len(long)}",
        )
    chosen = {face: long[face - 1]} if face is not None else dict(enumerate(long, start=1))
    points = _lip_points(path, chosen, network, progress)
    measured = (_face(number, track, points[number], sound, network) for number, track in chosen.items())
    faces = [found for found in measured if found is not None]
    if not faces:
        raise InputError(
            f"The sound of {path.name} ends before a face has been heard for long enough.",
            code="lipsync.short",
            found=f"{len(sound) / RATE:.2f} s of sound, {pictures / FPS:.2f} s of picture",
            rule=f"at least {_LEAST_WINDOWS / FPS:g} s of both at once",
            next_step="give a film whose sound is as long as its picture",
        )
    first = faces[0]
    return {
        "file": path.name,
        "pictures": pictures,
        "faces": faces,
        "lse_d": first["lse_d"],
        "lse_c": first["lse_c"],
        "offset": first["offset"],
    }


def _survey(path: Path, progress: Progress) -> tuple[tuple[Track, ...], int]:
    seen: list[int] = []
    with VideoReader(path) as reader:
        progress.start("finding faces", round((reader.info.duration or 0) * FPS) or None)
        tracks = follow(_told(at_25(reader.iter_bgr()), progress), seen=seen)
    return tracks, seen[0]


def _told(pictures: Iterator[Frame], progress: Progress) -> Iterator[Frame]:
    for frame in pictures:
        progress.advance()
        yield frame


def _refuse(path: Path, tracks: tuple[Track, ...], pictures: int) -> None:
    least = f"{LEAST_PICTURES} pictures at 25 a second ({LEAST_PICTURES / FPS:g} s)"
    if not tracks and pictures >= LEAST_PICTURES:
        raise InputError(
            f"No face was found in {path.name}.",
            code="lipsync.no-face",
            found=f"{pictures} pictures without one",
            next_step="give a film that shows a face from the front",
        )
    longest = max((track.length for track in tracks), default=0)
    raise InputError(
        f"No face of {path.name} is shown long enough.",
        code="lipsync.short",
        found=f"{pictures} pictures, a face in at most {longest} without a break",
        rule=f"at least {least} of one face without a cut",
        next_step="give a longer film",
    )


def _lip_points(
    path: Path, chosen: Mapping[int, Track], network: SyncNet, progress: Progress
) -> dict[int, NDArray[np.float32]]:
    """Points of every chosen face, in one pass over the film that holds no more than a stretch of each."""
    import torch

    squares = {number: track.squares() for number, track in chosen.items()}
    held: dict[int, list[Frame]] = {number: [] for number in chosen}
    found: dict[int, list[NDArray[np.float32]]] = {number: [] for number in chosen}

    def settle(number: int) -> None:
        if len(held[number]) >= 5:
            found[number].append(network.lips(torch.from_numpy(np.stack(held[number]))).numpy())
        held[number] = held[number][-4:]

    last = max(track.first + track.length for track in chosen.values())
    with VideoReader(path) as reader:
        progress.start("reading lips", last)
        for index, frame in zip(range(last), at_25(reader.iter_bgr()), strict=False):
            progress.advance()
            for number, track in chosen.items():
                if 0 <= index - track.first < track.length:
                    held[number].append(cut_out(frame, squares[number][index - track.first]))
                    if len(held[number]) >= _FACE_PICTURES:
                        settle(number)
    for number in chosen:
        if len(held[number]) >= 5:
            settle(number)
    return {number: np.concatenate(points) for number, points in found.items()}


def _face(
    number: int, track: Track, lips: NDArray[np.float32], sound: NDArray[np.float32], network: SyncNet
) -> dict[str, Json] | None:
    """What is said of one face; None where too little sound lies beside it."""
    start = track.first * _SAMPLES_PER_PICTURE
    heard = sound[start : start + track.length * _SAMPLES_PER_PICTURE]
    # The authors leave the last window out.
    count = min(track.length, len(heard) // _SAMPLES_PER_PICTURE) - 5
    if count < _LEAST_WINDOWS:
        return None
    found = score(lips[:count], _sound_points(heard, count, network))
    return {
        "face": number,
        "from": round(track.first / FPS, 2),
        "to": round((track.first + track.length) / FPS, 2),
        "lse_d": round(found.distance, 3),
        "lse_c": round(found.confidence, 3),
        "offset": found.offset,
        "offset_ms": found.offset * 1000 // FPS,
        "windows": found.windows,
        "notes": _notes(found, heard, count),
    }


def _sound_points(heard: NDArray[np.float32], count: int, network: SyncNet) -> NDArray[np.float32]:
    import torch

    steps = mfcc(as_pcm(heard)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(steps, 20, axis=0)[::_STEPS_PER_PICTURE][:count]
    parts = [
        network.sounds(torch.from_numpy(np.ascontiguousarray(windows[first : first + 200].transpose(0, 2, 1)))).numpy()
        for first in range(0, count, 200)
    ]
    return np.concatenate(parts)


def _notes(found: Score, heard: NDArray[np.float32], count: int) -> list[Json]:
    notes: list[Json] = []
    if float(np.max(np.abs(heard), initial=0.0)) < _SILENT:
        notes.append("silence while this face is shown: the figures say nothing")
    elif not found.inside:
        notes.append(
            "the best shift is the last one tried: picture and sound lie further apart, or do not belong together"
        )
    if count < 100 - 5:
        notes.append("less than 4 s: the authors' pipeline leaves such faces out")
    return notes
