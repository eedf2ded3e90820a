"""Text made ready to be spoken: cleaned, checked against the voice's writing, cut into sentences.

Cleaning never changes the number of characters, so that a position the synthesizer reports is a position in the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator

from thsafe.core.errors import InputError

LONGEST_SENTENCE = 600
"""Characters (about 40 s of speech): longer sentences are cut at a comma or a space, so that memory stays flat."""

_END = re.compile(r"[.!?…]+[\"'”’»)\]]*(?=\s)|[。！？]+[」』”’）]*|\n[ \t\r]*\n")
_BREATH = re.compile(r"[,;:،](?=\s)|[、，；：]|\s[–—](?=\s)")
_ABBREVIATIONS = frozenset(
    (
        *("mr", "mrs", "ms", "dr", "prof", "st", "mt", "sr", "jr", "vs", "etc", "no", "nr", "fig", "e.g", "i.e"),
        *("bzw", "usw", "z.b", "d.h", "ca", "hr", "fr", "m", "mme", "sra", "sig", "dott"),
    )
)
_EMOJI_JOINERS = frozenset("\u200d\ufe0e\ufe0f\u20e3")

_SCRIPTS = {
    "ARABIC": ("ar", "fa", "ur", "sd", "ug", "ku", "ps"),
    "ARMENIAN": ("hy",),
    "BENGALI": ("bn", "as", "bpy"),
    "CHEROKEE": ("chr",),
    "CJK": ("cmn", "yue", "hak", "ja", "ko"),
    "CYRILLIC": ("ru", "uk", "bg", "be", "sr", "mk", "kk", "ky", "tt", "ba", "cv", "nog", "mn", "tk", "az", "bs"),
    "DEVANAGARI": ("hi", "ne", "mr", "kok", "sa"),
    "ETHIOPIC": ("am", "ti"),
    "GEORGIAN": ("ka",),
    "GREEK": ("el", "grc"),
    "GUJARATI": ("gu",),
    "GURMUKHI": ("pa",),
    "HANGUL": ("ko",),
    "HEBREW": ("he",),
    "HIRAGANA": ("ja",),
    "KANNADA": ("kn",),
    "KATAKANA": ("ja",),
    "MALAYALAM": ("ml",),
    "MYANMAR": ("my", "shn"),
    "ORIYA": ("or",),
    "SINHALA": ("si",),
    "TAMIL": ("ta",),
    "TELUGU": ("te",),
    "THAI": ("th",),
}
"""Writing -> languages read in it. Latin letters are read by every voice."""


def clean(text: str) -> str:
    """Replace what must not reach the synthesizer by spaces, one for one.

    Control characters (a NUL would end the text), lone surrogates, emoji (their names would be read aloud), private
    and unassigned characters. Line feeds stay: an empty line ends a sentence.
    """
    return "".join(" " if _unspeakable(char) else char for char in text)


def _unspeakable(char: str) -> bool:
    if char == "\n":
        return False
    if char in _EMOJI_JOINERS:
        return True
    category = unicodedata.category(char)
    if category in {"Cc", "Cs", "Co", "Cn"}:
        return True
    point = ord(char)
    # So also holds ° and ©, which are read; pictographs begin at U+2190, regional letters and skin tones above U+1F000.
    return (category == "So" and point >= 0x2190) or (point >= 0x1F000 and category in {"So", "Sk"})


def check(text: str, *, language: str) -> None:
    """Refuse text with nothing to say in it or written in letters that the voice would only spell out.

    Args:
        text: Cleaned text.
        language: Language code of the voice, such as ``en-us``.

    Raises:
        InputError: ``speech.empty`` without a letter or digit; ``speech.script`` when more than a third of the
            letters belong to a writing that the voice does not read.
    """
    if not any(char.isalnum() for char in text):
        raise InputError(
            "There is nothing to say: the text has no letter and no digit.",
            code="speech.empty",
            found=f"{len(text)} characters" if text.strip() else "empty text",
            next_step="give at least one word",
        )
    letters = Counter(unicodedata.name(char, "?").split(maxsplit=1)[0].split("-")[0] for char in text if char.isalpha())
    base = language.split("-", maxsplit=1)[0]
    foreign = {name: many for name, many in letters.items() if name in _SCRIPTS and base not in _SCRIPTS[name]}
    if 3 * sum(foreign.values()) > sum(letters.values()):
        script = max(foreign, key=lambda name: foreign[name])
        raise InputError(
            f"The voice for {language!r} cannot read this writing; it would spell out each sign.",
            code="speech.script",
            found=f"{foreign[script]} of {sum(letters.values())} letters are {script.title()}",
            next_step=f"choose a voice that reads it, such as --voice {_SCRIPTS[script][0]}",
        )


def pause_after(sentence: str) -> float:
    """Seconds of silence between this piece of :func:`sentences` and the next, at 165 words a minute."""
    mark = sentence.rstrip("\"'”’»)]」』） \t\r\n")[-1:]
    if mark in set(",;:،、，；：–—"):
        return 0.2
    return 0.35 if mark in set(".!?…。！？") or "\n" in sentence[len(sentence.rstrip()) :] else 0.0


def sentences(text: str) -> Iterator[str]:
    """Cut cleaned text into sentences; yields each that holds a letter or digit.

    A full stop after an abbreviation, an initial or a number, or before a small letter, ends nothing. No piece is
    longer than :data:`LONGEST_SENTENCE`.
    """
    begin = 0
    for match in _END.finditer(text):
        if _ends_sentence(text, begin, match):
            yield from _pieces(text, begin, match.end())
            begin = match.end()
    yield from _pieces(text, begin, len(text))


def _ends_sentence(text: str, begin: int, match: re.Match[str]) -> bool:
    if match.group()[0] != ".":
        return True
    following = text[match.end() : match.end() + 40].lstrip()
    words = text[max(begin, match.start() - 20) : match.start()].split()
    word = words[-1].lstrip("(\"'“«[") if words else ""
    if following[:1].islower() or word.lower() in _ABBREVIATIONS:
        return False
    initial = len(word) == 1 and word.isalpha() and word.isupper() and word != "I"
    ordinal = word.isdigit() and len(word) <= 2 and following[:1].isupper() and len(words) > 1
    return not (initial or ordinal)


def _pieces(text: str, begin: int, end: int) -> Iterator[str]:
    while end - begin > LONGEST_SENTENCE:
        window = text[begin : begin + LONGEST_SENTENCE]
        breaths = [found.end() for found in _BREATH.finditer(window)]
        cut = next((place for place in reversed(breaths) if place > LONGEST_SENTENCE // 3), 0)
        cut = cut or window.rfind(" ") + 1 or LONGEST_SENTENCE
        yield from _piece(text, begin, begin + cut)
        begin += cut
    yield from _piece(text, begin, end)


def _piece(text: str, begin: int, end: int) -> Iterator[str]:
    if any(char.isalnum() for char in text[begin:end]):
        yield text[begin:end]
