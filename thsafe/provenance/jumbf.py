"""The boxes of a manifest store (JUMBF, ISO 19566-5), as far as one manifest is taken out of it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_HEADER = struct.Struct(">I4s")
_LONG = struct.Struct(">Q")
_SUPERBOX, _DESCRIPTION, _CBOR = b"jumb", b"jumd", b"cbor"


def active_manifest(store: bytes) -> bytes:
    """A store that holds the active manifest alone: the last one (C2PA 2.4 §11.1.4.2).

    Manifests of ingredients are left out; a reader misses them and says so.

    Raises:
        ValueError: this is no manifest store.
    """
    (kind, start, end), *_ = *_boxes(store, 0, len(store)), (b"", 0, 0)
    inside = list(_boxes(store, start, end))
    if kind != _SUPERBOX or len(inside) < 2 or inside[0][0] != _DESCRIPTION or inside[-1][0] != _SUPERBOX:
        raise ValueError("not a manifest store")
    parts = [store[first:last] for _, first, last in (inside[0], inside[-1])]
    boxes = b"".join(
        _HEADER.pack(_HEADER.size + len(part), name) + part
        for (name, _, _), part in zip((inside[0], inside[-1]), parts, strict=True)
    )
    return _HEADER.pack(_HEADER.size + len(boxes), _SUPERBOX) + boxes


def claim_signature(store: bytes, label: str) -> bytes:
    """The COSE_Sign1 message of one manifest.

    Raises:
        ValueError: this is no manifest store, or it holds no such manifest or signature.
    """
    place = (0, len(store))
    for name in (b"c2pa", label.encode(), b"c2pa.signature"):
        place = _child(store, *place, name)
    for kind, start, end in _boxes(store, *place):
        if kind == _CBOR:
            return store[start:end]
    raise ValueError("not a manifest store")


def _child(data: bytes, start: int, end: int, label: bytes) -> tuple[int, int]:
    """The content of the superbox of this label."""
    for kind, first, last in _boxes(data, start, end):
        if kind == _SUPERBOX:
            description, begin, stop = next(_boxes(data, first, last), (b"", 0, 0))
            # ISO 19566-5: type (16 bytes), toggles (1 byte), then the label up to a zero byte.
            if description == _DESCRIPTION and data[begin + 17 : stop].split(b"\0")[0] == label:
                return first, last
    raise ValueError("not a manifest store")


def _boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(type, begin and end of the content) of each box in a stretch; raises ValueError where one overruns it."""
    while start < end:
        if end - start < _HEADER.size:
            raise ValueError("not a manifest store")
        length, kind = _HEADER.unpack_from(data, start)
        content = start + _HEADER.size
        if length == 1 and end - content >= _LONG.size:
            (length,) = _LONG.unpack_from(data, content)
            content += _LONG.size
        stop = end if length == 0 else start + length
        if not content <= stop <= end:
            raise ValueError("not a manifest store")
        yield kind, content, stop
        start = stop
