"""What happens to videos out in the world, as functions: for tests and the demo, not part of the package.

Each takes a source and a destination path. Re-encoding and remuxing lose the manifest and all named metadata, as any
common tool does; nothing here knows of watermark or label.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

Picture = np.ndarray[Any, np.dtype[np.uint8]]
Change = Callable[[float, Picture], Picture]

_C2PA_BOX = bytes.fromhex("d8fec3d61b0e483c92975828877ec481")
"""Extended type of the box that carries a manifest store (C2PA 2.4 §A.5.1)."""


def reencode(
    src: Path,
    dst: Path,
    *,
    crf: int = 28,
    height: int | None = None,
    codec: str = "libx264",
    preset: str = "veryfast",
) -> None:
    """Decode and encode again, as a platform does: new picture and sound, no metadata, optionally another height."""

    def scale(_: float, picture: Picture) -> Picture:
        if height is None:
            return picture
        import cv2

        width = 2 * round(picture.shape[1] * height / picture.shape[0] / 2)
        return cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)

    rewrite(src, dst, scale, crf=crf, codec=codec, preset=preset)


def remux(src: Path, dst: Path) -> None:
    """Copy the streams into a new container of the kind that ``dst`` is named for, as ``ffmpeg -c copy`` does."""
    trim(src, dst, 0.0, float("inf"))


def trim(src: Path, dst: Path, start: float, end: float) -> None:
    """Keep the packets from ``start`` to ``end`` seconds without re-encoding; begins at the key frame before."""
    with av.open(str(src)) as source, av.open(str(dst), "w") as target:
        kept = [s for s in (source.streams.best("video"), source.streams.best("audio")) if s is not None]
        streams = {stream.index: target.add_stream_from_template(stream) for stream in kept}
        if start > 0:
            source.seek(int(start * 1e6))
        shift: float | None = None
        for packet in source.demux(kept):
            if packet.dts is None or packet.pts is None:
                continue
            seconds = float(packet.pts * packet.time_base)
            shift = seconds if shift is None else shift
            if seconds >= end:
                continue
            offset = round(shift / packet.time_base) if start > 0 else 0
            packet.pts -= offset
            packet.dts -= offset
            packet.stream = streams[packet.stream.index]
            target.mux(packet)


def crop(src: Path, dst: Path, *, share: float = 0.1, crf: int = 20) -> None:
    """Cut off ``share`` of the width and height, evenly on all sides, and encode again."""

    def cut(_: float, picture: Picture) -> Picture:
        rows, columns = (2 * round(side * share / 4) for side in picture.shape[:2])
        return picture[rows : picture.shape[0] - rows, columns : picture.shape[1] - columns]

    rewrite(src, dst, cut, crf=crf)


def edit_frames(
    src: Path,
    dst: Path,
    *,
    start: float = 0.0,
    end: float = float("inf"),
    box: tuple[float, float, float, float] = (0.35, 0.55, 0.65, 0.75),
    colour: tuple[int, int, int] = (60, 90, 200),
    crf: int = 18,
) -> None:
    """Paint over a box (x0, y0, x1, y1 as shares of the picture) between two times, and encode again."""

    def paint(seconds: float, picture: Picture) -> Picture:
        if start <= seconds < end:
            height, width = picture.shape[:2]
            x0, x1 = round(box[0] * width), round(box[2] * width)
            y0, y1 = round(box[1] * height), round(box[3] * height)
            picture = picture.copy()
            picture[y0:y1, x0:x1] = colour
        return picture

    rewrite(src, dst, paint, crf=crf)


def flip_byte(src: Path, dst: Path, offset: int) -> None:
    """Invert one byte; a negative offset counts from the end."""
    data = bytearray(src.read_bytes())
    data[offset] ^= 0xFF
    dst.write_bytes(bytes(data))


def append_free_box(src: Path, dst: Path, body: bytes = b"nothing to see") -> None:
    """Add an MP4 ``free`` box at the end: every player ignores it, a hash does not."""
    dst.write_bytes(src.read_bytes() + struct.pack(">I4s", len(body) + 8, b"free") + body)


def rewrite(
    src: Path, dst: Path, change: Change, *, crf: int, codec: str = "libx264", preset: str = "veryfast"
) -> None:
    """Every picture through ``change`` and a new encoder; sound through AAC at 128 kbit/s."""
    with av.open(str(src)) as source, av.open(str(dst), "w") as target:
        picture_in = source.streams.video[0]
        rate = picture_in.average_rate or Fraction(25)
        picture_out: Any = None
        sound_in = next(iter(source.streams.audio), None)
        sound_out: Any = None
        if sound_in is not None:
            sound_out = target.add_stream("aac", rate=sound_in.rate, layout=sound_in.layout.name)
            sound_out.bit_rate = 128_000
        options = {"crf": str(crf)} | ({"preset": preset} if codec.startswith("libx26") else {"b": "0"})
        if codec == "libx265":
            options["x265-params"] = "log-level=none"
        for frame in source.decode(*[s for s in (picture_in, sound_in) if s is not None]):
            if isinstance(frame, av.AudioFrame):
                target.mux(sound_out.encode(frame))
                continue
            picture = np.ascontiguousarray(change(float(frame.time or 0.0), frame.to_ndarray(format="bgr24")))
            if picture_out is None:
                picture_out = target.add_stream(codec, rate=rate, options=options)
                picture_out.height, picture_out.width = picture.shape[:2]
                picture_out.pix_fmt = "yuv420p"
                picture_out.time_base = picture_in.time_base
            changed = av.VideoFrame.from_ndarray(picture, format="bgr24")
            changed.pts, changed.time_base = frame.pts, frame.time_base
            target.mux(picture_out.encode(changed))
        for stream in (picture_out, sound_out):
            if stream is not None:
                target.mux(stream.encode(None))


def edit_keeping_credentials(src: Path, dst: Path, *, crf: int = 20) -> None:
    """Grey out the mouth for a second, encode again, and put the original's C2PA box into the result.

    This is what someone does who wants an edited film to look credentialed: the manifest is there, its hashes are of
    another content.
    """
    edit_frames(src, dst, start=1.0, end=2.0, box=(0.35, 0.5, 0.65, 0.65), crf=crf)
    data = src.read_bytes()
    position = 0
    while position + 24 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, position)
        header = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, position + 8)
            header = 16
        if kind == b"uuid" and data[position + header : position + header + 16] == _C2PA_BOX:
            with dst.open("ab") as file:
                file.write(data[position : position + size])
            return
        position += max(size, 8)
    raise ValueError(f"{src} carries no C2PA box")
