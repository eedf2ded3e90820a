"""How often the reader of picture marks says something where nothing is to be found."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from thsafe.watermark.carriers import PUBLIC_KEY, SIDE
from thsafe.watermark.presence import UNCHANGED_Z
from thsafe.watermark.reader import read_unchanged
from thsafe.watermark.residual import accumulate, planes_of
from thsafe.watermark.spectrum import fold, move, sync_z, whiten

Frame = NDArray[np.uint8]


def false_ids(real: list[Frame], marked: list[Frame], wanted: int) -> dict[str, object]:
    """Decode pictures, real ones, marked ones and noise, under wrong keys; look for the public mark where it is not.

    Unmarked pictures are held against the public key at random shifts, each as good as another picture.
    """
    rng = np.random.default_rng(11)
    noise = [cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), (0, 0), 1 + n % 5) for n in range(8)]
    evidence = [found for frame in (*noise, *real, *marked) if (found := accumulate([planes_of(frame)]))]
    unmarked = [[whiten(fold(plane)) for plane in found.planes] for found in evidence[: len(noise) + len(real)]]
    ids = present = public = 0
    heard: list[float] = []
    for count in range(wanted):
        key = rng.bytes(32)
        reading = read_unchanged(evidence[count % len(evidence)], {"wrong": key})
        ids += reading.mark_id is not None
        present += reading.state == "present"
        dx, dy = rng.uniform(0, SIDE, 2)
        heard.append(sync_z([move(plane, dx, dy) for plane in unmarked[count % len(unmarked)]], PUBLIC_KEY))
        public += heard[-1] >= UNCHANGED_Z
    return {
        "decodings": wanted,
        "false ids": ids,
        "false present": present,
        "false public marks": public,
        "statistic of the public mark": f"deviation {np.std(heard):.3f}, highest {max(heard):.2f}",
    }
