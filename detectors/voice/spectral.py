"""A small spectral model: how a voice's bands move, in statistics over three seconds, and one weighted sum of them.

Formant synthesis moves its bands in lockstep and as smoothly as its rules; people do not. The statistics are of what
moves, not of how loud a band is: microphones and equalisers change only the latter.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.lipsync.mfcc import as_pcm, log_bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Sound = NDArray[np.float32]

RATE: Final = 16000
WINDOW: Final = 3 * RATE
"""Samples judged at once."""
LEAST: Final = RATE
"""Samples with a voice in a window, below which it is left out."""
BANDS: Final = slice(2, 20)
"""About 200 to 4000 Hz: what a telephone keeps, so that band width gives nothing away."""
_RATES: Final = ((1, 3), (3, 6), (6, 10), (10, 16), (16, 25), (25, 45))
"""Hz of modulation."""
_PITCH: Final = (40, 200)
"""Samples of lag at 16 kHz: 80 to 400 Hz."""


def windows(sound: Sound) -> list[Sound]:
    """Pieces of three seconds, every one and a half, in which a voice is heard for a second or more."""
    found = []
    for start in range(0, max(len(sound) - WINDOW, 0) + 1, WINDOW // 2):
        piece = sound[start : start + WINDOW]
        if len(piece) == WINDOW and _heard(piece) >= LEAST:
            found.append(piece)
    return found


def _heard(piece: Sound) -> int:
    frames = piece[: len(piece) // 320 * 320].reshape(-1, 320)
    level = 10 * np.log10(np.square(frames.astype(np.float64)).mean(axis=1) + 1e-12)
    return int((level > max(-60.0, float(np.percentile(level, 95)) - 30.0)).sum()) * 320


def statistics(piece: Sound) -> NDArray[np.float64]:
    """One row of numbers for one window."""
    bands = log_bands(as_pcm(piece / max(float(np.abs(piece).max()), 1e-4) * 0.5))[:, BANDS]
    bands = np.maximum(bands, np.percentile(bands, 95, axis=0) - 6.0)
    level = bands.mean(axis=1)
    voiced = bands[level > np.median(level)]
    shape = voiced - voiced.mean(axis=1, keepdims=True)
    step = np.diff(bands, axis=0)
    bend = np.diff(step, axis=0)
    power = np.abs(np.fft.rfft((bands - bands.mean(axis=0)) * np.hanning(len(bands))[:, None], axis=0)) ** 2
    hertz = np.fft.rfftfreq(len(bands), 0.01)
    total = power[(hertz >= 1) & (hertz < 45)].sum(axis=0) + 1e-9
    rates = [
        np.log((power[(hertz >= low) & (hertz < high)].sum(axis=0) / total) + 1e-4).reshape(3, -1).mean(axis=1)
        for low, high in _RATES
    ]
    together = [float(np.corrcoef(step[:, place], step[:, place + 1])[0, 1]) for place in range(step.shape[1] - 1)]
    row: NDArray[np.float64] = np.nan_to_num(
        np.concatenate(
            [
                shape.std(axis=0),
                np.log(np.abs(step).mean(axis=0) + 1e-3),
                np.log(np.abs(bend).mean(axis=0) / (np.abs(step).mean(axis=0) + 1e-3) + 1e-3),
                *rates,
                together,
                _pitch(piece),
            ]
        )
    )
    return row


def _pitch(piece: Sound) -> list[float]:
    """How periodic the voice is, and how its period wanders from one frame to the next."""
    size, hop = 640, 160
    frames = np.lib.stride_tricks.sliding_window_view(piece.astype(np.float64), size)[::hop]
    energy = np.square(frames).mean(axis=1)
    frames = frames[energy > np.percentile(energy, 50)] * np.hanning(size)
    spectrum = np.abs(np.fft.rfft(frames, 2048, axis=1)) ** 2
    lagged = np.fft.irfft(spectrum, axis=1)[:, : _PITCH[1] + 1]
    lagged = lagged / np.maximum(lagged[:, :1], 1e-9)
    inside = lagged[:, _PITCH[0] :]
    peak, place = inside.max(axis=1), inside.argmax(axis=1) + _PITCH[0]
    firm = peak > 0.4
    wander = np.abs(np.diff(np.log(place)))[firm[1:] & firm[:-1]]
    wander = wander[wander < 0.2]
    return [
        float(np.median(peak)),
        float(peak.std()),
        float(firm.mean()),
        float(np.log(np.median(wander) + 1e-3)) if len(wander) > 4 else -4.0,
        float(np.log(wander.mean() + 1e-3)) if len(wander) > 4 else -4.0,
    ]


def scores(weights: Mapping[str, NDArray[np.float32]], pieces: list[Sound]) -> NDArray[np.float64]:
    """One score for each window: above zero, more like the synthetic voices it learnt than like people."""
    rows = np.array([statistics(piece) for piece in pieces])
    scaled = np.clip((rows - weights["middle"]) / weights["spread"], -4.0, 4.0)
    found: NDArray[np.float64] = scaled @ weights["weight"].astype(np.float64) + float(weights["bias"][0])
    return found
