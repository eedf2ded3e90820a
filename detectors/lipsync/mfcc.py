"""The sound as SyncNet hears it: 13 mel-frequency cepstral coefficients, 100 times a second.

The numbers are those of ``python_speech_features.mfcc`` with its defaults on 16-bit samples, which the published
weights were trained on: frames of 25 ms every 10 ms without a window, pre-emphasis 0.97 over the whole recording,
512-point power spectrum, 26 triangles on the mel scale from 0 to 8000 Hz, orthonormal DCT-II, lifter 22, and the
logarithm of the frame's energy in place of the first coefficient.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

RATE: Final = 16000
"""Samples a second."""
PER_SECOND: Final = 100
COEFFICIENTS: Final = 13
_FRAME, _HOP, _POINTS = 400, 160, 512
_TRIANGLES: Final = 26
_EMPHASIS: Final = 0.97
_LIFTER: Final = 22
_SMALLEST: Final = float(np.finfo(np.float64).eps)
_AT_ONCE: Final = 4096
"""Frames per transform: 20 MB."""


def as_pcm(sound: NDArray[np.float32]) -> NDArray[np.int16]:
    """Sound in [-1, 1] as 16-bit samples: those of a 16-bit file as they stand in it."""
    whole: NDArray[np.float64] = np.rint(sound.astype(np.float64) * 32768)
    return np.clip(whole, -32768, 32767).astype(np.int16)


def mfcc(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """The coefficients of a recording.

    Args:
        samples: (n,) of 16 bits at 16 kHz, at least one.

    Returns:
        float64 (frames, 13), of which ceil((n - 400) / 160) + 1, at least one.
    """
    return np.concatenate([_cepstrum(part) for part in _parts(samples)])


def log_bands(samples: NDArray[np.int16]) -> NDArray[np.float64]:
    """Before the cosine transform: the natural logarithm of the energy in each band, float64 (frames, 26)."""
    return np.concatenate([np.log(_bands(part)[0]) for part in _parts(samples)])


def _parts(samples: NDArray[np.int16]) -> list[NDArray[np.float64]]:
    """Frames with pre-emphasis, some at a time."""
    signal = samples.astype(np.float64)
    signal = np.concatenate([signal[:1], signal[1:] - _EMPHASIS * signal[:-1]])
    count = 1 + max(0, -(-(len(signal) - _FRAME) // _HOP))
    padded = np.zeros((count - 1) * _HOP + _FRAME)
    padded[: len(signal)] = signal[: len(padded)]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_HOP]
    return [frames[first : first + _AT_ONCE] for first in range(0, count, _AT_ONCE)]


def _bands(frames: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energy per band and in all, none of it zero."""
    spectrum = np.fft.rfft(frames, _POINTS, axis=1)
    power = (spectrum.real**2 + spectrum.imag**2) / _POINTS
    energy, bands = power.sum(axis=1), power @ _triangles().T
    return np.where(bands == 0, _SMALLEST, bands), np.where(energy == 0, _SMALLEST, energy)


def _cepstrum(frames: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.fft import dct

    bands, energy = _bands(frames)
    found: NDArray[np.float64] = dct(np.log(bands), type=2, axis=1, norm="ortho")
    found = found[:, :COEFFICIENTS] * (1 + _LIFTER / 2 * np.sin(np.pi * np.arange(COEFFICIENTS) / _LIFTER))
    found[:, 0] = np.log(energy)
    return found


@cache
def _triangles() -> NDArray[np.float64]:
    """(26, 257), with corners at whole bins."""
    mel = np.linspace(0, 2595 * np.log10(1 + RATE / 2 / 700), _TRIANGLES + 2)
    corners = np.floor((_POINTS + 1) * 700 * (10 ** (mel / 2595) - 1) / RATE)
    bins = np.arange(_POINTS // 2 + 1)
    left, middle, right = (corners[start : start + _TRIANGLES, None] for start in range(3))
    rising, falling = (bins - left) / (middle - left), (right - bins) / (right - middle)
    shape: NDArray[np.float64] = np.where(bins < middle, rising, falling) * ((bins >= left) & (bins < right))
    return shape
