"""libespeak-ng through ctypes: load, ask, unload. Interface: ``speak_lib.h`` of espeak-ng 1.52.

The library is GPL-3. It is an optional package (``espeakng-loader``), found and loaded at run time and only when text
has to be spoken.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from thsafe.core.errors import EngineError, MissingError

SAMPLE_RATE: Final = 22050

_BROKEN_VOICES: Final = frozenset({"kl"})
"""Voices that are not offered: Greenlandic reading a number ends the whole process (espeak-ng 1.52)."""
_SYNCHRONOUS: Final = 2
_PHONEME_EVENTS_IN_IPA: Final = 0x0003
_DO_NOT_EXIT: Final = 0x8000
_UTF8: Final = 1
_IPA: Final = 0x02
_BY_CHARACTER: Final = 1
WORD: Final = 1
PHONEME: Final = 7
RATE, VOLUME, PITCH, RANGE, PUNCTUATION, CAPITALS, WORD_GAP = range(1, 8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """One installed voice: the name to ask for, its language code and what it is called in full."""

    name: str
    language: str
    title: str


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


class Told(NamedTuple):
    """One WORD or PHONEME event: ``begin`` and ``length`` count characters, ``sample`` counts from the start."""

    kind: int
    sample: int
    begin: int
    length: int
    letters: bytes


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


def find_package() -> tuple[str, Path]:
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


class Session:
    """libespeak-ng from load to unload, while holding the process's lock.

    The library keeps the phases of its oscillators and of its pitch flutter in static variables, so a second call gives
    other samples and phone times up to 10 ms off. Loading it anew (1 ms) makes a sentence sound the same every time;
    voices with breath (``+whisper``, ``+f3``) read memory that the library never set: only their times are sure.
    """

    def __init__(self) -> None:
        self._path, self.data = find_package()
        self._sound = bytearray()
        self._events: list[Told] = []
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
            if event.kind in {WORD, PHONEME}:
                letters = bytes(event.name.letters) if event.kind == PHONEME else b""
                told = Told(event.kind, event.sample, event.text_position - 1, event.length, letters)
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

    def phonemes(self, text: str, identifier: str) -> list[tuple[str, str]]:
        """IPA of each clause, with stress marks, and the punctuation that ends it, if any."""
        self._api.espeak_SetVoiceByName(identifier.encode())
        translate = self._api.espeak_TextToPhonemes
        translate.restype = ctypes.c_char_p
        translate.argtypes = (ctypes.POINTER(ctypes.c_void_p), ctypes.c_int, ctypes.c_int)
        data = text.encode()
        buffer = ctypes.create_string_buffer(data)
        start = ctypes.addressof(buffer)
        place = ctypes.c_void_p(start)
        clauses: list[tuple[str, str]] = []
        before = 0
        while place.value:
            told = translate(ctypes.byref(place), _UTF8, _IPA) or b""
            after = place.value - start if place.value else len(data)
            written = data[before:after].decode(errors="ignore").rstrip(" \n\t\"'”’»)]")
            before = after
            end = written[-1:] if written[-1:] in set(".,!?;:") else ""
            clauses.append((told.decode(errors="ignore").strip(), end))
        return clauses

    def synthesize(self, sentence: str, parameters: dict[int, int], identifier: str) -> tuple[bytes, list[Told]]:
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
def installed_voices(data: Path) -> tuple[dict[str, tuple[Voice, str]], frozenset[str]]:
    """Voices by name and the names of all variants."""
    with Session() as session:
        voices = {voice.name: (voice, identifier) for voice, identifier in session.records()}
    return voices, frozenset(file.name for file in (data / "voices" / "!v").iterdir())
