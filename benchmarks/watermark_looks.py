"""Is the picture mark seen? Figures and a contact sheet of what shows it most: a plain wall, the dark, skin, cloth.

    python benchmarks/watermark_looks.py SHEET.png

Each row of the sheet is one scene as published (x264 CRF 18), twice as large as on the screen: plain, marked, and the
difference eight times over. The figures: rms per plane in code values, CIEDE2000, the change of colour alone, and
flicker: how much a sample changes from picture to picture in the plain and in the marked film, both as published.
"""

from __future__ import annotations

import argparse
import json
import sys
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from watermark import DELIVERY, coded
from watermark_clips import Frame, Frames, load
from watermark_quality import ciede2000

from thsafe.core.ids import new_watermark_id
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.watermark import PictureMarker

SIDE, FRAMES, VIEW = 512, 25, 200


def scenes() -> dict[str, Frames]:
    """Plain grey, plain colours, a dark room, and a drawn person."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32)
    wall = np.stack([168 + rows / 40, 180 + columns / 40, 186 + rows / 50], axis=2)
    rng = np.random.default_rng(4)
    # What a camera adds: without it an encoder shows the mark cleaner than any real film would.
    grain = [rng.normal(0, 1.2, (SIDE, SIDE, 1)).astype(np.float32) for _ in range(5)]

    def film(base: NDArray[np.float32]) -> Frames:
        return [np.clip(base + grain[number % 5], 0, 255).astype(np.uint8) for number in range(FRAMES)]

    grey = np.full((SIDE, SIDE, 3), 150, np.uint8)
    return {
        "plain grey": [grey] * FRAMES,
        "wall": film(wall),
        "dark room": film(18 + 14 * np.stack([rows, rows, columns], axis=2) / SIDE),
        "drawn person": load("cast:ada", SIDE, SIDE, FRAMES),
        "dark skin": load("cast:kofi", SIDE, SIDE, FRAMES),
    }


def marked(frames: Frames) -> Frames:
    """The frames with a mark, by way of the planes that are encoded."""
    marker = PictureMarker(bytes(range(32)), new_watermark_id(), width=SIDE, height=SIDE)
    out = []
    for frame in frames:
        picture = i420_from_bgr(frame)
        marker.apply(split_planes(picture))
        out.append(bgr_from_i420(picture))
    return out


def figures(plain: Frames, after: Frames) -> dict[str, float]:
    """Of one scene before encoding."""
    one, two = plain[0], after[0]
    before, changed = split_planes(i420_from_bgr(one)), split_planes(i420_from_bgr(two))
    rms = [float(np.sqrt(np.mean((b.astype(float) - a) ** 2))) for a, b in zip(before, changed, strict=True)]
    lab = [cv2.cvtColor(frame.astype(np.float32) / 255, cv2.COLOR_BGR2LAB) for frame in (one, two)]
    colour = np.hypot(*(lab[1] - lab[0])[..., 1:].transpose(2, 0, 1))
    apart = ciede2000(one, two)
    return {
        "rms y": rms[0],
        "rms u": rms[1],
        "rms v": rms[2],
        "ciede2000 mean": float(apart.mean()),
        "ciede2000 p95": float(np.percentile(apart, 95)),
        "a*b* change mean": float(colour.mean()),
    }


def flicker(film: Frames) -> float:
    """Mean absolute change of a sample from picture to picture, in code values."""
    return float(np.mean([np.abs(b.astype(np.int16) - a).mean() for a, b in pairwise(film)]))


def view(frame: Frame, name: str) -> Frame:
    """The middle of a wall, or the face, twice as large."""
    top = (SIDE - VIEW) // 2 - (40 if "person" in name or "skin" in name else 0)
    left = (SIDE - VIEW) // 2
    cut = frame[top : top + VIEW, left : left + VIEW]
    large: Frame = cv2.resize(cut, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    return large


def main() -> None:
    """Print the figures and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sheet", type=Path)
    given = parser.parse_args()
    lines, found = [], {}
    for name, plain in scenes().items():
        after = marked(plain)
        shown = [coded(film, "libx264", DELIVERY)[0] for film in (plain, after)]
        found[name] = {
            **figures([bgr_from_i420(i420_from_bgr(plain[0]))], after),
            "flicker plain": flicker(shown[0]),
            "flicker marked": flicker(shown[1]),
        }
        difference = np.clip(128 + 8 * (shown[1][-1].astype(np.int16) - shown[0][-1]), 0, 255).astype(np.uint8)
        lines.append(np.hstack([view(frame, name) for frame in (shown[0][-1], shown[1][-1], difference)]))
    cv2.imwrite(str(given.sheet), np.vstack(lines))
    rounded = {name: {key: round(value, 2) for key, value in row.items()} for name, row in found.items()}
    sys.stdout.write(json.dumps(rounded, indent=1) + "\n")


if __name__ == "__main__":
    main()
