"""From recorded sound to mouth shapes: how loud it is, and which sounds are in it.

Two passes. :func:`survey` hears the whole recording once and keeps 100 small numbers a second: silence and loudness are
measured against the recording's own level. :func:`listen` then makes class probabilities window by window, so that
memory does not grow with the recording. What recognises the sounds is a :class:`PhoneListener`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from generators.embedded.visemes import FRAMES_PER_SECOND, VISEMES, Viseme, posteriors
from generators.speech.espeak import Phone
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]
    """(n,) mono at :data:`RATE`."""

RATE: Final = 16000
HOP: Final = RATE // FRAMES_PER_SECOND
FLOOR_DB: Final = -60.0
"""dB of full scale: a recording that never gets louder is silent."""
_WIDEST, _NARROWEST = 34.0, 20.0
"""dB from a voice's loud parts down to the room, in a quiet room and in a noisy one."""
WINDOW: Final = 10 * FRAMES_PER_SECOND
OVERLAP: Final = 1 * FRAMES_PER_SECOND

_FFT: Final = 512
_HERTZ: Final = np.fft.rfftfreq(_FFT, 1 / RATE)
_HANN: Final = np.hanning(400)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Survey:
    """How loud a recording is."""

    level: NDArray[np.float32]
    """(T,) at 100 Hz: 0 silent to 1 loud."""
    loud_db: float
    """Level of its loud parts (95th percentile of what is sound), dB of full scale."""
    quiet_db: float
    """Level of the room between words: at or below it the mouth is shut."""
    loud_band: float
    """The same for 150 to 1100 Hz, natural logarithm of spectral energy: where an open mouth is heard."""
    samples: int


class PhoneListener(Protocol):
    """Recognises mouth classes in a window of sound."""

    def posteriors(self, sound: Sound, survey: Survey) -> NDArray[np.float64]:
        """(ceil(n / 160), 14) at 100 Hz for sound (n,) at 16 kHz; rows sum to 1."""


def survey(blocks: Iterable[Sound]) -> Survey:
    """Hear a whole recording.

    Args:
        blocks: mono at 16 kHz, each (n,) or (n, 1), of any length.

    Raises:
        InputError: ``input.silent`` when nothing in it is louder than :data:`FLOOR_DB`.
    """
    levels: list[NDArray[np.float32]] = []
    bands: list[NDArray[np.float32]] = []
    samples = 0
    for window in _windows(blocks, 10 * FRAMES_PER_SECOND, 0):
        samples += len(window)
        levels.append(_decibels(window).astype(np.float32))
        bands.append(_band(_spectra(window), 150, 1100).astype(np.float32))
    level = np.concatenate([*levels, np.zeros(0, np.float32)])
    heard = level > FLOOR_DB
    if not heard.any():
        raise InputError(
            "There is no sound in the recording, so nobody can be seen speaking.",
            code="input.silent",
            found=f"{samples / RATE:.1f} s, nowhere louder than {max(level, default=-120.0):.0f} dB of full scale",
            rule=f"something must be louder than {FLOOR_DB:.0f} dB",
            next_step="choose a recording with a voice, or raise its level",
        )
    loud = float(np.percentile(level[heard], 95))
    room = float(np.percentile(level, 5)) + 2.0
    quiet = min(max(room, loud - _WIDEST), loud - _NARROWEST)
    return Survey(
        level=np.clip((level - quiet) / (loud - quiet), 0.0, 1.0).astype(np.float32),
        loud_db=loud,
        quiet_db=quiet,
        loud_band=float(np.percentile(np.concatenate(bands)[heard], 95)),
        samples=samples,
    )


def listen(
    blocks: Iterable[Sound], surveyed: Survey, *, listener: PhoneListener | None = None
) -> Iterator[NDArray[np.float64]]:
    """Class probabilities of a recording in chunks (n, 14), together ceil(samples / 160) rows at 100 Hz.

    Windows of 10 s are heard on their own and faded into each other over the second that they share, so the result does
    not depend on how the sound is cut into blocks.
    """
    listener = listener or Mixed()
    fade = ((np.arange(OVERLAP) + 0.5) / OVERLAP)[:, None]
    tail = np.zeros((0, VISEMES))
    for window in _windows(blocks, WINDOW, OVERLAP):
        heard = listener.posteriors(window, surveyed)
        shared = min(len(tail), len(heard))
        heard[:shared] = tail[:shared] * (1 - fade[:shared]) + heard[:shared] * fade[:shared]
        done = len(heard) - OVERLAP if len(heard) == WINDOW else len(heard)
        yield heard[:done]
        tail = heard[done:]
    if len(tail):
        yield tail


def _windows(blocks: Iterable[Sound], frames: int, overlap: int) -> Iterator[Sound]:
    """Pieces of ``frames`` hops, each sharing ``overlap`` hops with the one before; the last is what remains."""
    size, step = frames * HOP, (frames - overlap) * HOP
    held = np.zeros(0, np.float32)
    fresh = False
    for block in blocks:
        held = np.concatenate([held, np.asarray(block, np.float32).reshape(-1)])
        fresh = fresh or len(block) > 0
        while len(held) >= size:
            yield held[:size]
            held = held[step:]
            fresh = len(held) > overlap * HOP
    if fresh and len(held):
        yield held


def _framed(sound: Sound, length: int) -> NDArray[np.float64]:
    """(T, length) windows centred on each hop of 10 ms, zeros beyond the ends."""
    frames = -(-len(sound) // HOP)
    margin = (length - HOP) // 2
    padded = np.zeros(frames * HOP + 2 * margin + length)
    padded[margin : margin + len(sound)] = sound
    windows: NDArray[np.float64] = np.lib.stride_tricks.sliding_window_view(padded, length)[: frames * HOP : HOP]
    return windows


def _decibels(sound: Sound) -> NDArray[np.float64]:
    power = np.mean(np.square(_framed(sound, 400)), axis=1)
    return np.asarray(10 * np.log10(power + 1e-12), np.float64)


def _spectra(sound: Sound) -> NDArray[np.float64]:
    """(T, 257) power."""
    return np.asarray(np.abs(np.fft.rfft(_framed(sound, 400) * _HANN, _FFT)) ** 2, np.float64)


def _band(spectra: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Natural logarithm of the energy from ``low`` to ``high`` Hz."""
    chosen = (low <= _HERTZ) & (high >= _HERTZ)
    return np.asarray(np.log(spectra[:, chosen].sum(axis=1) + 1e-10), np.float64)


def _centroid(spectra: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    chosen = (low <= _HERTZ) & (high >= _HERTZ)
    part = spectra[:, chosen]
    return np.asarray((part @ _HERTZ[chosen]) / (part.sum(axis=1) + 1e-10), np.float64)


def _gated(table: NDArray[np.float64], sound: Sound, surveyed: Survey) -> NDArray[np.float64]:
    """Silence is silence: within 6 dB of the room the mouth shuts."""
    openness = np.clip((_decibels(sound) - surveyed.quiet_db) / 6.0, 0.0, 1.0)[:, None]
    gated: NDArray[np.float64] = table * openness
    gated[:, [Viseme.SIL]] += 1 - openness
    return gated


class Acoustic:
    """Mouth shapes from the spectrum alone: no model, any language, blind to closures.

    Loudness around the first formant and its centroid tell how far the jaw is open, the second formant's centroid
    whether the lips are spread or rounded, energy above 3.5 kHz the hissing sounds.
    """

    _VOWELS: Final = (
        (Viseme.AA, 1.0, 0.0), (Viseme.EH, 0.58, 0.35), (Viseme.IH, 0.25, 0.8),
        (Viseme.OO, 0.7, -0.6), (Viseme.UU, 0.3, -0.9), (Viseme.DD, 0.25, 0.0),
    )  # fmt: skip
    """Class, jaw 0 to 1, spread -1 to 1."""

    def posteriors(self, sound: Sound, survey: Survey) -> NDArray[np.float64]:
        """See :class:`PhoneListener`."""
        spectra = _spectra(sound)
        loud = np.clip((_band(spectra, 150, 1100) - survey.loud_band + 6.5) / 6.5, 0.0, 1.0) ** 1.3
        jaw = loud * np.clip((_centroid(spectra, 300, 1000) - 380) / 300, 0.25, 1.0)
        spread = np.clip((_centroid(spectra, 800, 2800) - 1450) / 500, -1.0, 1.0)
        table = np.zeros((len(spectra), VISEMES))
        for viseme, opening, spreading in self._VOWELS:
            distance = ((jaw - opening) / 0.22) ** 2 + ((spread - spreading) / 0.45) ** 2
            table[:, viseme] = np.exp(-0.5 * distance) + 1e-9
        table /= table.sum(axis=1, keepdims=True)
        total = spectra.sum(axis=1) + 1e-10
        high = spectra[:, _HERTZ > 3500].sum(axis=1) / total
        hiss = np.clip((high - 0.35) / 0.25, 0.0, 1.0)[:, None]
        sharp = np.clip((_centroid(spectra, 1500, 8000) - 4200) / 1000, 0.0, 1.0)[:, None]
        table *= 1 - hiss
        table[:, [Viseme.SS]] += hiss * sharp
        table[:, [Viseme.CH]] += hiss * (1 - sharp)
        return _gated(table, sound, survey)


_ARPABET: Final = {
    "AA": "ɑ", "AE": "æ", "AH": "ʌ", "AO": "ɔ", "AW": "aʊ", "AY": "aɪ", "B": "b", "CH": "tʃ", "D": "d", "DH": "ð",
    "EH": "ɛ", "ER": "ɝ", "EY": "eɪ", "F": "f", "G": "ɡ", "HH": "h", "IH": "ɪ", "IY": "i", "JH": "dʒ", "K": "k",
    "L": "l", "M": "m", "N": "n", "NG": "ŋ", "OW": "oʊ", "OY": "ɔɪ", "P": "p", "R": "ɹ", "S": "s", "SH": "ʃ",
    "T": "t", "TH": "θ", "UH": "ʊ", "UW": "u", "V": "v", "W": "w", "Y": "j", "Z": "z", "ZH": "ʒ",
}  # fmt: skip
"""The recogniser's phones; all its other names are silence or noise."""


class Allphone:
    """Phones from CMU pocketsphinx with its bundled American English model (BSD); works roughly for other languages."""

    def __init__(self) -> None:
        from pocketsphinx import Decoder, get_model_path

        self._decoder = Decoder(
            hmm=get_model_path("en-us/en-us"),
            allphone=get_model_path("en-us/en-us-phone.lm.bin"),
            lm=None,
            lw=2.0,
            beam=1e-20,
            pbeam=1e-20,
            loglevel="FATAL",
        )

    def posteriors(self, sound: Sound, survey: Survey) -> NDArray[np.float64]:
        """See :class:`PhoneListener`."""
        # The model was trained on speech at an ordinary level.
        gain = min(10 ** ((-18.0 - survey.loud_db) / 20), 100.0)
        data = (np.clip(sound * gain, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        self._decoder.start_utt()
        self._decoder.process_raw(data, full_utt=True)
        self._decoder.end_utt()
        phones = [
            Phone(
                start=segment.start_frame / FRAMES_PER_SECOND,
                end=(segment.end_frame + 1) / FRAMES_PER_SECOND,
                ipa=_ARPABET.get(segment.word, ""),
            )
            for segment in self._decoder.seg() or ()
        ]
        return _gated(posteriors(phones, seconds=len(sound) / RATE), sound, survey)


class Mixed:
    """Phones where they are recognised, softened by what the spectrum says; measured best on real speakers."""

    def __init__(self, share: float = 0.6) -> None:
        self._share = share
        self._phones = Allphone()
        self._spectrum = Acoustic()

    def posteriors(self, sound: Sound, survey: Survey) -> NDArray[np.float64]:
        """See :class:`PhoneListener`."""
        phones = self._phones.posteriors(sound, survey)
        return self._share * phones + (1 - self._share) * self._spectrum.posteriors(sound, survey)
