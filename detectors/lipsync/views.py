"""Two views of one mouth, brought together: what lips do around a moment, and what is heard around it.

Canonical correlation analysis (Hotelling 1936): of all weighted sums of either side those that go together best, one
after the other. With Gaussian sums of correlation r, seeing u and hearing v is, with them belonging together, more
likely by log of 1 / sqrt(1 - r²) · exp((2ruv - r²(u² + v²)) / (2(1 - r²))) than with strangers (Bach and Jordan 2005).
Plain numpy: a film of ten seconds takes milliseconds, and nothing heavy is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.lipsync.lips import PER_SECOND
from detectors.lipsync.mfcc import as_pcm, log_bands

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = Mapping[str, NDArray[np.float32]]

LIP_REACH: Final = 5
"""Frames to either side that count as around a moment: 0.2 s."""
SOUND_REACH: Final = 3
HALVES: Final = 2
"""Sound frames of 20 ms to one of the film's clock."""
BANDS: Final = 26
_FLOOR: Final = 8.0
"""Nepers below the loud parts of a band: anything softer counts as this soft."""
_LEAST_MOTION: Final = 0.006
"""Distances are scaled by their spread, but not below this: a still mouth is not blown up to a moving one."""
_WILDEST: Final = 3.0
"""Spreads beyond which a sum counts as this wild."""


def lip_features(motion: NDArray[np.float32], seen: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Distances (n, 10) as a mouth of any size would have them, zero where nothing is seen."""
    if not seen.any():
        return np.zeros(motion.shape, np.float32)
    kept = motion[seen]
    spread = np.maximum(kept.std(axis=0), _LEAST_MOTION)
    scaled = np.clip((motion - np.median(kept, axis=0)) / spread, -4.0, 4.0)
    shown: NDArray[np.float32] = np.where(seen[:, None], scaled, 0.0).astype(np.float32)
    return shown


def sound_features(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sound (n,) at 16 kHz as mel bands on the film's clock: (n / 640, 52)."""
    return band_features(log_bands(as_pcm(sound)))


def band_features(bands: NDArray[np.float64]) -> NDArray[np.float32]:
    """The same from mel bands at 100 a second, (n, 26)."""
    loud = np.percentile(bands, 95, axis=0)
    kept = np.maximum(bands, loud - _FLOOR)
    scaled = (kept - kept.mean(axis=0)) / np.maximum(kept.std(axis=0), 0.5)
    ticks = len(scaled) // (2 * HALVES)
    halves = scaled[: ticks * 2 * HALVES].reshape(ticks, HALVES, 2, BANDS).mean(axis=2)
    found: NDArray[np.float32] = halves.reshape(ticks, HALVES * BANDS).astype(np.float32)
    return found


def around(features: NDArray[np.float32], reach: int) -> NDArray[np.float32]:
    """(n, (2 reach + 1) channels): each moment with those around it; zeros beyond the ends."""
    padded = np.pad(features, ((reach, reach), (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=0)
    return np.ascontiguousarray(windows.reshape(len(features), -1))


def sums(weights: Weights, side: str, features: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, k): the canonical sums of one side.

    Args:
        weights: ``<side>.weight`` (k, channels x moments) and ``<side>.bias`` (k,).
        side: ``lips`` or ``sound``.
        features: (n, channels).
    """
    reach = LIP_REACH if side == "lips" else SOUND_REACH
    found = around(features, reach) @ weights[f"{side}.weight"].T + weights[f"{side}.bias"]
    return np.asarray(np.clip(found, -_WILDEST, _WILDEST), np.float32)


def belonging(weights: Weights, u: NDArray[np.float32], v: NDArray[np.float32]) -> NDArray[np.float64]:
    """(n,): natural logarithm of how much likelier sums (n, k) are together than apart, all k of them together."""
    r = weights["correlation"].astype(np.float64)
    share = (2 * r * u * v - r**2 * (u**2 + v**2)) / (2 * (1 - r**2)) - 0.5 * np.log(1 - r**2)
    found: NDArray[np.float64] = share.sum(axis=1)
    return found


def voiced(sound: NDArray[np.float32]) -> NDArray[np.bool_]:
    """On the film's clock: whether something is heard, at most 30 dB below the loud parts and above -55 dB."""
    size = 16000 // PER_SECOND
    ticks = len(sound) // size
    power = np.square(sound[: ticks * size].astype(np.float64)).reshape(ticks, size).mean(axis=1)
    level = 10 * np.log10(power + 1e-12)
    heard: NDArray[np.bool_] = level > max(-55.0, float(np.percentile(level, 95)) - 30.0) if ticks else level > 0
    return heard


def like_speech(sound: NDArray[np.float32]) -> float:
    """Share of moments at least 3 nepers below the loudest: more than half in speech, less in music and noise.

    The share of low-energy frames of Saunders (1996) and of Scheirer and Slaney (1997).
    """
    bands = log_bands(as_pcm(sound))
    kept = np.maximum(bands, np.percentile(bands, 95, axis=0) - _FLOOR)[:, _VOICE].mean(axis=1)
    return float((kept < kept.max() - 3.0).mean())


_VOICE: Final = slice(2, 16)
"""Bands from about 200 to 3000 Hz."""
