"""From recorded sound to mouth shapes: how loud it is, and which sounds are in it.

Two passes. :func:`survey` hears the whole recording once and keeps 100 small numbers a second: silence and loudness are
measured against the recording's own level. :func:`listen` then makes class probabilities window by window, so that
memory does not grow with the recording. What recognises the sounds is a :class:`PhoneListener`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
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
BANDS: Final = 40
"""Mel bands from 60 to 7600 Hz."""
_BIN, _LOWEST, _BINS = 0.25, -24.0, 160
"""Nepers: the grid on which band energies are counted, so that their spread is known without keeping them."""


def _mel_filters() -> NDArray[np.float64]:
    """(257, 40) triangles, equally wide on the mel scale (O'Shaughnessy 1987)."""
    marks = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 7600 / 700), BANDS + 2)
    hertz = 700 * (10 ** (marks / 2595) - 1)
    rise = (_HERTZ[:, None] - hertz[:-2]) / (hertz[1:-1] - hertz[:-2])
    fall = (hertz[2:] - _HERTZ[:, None]) / (hertz[2:] - hertz[1:-1])
    filters = np.maximum(np.minimum(rise, fall), 0.0)
    filters[np.abs(_HERTZ[:, None] - hertz[1:-1]).argmin(axis=0), np.arange(BANDS)] += 1e-3  # none is empty
    return np.asarray(filters, np.float64)


_FILTERS: Final = _mel_filters()


def _plain_tone() -> NDArray[np.float64]:
    return np.stack([np.zeros(BANDS), np.ones(BANDS)])


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
    tone: NDArray[np.float64] = field(default_factory=_plain_tone)
    """(2, 40): mean and spread of each mel band (natural logarithm) where it is within 9 nepers of the loud parts."""


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
    counts = np.zeros((BANDS, _BINS))
    samples = 0
    for window in _windows(blocks, 10 * FRAMES_PER_SECOND, 0):
        samples += len(window)
        spectra = _spectra(window)
        levels.append(_decibels(window).astype(np.float32))
        bands.append(_band(spectra, 150, 1100).astype(np.float32))
        _count(counts, _mel(spectra))
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
    loud_band = float(np.percentile(np.concatenate(bands)[heard], 95))
    return Survey(
        level=np.clip((level - quiet) / (loud - quiet), 0.0, 1.0).astype(np.float32),
        loud_db=loud,
        quiet_db=quiet,
        loud_band=loud_band,
        samples=samples,
        tone=_tone(counts, loud_band - 9.0),
    )


def listen(
    blocks: Iterable[Sound], surveyed: Survey, *, listener: PhoneListener | None = None
) -> Iterator[NDArray[np.float64]]:
    """Class probabilities of a recording in chunks (n, 14), together ceil(samples / 160) rows at 100 Hz.

    Windows of 10 s are heard on their own and faded into each other in the middle of the second that they share, so the
    result does not depend on how the sound is cut into blocks, and a listener that sees less than 0.38 s around an
    instant gives what it would give for the whole.
    """
    listener = listener or Mixed()
    fade = np.clip(((np.arange(OVERLAP) + 0.5) / OVERLAP - 0.38) / 0.24, 0.0, 1.0)[:, None]
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


def log_mel(sound: Sound) -> NDArray[np.float64]:
    """(ceil(n / 160), 40): natural logarithm of the energy in each mel band, every 10 ms."""
    return _mel(_spectra(sound))


def _mel(spectra: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(spectra @ _FILTERS + 1e-10), np.float64)


def _count(counts: NDArray[np.float64], mel: NDArray[np.float64]) -> None:
    """Add the band energies of a window to the histogram of each band, in place."""
    places = np.clip(((mel - _LOWEST) / _BIN).astype(int), 0, _BINS - 1)
    for band in range(BANDS):
        counts[band] += np.bincount(places[:, band], minlength=_BINS)


def _tone(counts: NDArray[np.float64], floor: float) -> NDArray[np.float64]:
    """Mean and spread of each band, of what lies above ``floor``; a band that never does keeps the floor and 1."""
    centres = _LOWEST + _BIN * (np.arange(_BINS) + 0.5)
    kept = counts * (centres > floor)
    total = kept.sum(axis=1)
    mean = np.where(total > 0, (kept @ centres) / np.maximum(total, 1), floor)
    variance = (kept @ centres**2) / np.maximum(total, 1) - mean**2
    spread = np.where(total > 0, np.sqrt(np.maximum(variance, 0.25)), 1.0)
    return np.stack([mean, spread])


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


def gated(table: NDArray[np.float64], sound: Sound, surveyed: Survey) -> NDArray[np.float64]:
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
        return gated(table, sound, survey)


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
        return gated(posteriors(phones, seconds=len(sound) / RATE), sound, survey)


class Mixed:
    """Two ears: pocketsphinx, raised on real English speech, and the network, raised on eighteen synthetic languages.

    On four GRID speakers (CC BY 4.0) the jaw so found follows the real lips with r = .46, where the recogniser alone
    has .45, the network alone .38 and the spectrum alone .31; on synthetic voices the network is right twice as often.
    """

    def __init__(self, share: float = 0.6) -> None:
        from generators.embedded.phonenet import Network

        self._share = share
        self._phones = Allphone()
        self._network = Network()

    def posteriors(self, sound: Sound, survey: Survey) -> NDArray[np.float64]:
        """See :class:`PhoneListener`."""
        phones = self._phones.posteriors(sound, survey)
        return self._share * phones + (1 - self._share) * self._network.posteriors(sound, survey)
