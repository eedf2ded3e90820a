"""Invisible marks in picture and sound: a 64-bit pointer to the signed manifest, never evidence by itself.

``PictureMarker`` and ``SoundMarker`` write while a video is published; ``read_video``, ``read_pictures`` and
``read_sound`` look for the mark in anyone's media; ``read_presence`` needs no key and says no more than that a mark is
there. Nothing here takes a mark out.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from thsafe.watermark.carriers import PUBLIC_KEY
    from thsafe.watermark.files import read_video
    from thsafe.watermark.picture import PictureMarker
    from thsafe.watermark.presence import read_presence
    from thsafe.watermark.reader import read_pictures
    from thsafe.watermark.reading import Geometry, MarkReading, Segment
    from thsafe.watermark.sound import SoundMarker
    from thsafe.watermark.soundreader import read_sound

ALGORITHM = "io.github.thsafe.watermark.1"
"""The soft-binding algorithm name: reverse-domain and private, not (yet) on the C2PA list of algorithms."""

__all__ = [
    "ALGORITHM",
    "PUBLIC_KEY",
    "Geometry",
    "MarkReading",
    "PictureMarker",
    "Segment",
    "SoundMarker",
    "read_pictures",
    "read_presence",
    "read_sound",
    "read_video",
]

_HOMES = {
    "PUBLIC_KEY": "carriers",
    "Geometry": "reading",
    "MarkReading": "reading",
    "PictureMarker": "picture",
    "Segment": "reading",
    "SoundMarker": "sound",
    "read_pictures": "reader",
    "read_presence": "presence",
    "read_sound": "soundreader",
    "read_video": "files",
}


def __getattr__(name: str) -> object:
    """Load numpy and OpenCV only when a mark is written or read."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
