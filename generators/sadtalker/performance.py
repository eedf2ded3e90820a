"""From a voice to 70 coefficients a picture: expression, blinks, head motion.

Everything random comes from one seed; the authors' script takes none, so no two of its runs are alike.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from generators.sadtalker.coefficients import ANGLES, EXPRESSION, TRANSLATION
from generators.sadtalker.framing import Framed, aligned
from generators.sadtalker.keypoints import WINDOW
from generators.sadtalker.listening import BLOCK, EXPRESSIONS, LATENT
from generators.wav2lip.mel import PER_SECOND, STEPS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.sadtalker.networks import Networks

    Rows = NDArray[np.float32]

FPS: Final = 25
_AHEAD: Final = 2
"""Pictures by which the authors let the window begin before its picture."""
_AT_ONCE: Final = 128
_BLINK: Final = (0.5, 0.9, 1.0, 0.9, 0.5)
_NO_BLINKS: Final = 20
"""A performance of so few pictures has none."""
_SOONEST, _LATEST = 10, 70
"""Pictures between two blinks."""
_SMOOTHED: Final = 13
"""Pictures, an odd number, that the head's motion is smoothed over, by a parabola (Savitzky and Golay 1964)."""
_SEEDS: Final = 2**64
_RADIUS: Final = WINDOW // 2
_HEAD: Final = slice(EXPRESSIONS, EXPRESSIONS + 6)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Borrowed:
    """What films lend: lids, and the motion of a head."""

    expression: Rows | None = None
    """(m, 64): the expression from which each picture starts; its lids count."""
    pose: Rows | None = None
    """(m, 6): head poses, of which the change since the first is added."""


def measured(networks: Networks, frame: Framed) -> Rows:
    """The 73 coefficients of a face: 64 of expression, 3 angles, 3 of translation, 3 of the crop's place."""
    import torch

    picture, place = aligned(frame.face, frame.points)
    with torch.inference_mode():
        seen = torch.from_numpy(np.ascontiguousarray(picture[:, :, ::-1].transpose(2, 0, 1)))
        found = networks.reconstruction(seen[None].float().to(networks.device) / 255)[0].cpu().numpy()
    row: Rows = np.concatenate((found[EXPRESSION], found[ANGLES], found[TRANSLATION], place)).astype(np.float32)
    return row


def perform(
    networks: Networks, bands: Rows, source: Rows, count: int, *, style: int, seed: int, borrowed: Borrowed
) -> Rows:
    """The performance, (count, 70).

    Args:
        networks: with their weights.
        bands: (frames, 80), the voice's mel.
        source: (73,), the portrait's coefficients.
        count: pictures, at least one.
        style: of the head's motion, 0 to 45.
        seed: the same seed gives the same blinks and head motion.
        borrowed: what films lend.
    """
    rows = np.zeros((count, EXPRESSIONS + 6), np.float32)
    rows[:, :EXPRESSIONS] = _expressions(networks, bands, source, count, seed, borrowed)
    rows[:, _HEAD] = _poses(networks, bands, source, count, style, seed)
    if borrowed.pose is not None:
        rows[:, _HEAD] += _looped(borrowed.pose, count) - borrowed.pose[:1]
    return rows


def mel_windows(bands: Rows, pictures: NDArray[np.int64]) -> Rows:
    """What the networks hear for each picture, (n, 1, 80, 16); the ends are held."""
    starts = np.trunc(PER_SECOND * (pictures - _AHEAD) / FPS).astype(np.int64)
    places = np.clip(starts[:, None] + np.arange(STEPS), 0, len(bands) - 1)
    return np.ascontiguousarray(bands[places].transpose(0, 2, 1)[:, None])


def blinks(count: int, seed: int) -> Rows:
    """How far the lids are shut in each picture, (count,): a pulse of five pictures now and then."""
    lids = np.zeros(count, np.float32)
    soonest, latest = min(_SOONEST, count), min(count // 2, _LATEST)
    if count <= _NO_BLINKS or latest <= soonest:
        return lids
    chance = np.random.default_rng([seed % _SEEDS, 1])
    at = 0
    while True:
        at += int(chance.integers(soonest, latest))
        if at + len(_BLINK) > count - 1:
            return lids
        lids[at : at + len(_BLINK)] = _BLINK
        at += len(_BLINK)


def windows(rows: Rows, first: int, last: int) -> Rows:
    """For pictures ``first`` to ``last`` - 1 the 27 rows around each, (n, coefficients, 27); the ends are held."""
    places = np.clip(np.arange(first, last)[:, None] + np.arange(-_RADIUS, _RADIUS + 1), 0, len(rows) - 1)
    return np.ascontiguousarray(rows[places].transpose(0, 2, 1))


def _expressions(networks: Networks, bands: Rows, source: Rows, count: int, seed: int, borrowed: Borrowed) -> Rows:
    import torch

    if borrowed.expression is None:
        start = np.broadcast_to(source[:EXPRESSIONS], (count, EXPRESSIONS))
        lids = blinks(count, seed)
    else:
        start, lids = _looped(borrowed.expression, count), np.zeros(count, np.float32)
    found = []
    for first in range(0, count, _AT_ONCE):
        part = slice(first, min(first + _AT_ONCE, count))
        heard = mel_windows(bands, np.arange(part.start, part.stop))
        with torch.inference_mode():
            given: list[Any] = [
                torch.from_numpy(np.array(values)).to(networks.device)  # a copy: torch wants to own what it reads
                for values in (heard, start[part], lids[part, None])
            ]
            found.append(networks.expression(*given).cpu().numpy())
    return np.concatenate(found)


def _poses(networks: Networks, bands: Rows, source: Rows, count: int, style: int, seed: int) -> Rows:
    """(count, 6): the portrait's pose, then blocks of 32 pictures, smoothed; the last block ends with the voice."""
    import torch

    chance = np.random.default_rng([seed % _SEEDS, 2])
    reference = torch.from_numpy(source[None, _HEAD]).to(networks.device)
    moved = [np.zeros((1, 6), np.float32)]
    left = count - 1
    at = 1
    while left > 0:
        fresh = min(BLOCK, left)
        seen = np.arange(max(1, at + fresh - BLOCK), at + fresh)
        with torch.inference_mode():
            heard = networks.pose.hear(torch.from_numpy(mel_windows(bands, seen)).to(networks.device))
            if len(heard) < BLOCK:  # a voice shorter than a block: its beginning is held
                heard = torch.cat((heard[:1].expand(BLOCK - len(heard), -1), heard))
            latent = torch.from_numpy(chance.standard_normal((1, LATENT)).astype(np.float32)).to(networks.device)
            motion = networks.pose(latent, heard[None], reference, style)[0].cpu().numpy()
        moved.append(motion[-fresh:])
        at += fresh
        left -= fresh
    return _smoothed(source[_HEAD] + np.concatenate(moved))


def _smoothed(poses: Rows) -> Rows:
    length = min(_SMOOTHED, (len(poses) - 1) // 2 * 2 + 1)
    if length <= 2:
        return poses
    from scipy.signal import savgol_filter

    smooth: Rows = savgol_filter(poses, length, 2, axis=0).astype(np.float32)
    return smooth


def _looped(rows: Rows, count: int) -> Rows:
    looped: Rows = rows[np.arange(count) % len(rows)]
    return looped
