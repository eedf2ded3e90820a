"""Encoded packets as they are, whatever the container wraps around them.

Containers differ in how they frame the same encoded picture: MP4 and Matroska put a length before each NAL unit and the
parameter sets in a header (ISO/IEC 14496-15 §5.3), transport streams put start codes and repeat the parameter sets in
the stream (ITU-T H.264 Annex B). Both are brought to one form here, so that a remux leaves every packet equal.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av

from thsafe.core.errors import InputError

_START_CODE = re.compile(rb"\x00\x00\x01")
# Only coded slices count. Parameter sets, delimiters, filler and side information (SEI: encoder notes, captions) are
# added, dropped and moved to the header by containers.
_AVC_SLICES = frozenset({1, 2, 3, 4, 5, 14, 19, 20, 21})
"""H.264 table 7-1: slices, their partitions, auxiliary pictures and extensions."""
_HEVC_SLICES = frozenset(range(32))
"""H.265 table 7-1: everything below 32 is coded picture."""
_ADTS_HEADER = 7
_ADTS_HEADER_WITH_CRC = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackInfo:
    """One track of picture or sound."""

    index: int
    kind: str
    """``video`` or ``audio``."""
    codec: str


def list_tracks(path: Path) -> tuple[TrackInfo, ...]:
    """The picture and sound tracks of a file, without cover pictures; raises InputError if it cannot be opened."""
    with _open(path) as container:
        return tuple(_tracks(container))


def iter_packets(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield (track index, packet bytes in the common form) in file order.

    Raises:
        InputError: the file cannot be opened or its structure ends early.
    """
    with _open(path) as container:
        tracks = {track.index: track for track in _tracks(container)}
        lengths = {index: _length_size(container.streams[index].codec_context) for index in tracks}
        try:
            for packet in container.demux([container.streams[index] for index in tracks]):
                if packet.size:
                    yield packet.stream.index, _common_form(bytes(packet), tracks, packet.stream.index, lengths)
        except av.error.FFmpegError as problem:
            raise _unreadable(path, problem) from problem


def _open(path: Path) -> av.container.InputContainer:
    try:
        return av.open(str(path), metadata_errors="ignore")
    except (av.error.FFmpegError, OSError, ValueError) as problem:
        raise _unreadable(path, problem) from problem


def _tracks(container: av.container.InputContainer) -> Iterator[TrackInfo]:
    for stream in container.streams:
        cover = bool(stream.disposition & av.stream.Disposition.attached_pic)
        if stream.type in {"video", "audio"} and not cover and stream.codec_context is not None:
            yield TrackInfo(index=stream.index, kind=stream.type, codec=stream.codec_context.name)


def _length_size(codec: av.codec.context.CodecContext) -> int:
    """Bytes of the length before each NAL unit; 0 where start codes separate them or there are no NAL units."""
    header = codec.extradata or b""
    if codec.name == "h264" and len(header) > 4 and header[0] == 1:
        return (header[4] & 3) + 1
    if codec.name == "hevc" and len(header) > 21 and header[0] == 1:
        return (header[21] & 3) + 1
    return 0


def _common_form(data: bytes, tracks: dict[int, TrackInfo], index: int, lengths: dict[int, int]) -> bytes:
    codec = tracks[index].codec
    if codec in {"h264", "hevc"}:
        slices, shift = (_AVC_SLICES, 0) if codec == "h264" else (_HEVC_SLICES, 1)
        mask = 0x1F if codec == "h264" else 0x3F
        units = _split_lengths(data, lengths[index]) if lengths[index] else _split_start_codes(data)
        kept = [unit for unit in units if unit and (unit[0] >> shift) & mask in slices]
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)
    if codec == "aac" and len(data) > _ADTS_HEADER and data[0] == 0xFF and data[1] & 0xF6 == 0xF0:
        # Transport streams and raw AAC repeat the decoder's settings before each packet (ISO/IEC 14496-3 §1.A.2).
        return data[_ADTS_HEADER if data[1] & 1 else _ADTS_HEADER_WITH_CRC :]
    return data


def _split_lengths(data: bytes, size: int) -> Iterator[bytes]:
    place = 0
    while place + size <= len(data):
        length = int.from_bytes(data[place : place + size], "big")
        yield data[place + size : place + size + length].rstrip(b"\0")
        place += size + length


def _split_start_codes(data: bytes) -> Iterator[bytes]:
    marks = [match.start() for match in _START_CODE.finditer(data)]
    for place, start in enumerate(marks):
        end = marks[place + 1] if place + 1 < len(marks) else len(data)
        # The zero byte of a four-byte start code and trailing zeros belong to no NAL unit (Annex B.1.1).
        yield data[start + 3 : end].rstrip(b"\0")


def _unreadable(path: Path, problem: Exception) -> InputError:
    return InputError(
        f"{path.name} cannot be read as media.",
        code="input.unreadable",
        found=f"{type(problem).__name__}: {problem}"[:200],
        next_step="check the file with: thsafe inspect FILE",
    )
