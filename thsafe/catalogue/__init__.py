"""Every word of the pages, in English and German: one file per language, one key per text.

Sentences that the checks themselves make are English; the other languages know them as patterns. One that no pattern
fits stays English and is marked as such, so that a screen reader speaks it right.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

LANGUAGES: Mapping[str, str] = {"en": "English", "de": "Deutsch"}
"""Language tags and what the languages call themselves; the first one is used where none fits."""
_MOST_SENTENCE = 1000
_PLACE = re.compile(r"\\\{(\w+)\\\}")


@dataclass(frozen=True, slots=True)
class Phrase:
    """A text and the language it is in."""

    text: str
    language: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The texts of one language."""

    language: str
    texts: Mapping[str, str]
    patterns: tuple[tuple[re.Pattern[str], str], ...]
    """Sentences of the checks, each with its translation; both name the same places."""

    def say(self, key: str, **values: object) -> str:
        """The text under a key, its places filled; raises KeyError for a key that is not there."""
        return self.texts[key].format(**values)

    def has(self, key: str) -> bool:
        """Whether there is a text under this key."""
        return key in self.texts

    def sentence(self, text: str) -> Phrase:
        """A sentence of the checks in this language, or as it is."""
        if len(text) > _MOST_SENTENCE:
            return Phrase(text, "en")  # a crafted one could keep the patterns busy for long
        for pattern, translation in self.patterns:
            if found := pattern.fullmatch(text):
                parts = {name: self.sentence(value).text for name, value in found.groupdict().items()}
                return Phrase(translation.format(**parts), self.language)
        return Phrase(text, "en")


@cache
def catalogue(language: str) -> Catalogue:
    """The catalogue of one of the ``LANGUAGES``; raises KeyError for any other."""
    if language not in LANGUAGES:
        raise KeyError(language)
    data = tomllib.loads(resources.files(__package__).joinpath(f"{language}.toml").read_text(encoding="utf-8"))
    texts = {f"{group}.{name}": text for group, entries in data["texts"].items() for name, text in entries.items()}
    patterns = tuple((_pattern(item["en"]), item[language]) for item in data.get("sentences", ()))
    return Catalogue(language, texts, patterns)


def chosen_language(accepted: str) -> str:
    """The best of our languages for an ``Accept-Language`` header (RFC 9110 §12.5.4); English if none is wanted."""
    best, weight = next(iter(LANGUAGES)), 0.0
    for part in accepted[:1000].split(","):
        tag, _, quality = part.strip().partition(";")
        name = tag.strip().lower().partition("-")[0]
        share = _quality(quality)
        if name in LANGUAGES and share > weight:
            best, weight = name, share
    return best


def _quality(text: str) -> float:
    if not text.strip():
        return 1.0
    name, _, number = text.partition("=")
    try:
        return float(number) if name.strip() == "q" else 0.0
    except ValueError:
        return 0.0


def _pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(_PLACE.sub(r"(?P<\1>.+?)", re.escape(sentence)), re.DOTALL)
