"""The sound of a clip and what is known of it before the first frame: mouth classes, loudness, words, exact length."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Protocol

import numpy as np

from generators.embedded import listen
from generators.embedded.captions import SPEAKER_MARK
from generators.embedded.visemes import posteriors
from generators.speech.espeak import SAMPLE_RATE
from generators.speech.timing import SILENCE, Phone
from generators.speech.utterance import Utterance
from generators.speech.voices import Voices
from thsafe.core.types import Caption

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Progress, SoundBlock
    from thsafe.home import Home

RATE: Final = 48000
"""Samples per second of every clip."""
REST: Final = 0.25
"""Seconds of rest before and after spoken text."""
_BLOCK: Final = 16384


class Soundtrack(Protocol):
    """What the engine needs of a voice, spoken or recorded. Each iterator may be asked for more than once."""

    survey: listen.Survey
    channels: int
    captions: tuple[Caption, ...]

    def sound(self) -> Iterator[SoundBlock]:
        """float32 (n, channels) at :data:`RATE`."""

    def posteriors(self) -> Iterator[NDArray[np.float64]]:
        """Mouth classes (n, 14) at 100 Hz, in chunks."""


def frame_count(track: Soundtrack, fps: Fraction) -> int:
    """Frames that cover the sound: the last one may be padded with silence."""
    return max(1, -int(-Fraction(track.survey.samples, listen.RATE) * fps // 1))


def fitted_sound(track: Soundtrack, fps: Fraction) -> Iterator[SoundBlock]:
    """The sound, brought to exactly the length of :func:`frame_count` frames."""
    left = round(frame_count(track, fps) / fps * RATE)
    for block in track.sound():
        if left <= 0:
            return
        yield block[:left]
        left -= len(block)
    while left > 0:
        yield np.zeros((min(left, _BLOCK), track.channels), np.float32)
        left -= _BLOCK


class Recorded:
    """A file's own sound. It is read twice: once to survey it, then along with the frames."""

    captions: tuple[Caption, ...] = ()

    def __init__(self, path: Path) -> None:
        from thsafe.media.sound import iter_sound

        self._path = path
        self.survey = listen.survey(iter_sound(path, rate=listen.RATE))
        self.channels = next(iter_sound(path, rate=RATE, mono=False)).shape[1]

    def sound(self) -> Iterator[SoundBlock]:
        """See :class:`Soundtrack`."""
        from thsafe.media.sound import iter_sound

        return iter_sound(self._path, rate=RATE, mono=False)

    def posteriors(self) -> Iterator[NDArray[np.float64]]:
        """See :class:`Soundtrack`."""
        from thsafe.media.sound import iter_sound

        return listen.listen(iter_sound(self._path, rate=listen.RATE), self.survey)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How text is spoken; see :meth:`generators.speech.espeak.Espeak.speak`."""

    voice: str = "en-us"
    rate: int = 165
    pitch: int = 50
    range: int = 50


class Spoken:
    """Text spoken by a synthetic voice, with its exact phoneme times.

    All of it is spoken at once, sentence by sentence, into an unnamed temporary file (44 kB per second); only phones
    and words stay in memory.
    """

    channels = 1

    def __init__(
        self, said: str | Sequence[Utterance], manner: Manner, progress: Progress, home: Home | None = None
    ) -> None:
        """Speak.

        Args:
            said: a text, or pieces of it that each have their own manner, pause and speaker.
            manner: how a text is spoken; of pieces only the range holds.
            progress: told of every sentence.
            home: where voices are that the user brought.
        """
        if isinstance(said, str):
            said = [Utterance(text=said, voice=manner.voice, rate=manner.rate, pitch=manner.pitch)]
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object, see below
        weakref.finalize(self, self._file.close)
        self._phones: list[Phone] = []
        self.turns: list[tuple[float, float, str]] = []
        """(start, end, speaker) of every piece, in seconds."""
        words: list[Caption] = []
        voices = Voices(home)
        self._samples = 0
        self._pause(REST)
        progress.start("speaking", None)
        for piece in said:
            self._pause(piece.pause)
            begun, first = self._samples / SAMPLE_RATE, len(words)
            for speech in voices[piece.voice].iter_speech(
                piece.text, voice=piece.voice, rate=piece.rate, pitch=piece.pitch, range=manner.range
            ):
                shift = self._samples / SAMPLE_RATE
                self._phones += (Phone(start=p.start + shift, end=p.end + shift, ipa=p.ipa) for p in speech.phones)
                words += (Caption(start=w.start + shift, end=w.end + shift, text=w.text) for w in speech.words)
                self._write(speech.samples)
                progress.advance()
            self.turns.append((begun, self._samples / SAMPLE_RATE, piece.speaker))
            if piece.speaker and first < len(words):
                words[first] = replace(words[first], text=piece.speaker + SPEAKER_MARK + words[first].text)
        self._pause(REST)
        self.captions = tuple(words)
        self.survey = listen.survey(self._blocks(listen.RATE))

    def _pause(self, seconds: float) -> None:
        start = self._samples / SAMPLE_RATE
        self._write(np.zeros(round(seconds * SAMPLE_RATE), np.float32))
        if seconds:
            self._phones.append(Phone(start=start, end=self._samples / SAMPLE_RATE, ipa=SILENCE))

    def _write(self, samples: NDArray[np.float32]) -> None:
        self._file.write(np.rint(samples * 32768).astype("<i2").tobytes())
        self._samples += len(samples)

    def _blocks(self, rate: int) -> Iterator[NDArray[np.float32]]:
        """(n,) at ``rate``."""
        import soxr

        resampler = soxr.ResampleStream(SAMPLE_RATE, rate, 1, dtype="float32", quality="HQ")
        place = 0
        while place < self._samples:
            self._file.seek(2 * place)  # several readers take turns
            data = self._file.read(2 * _BLOCK)
            place += len(data) // 2
            samples = np.frombuffer(data, "<i2").astype(np.float32) / np.float32(32768)
            block = np.asarray(resampler.resample_chunk(samples, last=place >= self._samples), np.float32)
            if len(block):
                yield block

    def sound(self) -> Iterator[SoundBlock]:
        """See :class:`Soundtrack`."""
        return (block[:, None] for block in self._blocks(RATE))

    def posteriors(self) -> Iterator[NDArray[np.float64]]:
        """See :class:`Soundtrack`."""
        yield posteriors(self._phones, seconds=self._samples / SAMPLE_RATE)

    def posteriors_of(self, speaker: str) -> Iterator[NDArray[np.float64]]:
        """The mouth classes of one speaker: silence while others speak."""
        borders = [(start, end) for start, end, name in self.turns if name == speaker]
        own = [
            phone if any(start <= phone.start < end for start, end in borders) else replace(phone, ipa=SILENCE)
            for phone in self._phones
        ]
        yield posteriors(own, seconds=self._samples / SAMPLE_RATE)

    def level_of(self, speaker: str) -> NDArray[np.float32]:
        """The loudness of one speaker, (T,) at 100 Hz: 0 while others speak."""
        level = np.zeros_like(self.survey.level)
        for start, end, name in self.turns:
            if name == speaker:
                turn = slice(round(start * 100), round(end * 100))
                level[turn] = self.survey.level[turn]
        return level
