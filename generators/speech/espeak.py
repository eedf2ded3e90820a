"""The espeak-ng voice: text in, sound and exact phoneme times out.

libespeak-ng is GPL-3. It is an optional package (``espeakng-loader``), found and loaded at run time and only when text
has to be spoken. Interface: ``speak_lib.h`` of espeak-ng 1.52. The library is one global synthesizer, so all instances
of :class:`Espeak` share one lock, and every call sets every parameter.
"""

from __future__ import annotations

import ctypes
import difflib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from generators.speech import text as texts
from thsafe.core.errors import EngineError, InputError, MissingError, UsageError
from thsafe.core.types import Caption

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SAMPLE_RATE: Final = 22050
LONGEST_TEXT: Final = 20_000
"""Characters that :meth:`Espeak.speak` takes at once (some 20 minutes); :meth:`Espeak.iter_speech` has no limit."""
SILENCE: Final = ""
"""The ``ipa`` of a pause."""

_BROKEN_VOICES: Final = frozenset({"kl"})
"""Voices that are not offered: Greenlandic reading a number ends the whole process (espeak-ng 1.52)."""
_SHORT_NAMES: Final = {"en": "en-us", "fr": "fr-fr", "zh": "cmn", "zh-cn": "cmn", "en-uk": "en-gb", "no": "nb"}
"""Usual language codes that espeak-ng does not know by themselves."""
_SYNCHRONOUS: Final = 2
_PHONEME_EVENTS_IN_IPA: Final = 0x0003
_DO_NOT_EXIT: Final = 0x8000
_UTF8: Final = 1
_BY_CHARACTER: Final = 1
_WORD: Final = 1
_PHONEME: Final = 7
_RATE, _VOLUME, _PITCH, _RANGE, _PUNCTUATION, _CAPITALS, _WORD_GAP = range(1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """One speech sound; ``ipa`` is empty for a pause. Seconds."""

    start: float
    end: float
    ipa: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One installed voice: the name to ask for, its language code and what it is called in full."""

    name: str
    language: str
    title: str


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


class _Name(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("pointer", ctypes.c_char_p), ("letters", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    """``espeak_EVENT``."""

    _fields_ = (
        ("kind", ctypes.c_int),
        ("utterance", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("milliseconds", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user", ctypes.c_void_p),
        ("name", _Name),
    )


class _VoiceRecord(ctypes.Structure):
    """``espeak_VOICE``."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_void_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("unused", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    )


if TYPE_CHECKING:
    _Samples = ctypes._Pointer[ctypes.c_short]  # noqa: SLF001 - the only name of this type
    _Events = ctypes._Pointer[_Event]  # noqa: SLF001


class _Told(NamedTuple):
    """One WORD or PHONEME event: ``begin`` and ``length`` count characters, ``sample`` counts from the start."""

    kind: int
    sample: int
    begin: int
    length: int
    letters: bytes


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def _package() -> tuple[str, Path]:
    """Where the optional package keeps library and data."""
    try:
        import espeakng_loader

        return str(espeakng_loader.get_library_path()), Path(str(espeakng_loader.get_data_path()))
    except (ImportError, RuntimeError, OSError) as problem:
        raise MissingError(
            "Speaking text needs the espeak-ng voice, which is not installed.",
            code="speech.espeak",
            found=str(problem),
            rule="espeak-ng is GPL-3 and therefore an optional package",
            next_step='pip install "thsafe[speech]"',
        ) from problem


class _Session:
    """libespeak-ng from load to unload, while holding the process's lock.

    The library keeps the phases of its oscillators and of its pitch flutter in static variables, so a second call gives
    other samples and phone times up to 10 ms off. Loading it anew (1 ms) makes a sentence sound the same every time.
    """

    def __init__(self) -> None:
        self._path, self.data = _package()
        self._sound = bytearray()
        self._events: list[_Told] = []
        self._callback = _Callback(self._receive)  # kept here: the library holds only its address

    def __enter__(self) -> Self:
        _lock.acquire()
        try:
            self._api = ctypes.CDLL(self._path)
            options = _PHONEME_EVENTS_IN_IPA | _DO_NOT_EXIT
            rate = self._api.espeak_Initialize(_SYNCHRONOUS, 0, str(self.data).encode(), options)
            if rate != SAMPLE_RATE:
                raise OSError(f"espeak_Initialize answered {rate}, expected {SAMPLE_RATE}")  # noqa: TRY301
            self._api.espeak_SetSynthCallback(self._callback)
        except OSError as problem:
            _lock.release()
            raise MissingError(
                "The espeak-ng library is installed but does not start.",
                code="speech.espeak",
                found=str(problem),
                next_step='pip install --force-reinstall "thsafe[speech]"',
            ) from problem
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._api.espeak_Terminate()
            unload = ctypes.CDLL(None).dlclose
            unload.argtypes = (ctypes.c_void_p,)
            unload(self._api._handle)  # noqa: SLF001 - ctypes offers no other way to let go of a library
        finally:
            _lock.release()

    def _receive(self, wave: _Samples, many: int, events: _Events) -> int:
        if many > 0:
            self._sound += ctypes.string_at(wave, 2 * many)
        position = 0
        while events[position].kind:
            event = events[position]
            if event.kind in {_WORD, _PHONEME}:
                letters = bytes(event.name.letters) if event.kind == _PHONEME else b""
                told = _Told(event.kind, event.sample, event.text_position - 1, event.length, letters)
                self._events.append(told)
            position += 1
        return 0

    def records(self) -> Iterator[tuple[Voice, str]]:
        """All voices that can speak, each with the identifier it is loaded by (names of some voices clash)."""
        listing = self._api.espeak_ListVoices
        listing.restype = ctypes.POINTER(ctypes.POINTER(_VoiceRecord))
        records = listing(None)
        position = 0
        while records[position]:
            record = records[position].contents
            # `languages` is a list of (priority byte, name, NUL); the first is the voice's own.
            language = ctypes.string_at(record.languages + 1).decode()
            identifier = record.identifier.decode()
            if language not in _BROKEN_VOICES and self._has_dictionary(identifier, language):
                yield Voice(name=language, language=language, title=record.name.decode().strip()), identifier
            position += 1

    def _has_dictionary(self, identifier: str, language: str) -> bool:
        """The package leaves out a few dictionaries (Faroese among them) though it lists their voices."""
        file = self.data / "lang" / identifier
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        named = [line.split()[1] for line in lines if line.startswith("dictionary ")]
        return (self.data / f"{named[0] if named else language.partition('-')[0]}_dict").is_file()

    def synthesize(self, sentence: str, parameters: dict[int, int], identifier: str) -> tuple[bytes, list[_Told]]:
        """Little-endian 16-bit sound and the word and phoneme events of one text."""
        if self._api.espeak_SetVoiceByName(identifier.encode()) != 0:
            raise EngineError(
                "espeak-ng lists a voice but cannot load it.",
                code="speech.failed",
                found=identifier,
                next_step="choose another --voice",
            )
        for parameter, value in parameters.items():
            self._api.espeak_SetParameter(parameter, value, 0)
        data = sentence.encode()
        status = self._api.espeak_Synth(data, len(data) + 1, 0, _BY_CHARACTER, 0, _UTF8, None, None)
        self._api.espeak_Synchronize()
        if status != 0:
            raise EngineError("espeak-ng failed to speak.", code="speech.failed", found=f"espeak_Synth: {status}")
        return bytes(self._sound), self._events


_lock = threading.Lock()


@cache
def _installed(data: Path) -> tuple[dict[str, tuple[Voice, str]], frozenset[str]]:
    """Voices by name and the names of all variants."""
    with _Session() as session:
        voices = {voice.name: (voice, identifier) for voice, identifier in session.records()}
    return voices, frozenset(file.name for file in (data / "voices" / "!v").iterdir())


class Espeak:
    """Speaks text in some hundred languages; see the module for licence and locking."""

    def voices(self) -> tuple[Voice, ...]:
        """The installed voices, sorted by name. Each also takes a variant: ``en-us+f3``, ``de+klatt2``.

        Raises:
            MissingError: ``speech.espeak`` when the optional package is absent.
        """
        voices, _ = _installed(_package()[1])
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
        return Speech(samples=samples, phones=_joined(phones, before / SAMPLE_RATE), words=tuple(words))

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
            _RATE: rate, _VOLUME: 100, _PITCH: pitch, _RANGE: range, _PUNCTUATION: 0, _CAPITALS: 0, _WORD_GAP: 0,
        }  # fmt: skip

        def spoken() -> Iterator[Speech]:
            told = False
            pieces = texts.sentences(cleaned)
            piece = next(pieces, None)
            while piece is not None:
                following = next(pieces, None)
                with _Session() as session:
                    sound, events = session.synthesize(piece, parameters, identifier)
                # Alone, a sentence ends without the pause that the library makes between two of them.
                pause = texts.pause_after(piece) * 165 / rate if following else 0.0
                told = told or any(event.kind == _PHONEME and event.letters.strip(b"\0_:") for event in events)
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

    def _find(self, voice: str) -> tuple[str, str]:
        """Language code and loadable identifier of a voice's name."""
        known, variants = _installed(_package()[1])
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


def _speech(sentence: str, sound: bytes, events: list[_Told], pause: int) -> Speech:
    """``pause`` is in samples; it becomes part of the silence at the end."""
    import numpy as np

    spoken = np.frombuffer(sound, dtype="<i2").astype(np.float32) / np.float32(32768)
    samples = np.concatenate([spoken, np.zeros(pause, np.float32)])
    total = len(samples)
    starts = [(0, SILENCE)]
    for event in events:
        if event.kind == _PHONEME and event.sample < len(spoken):
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
    joined = _joined(phones, total / SAMPLE_RATE)
    return Speech(samples=samples, phones=joined, words=_words(sentence, events, joined))


def _joined(phones: list[Phone], end: float) -> tuple[Phone, ...]:
    """Neighbouring pauses as one; each end exactly the next start."""
    kept: list[Phone] = []
    for phone in phones:
        if not (kept and kept[-1].ipa == phone.ipa == SILENCE):
            kept.append(phone)
    ends = [phone.start for phone in kept[1:]] + [end]
    return tuple(Phone(start=phone.start, end=stop, ipa=phone.ipa) for phone, stop in zip(kept, ends, strict=True))


def _words(sentence: str, events: list[_Told], phones: tuple[Phone, ...]) -> tuple[Caption, ...]:
    """Words from the WORD events, each with the marks up to the next; a number read as several words is one."""
    starts: list[tuple[int, float]] = []
    reached = 0
    for event in events:
        end = event.begin + event.length
        if event.kind != _WORD or not any(char.isalnum() for char in sentence[event.begin : end]):
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
