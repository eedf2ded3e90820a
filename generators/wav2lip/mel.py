"""The sound as Wav2Lip hears it: 80 mel bands, 80 frames a second.

16 kHz; pre-emphasis y[n] = x[n] - 0.97 x[n-1]; STFT of 800 samples (periodic Hann window), hop 200, centred with
reflected ends; magnitudes in 80 Slaney bands from 55 to 7600 Hz of equal area; decibels above -100, less 20, mapped
to [-4, 4]. These are the settings under which the authors' weights were trained; librosa's newer defaults pad with
zeros instead, which moves the first frames by up to 0.65.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE: Final = 16000
"""Samples a second."""
PER_SECOND: Final = 80
"""Mel frames a second."""
BANDS: Final = 80
STEPS: Final = 16
"""Mel frames that the network sees for one picture: 0.2 s."""
_WINDOW: Final = 800
_HOP: Final = 200
_HALF: Final = _WINDOW // 2
_EMPHASIS: Final = 0.97
_LOWEST, _HIGHEST = 55.0, 7600.0
_AT_ONCE: Final = 2048
"""Frames per transform: 13 MB."""


def mel(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """The mel of a whole recording.

    Args:
        samples: float32 (n,) at 16 kHz, at least one.

    Returns:
        float32 (1 + n // 200, 80) in [-4, 4].
    """
    return np.concatenate(list(mel_blocks([samples])))


def mel_blocks(blocks: Iterable[NDArray[np.float32]]) -> Iterator[NDArray[np.float32]]:
    """The same for a recording that comes in blocks; what is held does not grow with its length.

    Args:
        blocks: float32 (n,) at 16 kHz, one after the other.

    Yields:
        float32 (frames, 80); nothing for no samples at all.
    """
    latest = 0.0
    waiting = np.zeros(0)
    begun = False
    for block in blocks:
        if not len(block):
            continue
        samples = block.astype(np.float64)
        waiting = np.concatenate((waiting, samples - _EMPHASIS * np.concatenate(([latest], samples[:-1]))))
        latest = float(samples[-1])
        if not begun and len(waiting) > _HALF:
            waiting, begun = np.concatenate((waiting[_HALF:0:-1], waiting)), True
        if begun:
            # at least three hops stay behind, so the end always has enough to be reflected
            ready = max(0, (len(waiting) - _WINDOW) // _HOP + 1)
            yield from _transform(waiting, ready)
            waiting = waiting[ready * _HOP :]
    if begun:
        waiting = np.concatenate((waiting, waiting[-2 : -_HALF - 2 : -1]))
    elif len(waiting):
        waiting = np.pad(waiting, _HALF, mode="reflect" if len(waiting) > 1 else "edge")
    if len(waiting):
        yield from _transform(waiting, (len(waiting) - _WINDOW) // _HOP + 1)


def mel_of(voice: Path) -> tuple[NDArray[np.float32], int]:
    """(the mel of a sound file or of a film's sound (frames, 80), its samples at 16 kHz); never held as a whole.

    Raises:
        InputError: what is wrong with the file.
    """
    from thsafe.media.sound import iter_sound

    heard = 0

    def blocks() -> Iterator[NDArray[np.float32]]:
        nonlocal heard
        for block in iter_sound(voice, rate=RATE):
            heard += len(block)
            yield block[:, 0]

    return np.concatenate(list(mel_blocks(blocks()))), heard


def _transform(samples: NDArray[np.float64], frames: int) -> Iterator[NDArray[np.float32]]:
    if frames < 1:
        return
    views = np.lib.stride_tricks.sliding_window_view(samples, _WINDOW)[::_HOP]
    for start in range(0, frames, _AT_ONCE):
        spectrum = np.abs(np.fft.rfft(views[start : min(start + _AT_ONCE, frames)] * _hann(), axis=1))
        decibels = 20.0 * np.log10(np.maximum(1e-5, spectrum @ _bank().T)) - 20.0
        yield np.clip(8.0 * (decibels + 100.0) / 100.0 - 4.0, -4.0, 4.0).astype(np.float32)


@cache
def _hann() -> NDArray[np.float64]:
    window: NDArray[np.float64] = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(_WINDOW) / _WINDOW)
    return window


@cache
def _bank() -> NDArray[np.float64]:
    """(80, 401): triangles, evenly spaced on Slaney's scale, each of area 1 over hertz."""
    lowest, highest = _slaney(np.array([_LOWEST, _HIGHEST]))
    edges = _hertz(np.linspace(lowest, highest, BANDS + 2))
    bins = np.linspace(0.0, RATE / 2, _HALF + 1)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    triangles: NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling))
    return triangles * (2.0 / (edges[2:] - edges[:-2]))[:, None]


# Slaney's scale (Auditory Toolbox, 1998): linear to 1 kHz (200/3 Hz a mel), then 27 steps for each factor of 6.4.
_LINEAR: Final = 200.0 / 3.0
_KNEE: Final = 1000.0
_STEP: Final = np.log(6.4) / 27.0


def _slaney(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    above = _KNEE / _LINEAR + np.log(np.maximum(hertz, _KNEE) / _KNEE) / _STEP
    return np.where(hertz < _KNEE, hertz / _LINEAR, above)


def _hertz(mels: NDArray[np.float64]) -> NDArray[np.float64]:
    knee = _KNEE / _LINEAR
    return np.where(mels < knee, mels * _LINEAR, _KNEE * np.exp(_STEP * (np.maximum(mels, knee) - knee)))
