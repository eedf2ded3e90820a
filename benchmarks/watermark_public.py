"""How often the public mark is seen where it is not, and the private one called present under a wrong key.

    python benchmarks/watermark_public.py FILE … --json result.json

``FILE`` are films and pictures that thsafe did not mark; beside them stand things that our code makes: drawn people,
noise, pages of text, stripes, gradients. The limits were chosen on other pictures (``watermark_false``), so give files
that were not among those. The statistic where nothing is searched is also taken at other places of the tile, since any
place is as good as another.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from watermark_clips import load

from thsafe.watermark.carriers import PUBLIC_KEY, SIDE
from thsafe.watermark.presence import SEARCHED_Z, UNCHANGED_Z
from thsafe.watermark.reader import PRESENT_SEARCHED
from thsafe.watermark.residual import accumulate, planes_of
from thsafe.watermark.search import Views, common_stages, stages
from thsafe.watermark.spectrum import fold, move, sync_z, whiten

Frame = NDArray[np.uint8]
Frames = list[Frame]

PLACES = 16
FILM_FRAMES = 48
OTHER_KEY = bytes(range(100, 132))
WORDS = "the mark is a pointer and never evidence by itself whoever finds it looks for the manifest that it leads to"


def made(count: int) -> Iterator[tuple[str, Frames]]:
    """Kind and pictures of what our code makes; ``count`` of each."""
    rng = np.random.default_rng(2026)
    for number in range(count):
        width, height = (640, 512) if number % 2 else (1280, 720)
        rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
        noise = rng.normal(128, 40, (height, width, 3)).astype(np.float32)
        yield "noise", [_bytes(cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 6)))]
        turn, pitch = rng.uniform(0, np.pi), rng.uniform(3, 40)
        wave = np.sin((columns * np.cos(turn) + rows * np.sin(turn)) / pitch)
        yield "stripes", [_bytes(128 + 90 * np.stack([wave, wave, -wave], axis=2))]
        slope = rng.uniform(-0.2, 0.2, (2, 3)).astype(np.float32)
        yield "gradient", [_bytes(rng.uniform(90, 160) + rows[..., None] * slope[0] + columns[..., None] * slope[1])]
        yield "page of text", [_page(rng, width, height)]


def _bytes(values: NDArray[np.float32]) -> Frame:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _page(rng: np.random.Generator, width: int, height: int) -> Frame:
    """Lines of words, a heading and two coloured boxes, as on a screen."""
    page: Frame = np.full((height, width, 3), 250, dtype=np.uint8)
    words = WORDS.split()
    size = rng.uniform(0.4, 0.8)
    for line in range(60, height, round(40 * size)):
        text = " ".join(rng.choice(words, 14))
        cv2.putText(page, text, (30, line), int(rng.integers(0, 4)), size, (40, 40, 40), 1, cv2.LINE_AA)
    cv2.rectangle(page, (0, 0), (width, 36), tuple(int(value) for value in rng.integers(30, 220, 3)), -1)
    corner = (int(rng.integers(0, width // 2)), int(rng.integers(60, height // 2)))
    cv2.rectangle(page, corner, (corner[0] + 180, corner[1] + 90), tuple(map(int, rng.integers(30, 220, 3))), -1)
    return page


def given_files(files: list[Path]) -> Iterator[tuple[str, Frames]]:
    """Kind and pictures of each file at its own size."""
    for path in files:
        still = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if still is not None:
            yield "still", [still]
            continue
        import av

        with av.open(str(path)) as container:
            frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(video=0)]
        kept = frames[:: max(1, len(frames) // FILM_FRAMES)][:FILM_FRAMES]
        yield "film", kept
        yield "one frame of a film", [kept[len(kept) // 2]]


def drawn(people: list[str]) -> Iterator[tuple[str, Frames]]:
    """Drawn people who speak, half a second."""
    for person in people:
        for width, height in ((512, 512), (1280, 720)):
            yield "drawn person", load(f"cast:{person}", width, height, 12)


def heard(frames: Frames) -> dict[str, float]:
    """The highest statistic of an unmarked film: not searched (over places of the tile), and after each search."""
    evidence = accumulate(planes_of(frame) for frame in frames)
    assert evidence is not None
    spectra = [whiten(fold(plane)) for plane in evidence.planes]
    rng = np.random.default_rng(len(frames) + frames[0].shape[0])
    places = [(0.0, 0.0), *rng.uniform(0, SIDE, (PLACES - 1, 2)).tolist()]
    views = Views(evidence)
    return {
        "as it is": sync_z(spectra, PUBLIC_KEY),
        "at any place": max(sync_z([move(plane, *place) for plane in spectra], PUBLIC_KEY) for place in places),
        "searched": max((pose.z for found in common_stages(views, PUBLIC_KEY) for pose in found), default=0.0),
        "private key, searched": max((pose.z for found in stages(views, OTHER_KEY) for pose in found), default=0.0),
    }


def main() -> None:
    """Print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--people", nargs="*", default=[])
    parser.add_argument("--made", type=int, default=10, help="pictures of each kind that our code makes")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    found: dict[str, list[dict[str, float]]] = defaultdict(list)
    start = time.process_time()
    for source in (made(given.made), drawn(given.people), given_files(given.files)):
        for kind, frames in source:
            found[kind].append(heard(frames))
            sys.stderr.write(f"{kind}: {found[kind][-1]}\n")
    lines = {kind: _line(rows) for kind, rows in found.items()}
    lines["all"] = _line([row for rows in found.values() for row in rows])
    sys.stdout.write(json.dumps(lines, indent=1) + "\n")
    sys.stdout.write(f"{time.process_time() - start:.0f} processor seconds, {os.cpu_count()} cores\n")
    if given.json:
        given.json.write_text(json.dumps({"lines": lines, "rows": found}, indent=1) + "\n")


def _line(rows: list[dict[str, float]]) -> dict[str, object]:
    limits = {"at any place": UNCHANGED_Z, "searched": SEARCHED_Z, "private key, searched": PRESENT_SEARCHED}
    return {
        "pictures or films": len(rows),
        **{f"highest z {name}": round(max(row[name] for row in rows), 2) for name in limits},
        **{f"false {name}": sum(row[name] >= limit for row in rows) for name, limit in limits.items()},
    }


if __name__ == "__main__":
    main()
