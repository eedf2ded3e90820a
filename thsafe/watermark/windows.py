"""A stream of sound in overlapping windows: each is transformed, changed and laid over its neighbours again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Block = NDArray[np.float32]
Spectra = NDArray[np.complex64]
Change = Callable[[int, Spectra], Spectra]
"""Number of the first window and (windows, bins, channels); returns as many."""

_AT_ONCE = 64
"""Windows transformed together: fast, and no more memory for an hour than for a second."""


class Windows:
    """Overlapping windows of a stream.

    ``push`` hands back samples as soon as they are final, up to one window late; what goes in comes out at the same
    place, and with ``flush`` in the same number.

    Args:
        size: Samples per window, a multiple of ``overlap``.
        overlap: Windows over every sample, 2 or more.
        change: What happens to the spectra. Window number ``n`` has its middle at sample
            ``n * hop + hop - size / 2`` of the stream.
    """

    def __init__(self, size: int, overlap: int, change: Change) -> None:
        self.size, self.hop = size, size // overlap
        # Square-root Hann twice: the squares of the windows over a sample sum to overlap / 2.
        self._window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)).astype(np.float32)
        self._level = np.float32(2 / overlap)
        self._change = change
        self._start()

    def _start(self) -> None:
        self._number = self._taken = self._given = 0
        self._pending: Block | None = None
        self._overlap = np.zeros((0, 1), dtype=np.float32)

    def push(self, block: Block) -> Block:
        """Take (n, channels) samples; hand back those that are final by now, (m, channels)."""
        if self._pending is None:
            # Silence before the start, so that the first samples lie under a full set of windows.
            lead = np.zeros((self.size - self.hop, block.shape[1]), dtype=np.float32)
            self._pending, self._overlap = lead, lead.copy()
        self._taken += len(block)
        self._pending = np.concatenate([self._pending, block])
        return self._advance(self._pending)

    def flush(self) -> Block:
        """The last samples; the next ``push`` begins a new stream."""
        if self._pending is None:
            return np.zeros((0, 1), dtype=np.float32)
        left = self._taken - self._given
        tail = np.zeros((self.size + self.hop, self._pending.shape[1]), dtype=np.float32)
        rest = self._advance(np.concatenate([self._pending, tail]))[:left]
        self._start()
        return rest

    def _advance(self, pending: Block) -> Block:
        """Transform every full window that is there; drop the lead-in from what comes out."""
        count = max(0, (len(pending) - self.size) // self.hop + 1)
        out = np.zeros((count * self.hop + len(self._overlap), pending.shape[1]), dtype=np.float32)
        out[: len(self._overlap)] = self._overlap
        for first in range(0, count, _AT_ONCE):
            self._lay(out, pending, first, min(_AT_ONCE, count - first))
        # The first windows end in the silence that was put before the stream.
        lead = min(count * self.hop, max(0, self.size - self.hop - self._number * self.hop))
        self._number += count
        self._pending = pending[count * self.hop :]
        ready, self._overlap = out[lead : count * self.hop], out[count * self.hop :]
        self._given += len(ready)
        return ready

    def _lay(self, out: Block, pending: Block, first: int, count: int) -> None:
        from scipy.fft import irfft, rfft

        start, stop = first * self.hop, (first + count - 1) * self.hop + self.size
        pieces = np.lib.stride_tricks.sliding_window_view(pending[start:stop], self.size, axis=0)[:: self.hop]
        spectra = rfft(np.moveaxis(pieces, 2, 1) * self._window[None, :, None], axis=1)
        changed = irfft(self._change(self._number + first, spectra), n=self.size, axis=1)
        changed *= (self._window * self._level)[None, :, None]
        for number in range(count):
            place = start + number * self.hop
            out[place : place + self.size] += changed[number]
