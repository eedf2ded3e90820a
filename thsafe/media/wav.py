"""WAV out: 16-bit PCM, streamed, with named RIFF chunks for metadata that FFmpeg's writer leaves out.

China's TC260 guide puts the label of a WAV file into a RIFF chunk named ``AIGC``; no common muxer writes that.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import struct
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from thsafe.media.files import write_failure

if TYPE_CHECKING:
    from thsafe.core.types import SoundBlock

_MOST_BYTES = 2**32 - 1
_HEADER = 44


class WavWriter:
    """One WAV file in the making; use it in a ``with`` block. It appears under its name only when it is whole.

    Args:
        path: where to write; replaced if it exists.
        sample_rate: Hz.
        channels: how many.
        metadata: chunks to add, by four-character name.

    Raises:
        ValueError: a metadata name that is not four ASCII characters.
        StoreError: ``store.disk-full`` or ``store.unwritable``, from any method.
    """

    def __init__(
        self, path: Path, *, sample_rate: int, channels: int = 1, metadata: Mapping[str, str] | None = None
    ) -> None:
        self._chunks = dict(metadata or {})
        for name in self._chunks:
            if len(name) != 4 or not name.isascii():
                raise ValueError(f"a RIFF chunk has a name of four ASCII characters, not {name!r}")
        self._path = path
        self._temp = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        self._rate, self._channels = sample_rate, channels
        self._bytes = 0
        try:
            self._file = self._temp.open("wb")
            self._file.write(bytes(_HEADER))
        except OSError as problem:
            raise write_failure(path, problem.errno, _HEADER) from problem

    def write(self, block: SoundBlock) -> None:
        """Add ``float32`` (samples, channels) in [-1, 1]; louder is clipped."""
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(f"expected (samples, {self._channels}), got {block.shape}")
        data = np.round(np.clip(block, -1.0, 1.0) * 32767).astype("<i2").tobytes()
        if self._bytes + len(data) > _MOST_BYTES - 65536:
            raise ValueError("a WAV file holds at most 4 GiB")
        try:
            self._file.write(data)
        except OSError as problem:
            raise write_failure(self._path, problem.errno, self._bytes + len(data)) from problem
        self._bytes += len(data)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        except OSError as problem:
            raise write_failure(self._path, problem.errno, self._bytes) from problem
        finally:
            # the buffer of a full disk cannot be flushed; the descriptor is released all the same
            with contextlib.suppress(OSError):
                self._file.close()
            self._temp.unlink(missing_ok=True)

    def _finish(self) -> None:
        for name, text in self._chunks.items():
            body = text.encode()
            self._file.write(name.encode() + struct.pack("<I", len(body)) + body + bytes(len(body) & 1))
        total = self._file.tell()
        frame = 2 * self._channels
        self._file.seek(0)
        self._file.write(
            struct.pack(
                "<4sI4s4sIHHIIHH4sI",
                b"RIFF",
                total - 8,
                b"WAVE",
                b"fmt ",
                16,
                1,
                self._channels,
                self._rate,
                self._rate * frame,
                frame,
                16,
                b"data",
                self._bytes,
            )
        )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._temp.replace(self._path)


def write_wav(path: Path, samples: SoundBlock, *, sample_rate: int, metadata: Mapping[str, str] | None = None) -> None:
    """Write ``float32`` (samples, channels), or (samples,) for mono, in one go."""
    shaped = samples[:, None] if samples.ndim == 1 else samples
    with WavWriter(path, sample_rate=sample_rate, channels=shaped.shape[1], metadata=metadata) as writer:
        writer.write(shaped)
