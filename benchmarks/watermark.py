"""How much the picture mark survives, side by side with what can be installed: one run, same clips, same encodes.

    python benchmarks/watermark.py --clips cast:ada FILE … --size 512x512 --json result.json --html result.html

What a clip may be stands in ``watermark_clips``; without any, three drawn people speak. Every row is: mark, deliver at
x264 CRF 18, attack, encode, decode, read blind. The JSON file is written anew after each row, and rows that it holds
already are not measured again: a run that was stopped goes on, and several sizes stand on one page. ``--false-ids N``
also decodes N times where nothing is to be found. The peers of ``invisible-watermark`` are given more than they ask
for: their frames are scaled back to the original size, and every bit is decided by majority over frames. They carry the
same 64 bits (rivaGan: 32, on half a second of the clip since it takes seconds per frame) but no check, so "exact" is
judged with the id known.
"""

from __future__ import annotations

import argparse
import io
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from watermark_attacks import ATTACKS, REQUIRED, jpeg
from watermark_clips import animated, load, title
from watermark_false import false_ids
from watermark_page import curves, page, summary
from watermark_quality import quality
from watermark_rows import Book

from thsafe.core.ids import new_watermark_id
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.watermark import PictureMarker, read_pictures, read_presence

Frame = NDArray[np.uint8]
Frames = list[Frame]

PEERS = ("dwtDct", "dwtDctSvd", "rivaGan")
PEER_STEP = 4
RIVAGAN_FRAMES = 12
RATE = 25
SHORTER = ("x264 CRF 28", "x264 CRF 36", "x264 CRF 40")
"""Rows that are also read from the first half, one and two seconds."""
WHOLE_FILMS: dict[str, tuple[Callable[[Frames], Frames], int, int]] = {
    "150 kbit/s": (lambda film: film, RATE, 150),
    "25 to 30 frames a second": (lambda film: [film[n * 5 // 6] for n in range(len(film) * 6 // 5)], 30, 0),
    "trimmed to the second second": (lambda film: film[RATE : 2 * RATE], RATE, 0),
    "first frame animated anew (not claimed)": (animated, RATE, 0),
}
"""What is done to a film as a whole, frames a second, and kbit/s where they are limited."""
STILLS = {"JPEG 50, one frame": (50, 1.0), "JPEG 75, one frame, half size": (75, 0.5)}
"""Grade and scale of one picture."""
DRAWN_CAST = ("cast:ada", "cast:kofi", "cast:mei")
DELIVERY = 18


def coded(frames: Frames, codec: str, crf: int, *, rate: int = RATE, cap: int = 0) -> tuple[Frames, int]:
    """Encode and decode BGR frames; the second value is the size in bytes. ``cap``: kbit/s instead of a CRF."""
    store = io.BytesIO()
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    options = {"crf": str(crf)}
    options |= {
        "libx264": {"preset": "medium"},
        "libx265": {"preset": "medium", "x265-params": "log-level=none"},
        "libvpx-vp9": {"b": "0", "cpu-used": "4", "deadline": "good"},
        "libsvtav1": {"preset": "10", "svtav1-params": "fast-decode=0"},
    }[codec]
    if cap:
        options = {"b": f"{cap}k", "maxrate": f"{cap}k", "bufsize": f"{cap}k", "preset": "medium"}
    with av.open(store, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt, stream.options = width, height, "yuv420p", options
        for frame in frames:
            i420 = i420_from_bgr(np.ascontiguousarray(frame[:height, :width]))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(i420, format="yuv420p")))
        container.mux(stream.encode(None))
    size = store.tell()
    store.seek(0)
    with av.open(store) as container:
        decoded = [bgr_from_i420(frame.to_ndarray(format="yuv420p")) for frame in container.decode(video=0)]
    return decoded, size


class Ours:
    """The picture mark of thsafe."""

    name = "thsafe"

    def __init__(self) -> None:
        self.key = bytes(range(32))
        self.mark_id = new_watermark_id()

    def mark(self, frames: Frames) -> tuple[Frames, float]:
        """Marked frames and processor milliseconds per frame, colour conversion not counted."""
        height, width = frames[0].shape[:2]
        marker = PictureMarker(self.key, self.mark_id, width=width, height=height)
        pictures = [i420_from_bgr(frame) for frame in frames]
        start = time.process_time()
        for picture in pictures:
            marker.apply(split_planes(picture))
        spent = 1e3 * (time.process_time() - start) / len(frames)
        return [bgr_from_i420(picture) for picture in pictures], spent

    def read(self, frames: Frames, _shape: tuple[int, ...], *, search: bool = True) -> dict[str, object]:
        """Blind: neither id nor original size is known."""
        start = time.process_time()
        reading = read_pictures(frames, {"bench": self.key}, search=search)
        return {
            "exact": reading.mark_id == self.mark_id,
            "false id": reading.mark_id not in {None, self.mark_id},
            "state": reading.state,
            "z": round(reading.confidence, 1),
            "CPU seconds": round(time.process_time() - start, 2),
            "public mark": read_presence(frames, search=search).state,
        }


class Peer:
    """One method of invisible-watermark: 64 bits, rivaGan 32."""

    def __init__(self, name: str) -> None:
        from imwatermark import WatermarkDecoder, WatermarkEncoder

        self.name = name
        self.bits = np.random.default_rng(7).integers(0, 2, 32 if name == "rivaGan" else 64).tolist()
        if name == "rivaGan":
            WatermarkEncoder.loadModel()
            WatermarkDecoder.loadModel()

    def frames_of(self, frames: Frames) -> Frames:
        """As much of a clip as the method can be given in reasonable time."""
        return frames[:RIVAGAN_FRAMES] if self.name == "rivaGan" else frames

    def mark(self, frames: Frames) -> tuple[Frames, float]:
        """Marked frames and processor milliseconds per frame."""
        from imwatermark import WatermarkEncoder

        encoder = WatermarkEncoder()
        encoder.set_watermark("bits", self.bits)
        start = time.process_time()
        out = [encoder.encode(frame, self.name) for frame in frames]
        return out, 1e3 * (time.process_time() - start) / len(frames)

    def read(self, frames: Frames, shape: tuple[int, ...]) -> dict[str, object]:
        """Every fourth frame at the original size, bits by majority."""
        from imwatermark import WatermarkDecoder

        decoder = WatermarkDecoder("bits", len(self.bits))
        size = (shape[1], shape[0])
        start = time.process_time()
        heard = np.array([decoder.decode(cv2.resize(frame, size), self.name) for frame in frames[::PEER_STEP]])
        accuracy = float((heard == np.array(self.bits)).mean())
        exact = bool(((heard.mean(axis=0) > 0.5) == np.array(self.bits, dtype=bool)).all())
        return {
            "exact": exact,
            "bit accuracy": round(accuracy, 3),
            "CPU seconds": round(time.process_time() - start, 2),
        }


def bench(
    name: str, frames: Frames, methods: list[Ours | Peer], wanted: str, peer_attacks: str, book: Book
) -> Iterator[dict[str, object]]:
    """All rows of one clip that are not in the book yet; ``wanted`` as :func:`planned`."""
    for method in methods:
        chosen = wanted if isinstance(method, Ours) else peer_attacks
        missing = [attack for attack in planned(chosen) if not book.has(name, method.name, attack)]
        if not missing:
            continue
        part = frames if isinstance(method, Ours) else method.frames_of(frames)
        marked, spent = method.mark(part)
        head = {"clip": name, "method": method.name}
        delivered, _ = coded(marked, "libx264", DELIVERY)
        for attack, seen, kbits in attacked(delivered, missing):
            row = {**head, "attack": attack, "kbit/s": kbits}
            yield row | method.read(seen, frames[0].shape)
            if isinstance(method, Ours) and attack in SHORTER:
                for seconds in (0.5, 1, 2):
                    few = seen[: round(seconds * RATE)]
                    read = method.read(few, few[0].shape, search=False)
                    yield {**row, "attack": f"{attack}, first {seconds} s"} | read
        for attack, (grade, scale) in STILLS.items():
            if attack in missing:
                middle = delivered[len(delivered) // 2]
                still = cv2.resize(middle, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
                yield {**head, "attack": attack} | method.read([jpeg(still, grade)], frames[0].shape)
        if "quality" in missing:
            # Ours works on the planes that are encoded anyway, so the conversion to them is not its doing.
            plain = [bgr_from_i420(i420_from_bgr(frame)) for frame in part] if isinstance(method, Ours) else part
            sizes = {crf: [coded(pictures, "libx264", crf)[1] for pictures in (part, marked)] for crf in (DELIVERY, 23)}
            yield {
                **head,
                "attack": "quality",
                "CPU ms per frame": round(spent, 2),
                **{f"growth at CRF {crf}": round(after / before - 1, 3) for crf, (before, after) in sizes.items()},
                **quality(plain, marked, RATE),
            }


def planned(wanted: str) -> list[str]:
    """The rows that are asked for: ``required``, or those whose name holds one of the words (separated by ``|``)."""
    rows = ["quality", *ATTACKS, *WHOLE_FILMS, *STILLS]
    if wanted == "required":
        return ["quality", *(row for row in rows if row in REQUIRED)]
    return [row for row in rows if row == "quality" or any(word in row for word in wanted.split("|"))]


def attacked(delivered: Frames, wanted: list[str]) -> Iterator[tuple[str, Frames, int]]:
    """Name, pictures and kbit/s of the wanted rows."""
    for attack, (change, codec, crf) in ATTACKS.items():
        if attack in wanted:
            seen, size = coded([change(frame) for frame in delivered], codec, crf)
            yield attack, seen, round(size * 8 * RATE / len(seen) / 1000)
    for attack, (change_all, rate, cap) in WHOLE_FILMS.items():
        film = change_all(delivered) if attack in wanted else []
        if film:
            seen, size = coded(film, "libx264", 28, rate=rate, cap=cap)
            yield attack, seen, round(size * 8 * rate / len(seen) / 1000)


def missing(book: Book, name: str, wanted: str) -> bool:
    """Whether a clip has rows to be measured still."""
    return any(not book.has(title(name), Ours.name, attack) for attack in planned(wanted))


def main() -> None:
    """Run, print a table, write JSON and a page."""
    os.environ.setdefault("SVT_LOG", "0")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="*", default=list(DRAWN_CAST))
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(3))
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--peer-clips", type=int, default=1, help="how many clips the peers get")
    parser.add_argument("--peer-attacks", default="", help="words, separated by |: the rows that the peers get")
    parser.add_argument("--attacks", default="", help="words, separated by |: only rows whose name holds one")
    parser.add_argument("--false-ids", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--html", type=Path)
    parser.add_argument("--curves", type=Path, help="a folder for the curves as SVG")
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    count = int(given.seconds * RATE)
    book = Book(given.json, given.size)
    book.say("started", datetime.now(UTC).isoformat(timespec="minutes"))
    book.say("machine", f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}")
    first = []
    for number, name in enumerate(given.clips):
        with_peers = number < given.peer_clips
        if not (given.false_ids or with_peers or missing(book, name, given.attacks)):
            continue
        frames = load(name, width, height, count)
        first.append(frames[0])
        methods = [Ours(), *(Peer(peer) for peer in given.peers if with_peers)]
        for row in bench(title(name), frames, methods, given.attacks, given.peer_attacks, book):
            book.add(row)
            sys.stdout.write("  ".join(f"{key} {value}" for key, value in row.items()) + "\n")
            sys.stdout.flush()
    if given.false_ids:
        marked = [Ours().mark([frame])[0][0] for frame in first]
        for name, value in false_ids(first, marked, given.false_ids).items():
            book.say(name, value)
    rows, facts = book.rows, book.facts
    head, lines = summary(rows)
    for line in (head, *lines):
        sys.stdout.write(f"{line[0]:<38}" + "".join(f"{cell:>20}" for cell in line[1:]) + "\n")
    sys.stdout.write("\n".join(f"{name}: {value}" for name, value in facts.items()) + "\n")
    if given.html:
        given.html.write_text(page(rows, facts))
    if given.curves:
        for name, chart in curves(rows).items():
            (given.curves / f"{name}.svg").write_text(chart + "\n")


if __name__ == "__main__":
    main()
