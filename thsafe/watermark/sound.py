"""Writing the sound mark: cells of time and frequency made a fraction of a decibel louder or softer.

Cells that louder neighbours mask take most of the change (valley emphasis), the peaks that carry speech hardly any.
The id is a pointer, never evidence (:mod:`thsafe.watermark.payload`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thsafe.core.errors import UsageError
from thsafe.watermark import payload
from thsafe.watermark.cells import BAND_HERTZ, BANDS, CELL_SECONDS, LOWEST_HERTZ, TIME_CELLS, cells
from thsafe.watermark.soundreader import ANALYSIS_RATE, read_sound

__all__ = ["ANALYSIS_RATE", "SoundMarker", "read_sound"]

_PEAK_DECIBELS = 0.6
_VALLEY_SLOPE = 0.28
"""Decibels of change per decibel that a bin lies below its neighbourhood."""
_MOST_DECIBELS = 6.0
_NEIGHBOURHOOD_HERTZ = 190.0
_LEAST_RATE = 8000

Block = NDArray[np.float32]


class SoundMarker:
    """Marks a stream of sound with one id.

    ``apply`` hands back samples as soon as they are final, up to four analysis steps (about 64 ms) late; what goes in
    comes out at the same place, and with ``flush`` in the same number.

    Args:
        key: Watermark key, 32 bytes.
        mark_id: 16 hexadecimal digits.
        sample_rate: Samples per second, at least 8000.

    Raises:
        UsageError: ``watermark.rate`` for a lower rate; ``watermark.id`` for a malformed id.
    """

    def __init__(self, key: bytes, mark_id: str, *, sample_rate: int) -> None:
        from scipy.fft import next_fast_len

        if sample_rate < _LEAST_RATE:
            raise UsageError(
                "The sound mark needs at least 8000 samples per second.",
                code="watermark.rate",
                found=str(sample_rate),
                rule=f">= {_LEAST_RATE} Hz",
                next_step="resample the sound to 16000 Hz or more",
            )
        self._rate = sample_rate
        self._hop: int = next_fast_len(round(sample_rate * 0.016), real=True)
        self._size = 4 * self._hop
        # Square-root Hann twice, at a quarter's step: the squares sum to 2 everywhere.
        self._window = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(self._size) / self._size)).astype(np.float32)
        self._pattern = cells(key).pattern(payload.encode(key, mark_id))
        hertz = np.arange(self._size // 2 + 1) * sample_rate / self._size
        band = np.floor((hertz - LOWEST_HERTZ) / BAND_HERTZ + 0.5).astype(np.intp)
        self._bins = np.flatnonzero((band >= 0) & (band < BANDS) & (hertz < 0.48 * sample_rate))
        self._bands = band[self._bins]
        self._reach = max(1, round(_NEIGHBOURHOOD_HERTZ * self._size / sample_rate))
        self._frame = 0
        self._taken = 0
        self._given = 0
        self._pending: Block | None = None
        self._overlap: Block | None = None

    def apply(self, block: Block) -> Block:
        """Mark the next samples.

        Args:
            block: (n, channels) float32 in [-1, 1]; the number of channels must stay the same.

        Returns:
            The samples that are final by now, (m, channels); m may be 0 or exceed n.
        """
        self._taken += len(block)
        if self._pending is None or self._overlap is None:
            # Silence before the start, so that the first samples lie under a full set of windows.
            lead = np.zeros((self._size - self._hop, block.shape[1]), dtype=np.float32)
            self._pending, self._overlap = lead, lead.copy()
        self._pending = np.concatenate([self._pending, np.asarray(block, dtype=np.float32)])
        return self._advance()

    def flush(self) -> Block:
        """The last samples; the marker then starts over for a new stream."""
        if self._pending is None:
            return np.zeros((0, 1), dtype=np.float32)
        left = self._taken - self._given
        tail = np.zeros((self._size + self._hop, self._pending.shape[1]), dtype=np.float32)
        self._pending = np.concatenate([self._pending, tail])
        rest = self._advance()[:left]
        self._frame = self._taken = self._given = 0
        self._pending = self._overlap = None
        return rest

    def _advance(self) -> Block:
        """Transform every full window that is there; drop the lead-in from what comes out."""
        pending, overlap = self._pending, self._overlap
        if pending is None or overlap is None or len(pending) < self._size:
            return np.zeros((0, 1 if pending is None else pending.shape[1]), dtype=np.float32)
        count = (len(pending) - self._size) // self._hop + 1
        out = np.zeros((count * self._hop + len(overlap), pending.shape[1]), dtype=np.float32)
        out[: len(overlap)] = overlap
        for number in range(count):
            start = number * self._hop
            out[start : start + self._size] += self._marked(pending[start : start + self._size])
        self._pending = pending[count * self._hop :]
        ready, self._overlap = out[: count * self._hop], out[count * self._hop :]
        # The first windows end in the silence that was put before the stream.
        lead = max(0, (self._size - self._hop) - (self._frame - count) * self._hop)
        ready = ready[lead:]
        self._given += len(ready)
        return ready

    def _marked(self, piece: Block) -> Block:
        """One window, changed: (size, channels)."""
        from scipy.fft import irfft, rfft

        spectrum = rfft(piece * self._window[:, None], axis=0)
        centre = (self._frame * self._hop + self._size / 2 - (self._size - self._hop)) / self._rate
        self._frame += 1
        row = self._pattern[int(centre // CELL_SECONDS) % TIME_CELLS]
        power = np.mean(spectrum.real**2 + spectrum.imag**2, axis=1)
        level = 10 * np.log10(power + 1e-10)
        change = row[self._bands] * _strength(level, self._bins, self._reach)
        spectrum[self._bins] *= (10 ** (change / 20))[:, None].astype(np.float32)
        changed: Block = irfft(spectrum, n=self._size, axis=0).astype(np.float32) * self._window[:, None] / 2
        return changed


def _strength(level: NDArray[np.float32], bins: NDArray[np.intp], reach: int) -> NDArray[np.float32]:
    """Decibels of change per bin: little on peaks, more in the valleys their neighbours mask."""
    import cv2

    masker = cv2.dilate(level.astype(np.float32)[None, :], np.ones((1, reach), dtype=np.uint8))
    masker = cv2.blur(masker, (2 * reach + 1, 1))[0]
    depth = np.maximum(masker - level, 0)[bins]
    strength: NDArray[np.float32] = np.minimum(_PEAK_DECIBELS + _VALLEY_SLOPE * depth, _MOST_DECIBELS)
    return strength
