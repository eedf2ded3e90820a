"""The bytes that a manifest's hash leaves out: anyone can change them and the signature still holds.

In ISO media files (ISO/IEC 14496-12 §4.2) whole boxes are left out by name (C2PA 2.4 §18.7); elsewhere byte ranges are.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from thsafe.core.types import Json

_PADDING_BOXES = ("free", "skip")
_ROOM_TO_HIDE = 4096
_MAX_BOXES = 10_000
_MEDIA_BOXES = ("moov", "mdat", "moof")


@dataclass(frozen=True, slots=True, kw_only=True)
class ByteRange:
    """Bytes ``start`` to ``end`` (exclusive) of the file."""

    start: int
    end: int
    name: str
    """The box, or ``range``."""
    remark: str = ""
    """Why it deserves a look; empty for what every signed file has."""


def unprotected_ranges(path: Path, assertions: Sequence[Json]) -> tuple[ByteRange, ...]:
    """The ranges that the hash assertions among ``assertions`` (the SDK's JSON) leave out of this file."""
    found: list[ByteRange] = []
    for assertion in assertions:
        label, data = str(assertion.get("label", "")), assertion.get("data")
        if not isinstance(data, dict):
            continue
        exclusions = data.get("exclusions") or []
        if label.startswith("c2pa.hash.bmff"):
            names = {str(item.get("xpath", "")).strip("/") for item in exclusions if isinstance(item, dict)}
            if data.get("merkle"):
                names.discard("mdat")  # hashed piece by piece in the Merkle tree instead
            found += [_judge(item) for item in top_level_boxes(path) if item.name in names]
        elif label.startswith("c2pa.hash.data"):
            found += [
                ByteRange(start=int(item["start"]), end=int(item["start"]) + int(item["length"]), name="range")
                for item in exclusions
                if isinstance(item, dict) and {"start", "length"} <= set(item)
            ]
    return tuple(found)


def top_level_boxes(path: Path) -> Iterator[ByteRange]:
    """The outermost boxes of an ISO media file; ends quietly where the structure does."""
    size = path.stat().st_size
    with path.open("rb") as stream:
        start = 0
        for _ in range(_MAX_BOXES):
            box = _box(stream, start, size)
            if box is None:
                return
            yield box
            start = box.end


def _box(stream: BinaryIO, start: int, size: int) -> ByteRange | None:
    stream.seek(start)
    header = stream.read(16)
    if len(header) < 8:
        return None
    length, kind = struct.unpack(">I4s", header[:8])
    if length == 1 and len(header) == 16:
        (length,) = struct.unpack(">Q", header[8:])
    elif length == 0:
        length = size - start
    if length < 8:
        return None
    return ByteRange(start=start, end=min(start + length, size), name=kind.decode("latin-1"))


def _judge(box: ByteRange) -> ByteRange:
    remark = ""
    if box.name in _PADDING_BOXES and box.end - box.start > _ROOM_TO_HIDE:
        remark = "padding large enough to hide something in"
    elif box.name in _MEDIA_BOXES:
        remark = "picture or sound that the signer chose not to protect"
    return ByteRange(start=box.start, end=box.end, name=box.name, remark=remark)
