"""What a reader of the sound mark looks at: the log spectrum without speech's own shape, less what noise covers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

ANALYSIS_RATE = 16000
"""Samples per second that the reader works at."""
WINDOW, HOP = 1024, 256
_CLIP = 2.0
_SILENCE = 1e-9
_QUIET, _LOUDER = 0.05, 0.35
"""Shares of the time: the level a bin stays under for the first is its noise, if the second is not much louder."""
_STEADY_DECIBELS, _SPEAKING_DECIBELS = 3.0, 7.0
_NOISE_OVER_QUIET = 2.0

Grid = NDArray[np.float32]


def evidence(samples: NDArray[np.float32], sample_rate: int) -> Grid | None:
    """Log spectrum without local mean and contrast, less what steady noise covers.

    Args:
        samples: (n,) float32.
        sample_rate: Samples per second.

    Returns:
        (steps of 16 ms, 513 bins of 15.6 Hz), about -2 to 2; None for silence.
    """
    import cv2
    import soxr
    from scipy.fft import rfft

    sound = np.asarray(samples, dtype=np.float32).ravel()
    if sample_rate != ANALYSIS_RATE:
        sound = soxr.resample(sound, sample_rate, ANALYSIS_RATE)
    if sound.size < WINDOW or float(np.max(np.abs(sound))) < 1e-5:
        return None
    pieces = np.lib.stride_tricks.sliding_window_view(sound, WINDOW)[::HOP]
    window = np.hanning(WINDOW).astype(np.float32)
    spectrum = rfft(pieces * window, axis=1)
    power: Grid = spectrum.real**2 + spectrum.imag**2
    floor = max(float(np.mean(power)) * _SILENCE, 1e-12)
    log = np.log(power + floor).astype(np.float32)
    # First the spectral envelope of each step, then what lasts longer than a few cells: one after the other they leave
    # 6 dB less of speech beside the mark than one two-dimensional mean.
    detail = log - cv2.blur(log, (19, 1))
    detail -= cv2.blur(detail, (9, 11))
    spread = np.sqrt(cv2.blur(detail * detail, (19, 11)) + 0.05)
    flat: Grid = np.clip(detail / spread, -_CLIP, _CLIP)
    flat *= _above_noise(power)
    # What was silent in the original carries no mark, only coding noise.
    loud = power.sum(axis=1) > 1e-6 * float(np.max(power.sum(axis=1)))
    flat[~loud] = 0
    return flat


def _above_noise(power: Grid) -> Grid:
    """Share of each place's power that is not steady noise, 0 to 1: where noise drowns the sound it drowns the mark.

    Noise is told from quiet speech by its steadiness: of its smoothed power the 5th and 35th percentile lie 3 dB apart,
    of speech 5 dB and more. Without noise the share is 1.
    """
    import cv2

    smooth = cv2.blur(power, (13, 3))
    quiet, louder = (
        cv2.blur(np.quantile(smooth, share, axis=0).astype(np.float32)[None, :], (31, 1)) + 1e-12
        for share in (_QUIET, _LOUDER)
    )
    apart = 10 * np.log10(louder / quiet)
    steady = np.clip((_SPEAKING_DECIBELS - apart) / (_SPEAKING_DECIBELS - _STEADY_DECIBELS), 0, 1)
    noise = (_NOISE_OVER_QUIET * steady * quiet).astype(np.float32)
    above: Grid = np.maximum(smooth - noise, 0) / (smooth + 1e-12)
    return above
