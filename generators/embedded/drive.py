"""A portrait that moves as somebody in a film does: relative to that person's neutral, in the portrait's measures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.filmed import Film, watch
from generators.embedded.motion import Motion, measure
from generators.embedded.pose import MAX_PITCH, MAX_ROLL, MAX_YAW
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from generators.embedded.pose import Pose
    from thsafe.core.types import Progress, SoundBlock

RATE: Final = 48000
MOST_TURNS: Final = 10_000
"""Thirteen minutes; after them the head keeps its pose."""
_TURNS: Final = Fraction(25, 2)
"""Turns of the head a second: heads are slow."""


class Driven:
    """The performance that a film lends.

    Args:
        path: the driver's film.
        progress: told how far it is.
        face: who drives, from 1: the one seen most.
        fps: frames per second wanted; None for the film's own, at most 60.

    Raises:
        InputError: ``film.no-face``, ``film.face``, ``drive.one-frame``, or what ``VideoReader`` raises.
    """

    def __init__(self, path: Path, progress: Progress, *, face: int = 1, fps: Fraction | None = None) -> None:
        film = watch(path, progress, max_faces=max(face, 2))
        motion = measure(film.person(face).marks, film.times)
        if motion is None or len(film.times) < 2:
            raise InputError(
                f"{path.name} is too short to drive a portrait.",
                code="drive.one-frame",
                found=f"{len(film.times)} frame",
                rule="at least two frames",
                next_step="choose a longer film",
            )
        self.film: Film = film
        self.motion: Motion = motion
        self.fps = min(film.fps, Fraction(60)) if fps is None else fps
        length = float(film.times[-1] - film.times[0]) + 1 / float(film.fps)
        self.frames = max(1, round(length * float(self.fps)))

    def poses(self) -> Iterator[Pose]:
        """One pose per frame."""
        first = float(self.film.times[0])
        return self.motion.poses(first + float(number / self.fps) for number in range(self.frames))

    def sound(self) -> tuple[Iterator[SoundBlock], int] | None:
        """The film's own sound, float32 (n, channels) at 48 kHz brought to the frames' length, and its channels."""
        from thsafe.media.sound import iter_sound

        if not self.film.has_sound:
            return None
        channels = next(iter_sound(self.film.path, rate=RATE, mono=False)).shape[1]
        blocks = iter_sound(self.film.path, rate=RATE, mono=False)
        return fitted(blocks, round(self.frames / self.fps * RATE), channels), channels


def head_turns(path: Path, progress: Progress) -> tuple[tuple[float, float, float, float], ...]:
    """How the head of who is seen most in a film moves: (second, yaw, pitch, roll) as ``Direction.turns``.

    Raises:
        InputError: as :class:`Driven`.
    """
    driven = Driven(path, progress, fps=_TURNS)
    limits = np.array([MAX_YAW, MAX_PITCH, MAX_ROLL])
    turns: list[tuple[float, float, float, float]] = []
    for number, pose in enumerate(driven.poses()):
        yaw, pitch, roll = np.clip([pose.yaw, pose.pitch, pose.roll], -limits, limits).round(2).tolist()
        turns.append((round(float(number / _TURNS), 3), yaw, pitch, roll))
    return tuple(turns[:MOST_TURNS])


def fitted(blocks: Iterator[SoundBlock], samples: int, channels: int) -> Iterator[SoundBlock]:
    """Sound cut, or filled with silence, to a number of samples."""
    left = samples
    for block in blocks:
        if left <= 0:
            return
        yield block[:left]
        left -= len(block)
    while left > 0:
        yield np.zeros((min(left, 16384), channels), np.float32)
        left -= 16384
