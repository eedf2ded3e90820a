"""Writing the sound mark: cells of time and frequency made a little louder or softer.

Cells that louder neighbours mask take most of the change (valley emphasis), the peaks that carry speech less. What the
long windows would smear over a moment that has no such sound, before the onset of a syllable above all, is taken back
in short ones: it is nearly all that is heard of a mark, and carries nothing.
The id is a pointer, never evidence (:mod:`thsafe.watermark.payload`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thsafe.core.errors import UsageError
from thsafe.watermark import payload
from thsafe.watermark.cells import BAND_HERTZ, BANDS, CELL_SECONDS, LOWEST_HERTZ, TIME_CELLS, cells
from thsafe.watermark.soundevidence import ANALYSIS_RATE
from thsafe.watermark.soundreader import read_sound
from thsafe.watermark.windows import Block, Spectra, Windows

__all__ = ["ANALYSIS_RATE", "SoundMarker", "read_sound"]

_PEAK_DECIBELS = 2.4
_VALLEY_SLOPE = 0.5
"""Decibels of change per decibel that a bin lies below its neighbourhood."""
_MOST_DECIBELS = 7.0
_NEIGHBOURHOOD_HERTZ = 190.0
_HOP_SECONDS, _OVERLAP = 0.016, 4
_SHORT_SECONDS = 0.016
_LARGEST_SHARE, _LARGEST_LOW_SHARE, _LOW_HERTZ = 0.9, 0.5, 1100.0
"""Amplitude of the mark over that of the sound, at any 16 ms and 62.5 Hz: less where the ear tells bands apart."""
_LEAST_RATE = 8000


class SoundMarker:
    """Marks a stream of sound with one id.

    ``apply`` hands back samples as soon as they are final, about 80 ms late; what goes in comes out at the same place,
    and with ``flush`` in the same number.

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
        size: int = _OVERLAP * next_fast_len(round(sample_rate * _HOP_SECONDS), real=True)
        short: int = 2 * next_fast_len(round(sample_rate * _SHORT_SECONDS / 2), real=True)
        self._long = Windows(size, _OVERLAP, self._changes)
        self._short = Windows(short, 2, self._held_back)
        low = np.arange(short // 2 + 1) * sample_rate / short < _LOW_HERTZ
        self._share = np.where(low, _LARGEST_LOW_SHARE, _LARGEST_SHARE).astype(np.float32)
        self._plain: Block | None = None
        self._pattern = cells(key).pattern(payload.encode(key, mark_id))
        hertz = np.arange(size // 2 + 1) * sample_rate / size
        band = np.floor((hertz - LOWEST_HERTZ) / BAND_HERTZ + 0.5).astype(np.intp)
        self._bins = np.flatnonzero((band >= 0) & (band < BANDS) & (hertz < 0.48 * sample_rate))
        self._bands = band[self._bins]
        self._reach = max(1, round(_NEIGHBOURHOOD_HERTZ * size / sample_rate))

    def apply(self, block: Block) -> Block:
        """Mark the next samples.

        Args:
            block: (n, channels) float32 in [-1, 1]; the number of channels must stay the same.

        Returns:
            The samples that are final by now, (m, channels); m may be 0 or exceed n.
        """
        block = np.asarray(block, dtype=np.float32)
        self._plain = block if self._plain is None else np.concatenate([self._plain, block])
        return self._joined(self._short.push(self._beside(self._long.push(block))))

    def flush(self) -> Block:
        """The last samples; the marker then starts over for a new stream."""
        if self._plain is None:
            return np.zeros((0, 1), dtype=np.float32)
        rest = self._short.push(self._beside(self._long.flush()))
        rest = self._joined(np.concatenate([rest, self._short.flush()]))
        self._plain = None
        return rest

    def _beside(self, change: Block) -> Block:
        """Plain samples and their changes side by side: (n, 2 * channels)."""
        plain = self._plain
        if plain is None:
            return change
        self._plain = plain[len(change) :]
        return np.concatenate([plain[: len(change)], change], axis=1)

    def _joined(self, both: Block) -> Block:
        channels = both.shape[1] // 2
        joined: Block = both[:, :channels] + both[:, channels:]
        return joined

    def _changes(self, first: int, spectra: Spectra) -> Spectra:
        """What the mark adds to long windows."""
        hop, size = self._long.hop, self._long.size
        middles = ((first + 1 + np.arange(len(spectra))) * hop - size / 2) / self._rate
        rows = self._pattern[np.floor(middles / CELL_SECONDS).astype(np.intp) % TIME_CELLS]
        power = np.mean(spectra.real**2 + spectra.imag**2, axis=2)
        level = 10 * np.log10(power + 1e-10)
        decibels = rows[:, self._bands] * _strength(level, self._bins, self._reach)
        changes = np.zeros_like(spectra)
        changes[:, self._bins] = spectra[:, self._bins] * (10 ** (decibels / 20) - 1)[:, :, None]
        return changes

    def _held_back(self, _first: int, spectra: Spectra) -> Spectra:
        """Short windows of sound and change; the change is held below its share of the sound."""
        power = spectra.real**2 + spectra.imag**2
        channels = spectra.shape[2] // 2
        sound, change = (np.sqrt(part.sum(axis=2)) for part in (power[:, :, :channels], power[:, :, channels:]))
        spectra[:, :, channels:] *= np.minimum(1, self._share * sound / (change + 1e-9))[:, :, None]
        return spectra


def _strength(level: NDArray[np.float32], bins: NDArray[np.intp], reach: int) -> NDArray[np.float32]:
    """Decibels of change per window and bin: less on peaks, more in the valleys their neighbours mask."""
    import cv2

    masker = cv2.dilate(level.astype(np.float32), np.ones((1, reach), dtype=np.uint8))
    masker = cv2.blur(masker, (2 * reach + 1, 1))
    depth = np.maximum(masker - level, 0)[:, bins]
    strength: NDArray[np.float32] = np.minimum(_PEAK_DECIBELS + _VALLEY_SLOPE * depth, _MOST_DECIBELS)
    return strength
