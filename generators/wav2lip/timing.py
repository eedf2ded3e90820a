"""Which sound and which picture of the video belong to each picture of the output."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from enum import StrEnum
from fractions import Fraction
from typing import Final

from generators.wav2lip.mel import PER_SECOND, STEPS


class SyncMode(StrEnum):
    """What happens when sound and video are not equally long."""

    LOOP = "loop"
    """The video starts again until the sound ends; the authors' way."""
    BOUNCE = "bounce"
    """The video runs to its end and back, so nothing jumps."""
    CUT_OFF = "cut_off"
    """The output ends with the shorter of the two."""
    SILENCE = "silence"
    """The output ends with the longer: silence after the sound, the last picture after the video."""
    REMAP = "remap"
    """The video is slowed down or sped up to the length of the sound."""


_SHORTEST: Final = 1


def output_frames(sound: Fraction, pictures: int, fps: Fraction, mode: SyncMode) -> int:
    """Pictures of the output: the sound's seconds times fps, rounded, unless the mode brings in the video's length."""
    heard = max(_SHORTEST, round(sound * fps))
    if mode is SyncMode.CUT_OFF:
        return min(heard, pictures)
    if mode is SyncMode.SILENCE:
        return max(heard, pictures)
    return heard


def picture_order(count: int, pictures: int, mode: SyncMode) -> Iterator[int]:
    """For each of ``count`` output pictures, which of the video's ``pictures`` is shown."""
    if mode is SyncMode.REMAP:
        return (index * pictures // count for index in range(count))
    if mode is SyncMode.LOOP:
        return (index % pictures for index in range(count))
    if mode is SyncMode.BOUNCE:
        there_and_back = itertools.chain(range(pictures), range(pictures - 2, 0, -1))
        return itertools.islice(itertools.cycle(there_and_back), count)
    return (min(index, pictures - 1) for index in range(count))


def mel_start(index: int, fps: Fraction, offset: int = 0) -> int:
    """First mel frame that output picture ``index`` sees; may lie before the sound's start.

    Args:
        index: output picture.
        fps: its rate.
        offset: lets the lips follow the sound by so many pictures; 1 is how the network was trained.
    """
    return (index - offset) * PER_SECOND * fps.denominator // fps.numerator


def authors_starts(mel_frames: int, fps: float) -> list[int]:
    """First mel frame of every picture by the authors' rule: the output is 3 or 4 pictures short at 25 fps.

    ``int(i * 80 / fps)`` while 16 frames are left, then once the last 16.
    """
    starts = itertools.takewhile(
        lambda start: start + STEPS <= mel_frames, (int(i * (PER_SECOND / fps)) for i in itertools.count())
    )
    return [*starts, mel_frames - STEPS]
