"""The keyed pattern of the picture mark: one square tile of carriers for each of Y, U and V.

The picture is thought of on a grid whose shorter side has 256 cells, so that scaling cancels. A tile is 256 cells
wide: it does not repeat along the shorter side, hence averaging a picture over itself without the key lifts nothing.
Carriers are the Fourier bins of the tile between 20 and 64 cycles in Y (4 to 13 cells; the eye, and VMAF with it, minds
slow waves of brightness most) and between 12 and 56 in U and V; a quarter are known to the reader (synchronisation),
the others each carry one of the 512 code bits on a keyed phase. Which bins do what, and their phases, differ by key and
by plane; but every band of frequencies holds each bit once, so that no bit rests on the high frequencies that codecs
drop first.

One bin in sixteen, the same ones for everybody, belongs to the public presence mark (:mod:`thsafe.watermark.presence`):
its phases are published, it carries no bits, and no private carrier lies there, so that whoever takes it out or puts it
in changes nothing about the private mark.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from thsafe.watermark import payload

SIDE = 256
"""Cells of a tile, and of the shorter side of the picture."""
PLANES = ("y", "u", "v")
SYNC_SHARE = 0.25
PUBLIC_KEY = hashlib.sha256(b"thsafe public presence mark, version 1").digest()
"""Known to everyone; made from words so that nothing can be hidden in it."""
PUBLIC_ONE_IN = 16
_KNOWN_SHARE, _CHANGED_SHARE = 0.5, 1.5
"""Amplitudes over a mark that is there already: 5/8 of the carriers have no need of change; the power remains 1."""
_BANDS = {"y": (20.0, 64.0, -1.5), "u": (12.0, 56.0, -2.0), "v": (12.0, 56.0, -2.0)}
"""Lowest and highest cycles per tile, and the slope: amplitude goes with frequency ^ slope, for codecs keep the low."""

Spectrum = NDArray[np.complex64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Carriers:
    """One plane's carriers; all arrays run over the same bins."""

    row: NDArray[np.intp]
    """Vertical frequency index in ``rfft2`` layout, 0 … 255."""
    column: NDArray[np.intp]
    """Horizontal frequency index in ``rfft2`` layout, 0 … 128."""
    radius: NDArray[np.float64]
    """Cycles per tile."""
    phase: NDArray[np.complex64]
    """Unit phasor of each bin."""
    bit: NDArray[np.intp]
    """Which code bit a bin carries; -1 for synchronisation."""

    @property
    def sync(self) -> NDArray[np.bool_]:
        """The bins the reader knows beforehand."""
        return self.bit < 0


@lru_cache(maxsize=64)
def carriers(key: bytes, plane: str) -> Carriers:
    """The carriers of one plane (``y``, ``u`` or ``v``) under one key; under :data:`PUBLIC_KEY` the public ones."""
    rows, columns = np.mgrid[0:SIDE, 0 : SIDE // 2 + 1]
    vertical = np.where(rows < SIDE // 2, rows, rows - SIDE)
    radius = np.hypot(vertical, columns)
    lowest, highest, _ = _BANDS[plane]
    # The bins with column 0 come in conjugate pairs: only the upper half is free.
    usable = (radius >= lowest) & (radius <= highest) & ((columns > 0) | (vertical > 0))
    rows, columns, radius = rows[usable], columns[usable], radius[usable]
    public = _public(plane, radius)
    wanted = public if key == PUBLIC_KEY else ~public
    row, column, radius = rows[wanted], columns[wanted], radius[wanted]
    count = row.size
    # Bands from low to high, each with room for all bits and its share of synchronisation, in keyed order within.
    band_size = round(payload.CODE_BITS / (1 - SYNC_SHARE))
    rank = np.empty(count, dtype=np.intp)
    rank[np.argsort(radius, kind="stable")] = np.arange(count)
    drawn = np.empty(count, dtype=np.intp)
    drawn[payload.keyed_order(key, f"picture/{plane}/order", count)] = np.arange(count)
    place = np.empty(count, dtype=np.intp)
    place[np.lexsort((drawn, rank // band_size))] = np.arange(count) % band_size
    bit = np.where((place < payload.CODE_BITS) & (key != PUBLIC_KEY), place, -1)
    turns = payload.keyed_bytes(key, f"picture/{plane}/phase", count).astype(np.float64) / 256
    return Carriers(
        row=row,
        column=column,
        radius=radius,
        phase=np.exp(2j * np.pi * turns).astype(np.complex64),
        bit=bit,
    )


def _public(plane: str, radius: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which usable bins are public: one of every sixteen neighbours in frequency, so that they arrive as others do."""
    chosen = np.zeros(radius.size, dtype=bool)
    groups = -(-radius.size // PUBLIC_ONE_IN)
    drawn = payload.keyed_bytes(PUBLIC_KEY, f"picture/{plane}/public", groups) % PUBLIC_ONE_IN
    ranks = np.minimum(np.arange(groups) * PUBLIC_ONE_IN + drawn, radius.size - 1)
    chosen[np.argsort(radius, kind="stable")[ranks]] = True
    return chosen


def tile(
    key: bytes, plane: str, code: NDArray[np.int8], carried: NDArray[np.int8] | None = None
) -> NDArray[np.float32]:
    """The tile that carries a code and the public mark.

    Args:
        key: The watermark key.
        plane: ``y``, ``u`` or ``v``.
        code: (512,) bits, 0 or 1.
        carried: The code that the picture carries already, under the same key and at the same place. Marks add up, so
            two of equal strength leave half the bits of both at nothing, and either id may be read; hence bits that
            differ get most of the power, which stays as it is.

    Returns:
        (256, 256), mean 0, rms 1.
    """
    private, public = carriers(key, plane), carriers(PUBLIC_KEY, plane)
    spectrum = np.zeros((SIDE, SIDE // 2 + 1), dtype=np.complex128)
    signs = np.where(private.sync, 1.0, 1.0 - 2.0 * code[private.bit])
    if carried is not None:
        signs *= np.where(private.sync | (code == carried)[private.bit], _KNOWN_SHARE, _CHANGED_SHARE)
    for part, turned in ((private, signs), (public, 1.0)):
        spectrum[part.row, part.column] = part.radius ** _BANDS[plane][2] * turned * part.phase
        first = part.column == 0
        spectrum[-part.row[first], 0] = np.conj(spectrum[part.row[first], 0])
    pattern = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
    scaled: NDArray[np.float32] = (pattern / pattern.std()).astype(np.float32)
    return scaled
