"""Video in: pictures one after the other, upright, at their true times, in memory that does not grow.

Times are seconds from the first moment of the file, the same zero that ``thsafe.media.sound`` uses. Packets that do
not decode are skipped and counted, since one bad second should not cost the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from thsafe.core.types import MediaKind
from thsafe.media import complaints
from thsafe.media.limits import DEFAULT_LIMITS, Limits
from thsafe.media.probe import check_pixels, moving_picture, open_container, probe, sniff_file

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.media.planes import Plane

_BT709 = 1
_UNKNOWN_MATRIX = 2
_BT601 = frozenset((5, 6))
_STUDIO = frozenset((0, 1))
"""AVCOL_RANGE unspecified and MPEG: both are read as studio range."""
_BLIND_JUMP = 5.0
"""Seconds that are rather skipped than decoded in files without an index."""
_BLIND_AIM = 1.0
"""Seconds to aim before the mark there, since such jumps land late."""
_INDEXED = frozenset(("mov", "matroska"))
"""Demuxers that jump to the exact key frame."""
_REORDER = 4
"""Frames by which decoding order may run ahead of showing order."""
_SAME = 1e-4
"""Seconds below which two times are one: containers round."""


@dataclass(frozen=True, slots=True)
class _Picture:
    seconds: float
    frame: Any
    """A PyAV frame, still in the codec's own pixel format."""


class VideoReader:
    """One open video file. Every iteration starts again at the beginning and ends the one before it.

    Args:
        path: the file.
        limits: what is too much; enforced while decoding too, since headers may lie.

    Raises:
        InputError: as ``probe``; ``input.no-picture`` for sound and stills.
    """

    def __init__(self, path: Path, *, limits: Limits = DEFAULT_LIMITS) -> None:
        self.info = probe(path, limits=limits)
        """The facts found by ``probe``."""
        if self.info.kind is not MediaKind.VIDEO:
            raise complaints.no_picture(path, self.info.media_type)
        self.damaged = 0
        """Packets and pictures skipped or marked corrupt in the latest iteration."""
        self._path = path
        self._limits = limits
        self._signature, _ = sniff_file(path, limits=limits)
        self._container: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def iter_bgr(self, step: int = 1) -> Iterator[tuple[float, Frame]]:
        """Every ``step``-th picture as (seconds, ``uint8`` (height, width, 3) in BGR)."""
        for picture in self._pictures(step):
            yield picture.seconds, self._bgr(picture.frame)

    def iter_i420(self, step: int = 1) -> Iterator[tuple[float, Plane]]:
        """Every ``step``-th picture as (seconds, I420 ``uint8`` (height * 3 / 2, width)).

        The samples as coded, brought to 8 bits, 4:2:0 and studio range where they are not; an odd last row or column
        is left out. What our own encoder wrote comes back without any colour conversion.
        """
        for picture in self._pictures(step):
            yield picture.seconds, self._i420(picture.frame)

    def sample_bgr(self, count: int) -> list[tuple[float, Frame]]:
        """About ``count`` pictures, evenly spaced over the whole file.

        Fewer come back when the file has fewer, or when parts of it do not decode.
        """
        if count < 1:
            return []
        duration, rate = self.info.duration, self.info.fps
        if duration and rate and count >= duration * rate:
            return list(self.iter_bgr())[:count]
        if duration:
            return self.frames_at((index + 0.5) * duration / count for index in range(count))
        total = sum(1 for _ in self._pictures(1))
        wanted = {int((index + 0.5) * total / count) for index in range(count)}
        chosen = (picture for index, picture in enumerate(self._pictures(1)) if index in wanted)
        return [(picture.seconds, self._bgr(picture.frame)) for picture in chosen]

    def frames_at(self, times: Iterable[float]) -> list[tuple[float, Frame]]:
        """The pictures at these times (seconds), or the next ones that decode; each once, in order.

        Jumps to a key frame where that skips anything and decodes straight on where it does not, so the cost is never
        above that of decoding the file once.
        """
        self.damaged = 0
        by_time: dict[float, Any] = {}
        pictures = self._decode(None)
        latest: _Picture | None = None
        for seconds in sorted(times):
            if latest is None or latest.seconds < seconds - _SAME:
                if self._jump_pays(seconds, latest.seconds if latest else 0.0):
                    pictures = self._decode(seconds if self._signature.demuxer in _INDEXED else seconds - _BLIND_AIM)
                for picture in pictures:
                    latest = picture
                    if picture.seconds >= seconds - _SAME:
                        break
            if latest is not None:
                by_time[latest.seconds] = latest.frame
        return [(seconds, self._bgr(by_time[seconds])) for seconds in sorted(by_time)]

    def stretches(self, count: int, length: int) -> Iterator[list[tuple[float, Frame]]]:
        """``count`` times ``length`` pictures that follow each other, from moments evenly spaced over the file.

        One stretch is held at a time. Fewer come when the file has fewer, or when parts of it do not decode.
        """
        self.damaged = 0
        duration, rate = self.info.duration, float(self.info.fps or 25)
        length_seconds = length / rate
        if not duration or duration <= count * length_seconds:
            starts = [place * length_seconds for place in range(count)]
        else:
            starts = [(place + 0.5) * duration / count - length_seconds / 2 for place in range(count)]
        pictures = self._decode(None)
        latest: _Picture | None = None
        for start in starts:
            if self._jump_pays(start, latest.seconds if latest else 0.0):
                pictures = self._decode(start if self._signature.demuxer in _INDEXED else start - _BLIND_AIM)
            found = []
            for picture in pictures:
                latest = picture
                if picture.seconds >= start - _SAME:
                    found.append(picture)
                    if len(found) == length:
                        break
            if found:
                yield [(picture.seconds, self._bgr(picture.frame)) for picture in found]

    def _jump_pays(self, target: float, position: float) -> bool:
        """A key frame lies between the two; without an index, one is taken to lie every few seconds."""
        stream: Any = moving_picture(self._container) if self._container is not None else None
        exact = self._signature.demuxer in _INDEXED and stream is not None and stream.time_base
        if not exact or not len(stream.index_entries):
            return target - position > _BLIND_JUMP
        zero = (self._container.start_time or 0) / 1e6
        # the index is in decoding order: a key frame may be shown a few frames later than it stands there, and a jump
        # to a moment in between lands one key frame earlier
        sure = target - _REORDER / float(self.info.fps or 25)
        entry = stream.index_entries.search_timestamp(int((sure + zero) / stream.time_base))
        if entry < 0:
            return False
        key = float(stream.index_entries[entry].timestamp * stream.time_base) - zero
        return key > position

    def _pictures(self, step: int) -> Iterator[_Picture]:
        self.damaged = 0
        limits = self._limits
        for index, picture in enumerate(self._decode(None)):
            if index >= limits.max_frames:
                raise complaints.too_many_frames(self._path, limits.max_frames)
            if picture.seconds > limits.max_seconds:
                raise complaints.too_long(self._path, picture.seconds, limits.max_seconds)
            if index % step == 0:
                yield picture

    def _decode(self, seek: float | None) -> Iterator[_Picture]:
        """Open again, at the start or at the key frame before a time, and decode from there."""
        import av

        self._close()
        self._container = container = open_container(self._path, self._signature, self._limits)
        stream: Any = moving_picture(container)
        if stream is None:
            raise complaints.no_picture(self._path, self.info.media_type)
        stream.thread_type = "AUTO"
        zero = (container.start_time or 0) / 1e6
        if seek is not None:
            try:
                container.seek(int((seek + zero) * 1e6))
            except (av.FFmpegError, ValueError, OSError):
                self.damaged += 1
        return self._timed(self._frames(container, stream), zero)

    def _timed(self, frames: Iterator[Any], zero: float) -> Iterator[_Picture]:
        """Seconds from the start of the file; a frame without a time stamp follows its predecessor."""
        period = 1 / float(self.info.fps or 25)
        latest = -period
        for frame in frames:
            latest = latest + period if frame.pts is None else float(frame.pts * frame.time_base) - zero
            yield _Picture(latest, frame)

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        import av

        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError, OSError):
                self.damaged += 1
                return
            if packet is None:
                return
            try:
                frames = packet.decode()
            except (av.FFmpegError, ValueError):
                self.damaged += 1
                continue
            for frame in frames:
                if frame.is_corrupt:
                    self.damaged += 1
                yield frame

    def _bgr(self, frame: Any) -> Frame:
        import cv2

        self._check_size(frame)
        even = frame.width % 2 == 0 and frame.height % 2 == 0
        if frame.format.name == "yuv420p" and even and _matrix(frame) in _BT601 and frame.color_range in _STUDIO:
            # the inverse of planes.i420_from_bgr, and five times as fast as swscale
            bgr: Frame = cv2.cvtColor(_planes(frame), cv2.COLOR_YUV2BGR_I420)
        else:
            bgr = frame.to_ndarray(format="bgr24", src_colorspace=_SWS_MATRIX.get(_matrix(frame), 5))
        return self._fit(_upright(bgr, self.info.rotation))

    def _i420(self, frame: Any) -> Plane:
        self._check_size(frame)
        even = frame.width % 2 == 0 and frame.height % 2 == 0
        same = (frame.width, frame.height, self.info.rotation) == (self.info.width, self.info.height, 0)
        if frame.format.name == "yuv420p" and even and same and frame.color_range in _STUDIO:
            return _planes(frame)
        import cv2

        bgr = self._bgr(frame)
        height, width = bgr.shape[0] & ~1, bgr.shape[1] & ~1
        converted: Plane = cv2.cvtColor(np.ascontiguousarray(bgr[:height, :width]), cv2.COLOR_BGR2YUV_I420)
        return converted

    def _check_size(self, frame: Any) -> None:
        check_pixels(self._path, frame.width, frame.height, self._limits.max_frame_pixels, self._limits.max_side)

    def _fit(self, bgr: Frame) -> Frame:
        """A stream may change its size half-way; every picture leaves with the size that ``info`` tells."""
        width, height = self.info.width, self.info.height
        if bgr.shape[1] == width and bgr.shape[0] == height:
            return bgr
        import cv2

        fitted: Frame = cv2.resize(bgr, (width, height), interpolation=cv2.INTER_AREA)
        return fitted

    def _close(self) -> None:
        if self._container is not None:
            self._container.close()
            self._container = None


_SWS_MATRIX = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""AVColorSpace to swscale's numbers (swscale.h SWS_CS_*)."""


def _matrix(frame: Any) -> int:
    """The colour matrix; where the file does not say, BT.709 above 576 lines and BT.601 below, as players do."""
    if frame.colorspace != _UNKNOWN_MATRIX:
        return int(frame.colorspace)
    return _BT709 if frame.height > 576 else 5


def _planes(frame: Any) -> Plane:
    """The I420 array of a yuv420p frame with even sides."""
    planes: Plane = frame.to_ndarray()
    return planes


def _upright(bgr: Frame, rotation: int) -> Frame:
    """Turn by ``rotation`` degrees counter-clockwise, a multiple of 90."""
    return np.ascontiguousarray(np.rot90(bgr, rotation // 90)) if rotation else bgr
