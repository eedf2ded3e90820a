"""From class probabilities to smooth channel curves.

Each class pulls every channel towards its target with a weight that rises and falls over time (dominance functions,
Cohen & Massaro 1993, "Modeling coarticulation in synthetic visual speech"), here with Gaussian flanks and probabilities
in place of one-hot phones. A gate then makes sure that lips which must meet do meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.embedded.pose import CHANNELS
from generators.embedded.visemes import DOMINANCE, FRAMES_PER_SECOND, TARGETS, VISEMES, Viseme

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAD: Final = 0.060
"""Seconds by which lips run ahead of sound (80 to 120 ms measured on real speakers)."""
REACH: Final = 16
"""Frames that one instant looks to either side: five times the widest flank."""

_JAW, _PRESS, _FTUCK, _URAISE, _LDROP = (CHANNELS.index(name) for name in ("jaw", "press", "ftuck", "uraise", "ldrop"))


def _flank(milliseconds: float) -> NDArray[np.float64]:
    steps = np.arange(-REACH, REACH + 1)
    kernel = np.exp(-0.5 * (steps * 1000 / FRAMES_PER_SECOND / milliseconds) ** 2)
    return np.asarray(kernel / kernel.sum(), np.float64)


_WIDE_FLANK, _LIP_FLANK, _GATE_FLANK = _flank(32.0), _flank(20.0), _flank(16.0)


def channel_curves(posteriors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curves of a whole signal.

    Args:
        posteriors: (T, 14), rows sum to 1, at 100 Hz.

    Returns:
        (T, 12) in the order of ``pose.CHANNELS``, at the same instants (the lead is applied where curves are sampled).
    """
    return np.concatenate([*stream([posteriors]), np.zeros((0, len(CHANNELS)))])


def stream(chunks: Iterable[NDArray[np.float64]]) -> Iterator[NDArray[np.float64]]:
    """The same curves, chunk by chunk, each :data:`REACH` frames late; together as long as the input.

    Before and after the signal there is silence.
    """
    silence = np.zeros((REACH, VISEMES))
    silence[:, Viseme.SIL] = 1.0
    held = silence
    for chunk in chunks:
        held = np.concatenate([held, np.asarray(chunk, np.float64)])
        if len(held) > 2 * REACH:
            yield _valid(held)
            held = held[len(held) - 2 * REACH :]
    held = np.concatenate([held, silence])
    if len(held) > 2 * REACH:
        yield _valid(held)


def _valid(held: NDArray[np.float64]) -> NDArray[np.float64]:
    """Curves for all rows of ``held`` but the first and last :data:`REACH`."""
    smooth = _filtered(held, _WIDE_FLANK)
    curves = (smooth @ (DOMINANCE * TARGETS)) / (smooth @ DOMINANCE)
    close = _filtered(held, _LIP_FLANK)
    lips = [_PRESS, _FTUCK]  # lip contact is faster than the jaw
    curves[:, lips] = (close @ (DOMINANCE * TARGETS)[:, lips]) / (close @ DOMINANCE[:, lips])
    closure = np.clip(1.6 * _filtered(held[:, [Viseme.PP]], _GATE_FLANK)[:, 0], 0.0, 1.0)
    curves[:, _JAW] *= 1 - 0.97 * closure
    curves[:, _URAISE] *= 1 - closure
    curves[:, _LDROP] *= 1 - closure
    curves[:, _PRESS] = np.maximum(curves[:, _PRESS], TARGETS[Viseme.PP, _PRESS] * closure)
    return np.asarray(curves, np.float64)


def _filtered(rows: NDArray[np.float64], kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    windows = np.lib.stride_tricks.sliding_window_view(rows, 2 * REACH + 1, axis=0)
    return np.asarray(windows @ kernel, np.float64)
