"""The boxes of an ISO base media file (MP4, MOV, M4A): where each is, without believing any size it claims.

Structure after ISO/IEC 14496-12 §4.2: 32-bit size and four characters, size 1 for a 64-bit size, size 0 for "to the
end". Reads headers only, in constant memory; it does not decode media.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO

PARENTS = frozenset(
    ("moov", "trak", "mdia", "minf", "stbl", "udta", "edts", "dinf", "mvex", "moof", "traf", "mfra", "ilst", "meta")
)
"""Boxes that hold boxes; the children of ``ilst`` are left whole, since their names are numbers."""

MAX_BOXES = 50_000
MAX_DEPTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One box, in file order, parents before children."""

    path: str
    """Names from the top, such as ``moov/udta/meta/keys``."""
    offset: int
    """First byte of its header."""
    size: int
    """Bytes of it that the file really holds, header included."""
    header: int
    """Bytes of header: 8, 16, or 4 more in a ``meta`` box with version and flags."""
    cut: bool = False
    """It claims more bytes than its parent or the file holds, or fewer than its own header."""

    @property
    def kind(self) -> str:
        """Its four characters."""
        return self.path.rpartition("/")[2]

    @property
    def body(self) -> int:
        """Where its content begins."""
        return self.offset + self.header

    @property
    def end(self) -> int:
        """First byte behind it."""
        return self.offset + self.size


def walk_boxes(source: BinaryIO) -> Iterator[Box]:
    """All boxes of an open file, at most ``MAX_BOXES``, nested at most ``MAX_DEPTH`` deep."""
    end = source.seek(0, 2)
    yield from islice(_children(source, 0, end, "", 0), MAX_BOXES)


def find_boxes(path: Path, *paths: str) -> list[Box]:
    """The boxes of a file that have one of these paths, in file order."""
    with path.open("rb") as source:
        return [box for box in walk_boxes(source) if box.path in paths]


def read_body(source: BinaryIO, box: Box, limit: int = 1 << 20) -> bytes:
    """The content of a box, at most ``limit`` bytes."""
    source.seek(box.body)
    return source.read(max(0, min(limit, box.size - box.header)))


def read_keys(path: Path) -> dict[str, str]:
    """The named metadata in ``moov/udta/meta``: ``keys`` and ``ilst`` joined (QuickTime file format, metadata).

    That is where China's TC260 guide puts the ``AIGC`` key in MP4 and MOV files.
    """
    names: list[str] = []
    values: dict[str, str] = {}
    with path.open("rb") as source:
        for box in walk_boxes(source):
            if box.path.endswith("/meta/keys"):
                names = list(_key_names(read_body(source, box)))
            elif box.path.endswith("/meta/ilst"):
                values.update(_key_values(read_body(source, box), names))
    return values


def _children(source: BinaryIO, start: int, end: int, parent: str, depth: int) -> Iterator[Box]:
    offset = start
    while end - offset >= 8:
        source.seek(offset)
        head = source.read(16)
        if len(head) < 8:
            return
        size, raw = struct.unpack(">I4s", head[:8])
        header = 8
        if size == 1 and len(head) == 16:
            size, header = struct.unpack(">Q", head[8:])[0], 16
        elif size == 0:
            size = end - offset
        kind = raw.decode("latin-1")
        path = f"{parent}/{kind}" if parent else kind
        room = end - offset
        cut = size > room or size < header
        held = room if cut else size
        if kind == "meta" and parent.endswith("udta") and not _is_bare_meta(source, offset + header):
            header += 4
        box = Box(path=path, offset=offset, size=held, header=min(header, held), cut=cut)
        yield box
        if kind in PARENTS and kind != "ilst" and depth < MAX_DEPTH and size >= header:
            yield from _children(source, box.body, box.end, path, depth + 1)
        if cut:
            return
        offset += size


def _is_bare_meta(source: BinaryIO, body: int) -> bool:
    """QuickTime's ``meta`` has no version and flags: its first child follows at once."""
    source.seek(body + 4)
    return source.read(4) in {b"hdlr", b"keys", b"ilst"}


def _key_names(body: bytes) -> Iterator[str]:
    offset = 8
    while offset + 8 <= len(body):
        (size,) = struct.unpack_from(">I", body, offset)
        if size < 8 or offset + size > len(body):
            return
        yield body[offset + 8 : offset + size].decode("utf-8", "replace")
        offset += size


def _key_values(body: bytes, names: list[str]) -> Iterator[tuple[str, str]]:
    offset = 0
    while offset + 24 <= len(body):
        size, index, inner, kind = struct.unpack_from(">III4s", body, offset)
        if size < 24 or offset + size > len(body):
            return
        if kind == b"data" and 16 <= inner <= size - 8 and 1 <= index <= len(names):
            yield names[index - 1], body[offset + 24 : offset + 8 + inner].decode("utf-8", "replace")
        offset += size
