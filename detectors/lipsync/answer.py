"""From a curve over lags to one of four answers; by the confidence and the interval of its peak alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from detectors.lipsync.synchrony import Synchrony

PEAK: Final = 4.5
"""Confidence from which on a peak is one: 97 of 100 swapped sounds stay below 4."""
TOLERATED: Final = 0.2
"""Seconds. Encoders, players and recorders shift by as much, and viewers hardly notice (ITU-R BT.1359)."""
LEAST_UNRELATED: Final = 8.0
"""Seconds compared, before "no lag fits" is said."""


def answer(found: Synchrony) -> str:
    """``IN-SYNC``, ``OUT-OF-SYNC``, ``NO-PEAK`` or ``UNSURE``."""
    if found.confidence >= PEAK:
        if found.offset_low > TOLERATED or found.offset_high < -TOLERATED:
            return "OUT-OF-SYNC"
        wide = max(abs(found.offset_low), abs(found.offset_high)) > TOLERATED
        return "UNSURE" if wide else "IN-SYNC"
    return "NO-PEAK" if found.confidence_high < PEAK and found.used >= LEAST_UNRELATED else "UNSURE"
