"""How much the picture mark survives, side by side with what can be installed: one run, same clips, same encodes.

    python benchmarks/watermark.py --clips FILE … --size 512x512 --seconds 3 --json result.json --html result.html

``--clips`` are videos or stills (stills drift slowly); without them a drawn scene is used. Every row is: mark, deliver
at x264 CRF 18, attack, encode, decode, read blind. ``--merge`` adds the rows of earlier JSON files, so
that several sizes stand on one page; ``--false-ids N`` also decodes N times where nothing is to be found. The peers of
``invisible-watermark`` are given more than they ask
for: their frames are scaled back to the original size, and every bit is decided by majority over frames. They carry the
same 64 bits but no check, so "exact" is judged with the id known.
"""

from __future__ import annotations

import argparse
import io
import json
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
from watermark_page import page, summary
from watermark_quality import quality

from thsafe.core.ids import new_watermark_id
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.watermark import PictureMarker, read_pictures
from thsafe.watermark.reader import read_unchanged
from thsafe.watermark.residual import accumulate, planes_of

Frame = NDArray[np.uint8]
Frames = list[Frame]

PEERS = ("dwtDct", "dwtDctSvd")
PEER_STEP = 4
RATE = 25
SHORTER = ("x264 CRF 36", "x264 CRF 40")
"""Rows that are also read from the first half, one and two seconds."""


def drawn(width: int, height: int, count: int) -> Frames:
    """A drifting scene of plain wall, texture and a face-like shape."""
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[0 : height + 32, 0 : width + 32].astype(np.float32)
    base = np.stack([120 + 40 * columns / width, 130 + 30 * rows / height, 150 - 30 * columns / width], axis=2)
    texture = cv2.GaussianBlur(rng.normal(0, 60, base.shape).astype(np.float32), (0, 0), 1.6)
    base[height // 2 :, : width // 2] += texture[height // 2 :, : width // 2]
    canvas = np.clip(base, 0, 255).astype(np.uint8)
    cv2.ellipse(canvas, (width // 2, height // 2), (width // 6, height // 4), 0, 0, 360, (140, 170, 215), -1)
    return [_drift(canvas, width, height, number) for number in range(count)]


def _drift(canvas: Frame, width: int, height: int, number: int) -> Frame:
    dx, dy = 16 + 8 * np.sin(number / 9), 16 + 6 * np.sin(number / 7)
    moved: Frame = cv2.warpAffine(canvas, np.array([[1, 0, -dx], [0, 1, -dy]]), (width, height))
    return moved


def load(path: Path, width: int, height: int, count: int) -> Frames:
    """The first frames of a video, or a drifting still, cut to the wanted shape."""
    still = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if still is not None:
        return [_drift(_fill(still, width + 32, height + 32), width, height, number) for number in range(count)]
    frames: Frames = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            frames.append(_fill(frame.to_ndarray(format="bgr24"), width, height))
            if len(frames) == count:
                break
    return frames


def _fill(frame: Frame, width: int, height: int) -> Frame:
    scale = max(width / frame.shape[1], height / frame.shape[0])
    size = (max(width, round(frame.shape[1] * scale)), max(height, round(frame.shape[0] * scale)))
    scaled = cv2.resize(frame, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
    left, top = (size[0] - width) // 2, (size[1] - height) // 2
    cut: Frame = np.ascontiguousarray(scaled[top : top + height, left : left + width])
    return cut


def coded(frames: Frames, codec: str, crf: int) -> tuple[Frames, int]:
    """Encode and decode BGR frames; the second value is the size in bytes."""
    store = io.BytesIO()
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    options = {"crf": str(crf)}
    options |= {
        "libx264": {"preset": "medium"},
        "libx265": {"preset": "medium", "x265-params": "log-level=none"},
        "libvpx-vp9": {"b": "0", "cpu-used": "4", "deadline": "good"},
        "libsvtav1": {"preset": "10", "svtav1-params": "fast-decode=0"},
    }[codec]
    with av.open(store, "w", format="mp4") as container:
        stream = container.add_stream(codec, rate=RATE)
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


def _crop(share: float) -> Callable[[Frame], Frame]:
    def cut(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        top, left = int(0.3 * share * height), int(0.6 * share * width)
        return frame[top : top + int((1 - share) * height), left : left + int((1 - share) * width)]

    return cut


def _scale(x: float, y: float) -> Callable[[Frame], Frame]:
    def scaled(frame: Frame) -> Frame:
        size = (int(frame.shape[1] * x) // 2 * 2, int(frame.shape[0] * y) // 2 * 2)
        return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # type: ignore[no-any-return]

    return scaled


def _letterbox(frame: Frame) -> Frame:
    small = _scale(0.7, 0.7)(frame)
    out = np.zeros_like(frame)
    top, left = (out.shape[0] - small.shape[0]) // 2, (out.shape[1] - small.shape[1]) // 3
    out[top : top + small.shape[0], left : left + small.shape[1]] = small
    return out


def _inset(frame: Frame) -> Frame:
    """Half as large in the corner of another picture."""
    small = _scale(0.5, 0.5)(frame)
    rows, columns = np.mgrid[0 : frame.shape[0], 0 : frame.shape[1]]
    out = np.stack([(rows + columns) // 8 % 256, rows // 4 % 256, 90 + 0 * rows], axis=2).astype(np.uint8)
    out[16 : 16 + small.shape[0], 24 : 24 + small.shape[1]] = small
    return out


def _shear(frame: Frame) -> Frame:
    matrix = np.array([[1, 0.02, -0.01 * frame.shape[0]], [0, 1, 0]])
    return cv2.warpAffine(frame, matrix, (frame.shape[1], frame.shape[0]))  # type: ignore[no-any-return]


def _turn(degrees: float, zoom: float) -> Callable[[Frame], Frame]:
    def turned(frame: Frame) -> Frame:
        height, width = frame.shape[:2]
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
        return cv2.warpAffine(frame, matrix, (width, height))  # type: ignore[no-any-return]

    return turned


def _overlay(frame: Frame) -> Frame:
    out = frame.copy()
    height, width = out.shape[:2]
    cv2.rectangle(out, (0, height * 8 // 10), (width, height), (30, 30, 160), -1)
    cv2.putText(out, "BREAKING", (width // 8, height * 93 // 100), 0, height / 350, (255, 255, 255), 3)
    return out


def _jpeg(frame: Frame) -> Frame:
    _, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, 50])
    return cv2.imdecode(data, cv2.IMREAD_COLOR)  # type: ignore[no-any-return]


def _same(frame: Frame) -> Frame:
    return frame


def _perspective(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    inward = np.array([[0.08, 0.05], [-0.02, 0.08], [-0.08, -0.03], [0.03, -0.08]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(corners, corners + inward * np.float32([width, height]))
    return cv2.warpPerspective(frame, matrix, (width, height))  # type: ignore[no-any-return]


ATTACKS: dict[str, tuple[Callable[[Frame], Frame], str, int]] = {
    **{f"x264 CRF {crf}": (_same, "libx264", crf) for crf in (23, 28, 33, 36, 40, 44)},
    "x265 CRF 28": (_same, "libx265", 28),
    "x265 CRF 35": (_same, "libx265", 35),
    "VP9 40": (_same, "libvpx-vp9", 40),
    "VP9 55": (_same, "libvpx-vp9", 55),
    "AV1 40": (_same, "libsvtav1", 40),
    "AV1 55": (_same, "libsvtav1", 55),
    "half size": (_scale(0.5, 0.5), "libx264", 28),
    "third size": (_scale(1 / 3, 1 / 3), "libx264", 28),
    "crop 10 %": (_crop(0.1), "libx264", 28),
    "crop 25 %": (_crop(0.25), "libx264", 28),
    "9:16": (lambda f: f[:, f.shape[1] // 4 : f.shape[1] // 4 + f.shape[0] * 9 // 16], "libx264", 28),
    "mirrored": (lambda f: np.ascontiguousarray(f[:, ::-1]), "libx264", 28),
    "letterbox 0.7": (_letterbox, "libx264", 28),
    "picture in picture 50 %": (_inset, "libx264", 28),
    "stretch 0.85": (_scale(0.85, 1.0), "libx264", 28),
    "turn 3 degrees": (_turn(3, 1.0), "libx264", 28),
    "turn 5, zoomed": (_turn(-5, 1.12), "libx264", 28),
    "quarter turn": (lambda f: np.ascontiguousarray(np.rot90(f)), "libx264", 28),
    "brighter, flatter": (lambda f: cv2.convertScaleAbs(f, alpha=0.75, beta=35), "libx264", 28),
    "blur 2": (lambda f: cv2.GaussianBlur(f, (0, 0), 2), "libx264", 28),
    "overlay 20 %": (_overlay, "libx264", 28),
    "sheared 2 %": (_shear, "libx264", 28),
    "crop to 0.71, half as bright, CRF 40": (lambda f: cv2.convertScaleAbs(_crop(0.29)(f), alpha=0.5), "libx264", 40),
    "half, crop, CRF 33": (lambda f: _scale(0.5, 0.5)(_crop(0.1)(f)), "libx264", 33),
    "perspective (not claimed)": (_perspective, "libx264", 28),
}


class Ours:
    """The picture mark of thsafe."""

    name = "thsafe"

    def __init__(self) -> None:
        self.key = bytes(range(32))
        self.mark_id = new_watermark_id()

    def mark(self, frames: Frames) -> tuple[Frames, float]:
        """Marked frames and milliseconds per frame, colour conversion not counted."""
        height, width = frames[0].shape[:2]
        marker = PictureMarker(self.key, self.mark_id, width=width, height=height)
        pictures = [i420_from_bgr(frame) for frame in frames]
        start = time.perf_counter()
        for picture in pictures:
            marker.apply(split_planes(picture))
        spent = 1e3 * (time.perf_counter() - start) / len(frames)
        return [bgr_from_i420(picture) for picture in pictures], spent

    def read(self, frames: Frames, _shape: tuple[int, ...], *, search: bool = True) -> dict[str, object]:
        """Blind: neither id nor original size is known."""
        start = time.perf_counter()
        reading = read_pictures(frames, {"bench": self.key}, search=search)
        return {
            "exact": reading.mark_id == self.mark_id,
            "false id": reading.mark_id not in {None, self.mark_id},
            "state": reading.state,
            "z": round(reading.confidence, 1),
            "seconds": round(time.perf_counter() - start, 2),
        }


class Peer:
    """One method of invisible-watermark with 64 bits."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.bits = np.random.default_rng(7).integers(0, 2, 64).tolist()

    def mark(self, frames: Frames) -> tuple[Frames, float]:
        """Marked frames and milliseconds per frame."""
        from imwatermark import WatermarkEncoder

        encoder = WatermarkEncoder()
        encoder.set_watermark("bits", self.bits)
        start = time.perf_counter()
        out = [encoder.encode(frame, self.name) for frame in frames]
        return out, 1e3 * (time.perf_counter() - start) / len(frames)

    def read(self, frames: Frames, shape: tuple[int, ...]) -> dict[str, object]:
        """Every fourth frame at the original size, bits by majority."""
        from imwatermark import WatermarkDecoder

        decoder = WatermarkDecoder("bits", 64)
        size = (shape[1], shape[0])
        start = time.perf_counter()
        heard = np.array([decoder.decode(cv2.resize(frame, size), self.name) for frame in frames[::PEER_STEP]])
        accuracy = float((heard == np.array(self.bits)).mean())
        exact = bool(((heard.mean(axis=0) > 0.5) == np.array(self.bits, dtype=bool)).all())
        return {
            "exact": exact,
            "bit accuracy": round(accuracy, 3),
            "seconds": round(time.perf_counter() - start, 2),
        }


def bench(
    name: str, frames: Frames, methods: list[Ours | Peer], wanted: str, peer_attacks: str
) -> Iterator[dict[str, object]]:
    """All rows of one clip whose attack's name holds one of the words ``wanted`` (separated by ``|``; empty: all)."""
    through_planes = [bgr_from_i420(i420_from_bgr(frame)) for frame in frames]
    _, plain_size = coded(frames, "libx264", 23)
    for method in methods:
        marked, spent = method.mark(frames)
        _, size = coded(marked, "libx264", 23)
        yield {
            "clip": name,
            "method": method.name,
            "attack": "quality",
            "ms per frame": round(spent, 2),
            "growth at CRF 23": round(size / plain_size - 1, 3),
            **quality(through_planes if isinstance(method, Ours) else frames, marked, RATE),
        }
        delivered, _ = coded(marked, "libx264", 18)
        for attack, (change, codec, crf) in ATTACKS.items():
            chosen = wanted if isinstance(method, Ours) else peer_attacks
            if chosen and not any(word in attack for word in chosen.split("|")):
                continue
            seen, size = coded([change(frame) for frame in delivered], codec, crf)
            kbits = round(size * 8 * RATE / len(seen) / 1000)
            row = {"clip": name, "method": method.name, "attack": attack, "kbit/s": kbits}
            yield row | method.read(seen, frames[0].shape)
            if isinstance(method, Ours) and attack in SHORTER:
                for seconds in (0.5, 1, 2):
                    few = seen[: round(seconds * RATE)]
                    yield {**row, "attack": f"{attack}, first {seconds} s"} | method.read(
                        few, few[0].shape, search=False
                    )
        grab = {"clip": name, "method": method.name, "attack": "JPEG 50, one frame"}
        yield grab | method.read([_jpeg(delivered[len(delivered) // 2])], frames[0].shape)


def false_ids(clips: dict[str, Frames], wanted: int) -> dict[str, object]:
    """Decodings where nothing is to be found: marked and unmarked pictures, real and of noise, under wrong keys."""
    rng = np.random.default_rng(11)
    noise = [cv2.GaussianBlur(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8), (0, 0), 1 + n % 5) for n in range(8)]
    real = [frames[0] for frames in clips.values()]
    marked = [Ours().mark([frame])[0][0] for frame in real]
    evidence = [accumulate([planes_of(frame)]) for frame in (*noise, *real, *marked)]
    count = ids = present = 0
    while count < wanted:
        key = rng.bytes(32)
        for residual in evidence:
            if residual is not None and count < wanted:
                reading = read_unchanged(residual, {"wrong": key})
                ids += reading.mark_id is not None
                present += reading.state == "present"
                count += 1
    return {"decodings": count, "false ids": ids, "false present": present}


def main() -> None:
    """Run, print a table, write JSON and a page."""
    os.environ.setdefault("SVT_LOG", "0")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--size", default="512x512")
    parser.add_argument("--seconds", type=Fraction, default=Fraction(3))
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--peer-clips", type=int, default=1000, help="how many clips the peers get")
    parser.add_argument("--peer-attacks", default="", help="words, separated by |: the rows that the peers get")
    parser.add_argument("--attacks", default="", help="words, separated by |: only rows whose name holds one")
    parser.add_argument("--false-ids", type=int, default=0)
    parser.add_argument("--merge", type=Path, nargs="*", default=[])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--html", type=Path)
    given = parser.parse_args()
    width, height = (int(side) for side in given.size.split("x"))
    count = int(given.seconds * RATE)
    clips = {path.name: load(path, width, height, count) for path in given.clips} or {
        "drawn": drawn(width, height, count)
    }
    rows: list[dict[str, object]] = []
    started = datetime.now(UTC).isoformat(timespec="minutes")
    for number, (name, frames) in enumerate(clips.items()):
        peers = [Peer(peer) for peer in given.peers] if number < given.peer_clips else []
        for found in bench(name, frames, [Ours(), *peers], given.attacks, given.peer_attacks):
            row = {"size": given.size, **found}
            rows.append(row)
            sys.stdout.write("  ".join(f"{key} {value}" for key, value in row.items()) + "\n")
            sys.stdout.flush()
    facts: dict[str, object] = {
        "started": started,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
        "clips": ", ".join(f"{name} ({len(frames)} frames)" for name, frames in clips.items()),
    }
    if given.false_ids:
        facts |= false_ids(clips, given.false_ids)
    for earlier in given.merge:
        rows += json.loads(earlier.read_text())["rows"]
    head, lines = summary(rows)
    for line in (head, *lines):
        sys.stdout.write(f"{line[0]:<38}" + "".join(f"{cell:>20}" for cell in line[1:]) + "\n")
    sys.stdout.write("\n".join(f"{name}: {value}" for name, value in facts.items()) + "\n")
    if given.json:
        given.json.write_text(json.dumps({"facts": facts, "rows": rows}, indent=1))
    if given.html:
        given.html.write_text(page(rows, facts))


if __name__ == "__main__":
    main()
