"""Which id is read of a picture that was marked twice, at the same size and under the same key?

    python benchmarks/watermark_twice.py --count 200 --json result.json

Every picture has its own shading, key and ids, a visible label as published, a first mark (kept as PNG) and a second
one (kept as JPEG or WebP at the publishing quality). "as published" is the marker as it is, which heeds the mark that
is there; "regardless" is the peer: the same marker, its pattern woven for the picture with a mark under another key.
Each is read as stored and once more after JPEG 75, as places on the web store it.
"""

from __future__ import annotations

import argparse
import json
import secrets
from collections import Counter
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from thsafe.core.ids import new_watermark_id
from thsafe.core.types import Label
from thsafe.label import LabelStamp
from thsafe.media.image import encode_jpeg, encode_still
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.watermark import PictureMarker, read_pictures

Frame = NDArray[np.uint8]
LABEL = Label(text="AI-generated")


def shading(random: np.random.Generator, width: int, height: int) -> Frame:
    """Soft blobs of colour, as a wall or skin: nothing but the mark has an edge."""
    return cv2.resize(random.integers(40, 210, (12, 16, 3), dtype=np.uint8), (width, height))


def marked(marker: PictureMarker, frame: Frame) -> Frame:
    """A labelled and marked copy."""
    picture = i420_from_bgr(frame)
    planes = split_planes(picture)
    height, width = frame.shape[:2]
    LabelStamp((LABEL,), width=width, height=height, fps=Fraction(1)).apply(planes, 0)
    marker.apply(planes)
    return bgr_from_i420(picture)


def stored(data: bytes) -> Frame:
    """What a viewer decodes."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


def read(frame: Frame, key: bytes, ids: tuple[str, str]) -> str:
    """``second``, ``first`` or ``none``."""
    found = read_pictures([frame], {"own": key}, search=False).mark_id
    return "none" if found is None else "first" if found == ids[0] else "second"


def measure(count: int, width: int, height: int, media_type: str, *, heed: bool, seed: int) -> dict[str, Counter[str]]:
    """Which ids are read, as stored and after JPEG 75."""
    random = np.random.default_rng(seed)
    seen: dict[str, Counter[str]] = {"stored": Counter(), "JPEG 75": Counter()}
    for _ in range(count):
        plain, key, ids = (
            shading(random, width, height),
            secrets.token_bytes(32),
            (new_watermark_id(), new_watermark_id()),
        )
        first, second = (PictureMarker(key, mark_id, width=width, height=height) for mark_id in ids)
        once = stored(encode_still(marked(first, plain), "image/png"))
        if not heed:
            other = PictureMarker(secrets.token_bytes(32), ids[0], width=width, height=height)
            marked(second, stored(encode_still(marked(other, plain), "image/png")))
        twice = stored(encode_still(marked(second, once), media_type))
        seen["stored"][read(twice, key, ids)] += 1
        seen["JPEG 75"][read(stored(encode_jpeg(twice, 75)), key, ids)] += 1
    return seen


def main() -> None:
    """Measure every size and kind, both ways."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="pictures per row")
    parser.add_argument("--sizes", nargs="+", default=["384x286", "320x240", "256x192"])
    parser.add_argument("--kinds", nargs="+", default=["jpeg", "webp"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    for size in given.sizes:
        width, height = map(int, size.split("x"))
        for kind in given.kinds:
            for heed in (False, True):
                seen = measure(given.count, width, height, f"image/{kind}", heed=heed, seed=given.seed)
                row = {"size": size, "kind": kind, "marked": "as published" if heed else "regardless"}
                rows.append(row | {"count": given.count} | {where: dict(found) for where, found in seen.items()})
                print(json.dumps(rows[-1]), flush=True)
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
