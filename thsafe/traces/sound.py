"""Seams in a sound track: jumps between neighbouring samples, perfect silence, and a room that changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]

RATE: Final = 32000
JUMP: Final = 60.0
"""How far a jump must stand out from the roughness of the 40 ms around it."""
SILENCE_SECONDS: Final = 0.05
_ZERO: Final = 1.5e-5
"""Half a step of 16 bits."""
ROOM_STEP: Final = 15.0
"""dB between the quiet moments before and after."""
_NOTHING: Final = -90.0
"""dB of full scale: below it there is no room, but nothing at all."""
_STEADY: Final = 5.0
"""dB within which the quietest quarter must lie to be a room."""
_FRAME: Final = RATE // 50
_NEAR: Final = RATE // 25
_SHOWN: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Seams:
    """Where a sound track may have been cut."""

    jumps: tuple[float, ...] = ()
    """Seconds."""
    silences: tuple[tuple[float, float], ...] = ()
    """Stretches of samples that are all zero between others that are not."""
    rooms: tuple[tuple[float, float], ...] = ()
    """(seconds, dB): where the level of the quiet moments steps up or down."""
    seconds: float = 0.0


def look_at_sound(blocks: Iterable[Sound]) -> Seams:
    """Go over a sound track.

    Args:
        blocks: mono at :data:`RATE`, (n,) or (n, 1).
    """
    parts = [np.asarray(block, np.float32).reshape(-1) for block in blocks]
    sound = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    if len(sound) < RATE // 4:
        return Seams(seconds=len(sound) / RATE)
    return Seams(
        jumps=_jumps(sound), silences=_silences(sound), rooms=_rooms(sound), seconds=round(len(sound) / RATE, 2)
    )


def _jumps(sound: Sound) -> tuple[float, ...]:
    """Single jumps far beyond the roughness around them; a row of clicks is a noise, not a seam."""
    rough = np.abs(np.diff(sound.astype(np.float64), n=3))
    count = len(rough) // _NEAR
    usual = np.percentile(rough[: count * _NEAR].reshape(count, _NEAR), 75, axis=1)
    around = np.maximum.reduce([usual, np.roll(usual, 1), np.roll(usual, -1)]) if count > 2 else usual
    scale = np.maximum(np.repeat(around, _NEAR), 3e-4)
    places = np.flatnonzero(rough[: len(scale)] > JUMP * scale)
    if not len(places):
        return ()
    groups = np.split(places, np.flatnonzero(np.diff(places) > RATE // 100) + 1)
    single = [group for group in groups if group[-1] - group[0] < RATE // 500]
    moments = [float(group[0]) / RATE for group in single]
    lonely = [at for at in moments if sum(abs(at - other) < 0.5 for other in moments) <= 2]
    return tuple(round(at, 3) for at in lonely[:_SHOWN])


def _silences(sound: Sound) -> tuple[tuple[float, float], ...]:
    zero = np.concatenate([[False], np.abs(sound) < _ZERO, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(zero))
    found = []
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        # leading and trailing silence is how encoders and editors pad
        if end - start >= SILENCE_SECONDS * RATE and start > RATE // 20 and end < len(sound) - RATE // 20:
            found.append((round(start / RATE, 2), round(end / RATE, 2)))
    return tuple(found[:_SHOWN])


def _rooms(sound: Sound) -> tuple[tuple[float, float], ...]:
    """Steps of the quietest tenth of two seconds before and after, where both stand for themselves."""
    count = len(sound) // _FRAME
    power = np.square(sound[: count * _FRAME].astype(np.float64)).reshape(count, _FRAME).mean(axis=1)
    level = 10 * np.log10(power + 1e-12)
    width = 100
    heard = level > _NOTHING
    if count < 2 * width:
        return ()
    floors = np.full(count - width + 1, np.nan)
    for start in range(len(floors)):
        near = level[start : start + width][heard[start : start + width]]
        if len(near) >= width // 2:
            low, middle, high = np.percentile(near, [5, 10, 25])
            if high - low <= _STEADY:  # else no quiet moment is long enough to hear the room
                floors[start] = middle
    steps = np.nan_to_num(floors[width:] - floors[:-width])
    found = []
    while len(steps) and abs(steps).max() > ROOM_STEP:
        place = int(abs(steps).argmax())
        found.append((round((place + width) * _FRAME / RATE, 2), round(float(steps[place]), 1)))
        steps[max(0, place - width) : place + width] = 0.0
    return tuple(sorted(found)[:8])
