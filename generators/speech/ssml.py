"""Speech Synthesis Markup Language, the part that changes how something is said (W3C SSML 1.1).

``speak``, ``p``, ``s``, ``break``, ``prosody`` (rate, pitch), ``emphasis`` and ``voice``. Read without entities and
document types, without anything outside the text itself: markup from strangers can be given.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping
from typing import Final, NoReturn
from xml.parsers import expat

from generators.speech.utterance import Utterance
from thsafe.core.errors import InputError

LARGEST: Final = 1_000_000
"""Characters."""
DEEPEST: Final = 32
"""Elements within each other."""
LONGEST_BREAK: Final = 10.0
"""Seconds."""

_RATES: Final = {"x-slow": 0.5, "slow": 0.75, "medium": 1.0, "default": 1.0, "fast": 1.4, "x-fast": 1.9}
_PITCHES: Final = {"x-low": 10, "low": 30, "medium": 50, "default": 50, "high": 70, "x-high": 90}
_BREAKS: Final = {"none": 0.0, "x-weak": 0.1, "weak": 0.25, "medium": 0.5, "strong": 0.8, "x-strong": 1.2}
_EMPHASIS: Final = {"strong": (0.82, 12), "moderate": (0.92, 6), "none": (1.0, 0), "reduced": (1.12, -6)}
"""Factor on the rate, steps on the pitch."""
_PAUSES: Final = {"p": 0.7, "s": 0.35}
"""Seconds of silence between paragraphs and sentences."""


def utterances(source: str, base: Utterance) -> tuple[Utterance, ...]:
    """The pieces of a marked-up text, in order.

    Args:
        source: SSML; its outermost element is ``speak``.
        base: voice, rate and pitch where the markup asks for nothing else; its text is ignored.

    Raises:
        InputError: ``ssml.large``, ``ssml.xml``, ``ssml.entities``, ``ssml.element``, ``ssml.value``, ``ssml.empty``;
            each but the first and last names the line.
    """
    if len(source) > LARGEST:
        _fail("large", f"{len(source)} characters", f"at most {LARGEST} characters", "cut it into parts")
    reader = _Reader(base)
    try:
        reader.parser.Parse(source, True)
    except expat.ExpatError as problem:
        _fail(
            "xml",
            f"line {problem.lineno}: {expat.errors.messages[problem.code]}",
            "SSML is well-formed XML: every element is closed, & is written &amp;",
            "mend that line",
        )
    said = reader.said()
    if not said:
        _fail("empty", "no words", "something is said", "put words between <speak> and </speak>")
    return said


class _Reader:
    """Follows the markup and collects the pieces."""

    def __init__(self, base: Utterance) -> None:
        self.parser = expat.ParserCreate()
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._words
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.EntityDeclHandler = self._refuse
        self.parser.ProcessingInstructionHandler = self._refuse
        self._manners = [dataclasses.replace(base, text="", pause=0.0)]
        self._names: list[str] = []
        self._said: list[Utterance] = []
        self._pause = 0.0
        self._apart = True

    def said(self) -> tuple[Utterance, ...]:
        return tuple(dataclasses.replace(item, text=" ".join(item.text.split())) for item in self._said)

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        name = name.rpartition(":")[2]
        if (name == "speak") is not (not self._names):
            self._fail("element", f"<{name}>", "the outermost element, and only that, is speak", "begin with <speak>")
        if len(self._names) >= DEEPEST:
            self._fail("element", f"more than {DEEPEST} elements deep", f"at most {DEEPEST}", "nest less")
        reader = self._elements().get(name)
        if reader is None:
            known = ", ".join(self._elements())
            self._fail("element", f"<{name}>", f"elements: {known}", "leave it out; its words may stay")
        self._names.append(name)
        manner = reader(attributes)
        self._apart = self._apart or manner != self._manners[-1]
        self._manners.append(manner)

    def _end(self, name: str) -> None:
        name = name.rpartition(":")[2]
        if name in _PAUSES:
            self._pause = max(self._pause, _PAUSES[name])
            self._apart = True
        self._names.pop()
        gone = self._manners.pop()
        self._apart = self._apart or gone != self._manners[-1]

    def _words(self, text: str) -> None:
        speakable = any(char.isalnum() for char in text)
        if not speakable or not self._apart:
            if self._said and text.strip():  # a full stop after an emphasised word belongs to it
                last = self._said[-1]
                self._said[-1] = dataclasses.replace(last, text=last.text + text)
                return
            if not speakable:
                return
        pause = self._pause if self._said else 0.0
        self._said.append(dataclasses.replace(self._manners[-1], text=text, pause=pause))
        self._pause, self._apart = 0.0, False

    def _elements(self) -> Mapping[str, Callable[[Mapping[str, str]], Utterance]]:
        return {
            "speak": self._same,
            "p": self._same,
            "s": self._same,
            "break": self._break,
            "prosody": self._prosody,
            "emphasis": self._emphasis,
            "voice": self._voice,
        }

    def _same(self, _: Mapping[str, str]) -> Utterance:
        self._apart = True
        return self._manners[-1]

    def _break(self, attributes: Mapping[str, str]) -> Utterance:
        seconds = _BREAKS.get(attributes.get("strength", "medium"))
        if "time" in attributes:
            match = re.fullmatch(r"(\d{1,5}(?:\.\d{1,4})?)(ms|s)", attributes["time"].strip())
            seconds = None if match is None else float(match[1]) / (1000 if match[2] == "ms" else 1)
        if seconds is None or seconds > LONGEST_BREAK:
            self._value("break", attributes, f'time="500ms" or "2s", at most {LONGEST_BREAK:g} s; or strength="strong"')
        self._pause += seconds
        self._apart = True
        return self._manners[-1]

    def _prosody(self, attributes: Mapping[str, str]) -> Utterance:
        now = self._manners[-1]
        rate, pitch = float(now.rate), float(now.pitch)
        if "rate" in attributes:
            rate *= self._share(attributes["rate"], _RATES, attributes)
        if "pitch" in attributes:
            asked = attributes["pitch"].strip()
            if asked in _PITCHES:
                pitch = _PITCHES[asked]
            else:
                # espeak's scale: 50 is the voice's own, and 50 steps are about an octave
                pitch += 50 * (self._share(asked, {}, attributes) - 1)
        return dataclasses.replace(now, rate=_within(rate, 80, 450), pitch=_within(pitch, 0, 99))

    def _share(self, text: str, words: Mapping[str, float], attributes: Mapping[str, str]) -> float:
        text = text.strip()
        if text in words:
            return words[text]
        match = re.fullmatch(r"([+-]?)(\d{1,4}(?:\.\d{1,3})?)%", text)
        if match is None:
            named = ", ".join(words) or ", ".join(_PITCHES)
            self._value("prosody", attributes, f"{named}, or a percentage: 90%, +10%")
        share = float(match[2]) / 100
        return 1 + (share if match[1] == "+" else -share) if match[1] else share

    def _emphasis(self, attributes: Mapping[str, str]) -> Utterance:
        found = _EMPHASIS.get(attributes.get("level", "moderate"))
        if found is None:
            self._value("emphasis", attributes, "level: " + ", ".join(_EMPHASIS))
        now = self._manners[-1]
        return dataclasses.replace(
            now, rate=_within(now.rate * found[0], 80, 450), pitch=_within(now.pitch + found[1], 0, 99)
        )

    def _voice(self, attributes: Mapping[str, str]) -> Utterance:
        name = attributes.get("name") or attributes.get("language") or attributes.get("languages", "")
        if not name.strip():
            self._value("voice", attributes, 'name="en-us+f3" or language="de"')
        return dataclasses.replace(self._manners[-1], voice=name.split()[0])

    def _refuse(self, *_: object) -> None:
        self._fail(
            "entities",
            "a document type, an entity or a processing instruction",
            "SSML is read without them: they can pull in files or grow without end",
            "remove the lines that begin with <! or <?",
        )

    def _value(self, name: str, attributes: Mapping[str, str], rule: str) -> NoReturn:
        shown = " ".join(f'{key}="{value[:30]}"' for key, value in attributes.items())
        self._fail("value", f"<{name} {shown}>", rule, "mend that element")

    def _fail(self, code: str, found: str, rule: str, next_step: str) -> NoReturn:
        _fail(code, f"line {self.parser.CurrentLineNumber}: {found}", rule, next_step)


def _within(value: float, low: int, high: int) -> int:
    return round(min(max(value, low), high))


def _fail(code: str, found: str, rule: str, next_step: str) -> NoReturn:
    raise InputError(
        "This SSML cannot be spoken.", code=f"ssml.{code}", found=found[:120], rule=rule, next_step=next_step
    )
