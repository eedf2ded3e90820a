"""Whether the sound is the original's, moment by moment.

Loudness in 28 bands, a hundred times a second, of both files, less its mean over time and over bands; windows of a
second and a half are correlated at the moments that the pictures have laid together, some tenths of a second to either
side, and some bands up and down for sound that was made faster or higher. Of four talkers, AAC at 24 kbit/s left it at
0.97 and noise 10 dB below the speech at 0.8 and more; other sentences came to 0.38 at most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float32]

RATE = 16000
_FRAME, _HOP = 512, 160
_BANDS = 28
_LOW, _HIGH = 120.0, 6500.0
_FLOOR = 1e-5
"""Power in a band below which there is silence, of a file whose loud moments are at 0.1 of full scale."""
_LOUD = 0.1
_MOST_GAIN = 30.0
_AROUND = 61
# Moments whose mean is taken off: rooms, microphones and steady noise drop out.
WINDOW, EVERY = 1.5, 0.25
"""Seconds."""
SAME, OTHER = 0.65, 0.5
"""Correlations from which, and below which, a window is the original's sound or another; unclear between."""
TIMED = 0.75
"""Correlation of loudness alone from which other sound keeps the original's rhythm."""
_LAG = 0.4
_STRAIGHT = 0.05
_SHIFTS = (0, -1, 1, -2, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The sound around one moment of the suspect."""

    start: float
    end: float
    likeness: float
    """Correlation with the original's sound at that moment, -1 to 1; NaN where both are silent."""
    rhythm: float
    """The same of the loudness alone."""
    lag: float
    """Seconds by which it comes later than with the original's picture."""


def listen(path: Path) -> Floats | None:
    """Log power in bands, (moments, bands); None where there is no sound, or not enough to hear."""
    from thsafe.core.errors import InputError
    from thsafe.media.sound import load_sound

    try:
        samples = load_sound(path, rate=RATE)
    except InputError as problem:
        if problem.code == "input.no-sound":
            return None
        raise
    if len(samples) < _FRAME:
        return None
    loud = np.sqrt(np.percentile(np.square(samples[: len(samples) // _HOP * _HOP].reshape(-1, _HOP)).mean(axis=1), 95))
    samples = samples * min(_LOUD / max(float(loud), 1e-9), _MOST_GAIN)
    edges = (np.geomspace(_LOW, _HIGH, _BANDS + 1) * _FRAME / RATE).round().astype(int)
    # low bands are narrower than a bin: every band has one at least
    edges = np.maximum.accumulate(np.maximum(edges, edges[0] + np.arange(_BANDS + 1)))
    window = np.hanning(_FRAME).astype(np.float32)
    parts = []
    for start in range(0, len(samples) - _FRAME + 1, _HOP * 4096):
        piece = samples[start : start + _HOP * 4095 + _FRAME]
        frames = np.lib.stride_tricks.sliding_window_view(piece, _FRAME)[::_HOP]
        spectrum = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 / (_FRAME * 0.375 * _FRAME / 2)
        parts.append(np.add.reduceat(spectrum[:, : edges[-1]], edges[:-1], axis=1))
    bands: Floats = np.log10(np.concatenate(parts) + _FLOOR).astype(np.float32)
    return bands


def compare_sound(theirs: Floats, ours: Floats, original_at: Callable[[float], float | None]) -> tuple[Heard, ...]:
    """Window after window of the suspect against the original.

    Args:
        theirs: the suspect's sound.
        ours: the original's.
        original_at: the moment of the original that the suspect shows at a moment; None for none.
    """
    one, other = _shape(theirs), _shape(ours)
    rate, length = RATE / _HOP, round(WINDOW * RATE / _HOP)
    length = min(length, len(one))
    found = []
    for start in range(0, max(1, len(one) - length + 1), round(EVERY * rate)):
        begin, end = start / rate, (start + length) / rate
        first, middle, last = (original_at(moment) for moment in (begin + 0.01, (begin + end) / 2, end - 0.01))
        if first is None or middle is None or last is None or last <= first:
            continue
        if abs((first + last) / 2 - middle) > _STRAIGHT:
            continue  # frames were cut within: the windows to either side tell
        piece = one[start : start + length]
        if _silent(theirs[start : start + length]) and _silent(_picked(ours, first, last, 0.0, length, rate)):
            continue
        found.append(_best(piece, other, (theirs[start : start + length], ours), begin, end, first, last, rate))
    return tuple(found)


def offset_of(theirs: Floats, ours: Floats) -> float | None:
    """The original's second at which the suspect begins, from sound alone; None where it is nowhere."""
    one, other = _shape(theirs), _shape(ours)
    size = 1 << (len(one) + len(other)).bit_length()
    product = np.fft.irfft(np.fft.rfft(other, size, axis=0) * np.conj(np.fft.rfft(one, size, axis=0)), axis=0).sum(
        axis=1
    )
    reach = np.concatenate([np.arange(len(other)), np.arange(size - len(one) + 1, size)])
    place = int(reach[int(np.argmax(product[reach]))])
    shift = place if place < len(other) else place - size
    low, high = max(0, -shift), min(len(one), len(other) - shift)
    if high - low < 50:
        return None
    likeness = float(np.corrcoef(one[low:high].ravel(), other[low + shift : high + shift].ravel())[0, 1])
    return shift * _HOP / RATE if likeness >= 0.3 else None


def _shape(bands: Floats) -> Floats:
    """The pattern of the sound: less the mean of its surroundings, less how loud each moment is."""
    reach = min(_AROUND, len(bands)) | 1
    padded = np.pad(bands.astype(np.float64), ((reach // 2 + 1, reach // 2), (0, 0)), mode="edge")
    sums = np.cumsum(padded, axis=0)
    moving = bands - (sums[reach:] - sums[:-reach]) / reach
    shaped: Floats = (moving - moving.mean(axis=1, keepdims=True)).astype(np.float32)
    return shaped


def _best(
    piece: Floats,
    other: Floats,
    plain: tuple[Floats, Floats],
    begin: float,
    end: float,
    first: float,
    last: float,
    rate: float,
) -> Heard:
    likeness, rhythm, lag = -1.0, -1.0, 0.0
    loud = plain[0].mean(axis=1)
    for step in range(round(-_LAG * 50), round(_LAG * 50) + 1):
        delay = step / 50
        reference = _picked(other, first, last, -delay, len(piece), rate)
        value = _correlation(piece, reference)
        for shift in _SHIFTS[1:] if value < SAME else ():
            if shift > 0:
                value = max(value, _correlation(piece[:, shift:], reference[:, :-shift]))
            else:
                value = max(value, _correlation(piece[:, :shift], reference[:, -shift:]))
        rhythm = max(rhythm, _correlation(loud, _picked(plain[1], first, last, -delay, len(piece), rate).mean(axis=1)))
        # of equals the one that is shifted less
        if value - 0.002 * abs(step) / 5 > likeness - 0.002 * abs(lag) * 10:
            likeness, lag = value, delay
    return Heard(start=begin, end=end, likeness=likeness, rhythm=rhythm, lag=lag)


def _picked(sound: Floats, first: float, last: float, delay: float, count: int, rate: float) -> Floats:
    """The moments of a stretch, spread or squeezed to so many."""
    places = np.round((np.linspace(first, last, count) + delay) * rate).astype(int)
    picked: Floats = sound[np.clip(places, 0, len(sound) - 1)]
    return picked


def _correlation(one: Floats, other: Floats) -> float:
    a, b = one.ravel() - one.mean(), other.ravel() - other.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm > 1e-6 else -1.0


def _silent(bands: Floats) -> bool:
    return bool(bands.max() < np.log10(_FLOOR) + 1.0)
