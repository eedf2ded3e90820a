"""How often the reader of picture marks says something where nothing is to be found."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from thsafe.watermark import payload
from thsafe.watermark.carriers import PUBLIC_KEY, SIDE
from thsafe.watermark.presence import UNCHANGED_Z
from thsafe.watermark.reader import PRESENT_UNCHANGED
from thsafe.watermark.residual import accumulate, planes_of
from thsafe.watermark.spectrum import fold, listen, move, sync_z, whiten

Frame = NDArray[np.uint8]

_DECODES_PER_KEY = 25


def false_ids(real: list[Frame], marked: list[Frame], wanted: int) -> dict[str, object]:
    """Decode pictures, real ones, marked ones and noise, under wrong keys; look for the public mark where it is not.

    Every decoding is of another shift of a picture, and every so often the key is another.
    """
    rng = np.random.default_rng(11)
    noise = [cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), (0, 0), 1 + n % 5) for n in range(8)]
    evidence = [found for frame in (*noise, *real, *marked) if (found := accumulate([planes_of(frame)]))]
    spectra = [[whiten(fold(plane)) for plane in found.planes] for found in evidence]
    unmarked = len(noise) + len(real)
    ids = present = 0
    key, heard = b"", []
    for count in range(wanted):
        key = rng.bytes(32) if count % _DECODES_PER_KEY == 0 else key
        number = count % len(spectra)
        dx, dy = rng.uniform(0, SIDE, 2)
        moved = [move(plane, dx, dy) for plane in spectra[number]]
        found = listen(moved, key)
        ids += payload.decode(key, found.llr) is not None
        present += found.z >= PRESENT_UNCHANGED
        if number < unmarked:
            heard.append(sync_z(moved, PUBLIC_KEY))
    return {
        "decodings": wanted,
        "false ids": ids,
        "false present": present,
        "looks for the public mark": len(heard),
        "false public marks": sum(z >= UNCHANGED_Z for z in heard),
        "statistic of the public mark": f"deviation {np.std(heard):.3f}, highest {max(heard):.2f}",
    }
