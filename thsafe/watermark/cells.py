"""The keyed pattern of the sound mark: cells of time and frequency that are made a little louder or softer.

A tile is 48 cells of 48 ms by 197 cells of 31.25 Hz (625 to 6781 Hz) and repeats every 2.304 s. A quarter of the cells
are known to the reader, the others carry the 512 code bits. Times and frequencies are physical, so that the mark does
not depend on the sample rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from thsafe.watermark import payload

TIME_CELLS = 48
CELL_SECONDS = 0.048
TILE_SECONDS = TIME_CELLS * CELL_SECONDS
BANDS = 197
BAND_HERTZ = 31.25
LOWEST_HERTZ = 625.0
_SYNC_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """The layout under one key; arrays of shape (48, 197), time by frequency."""

    sign: NDArray[np.float32]
    """-1 or 1."""
    bit: NDArray[np.intp]
    """Which code bit a cell carries; -1 for synchronisation."""

    def pattern(self, code: NDArray[np.int8]) -> NDArray[np.float32]:
        """-1 or 1 per cell for 512 code bits (0 or 1)."""
        signs: NDArray[np.float32] = np.where(self.bit < 0, self.sign, self.sign * (1 - 2 * code[self.bit]))
        return signs.astype(np.float32)


@lru_cache(maxsize=16)
def cells(key: bytes) -> Cells:
    """The layout under one key."""
    count = TIME_CELLS * BANDS
    order = payload.keyed_order(key, "sound/order", count)
    sync_count = round(count * _SYNC_SHARE)
    bit = np.full(count, -1, dtype=np.intp)
    bit[order[sync_count:]] = np.arange(count - sync_count) % payload.CODE_BITS
    sign = 1.0 - 2.0 * (payload.keyed_bytes(key, "sound/sign", count) & 1)
    shape = (TIME_CELLS, BANDS)
    return Cells(sign=sign.reshape(shape).astype(np.float32), bit=bit.reshape(shape))
