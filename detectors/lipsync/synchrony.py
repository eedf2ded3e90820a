"""Do these lips go with this sound, and by how much is one late? A curve over lags, and how sure its peak is.

The curve is the mean agreement of lips and sound when the sound is moved by each lag. How sure the place and the height
of its peak are is asked of the film itself: half-second pieces of it are drawn again and again with replacement.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.lipsync.lips import PER_SECOND
from detectors.lipsync.views import belonging, lip_features, sound_features, sums, voiced

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.lipsync.views import Weights

WIDEST: Final = 1.0
"""Seconds of lag looked at, either way."""
_STEPS: Final = round(WIDEST * PER_SECOND)
_PIECE: Final = PER_SECOND // 2
_DRAWS: Final = 400
_NEAR: Final = 0.2
"""Seconds around a peak that belong to it."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Synchrony:
    """How lips and sound go together."""

    lags: NDArray[np.float64]
    """(51,) seconds; positive: the sound is late."""
    curve: NDArray[np.float64]
    """(51,) mean agreement: nats a frame by which together is likelier than apart."""
    offset: float
    """Seconds: the lag of the peak, between the steps."""
    offset_low: float
    offset_high: float
    """Middle 95 % of what redrawn pieces of the film give."""
    confidence: float
    """Height of the peak above the median of the curve away from it, in spreads of the curve there."""
    confidence_low: float
    confidence_high: float
    used: float
    """Seconds in which somebody is heard and seen."""


def synchrony(
    weights: Weights, motion: NDArray[np.float32], seen: NDArray[np.bool_], sound: NDArray[np.float32], *, seed: int = 0
) -> Synchrony:
    """Compare lips and sound over all lags up to a second.

    Args:
        weights: of both views.
        motion: (n, 10) of ``lips.Lips``.
        seen: (n,).
        sound: (m,) at 16 kHz.
        seed: of the redrawn pieces.
    """
    heard = voiced(sound)
    ear = sums(weights, "sound", sound_features(sound))
    eye = sums(weights, "lips", lip_features(motion, seen))
    count = min(len(eye), len(ear), len(heard))
    lags = np.arange(-_STEPS, _STEPS + 1)
    agreement = np.full((count, len(lags)), np.nan)
    for column, lag in enumerate(lags):
        start, end = max(0, -lag), min(count, count - lag)
        if end > start:
            agreement[start:end, column] = belonging(weights, eye[start:end], ear[start + lag : end + lag])
    # what is asked of every lag is asked of the same frames: those that have all lags, seen, and with a voice near
    near_voice = np.convolve(heard[:count], np.ones(9), mode="same") > 0
    usable = seen[:count] & near_voice
    pieces = _pieces(agreement, usable)
    curve = _mean(pieces)
    offset, confidence = _peak(curve)
    random = np.random.default_rng(seed)
    drawn = [_peak(_mean(pieces[random.integers(0, len(pieces), len(pieces))])) for _ in range(_DRAWS)]
    lows, highs = np.percentile(np.array(drawn), [2.5, 97.5], axis=0)
    return Synchrony(
        lags=lags / PER_SECOND,
        curve=curve,
        offset=offset,
        offset_low=float(lows[0]),
        offset_high=float(highs[0]),
        confidence=confidence,
        confidence_low=float(lows[1]),
        confidence_high=float(highs[1]),
        used=float((seen[:count] & heard[:count]).sum() / PER_SECOND),
    )


def _pieces(agreement: NDArray[np.float64], usable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(pieces, 2, lags): sum and number of what agrees at each lag, half a second of film at a time."""
    values = np.where(usable[:, None] & np.isfinite(agreement), agreement, 0.0)
    counts = (usable[:, None] & np.isfinite(agreement)).astype(np.float64)
    starts = np.arange(0, max(len(values), 1), _PIECE)
    if not len(values):
        return np.zeros((1, 2, agreement.shape[1]))
    return np.stack([np.add.reduceat(values, starts), np.add.reduceat(counts, starts)], axis=1)


def _mean(pieces: NDArray[np.float64]) -> NDArray[np.float64]:
    total, number = pieces.sum(axis=0)
    found: NDArray[np.float64] = total / np.maximum(number, 1.0)
    return found


def _peak(curve: NDArray[np.float64]) -> tuple[float, float]:
    """Lag of the peak in seconds, between steps by a parabola, and its height in spreads of the rest of the curve."""
    best = int(curve.argmax())
    shift = 0.0
    if 0 < best < len(curve) - 1:
        left, middle, right = curve[best - 1 : best + 2]
        bend = left - 2 * middle + right
        shift = float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < -1e-9 else 0.0
    away = np.abs(np.arange(len(curve)) - best) > _NEAR * PER_SECOND
    rest = curve[away]
    spread = max(float(rest.std()), 0.01)
    return (best + shift - _STEPS) / PER_SECOND, float((curve[best] - np.median(rest)) / spread)
