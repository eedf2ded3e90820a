"""Fourteen mouth classes: which sound belongs to which, and what each looks like.

Sounds that look alike on the lips share a class. Targets are lengths in u, the distance between the outer eye corners
(about 90 mm on an adult), in the order of ``pose.CHANNELS``. The numbers were fitted to the lip opening and width of
real speakers and to what a landmark finder sees in rendered pictures.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.pose import CHANNELS
from generators.speech.phonemes import symbols

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.speech.espeak import Phone

FRAMES_PER_SECOND: Final = 100
"""The rate of class probabilities and of channel curves."""


class Viseme(IntEnum):
    """The classes; the value is the column in an array of probabilities."""

    SIL = 0
    PP = 1
    FF = 2
    TH = 3
    DD = 4
    SS = 5
    CH = 6
    KK = 7
    RR = 8
    AA = 9
    EH = 10
    IH = 11
    OO = 12
    UU = 13


VISEMES: Final = len(Viseme)

_SOUNDS: Final = {
    Viseme.PP: "p b m ɓ ʙ ɱ pf",
    Viseme.FF: "f v ɸ β ʋ ⱱ Φ φ",
    Viseme.TH: "θ ð tθ",
    Viseme.DD: "t d n l ɾ ʈ ɖ ɫ ɬ ɮ ɗ ɳ ɭ ɺ ǀ ǃ ǁ ʇ ʎ ɲ tɬ dɮ",
    Viseme.SS: "s z ts dz ʦ ʣ",
    Viseme.CH: "ʃ ʒ tʃ dʒ ɕ ʑ ʂ ʐ tɕ dʑ ʈʂ ɖʐ tʂ dʐ ɧ tS dZ S Z ʧ ʤ ʨ ʥ",
    Viseme.KK: "k g ɡ ŋ x ɣ h ɦ ħ ʕ ʔ q ɢ χ ʁ ʀ ç ʝ c ɟ ɴ ɠ ʛ ɰ kx cç ɟʝ ʜ ʢ",
    Viseme.RR: "ɹ r ɝ ɚ ɜ ɻ ɽ",
    Viseme.AA: "a ɑ ʌ æ ɐ ɶ",
    Viseme.EH: "e ɛ ə ɘ ɞ ᵊ ɤ ε",
    Viseme.IH: "i ɪ j ɨ ɿ ʅ ᵻ",
    Viseme.OO: "o ɔ ɒ ɵ",
    Viseme.UU: "u ʊ w y ø œ ʉ ɯ ʏ ʍ ɥ ᵿ",
}
CLASS_OF: Final = {sound: viseme for viseme, sounds in _SOUNDS.items() for sound in sounds.split()}
"""Sound -> class, for single IPA letters and affricates of every language."""

_BY_LETTER: Final = dict(zip("abcdefghijklmnopqrstuvwxyz", (
    Viseme.AA, Viseme.PP, Viseme.KK, Viseme.DD, Viseme.EH, Viseme.FF, Viseme.KK, Viseme.KK, Viseme.IH, Viseme.IH,
    Viseme.KK, Viseme.DD, Viseme.PP, Viseme.DD, Viseme.OO, Viseme.PP, Viseme.KK, Viseme.RR, Viseme.SS, Viseme.DD,
    Viseme.UU, Viseme.FF, Viseme.UU, Viseme.KK, Viseme.UU, Viseme.SS,
), strict=True))  # fmt: skip

_SHAPES: Final[dict[Viseme, tuple[float, dict[str, float]]]] = {
    Viseme.SIL: (0.5, {}),
    Viseme.PP: (3.0, {"press": 0.035}),
    Viseme.FF: (2.2, {"jaw": 0.012, "ftuck": 0.030, "uraise": 0.022}),
    Viseme.TH: (0.8, {"jaw": 0.080, "wide": 0.010, "uraise": 0.015, "ldrop": 0.012, "tongue": 0.8}),
    Viseme.DD: (0.45, {"jaw": 0.070, "wide": 0.012, "uraise": 0.015, "ldrop": 0.010, "tongue": 0.4}),
    Viseme.SS: (1.1, {"jaw": 0.042, "wide": 0.028, "uraise": 0.022, "ldrop": 0.020}),
    Viseme.CH: (1.1, {"jaw": 0.030, "pucker": 0.055, "uraise": 0.025, "ldrop": 0.025}),
    Viseme.KK: (0.35, {"jaw": 0.080, "wide": 0.008, "uraise": 0.010}),
    Viseme.RR: (0.7, {"jaw": 0.045, "pucker": 0.045, "uraise": 0.012, "tongue": 0.2}),
    Viseme.AA: (1.2, {"jaw": 0.165, "wide": 0.006, "uraise": 0.022, "ldrop": 0.010}),
    Viseme.EH: (1.0, {"jaw": 0.095, "wide": 0.028, "uraise": 0.018, "ldrop": 0.010}),
    Viseme.IH: (1.0, {"jaw": 0.050, "wide": 0.050, "uraise": 0.015, "ldrop": 0.015, "tongue": 0.1}),
    Viseme.OO: (1.3, {"jaw": 0.125, "pucker": 0.075, "uraise": 0.005}),
    Viseme.UU: (1.4, {"jaw": 0.060, "pucker": 0.105}),
}
"""Dominance and the channels that are not 0."""


def _targets() -> NDArray[np.float64]:
    table = np.zeros((VISEMES, len(CHANNELS)))
    for viseme, (_, shape) in _SHAPES.items():
        for channel, value in shape.items():
            table[viseme, CHANNELS.index(channel)] = value
    return table


def _dominance() -> NDArray[np.float64]:
    table = np.repeat(np.array([[_SHAPES[viseme][0]] for viseme in Viseme]), len(CHANNELS), axis=1)
    # Rounding and spreading run through consonants that do not shape the lips themselves.
    rounded = [Viseme.DD, Viseme.KK, Viseme.SS, Viseme.PP, Viseme.FF, Viseme.TH]
    spread = [Viseme.DD, Viseme.KK, Viseme.PP, Viseme.FF, Viseme.TH]
    table[rounded, CHANNELS.index("pucker")] = 0.2
    table[spread, CHANNELS.index("wide")] = 0.2
    return table


TARGETS: Final = _targets()
"""(14, 12): the mouth of each class, by channel."""
DOMINANCE: Final = _dominance()
"""(14, 12): how strongly a class imposes itself on its neighbours, by channel (Cohen & Massaro 1993)."""

SHORTEST_CLOSURE: Final = 0.070
"""Seconds. Lips meet before the sound of p, b or m is heard, and a shorter closure would fall between two frames."""


@lru_cache(maxsize=4096)
def classes(ipa: str) -> tuple[Viseme, ...]:
    """The mouth classes that one phoneme passes through in equal parts; a pause is silence.

    Diphthongs give one class per vowel. A sound missing from the table takes the class of its base letter, else the
    neutral vowel.
    """
    found = [CLASS_OF.get(sound, _nearest(sound)) for sound in symbols(ipa)]
    kept = [viseme for number, viseme in enumerate(found) if number == 0 or viseme != found[number - 1]]
    return tuple(kept) or (Viseme.SIL,)


def unknown(ipa: str) -> tuple[str, ...]:
    """The sounds of a phoneme's name that the table does not hold."""
    return tuple(sound for sound in symbols(ipa) if sound not in CLASS_OF)


def _nearest(sound: str) -> Viseme:
    for char in sound.lower():
        if char in CLASS_OF:
            return CLASS_OF[char]
        if char in _BY_LETTER:
            return _BY_LETTER[char]
    return Viseme.EH


def spans(phones: Iterable[Phone]) -> list[tuple[float, float, Viseme]]:
    """(start, end, class) in seconds, without gaps, closures widened to :data:`SHORTEST_CLOSURE`.

    What a closure gains, the sound before it loses; that keeps at least a third of its length.
    """
    pieces: list[tuple[float, float, Viseme]] = []
    for phone in phones:
        parts = classes(phone.ipa)
        step = (phone.end - phone.start) / len(parts)
        pieces += (
            (phone.start + number * step, phone.start + (number + 1) * step, viseme)
            for number, viseme in enumerate(parts)
        )
    for number in range(1, len(pieces)):
        start, end, viseme = pieces[number]
        before = pieces[number - 1]
        if viseme is Viseme.PP and end - start < SHORTEST_CLOSURE and before[2] is not Viseme.PP:
            begin = max(end - SHORTEST_CLOSURE, before[0] + (before[1] - before[0]) / 3)
            pieces[number - 1] = (before[0], begin, before[2])
            pieces[number] = (begin, end, viseme)
    return pieces


def posteriors(phones: Iterable[Phone], *, seconds: float) -> NDArray[np.float64]:
    """Exact phone times as class probabilities.

    Args:
        phones: In order; what they do not cover is silence.
        seconds: Length of the result.

    Returns:
        (T, 14) at :data:`FRAMES_PER_SECOND`, T = ceil(100 * seconds); row n is the share that each class has of the
        time from n/100 s to (n+1)/100 s. Rows sum to 1.
    """
    rows = max(0, int(np.ceil(seconds * FRAMES_PER_SECOND - 1e-6)))
    table = np.zeros((rows + 1, VISEMES))
    for start, end, viseme in spans(phones):
        low = min(max(start * FRAMES_PER_SECOND, 0.0), float(rows))
        high = min(max(end * FRAMES_PER_SECOND, 0.0), float(rows))
        first, last = int(low), int(high)
        if first == last:
            table[first, viseme] += high - low
        else:
            table[first, viseme] += first + 1 - low
            table[first + 1 : last, viseme] += 1.0
            table[last, viseme] += high - last
    shares = table[:rows]
    shares[:, Viseme.SIL] += np.maximum(0.0, 1.0 - shares.sum(axis=1))
    return shares
