"""Fuzz the probing and decoding of strangers' media: ``python fuzz/media_files.py CORPUS [libFuzzer options]``.

Whatever bytes a file holds, it is read or refused with an InputError.
"""

from __future__ import annotations

import contextlib
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

from broken_media import seeds
from harness import fuzz

from thsafe.core.errors import InputError
from thsafe.core.types import MediaKind
from thsafe.media.decode import VideoReader
from thsafe.media.image import read_image
from thsafe.media.probe import probe
from thsafe.media.sound import iter_sound


def prepare(folder: Path) -> tuple[Callable[[bytes], None], list[bytes]]:
    """The function to fuzz, and genuine files to begin with."""
    path = folder / "file"

    def one_input(data: bytes) -> None:
        path.write_bytes(data)
        with contextlib.suppress(InputError):
            _read(path)

    return one_input, list(seeds().values())


def _read(path: Path) -> None:
    info = probe(path)
    if info.kind is MediaKind.IMAGE:
        read_image(path)
    if info.kind is MediaKind.VIDEO:
        with VideoReader(path) as reader:
            reader.sample_bgr(3)
    if info.audio_codec:
        for _ in itertools.islice(iter_sound(path, rate=16000), 5):
            pass


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="thsafe-fuzz-") as place:
        fuzz(*prepare(Path(place)))
