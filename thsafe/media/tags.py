"""What a file says about itself in named metadata, wherever its container keeps that; anyone can write anything there.

Covers the places that China's TC260 practice guides name for the ``AIGC`` label: ``moov/udta/meta`` in MP4 and MOV,
SimpleTag in Matroska and WebM, TXXX in MP3, a RIFF chunk in WAV, XMP in pictures.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from thsafe.media.boxes import read_keys
from thsafe.media.limits import DEFAULT_LIMITS, Limits
from thsafe.media.probe import open_container, sniff_file
from thsafe.media.sniff import Signature

AIGC = "AIGC"
_MOST = 1 << 16
"""Longest value kept, in characters."""
_XMP_BYTES = 1 << 22
_XMP_AIGC = re.compile(rb""":AIGC\s*(?:=\s*(?:"([^"]*)"|'([^']*)')|>([^<>]*)<)""")
_XMP_NAMESPACE = b"http://www.tc260.org.cn/ns/AIGC/"


def read_tags(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> dict[str, str]:
    """Named metadata of a picture, sound or video.

    Names are as the file has them, but the AIGC key always reads ``AIGC``, whatever case a container gave it.

    Raises:
        InputError: as ``probe`` does for files that are missing, unreadable or no media.
    """
    signature, _ = sniff_file(path, limits=limits)
    tags = dict(_read(path, signature, limits))
    return {AIGC if name.upper() == AIGC else name: value[:_MOST] for name, value in tags.items()}


def _read(path: Path, signature: Signature, limits: Limits) -> Iterator[tuple[str, str]]:
    if signature.image_type:
        yield from _picture_tags(path)
        return
    with open_container(path, signature, limits) as container:
        for stream in container.streams:
            yield from stream.metadata.items()
        yield from container.metadata.items()
    if signature.demuxer == "mov":
        yield from read_keys(path).items()
    elif signature.container == "wav":
        with path.open("rb") as source:
            yield from _riff_tags(source)


def _riff_tags(source: BinaryIO) -> Iterator[tuple[str, str]]:
    """The AIGC chunk of a WAV file; FFmpeg does not read it."""
    end = source.seek(0, 2)
    offset = 12
    while offset + 8 <= end:
        source.seek(offset)
        head = source.read(8)
        length = int.from_bytes(head[4:], "little")
        if head[:4] == AIGC.encode():
            yield AIGC, source.read(min(length, _MOST)).decode("utf-8", "replace").rstrip("\x00")
        offset += 8 + length + (length & 1)


def _picture_tags(path: Path) -> Iterator[tuple[str, str]]:
    """The AIGC property in an XMP packet, as attribute or element; packets stand uncompressed near either end."""
    size = path.stat().st_size
    with path.open("rb") as source:
        data = source.read(_XMP_BYTES)
        source.seek(max(_XMP_BYTES, size - _XMP_BYTES))
        data += source.read()
    at = data.find(_XMP_NAMESPACE)
    if at < 0:
        return
    # a window, so that a hostile packet costs little
    match = _XMP_AIGC.search(data[max(0, at - 8192) : at + _MOST])
    if match:
        raw = next(group for group in match.groups() if group is not None)
        yield AIGC, html.unescape(raw.decode("utf-8", "replace")).strip()
