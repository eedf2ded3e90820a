"""Video and sound out: pictures and sound go in as they are made, a finished file comes out, or none.

Mp4Writer makes H.264 and AAC with the index in front. It takes I420 planes as they are, so that what label and
watermark put there is what the encoder sees. It does not sign: C2PA binds the file as it is when this module is done.
"""

from __future__ import annotations

import contextlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from thsafe.core.errors import EngineError
from thsafe.media.files import write_failure

if TYPE_CHECKING:
    from thsafe.core.types import SoundBlock
    from thsafe.media.planes import Plane

_SOUND_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000)
"""What AAC-LC can carry (ISO/IEC 14496-3 table 1.18)."""
_AAC_FRAME = 1024
# H.273: primaries and transfer of BT.709 (which sRGB pictures come closest to), matrix BT.601, studio range:
# the matrix and range are those of planes.i420_from_bgr, so players and our own reader undo exactly that
_PRIMARIES, _TRANSFER, _MATRIX, _RANGE = 1, 1, 6, 1


_KEY_SECONDS = 2
"""A key frame every two seconds: players and samplers find their way at once."""
_THREADS = 4
"""A fixed number, not that of this machine's cores: x264's output depends on it, and the same job should give the
same bytes everywhere."""


class Coded(NamedTuple):
    """One encoded picture; times count pictures."""

    data: bytes
    pts: int
    """When it is shown."""
    dts: int
    """When it is decoded; the first ones are negative."""
    key: bool
    """It begins a group that depends on nothing before it."""


class Mp4Writer:
    """One MP4 file in the making; use it in a ``with`` block. On any error the file is removed.

    Args:
        path: where to write; overwritten if it exists. A name that ends in ``.mov`` gets a QuickTime file.
        width: even, pixels.
        height: even, pixels.
        fps: frames per second, exact.
        sample_rate: Hz; 0 for a silent film.
        channels: 1 or 2.
        metadata: named values for ``moov/udta/meta`` (``keys`` and ``ilst``), such as China's ``AIGC``.
        crf: x264 quality, 0 to 51, lower is better.
        preset: x264 speed.
        sound_kbps: AAC bit rate per channel pair.
        on_coded: told of every picture as it leaves the encoder.

    Raises:
        ValueError: odd sides, or a sample rate that AAC cannot carry.
        StoreError: ``store.disk-full`` or ``store.unwritable``, from any method.
        EngineError: ``engine.no-frames`` at the end, when no picture was written.
    """

    def __init__(
        self,
        path: Path,
        *,
        width: int,
        height: int,
        fps: Fraction,
        sample_rate: int = 0,
        channels: int = 1,
        metadata: Mapping[str, str] | None = None,
        crf: int = 18,
        preset: str = "veryfast",
        sound_kbps: int = 160,
        on_coded: Callable[[Coded], None] | None = None,
    ) -> None:
        if width % 2 or height % 2 or width <= 0 or height <= 0:
            raise ValueError(f"sides must be even and positive, not {width} x {height}")
        if sample_rate and sample_rate not in _SOUND_RATES:
            raise ValueError(f"AAC has no sample rate of {sample_rate} Hz; it has {_SOUND_RATES}")
        if channels not in {1, 2}:
            raise ValueError(f"one or two channels, not {channels}")
        self._path = path
        self._shape = (height * 3 // 2, width)
        self._fps = Fraction(fps)
        self._rate = sample_rate
        self._channels = channels
        self._pictures = 0
        self._samples = 0
        self._waiting: deque[SoundBlock] = deque()
        self._waiting_samples = 0
        self._written = 0
        self._on_coded = on_coded
        self._container: Any = None
        try:
            self._open(width, height, metadata or {}, crf, preset, sound_kbps)
        except BaseException as problem:
            self._discard()
            raise self._named(problem) from problem

    @property
    def picture_time(self) -> float:
        """Seconds of picture taken so far."""
        return float(self._pictures / self._fps)

    @property
    def pictures(self) -> int:
        """How many pictures were taken so far."""
        return self._pictures

    @property
    def sound_time(self) -> float:
        """Seconds of sound taken so far; a caller that keeps it just behind ``picture_time`` uses least memory."""
        return (self._samples + self._waiting_samples) / self._rate if self._rate else 0.0

    def write_picture(self, i420: Plane) -> None:
        """Add one picture: ``uint8`` (height * 3 / 2, width). The array may be used again afterwards."""
        import av

        if i420.shape != self._shape or i420.dtype != np.uint8:
            raise ValueError(f"expected uint8 {self._shape}, got {i420.dtype} {i420.shape}")
        frame = av.VideoFrame.from_ndarray(i420, format="yuv420p")
        frame.pts = self._pictures
        frame.time_base = 1 / self._fps
        frame.colorspace, frame.color_range = _MATRIX, _RANGE
        frame.color_primaries, frame.color_trc = _PRIMARIES, _TRANSFER
        self._mux(self._video, frame)
        self._pictures += 1
        self._drain_sound()

    def write_coded(self, coded: Coded) -> None:
        """Add a picture that a writer with the same settings has encoded; all of them before the first other one.

        The last one must have been followed by a key frame, which the next picture will be.
        """
        import av

        packet = av.Packet(coded.data)
        packet.pts, packet.dts, packet.time_base = coded.pts, coded.dts, 1 / self._fps
        packet.duration, packet.is_keyframe, packet.stream = 1, coded.key, self._video
        try:
            self._container.mux(packet)
        except Exception as problem:
            raise self._named(problem) from problem
        self._pictures += 1
        self._drain_sound()

    def write_sound(self, block: SoundBlock) -> None:
        """Add sound: ``float32`` (samples, channels) in [-1, 1]. What runs ahead of the pictures waits here."""
        if not self._rate:
            raise ValueError("this file was begun without sound")
        if block.ndim != 2 or block.shape[1] != self._channels:
            raise ValueError(f"expected (samples, {self._channels}), got {block.shape}")
        self._waiting.append(np.clip(block, -1.0, 1.0).astype(np.float32))
        self._waiting_samples += len(block)
        self._drain_sound()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException as problem:
            self._discard()
            raise self._named(problem) from problem

    def _open(
        self, width: int, height: int, metadata: Mapping[str, str], crf: int, preset: str, sound_kbps: int
    ) -> None:
        import av

        # FFmpeg opens its file at the first packet; a folder that is not there should be noticed now
        self._path.open("wb").close()
        self._container = container = av.open(
            "file:" + str(self._path.absolute()),
            "w",
            format="mov" if self._path.suffix == ".mov" else "mp4",
            options={"movflags": "+faststart+use_metadata_tags"},
        )
        container.metadata.update(metadata)
        video: Any = container.add_stream("libx264", rate=self._fps, options={"crf": str(crf), "preset": preset})
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = video.codec_context.time_base = 1 / self._fps
        context = video.codec_context
        context.thread_count = _THREADS
        context.gop_size = max(1, round(_KEY_SECONDS * self._fps))
        context.colorspace, context.color_range = _MATRIX, _RANGE
        context.color_primaries, context.color_trc = _PRIMARIES, _TRANSFER
        self._video = video
        self._audio: Any = None
        if self._rate:
            layout = "mono" if self._channels == 1 else "stereo"
            self._audio = container.add_stream("aac", rate=self._rate, layout=layout)
            self._audio.bit_rate = sound_kbps * 1000
            self._audio.time_base = Fraction(1, self._rate)

    def _drain_sound(self) -> None:
        """Encode the sound that belongs to the pictures so far, in whole AAC frames."""
        if not self._rate:
            return
        due = math.floor(self._pictures * self._rate / self._fps)
        while self._waiting_samples >= _AAC_FRAME and self._samples + _AAC_FRAME <= due:
            self._encode_sound(self._take(_AAC_FRAME))

    def _take(self, count: int) -> SoundBlock:
        """The first ``count`` waiting samples."""
        parts: list[SoundBlock] = []
        wanted = count
        while wanted:
            block = self._waiting.popleft()
            if len(block) > wanted:
                self._waiting.appendleft(block[wanted:])
                block = block[:wanted]
            parts.append(block)
            wanted -= len(block)
        self._waiting_samples -= count
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _encode_sound(self, samples: SoundBlock) -> None:
        import av

        layout = "mono" if self._channels == 1 else "stereo"
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T), format="fltp", layout=layout)
        frame.sample_rate = self._rate
        frame.pts = self._samples
        frame.time_base = Fraction(1, self._rate)
        self._mux(self._audio, frame)
        self._samples += len(samples)

    def _finish(self) -> None:
        """Make the sound exactly as long as the pictures, flush both, write the index to the front."""
        if not self._pictures:
            raise EngineError(
                "No picture was made, so there is no video to write.",
                code="engine.no-frames",
                next_step="give longer text or sound",
                log=f"nothing was left at {self._path}",
            )
        if self._rate:
            total = math.floor(self._pictures * self._rate / self._fps)
            missing = total - self._samples - self._waiting_samples
            if missing > 0:
                self._waiting.append(np.zeros((missing, self._channels), np.float32))
                self._waiting_samples += missing
            while self._samples < total:
                self._encode_sound(self._take(min(_AAC_FRAME, total - self._samples)))
            self._mux(self._audio, None)
        self._mux(self._video, None)
        container, self._container = self._container, None
        container.close()

    def _mux(self, stream: Any, frame: Any) -> None:
        try:
            for packet in stream.encode(frame):
                if self._on_coded is not None and stream is self._video:
                    self._on_coded(Coded(bytes(packet), packet.pts, packet.dts, packet.is_keyframe))
                self._container.mux(packet)
        except Exception as problem:
            raise self._named(problem) from problem

    def _named(self, problem: BaseException) -> BaseException:
        """A failed write as the StoreError that says so; anything else unchanged."""
        number = getattr(problem, "errno", None)
        # FFmpeg's own codes are far above any errno
        if not isinstance(problem, OSError) and not (number and 0 < number < 200):
            return problem
        return write_failure(self._path, number, max(self._written, _size(self._path)))

    def _discard(self) -> None:
        import av

        self._written = _size(self._path)
        self._path.unlink(missing_ok=True)
        if self._container is not None:
            container, self._container = self._container, None
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                container.close()
        self._path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
