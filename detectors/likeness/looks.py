"""Looks at films and pictures: a few frames each, evenly spaced."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import InputError
from thsafe.core.types import MediaKind
from thsafe.media.decode import VideoReader
from thsafe.media.image import read_image
from thsafe.media.probe import probe

if TYPE_CHECKING:
    from thsafe.core.types import Frame


def looks(path: Path, count: int) -> list[Frame]:
    """At most ``count`` frames of a film, or the picture, BGR.

    Raises:
        InputError: ``evaluate.no-picture`` for sound; what decoding finds.
    """
    kind = probe(path).kind
    if kind is MediaKind.IMAGE:
        return [read_image(path)]
    if kind is not MediaKind.VIDEO:
        raise InputError(
            f"{path.name} shows nothing.", code="evaluate.no-picture", found=str(kind), next_step="give a film"
        )
    with VideoReader(path) as reader:
        return [frame for _, frame in reader.sample_bgr(count)]
