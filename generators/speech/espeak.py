"""The espeak-ng voice: text in, sound and exact phoneme times out.

The library behind it is one global synthesizer (``generators.speech.library``), so all instances of :class:`Espeak`
share one lock, and every call sets every parameter.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from generators.speech import library
from generators.speech import text as texts
from generators.speech.library import SAMPLE_RATE, Session, Told, Voice, find_package, installed_voices
from generators.speech.timing import SILENCE, Phone, joined
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import Caption

__all__ = ["LONGEST_TEXT", "SAMPLE_RATE", "SILENCE", "Espeak", "Phone", "Speech", "Voice"]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONGEST_TEXT: Final = 20_000
"""Characters that :meth:`Espeak.speak` takes at once (some 20 minutes); :meth:`Espeak.iter_speech` has no limit."""
_SHORT_NAMES: Final = {"en": "en-us", "fr": "fr-fr", "zh": "cmn", "zh-cn": "cmn", "en-uk": "en-gb", "no": "nb"}
"""Usual language codes that espeak-ng does not know by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Speech:
    """Spoken text. ``phones`` cover the sound without gaps: each ends where the next begins, the last at the end."""

    samples: NDArray[np.float32]
    """(n,) in [-1, 1], one channel."""
    sample_rate: int = SAMPLE_RATE
    phones: tuple[Phone, ...]
    words: tuple[Caption, ...]

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.samples) / self.sample_rate


class Espeak:
    """Speaks text in some hundred languages; see the module for licence and locking."""

    def voices(self) -> tuple[Voice, ...]:
        """The installed voices, sorted by name. Each also takes a variant: ``en-us+f3``, ``de+klatt2``.

        Raises:
            MissingError: ``speech.espeak`` when the optional package is absent.
        """
        voices, _ = installed_voices(find_package()[1])
        return tuple(voices[name][0] for name in sorted(voices))

    def speak(self, text: str, *, voice: str = "en-us", rate: int = 165, pitch: int = 50, range: int = 50) -> Speech:  # noqa: A002 - espeak's own word
        """Speak a whole text of at most :data:`LONGEST_TEXT` characters.

        Args:
            text: Words in the voice's language.
            voice: A name of :meth:`voices`, perhaps with ``+variant``. Case does not matter; ``en``, ``fr`` and ``zh``
                are understood.
            rate: Words per minute, 80 to 450.
            pitch: 0 to 99.
            range: Liveliness of the pitch, 0 to 99.

        Raises:
            InputError: ``speech.empty``, ``speech.script``, ``speech.long``; ``speech.unspoken`` when the voice has no
                sound for any of it.
            UsageError: ``speech.voice`` or ``speech.parameter``.
            MissingError: ``speech.espeak``.
        """
        import numpy as np

        if len(text) > LONGEST_TEXT:
            raise InputError(
                "The text is too long to be spoken in one piece.",
                code="speech.long",
                found=f"{len(text):,} characters",
                rule=f"at most {LONGEST_TEXT:,} characters at once",
                next_step="speak it sentence by sentence with Espeak.iter_speech",
            )
        parts = list(self.iter_speech(text, voice=voice, rate=rate, pitch=pitch, range=range))
        phones: list[Phone] = []
        words: list[Caption] = []
        before = 0
        for part in parts:
            shift = before / SAMPLE_RATE
            phones += (Phone(start=p.start + shift, end=p.end + shift, ipa=p.ipa) for p in part.phones)
            words += (Caption(start=w.start + shift, end=w.end + shift, text=w.text) for w in part.words)
            before += len(part.samples)
        samples = np.concatenate([part.samples for part in parts])
        return Speech(samples=samples, phones=joined(phones, before / SAMPLE_RATE), words=tuple(words))

    def iter_speech(
        self,
        text: str,
        *,
        voice: str = "en-us",
        rate: int = 165,
        pitch: int = 50,
        range: int = 50,  # noqa: A002 - espeak's own word
    ) -> Iterator[Speech]:
        """Speak sentence by sentence: memory does not grow with the text. Times are relative to each sentence.

        What a caller can get wrong is checked before this returns, not at the first sentence; only ``speech.unspoken``
        is known at the end.

        Raises:
            As :meth:`speak`, without a limit of length.
        """
        language, identifier = self._find(voice)
        for name, value, low, high in (
            ("rate", rate, 80, 450),
            ("pitch", pitch, 0, 99),
            ("range", range, 0, 99),
        ):
            if not low <= value <= high:
                raise UsageError(
                    f"The voice's {name} must lie between {low} and {high}.",
                    code="speech.parameter",
                    found=f"{name} {value}",
                    next_step=f"choose --{name} from {low} to {high}",
                )
        cleaned = texts.clean(text)
        texts.check(cleaned, language=language)
        # The parameters live on in the library between calls, so each sentence sets all of them.
        parameters = {
            library.RATE: rate,
            library.VOLUME: 100,
            library.PITCH: pitch,
            library.RANGE: range,
            library.PUNCTUATION: 0,
            library.CAPITALS: 0,
            library.WORD_GAP: 0,
        }

        def spoken() -> Iterator[Speech]:
            told = False
            pieces = texts.sentences(cleaned)
            piece = next(pieces, None)
            while piece is not None:
                following = next(pieces, None)
                with Session() as session:
                    sound, events = session.synthesize(piece, parameters, identifier)
                # Alone, a sentence ends without the pause that the library makes between two of them.
                pause = texts.pause_after(piece) * 165 / rate if following else 0.0
                told = told or any(event.kind == library.PHONEME and event.letters.strip(b"\0_:") for event in events)
                if sound:
                    yield _speech(piece, sound, events, round(pause * SAMPLE_RATE))
                piece = following
            if not told:
                raise InputError(
                    f"The voice {voice!r} knows no sound for this text.",
                    code="speech.unspoken",
                    found=f"{len(text)} characters, none of them spoken",
                    next_step="choose a voice of the text's language with --voice",
                )

        return spoken()

    def identifier(self, voice: str) -> str:
        """What the library loads a voice by; raises UsageError ``speech.voice``."""
        return self._find(voice)[1]

    def _find(self, voice: str) -> tuple[str, str]:
        """Language code and loadable identifier of a voice's name."""
        known, variants = installed_voices(find_package()[1])
        base, plus, variant = voice.partition("+")
        if base not in known:
            spelled = {name.lower(): name for name in known}
            plain = base.lower().replace("_", "-")
            base = spelled.get(_SHORT_NAMES.get(plain, plain), base)
        if base not in known:
            near = difflib.get_close_matches(base.lower(), known, n=4, cutoff=0.5)
            titles = {entry.title.lower(): name for name, (entry, _) in known.items()}
            near += [titles[title] for title in difflib.get_close_matches(base.lower(), titles, n=2, cutoff=0.6)]
            near += [name for name in known if base and name.startswith(base.lower()[:2]) and name not in near]
            raise UsageError(
                f"There is no voice {voice!r}.",
                code="speech.voice",
                found=f"{len(known)} voices" + (f"; close: {', '.join(near[:5])}" if near else ""),
                next_step=f"--voice {near[0] if near else 'en-us'}",
            )
        if plus and variant not in variants:
            near = difflib.get_close_matches(variant, variants, n=4, cutoff=0.4) or ["f3", "m3"]
            raise UsageError(
                f"The voice {base!r} has no variant {variant!r}.",
                code="speech.voice",
                found=f"{len(variants)} variants; close: {', '.join(near)}",
                next_step=f"--voice {base}+{near[0]}",
            )
        entry, identifier = known[base]
        return entry.language, identifier + plus + variant


def _speech(sentence: str, sound: bytes, events: list[Told], pause: int) -> Speech:
    """``pause`` is in samples; it becomes part of the silence at the end."""
    import numpy as np

    spoken = np.frombuffer(sound, dtype="<i2").astype(np.float32) / np.float32(32768)
    samples = np.concatenate([spoken, np.zeros(pause, np.float32)])
    total = len(samples)
    starts = [(0, SILENCE)]
    for event in events:
        if event.kind == library.PHONEME and event.sample < len(spoken):
            ipa = event.letters.split(b"\0")[0].decode(errors="ignore")
            ipa = ipa if ipa.strip("_:|- ") else SILENCE
            if event.sample <= starts[-1][0]:
                starts[-1] = (starts[-1][0], ipa)  # nothing can be heard of the one before
            else:
                starts.append((event.sample, ipa))
    if pause:
        starts.append((len(spoken), SILENCE))
    borders = [sample for sample, _ in starts[1:]] + [total]
    phones = [
        Phone(start=begin / SAMPLE_RATE, end=end / SAMPLE_RATE, ipa=ipa)
        for (begin, ipa), end in zip(starts, borders, strict=True)
    ]
    whole = joined(phones, total / SAMPLE_RATE)
    return Speech(samples=samples, phones=whole, words=_words(sentence, events, whole))


def _words(sentence: str, events: list[Told], phones: tuple[Phone, ...]) -> tuple[Caption, ...]:
    """Words from the WORD events, each with the marks up to the next; a number read as several words is one."""
    starts: list[tuple[int, float]] = []
    reached = 0
    for event in events:
        end = event.begin + event.length
        if event.kind != library.WORD or not any(char.isalnum() for char in sentence[event.begin : end]):
            continue
        if event.begin >= reached:
            starts.append((event.begin if starts else 0, event.sample / SAMPLE_RATE))
        reached = max(reached, end)
    pauses = {phone.end: phone.start for phone in phones if phone.ipa == SILENCE}
    last = phones[-1].end
    words = []
    for number, (begin, start) in enumerate(starts):
        more = number + 1 < len(starts)
        until, following = starts[number + 1] if more else (len(sentence), last)
        # A pause before the next word is nobody's; espeak begins a word up to 30 ms before its first sound.
        quiet = [pause for end, pause in pauses.items() if start < pause < following <= end + 0.03]
        words.append(Caption(start=start, end=min([*quiet, following]), text=" ".join(sentence[begin:until].split())))
    return tuple(words)
