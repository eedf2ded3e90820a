"""Does a file hold what its headers announce? Cut ends and invented running times, found without decoding.

MP4 and MOV by their boxes, RIFF and Matroska by their outermost sizes. MP3, Ogg, FLAC and MPEG streams may be cut
anywhere and still be whole streams: they are not judged here.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from thsafe.media import complaints
from thsafe.media.boxes import read_body, walk_boxes
from thsafe.media.limits import Limits
from thsafe.media.sniff import Signature

_TABLE_BYTES = 1 << 24
_SLACK_SECONDS = 5.0


def check_structure(path: Path, signature: Signature, size: int, *, limits: Limits) -> None:
    """Check one file that ``sniff`` recognised as sound or video.

    Raises:
        InputError: ``input.truncated``, ``input.too-long`` or ``input.impossible-duration``.
    """
    with path.open("rb") as source:
        if signature.demuxer == "mov":
            _check_iso(path, source, limits)
        elif signature.container in {"wav", "avi"}:
            _check_riff(path, source, size)
        elif signature.demuxer == "matroska":
            _check_matroska(path, source, size)


def _check_iso(path: Path, source: BinaryIO, limits: Limits) -> None:
    boxes = list(walk_boxes(source))
    for box in boxes:
        if box.cut and "/" not in box.path:
            raise complaints.truncated(path, f"box {box.kind!r} at byte {box.offset} runs past the end of the file")
    kinds = {box.path for box in boxes}
    if "moov" not in kinds:
        raise complaints.truncated(path, "no 'moov' box: the table of contents, written last, is missing")
    if "moov/mvex" not in kinds and not kinds & {"mdat"}:
        raise complaints.no_frames(path, "no 'mdat' box: headers without media")
    claimed, held, track_scale = 0.0, 0.0, 1
    for box in boxes:
        if box.path in {"moov/mvhd", "moov/trak/mdia/mdhd"}:
            seconds, scale = _header_seconds(read_body(source, box, 32))
            claimed = max(claimed, seconds)
            if box.kind == "mdhd":
                track_scale = scale
        elif box.kind == "stts" and box.path == "moov/trak/mdia/minf/stbl/stts":
            held = max(held, _table_seconds(read_body(source, box, _TABLE_BYTES), track_scale))
    if claimed > limits.max_seconds:
        raise complaints.too_long(path, claimed, limits.max_seconds)
    if "moov/mvex" not in kinds and claimed > 2 * held + _SLACK_SECONDS:
        spell = complaints.spell_seconds
        raise complaints.impossible_duration(path, f"header {spell(claimed)}, sample table {spell(held)}")


def _header_seconds(body: bytes) -> tuple[float, int]:
    """Running time and time scale of an ``mvhd`` or ``mdhd`` body (ISO/IEC 14496-12 §8.2.2, §8.4.2)."""
    layout, unknown = (">20xIQ", 2**64 - 1) if body[:1] == b"\x01" else (">12xII", 2**32 - 1)
    if len(body) < struct.calcsize(layout):
        return 0.0, 1
    scale, duration = struct.unpack_from(layout, body)
    return (0.0 if duration == unknown or not scale else duration / scale), max(1, scale)


def _table_seconds(body: bytes, scale: int) -> float:
    """Sum of an ``stts`` body (§8.6.1.2): how long the samples of a track really last."""
    entries = (len(body) - 8) // 8
    pairs = struct.iter_unpack(">II", body[8 : 8 + 8 * max(0, entries)])
    ticks: int = sum(count * delta for count, delta in pairs)
    return ticks / scale


def _check_riff(path: Path, source: BinaryIO, size: int) -> None:
    """A chunk may not run past the end; 0 and the largest number mean "not known when writing began"."""
    source.seek(0)
    big = source.read(4) in {b"RF64", b"BW64"}
    offset = 12
    while size - offset >= 8:
        source.seek(offset)
        name, length = struct.unpack("<4sI", source.read(8))
        open_end = length in {0, 2**32 - 1} or big
        if offset + 8 + length > size and not open_end:
            label = name.decode("latin-1")
            raise complaints.truncated(path, f"chunk {label!r} announces {length} bytes, {size - offset - 8} are there")
        if name in {b"data", b"movi"} and open_end:
            return
        offset += 8 + length + (length & 1)


def _check_matroska(path: Path, source: BinaryIO, size: int) -> None:
    """The segment's size must fit; all ones means unknown (RFC 8794 §6.2, RFC 9559 §5.1)."""
    source.seek(0)
    head = source.read(4096)
    offset = 4
    header_size, width = _ebml_size(head, offset)
    offset += width + header_size
    if head[offset : offset + 4] != b"\x18S\x80g":
        return
    length, width = _ebml_size(head, offset + 4)
    unknown = (1 << (7 * width)) - 1
    if length != unknown and offset + 4 + width + length > size:
        held = size - offset - 4 - width
        raise complaints.truncated(path, f"the segment announces {length} bytes, {held} are there")


def _ebml_size(data: bytes, offset: int) -> tuple[int, int]:
    """A variable-length size (RFC 8794 §6) as value and width in bytes; (0, 1) where there is none."""
    if offset >= len(data) or data[offset] == 0:
        return 0, 1
    width = 9 - data[offset].bit_length()
    value = int.from_bytes(data[offset : offset + width], "big")
    return value & ((1 << (7 * width)) - 1), width
