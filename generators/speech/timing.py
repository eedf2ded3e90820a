"""Times of sounds and words brought into order; the same for every voice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from thsafe.core.types import Caption

SILENCE: Final = ""
"""The ``ipa`` of a pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One speech sound; ``ipa`` is empty for a pause. Seconds."""

    start: float
    end: float
    ipa: str


def joined(phones: Sequence[Phone], end: float) -> tuple[Phone, ...]:
    """Neighbouring pauses as one; each end exactly the next start, the last at ``end``."""
    kept: list[Phone] = []
    for phone in phones:
        if not (kept and kept[-1].ipa == phone.ipa == SILENCE):
            kept.append(phone)
    ends = [phone.start for phone in kept[1:]] + [end]
    return tuple(Phone(start=phone.start, end=stop, ipa=phone.ipa) for phone, stop in zip(kept, ends, strict=True))


def spread_words(sentence: str, heard: Sequence[tuple[float, float]]) -> tuple[Caption, ...]:
    """A sentence's words over the stretches in which something is heard.

    One stretch for each word is the rule. Where a voice runs words together, or spells one as several, the words are
    spread over all of it by their letters.
    """
    words = sentence.split()
    if not words or not heard:
        return ()
    if len(words) == len(heard):
        return tuple(Caption(start=start, end=end, text=word) for word, (start, end) in zip(words, heard, strict=True))
    letters = sum(len(word) + 1 for word in words)
    spoken = sum(end - start for start, end in heard)
    captions: list[Caption] = []
    before = 0
    for word in words:
        start, end = (_moment(heard, spoken * count / letters) for count in (before, before + len(word) + 1))
        captions.append(Caption(start=start, end=end, text=word))
        before += len(word) + 1
    return tuple(captions)


def _moment(heard: Sequence[tuple[float, float]], spoken: float) -> float:
    """The time at which so many seconds have been spoken."""
    for start, end in heard:
        if spoken <= end - start:
            return start + spoken
        spoken -= end - start
    return heard[-1][1]
