"""Compressed sound out: M4A and MP3, streamed. Neither is signed here: C2PA binds the file as this module leaves it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thsafe.media.files import write_failure

if TYPE_CHECKING:
    from thsafe.core.types import SoundBlock

_KINDS = {"audio/mp4": ("mp4", "aac"), "audio/mpeg": ("mp3", "libmp3lame")}
SOUND_RATES = (16000, 22050, 24000, 32000, 44100, 48000)
"""What both codecs carry (ISO/IEC 14496-3 table 1.18, ISO/IEC 13818-3), from the width of speech on; Hz."""


class SoundWriter:
    """One sound file in the making; use it in a ``with`` block. On any error the file is removed.

    Args:
        path: where to write; overwritten if it exists.
        media_type: ``audio/mp4`` or ``audio/mpeg``.
        sample_rate: one of ``SOUND_RATES``.
        channels: 1 or 2.
        metadata: named values: ``moov/udta/meta`` in M4A, TXXX frames in MP3.
        kbps: bit rate.

    Raises:
        ValueError: a kind, rate or number of channels that is not among these.
        StoreError: ``store.disk-full`` or ``store.unwritable``, from any method.
    """

    def __init__(
        self,
        path: Path,
        *,
        media_type: str,
        sample_rate: int,
        channels: int = 1,
        metadata: Mapping[str, str] | None = None,
        kbps: int = 160,
    ) -> None:
        import av

        if media_type not in _KINDS or sample_rate not in SOUND_RATES or channels not in {1, 2}:
            raise ValueError(f"no {media_type} of {sample_rate} Hz with {channels} channels")
        form, codec = _KINDS[media_type]
        self._path, self._rate, self._channels = path, sample_rate, channels
        self._layout = "mono" if channels == 1 else "stereo"
        self._samples = 0
        self._container: Any = None
        try:
            path.open("wb").close()
            options = {"movflags": "+faststart+use_metadata_tags"} if form == "mp4" else {}
            self._container = av.open("file:" + str(path.absolute()), "w", format=form, options=options)
            self._container.metadata.update(metadata or {})
            self._stream: Any = self._container.add_stream(codec, rate=sample_rate, layout=self._layout)
            self._stream.bit_rate = kbps * 1000
            self._stream.time_base = Fraction(1, sample_rate)
            self._waiting: Any = av.AudioFifo()
        except OSError as problem:
            self._discard()
            raise write_failure(path, problem.errno, 0) from problem

    def write(self, block: SoundBlock) -> None:
        """Add ``float32`` (samples, channels) in [-1, 1]; louder is clipped."""
        import av

        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(f"expected (samples, {self._channels}), got {block.shape}")
        samples = np.ascontiguousarray(np.clip(block, -1.0, 1.0).astype(np.float32).T)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._samples, Fraction(1, self._rate)
        self._samples += len(block)
        self._waiting.write(frame)
        self._encode(partial=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        self._encode(partial=True)
        self._mux(None)
        container, self._container = self._container, None
        try:
            container.close()
        except OSError as problem:
            self._path.unlink(missing_ok=True)
            raise write_failure(self._path, problem.errno, 0) from problem

    def _encode(self, *, partial: bool) -> None:
        size = self._stream.codec_context.frame_size or 1024
        while (frame := self._waiting.read(size, partial=partial)) is not None:
            self._mux(frame)

    def _mux(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except OSError as problem:
            self._discard()
            raise write_failure(self._path, problem.errno, 0) from problem

    def _discard(self) -> None:
        import av

        if self._container is not None:
            container, self._container = self._container, None
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                container.close()
        self._path.unlink(missing_ok=True)
