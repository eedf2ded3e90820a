"""Forensic detectors as checks of the verification: the one that comes with thsafe, and those that the user has pulled.

What they find is evidence beside the rest and decides nothing. Our own looks where credentials, marks and log settle
nothing; published ones only when asked for.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.types import Evidence, MediaKind, Status
from thsafe.home import Home
from thsafe.models import find_card, installed_path

if TYPE_CHECKING:
    from thsafe.core.types import SoundBlock
    from thsafe.examination import Examination

_FRAMES = 12
"""Frames scored a file: the published figures are means over so many."""


OWN = "detector.small"
LIPS = "lip-sync"
VOICE_CARDS = ("aasist", "aasist-l")
_RATE = 16000
_LONGEST = 60
"""Seconds of a film whose lips and voice are looked at."""


def check_own(examination: Examination) -> Evidence:
    """The detector that comes with thsafe, on faces of pictures and videos."""
    from thsafe.registry import run_own_detector

    if examination.info.kind is MediaKind.AUDIO:
        return _no_picture(OWN)
    return run_own_detector(examination.stretches(), moving=examination.info.kind is MediaKind.VIDEO)


def check_lip_sync(examination: Examination) -> Evidence:
    """Whether lips and sound of a film go together; it can speak against a film, never for it."""
    from thsafe.media.decode import VideoReader
    from thsafe.media.sound import iter_sound
    from thsafe.registry import check_lip_sync as compare

    info = examination.info
    if info.kind is not MediaKind.VIDEO or info.audio_codec is None:
        words = "Not assessed: only a film with sound has lips and a voice."
        return Evidence(check=LIPS, status=Status.NOT_EVALUATED, summary=words, code="NOT-APPLICABLE")
    sound = np.concatenate(
        [block[:, 0] for block in _within(iter_sound(examination.path, rate=_RATE), _LONGEST * _RATE)]
    )
    step = max(1, round(float(info.fps or 25) / 30))  # lips need some 25 pictures a second, not 60
    with VideoReader(examination.path) as reader:
        frames = itertools.takewhile(lambda item: item[0] <= _LONGEST, reader.iter_bgr(step))
        return compare(frames, sound)


def voice_checks(examination: Examination) -> list[Evidence]:
    """Experimental, and only when asked for: does a voice sound synthetic?"""
    from thsafe.media.sound import iter_sound
    from thsafe.registry import check_voices

    if examination.info.audio_codec is None:
        words = "Not assessed: there is no sound."
        return [Evidence(check="voice.spectral", status=Status.NOT_EVALUATED, summary=words, code="NOT-APPLICABLE")]
    sound = np.concatenate(
        [block[:, 0] for block in _within(iter_sound(examination.path, rate=_RATE), _LONGEST * _RATE)]
    )
    paths = {name: installed_path(find_card(name), examination.home) for name in VOICE_CARDS}
    return check_voices(sound, {name: path for name, path in paths.items() if path is not None})


def _within(blocks: Iterator[SoundBlock], samples: int) -> Iterator[SoundBlock]:
    held = 0
    for block in blocks:
        yield block
        held += len(block)
        if held >= samples:
            return


def published_checks(home: Home) -> dict[str, Callable[[Examination], Evidence]]:
    """One check for each published detector whose weights are all there."""
    from thsafe.registry import detectors

    found = {}
    for name, cards in detectors().items():
        weights = [installed_path(find_card(card), home) for card in cards]
        if all(weights):
            found[f"detector.{name}"] = _check(name, [path for path in weights if path is not None])
    return found


def weights_of_checks(home: Home) -> dict[str, list[str]]:
    """SHA-256 of the weights of every detector that would look."""
    from thsafe.media.digest import hash_file
    from thsafe.registry import detectors, lip_and_voice_weights, own_detector_weights

    found = {OWN: [own_detector_weights()]}
    found |= {check: [digest] for check, digest in lip_and_voice_weights().items()}
    for name in VOICE_CARDS:
        path = installed_path(find_card(name), home)
        if path is not None:
            found[f"voice.{name}"] = [hash_file(path)]
    for name, cards in detectors().items():
        weights = [installed_path(find_card(card), home) for card in cards]
        if all(weights):
            found[f"detector.{name}"] = [hash_file(path) for path in weights if path is not None]
    return found


def _check(name: str, weights: Sequence[Path]) -> Callable[[Examination], Evidence]:
    from thsafe.registry import run_detector

    def check(examination: Examination) -> Evidence:
        if examination.info.kind is MediaKind.AUDIO:
            return _no_picture(f"detector.{name}")
        frames = examination.sampled()
        step = max(1, len(frames) // _FRAMES)
        return run_detector(name, weights, frames[::step][:_FRAMES])

    return check


def _no_picture(check: str) -> Evidence:
    return Evidence(
        check=check,
        status=Status.NOT_EVALUATED,
        summary="It looks at faces; this file has no picture.",
        code="NOT-APPLICABLE",
    )
