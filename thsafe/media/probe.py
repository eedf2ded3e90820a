"""What a file is and holds, found from its content and under limits, before anything is decoded at length.

``probe`` looks at the bytes, never at the name. It refuses what is missing, cut off, absurdly large or lying about
its length, each with its own code; it decodes at most one picture or one block of sound.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thsafe.core.types import MediaKind
from thsafe.media import complaints
from thsafe.media.digest import hash_file
from thsafe.media.limits import DEFAULT_LIMITS, Limits
from thsafe.media.sniff import HEAD_BYTES, Signature, sniff

if TYPE_CHECKING:
    from av import AudioStream, VideoStream
    from av.container import InputContainer

__all__ = ["MediaInfo", "hash_file", "open_container", "probe", "sniff_file"]

_LEAST_BYTES_PER_SECOND = 2
"""No format here spends less, silence and still pictures included."""
_PACKETS_TO_FIRST_FRAME = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """The facts about one file; None where the kind of file has no such thing or its header does not tell."""

    path: Path
    kind: MediaKind
    media_type: str
    """IANA media type by content, such as ``video/mp4``."""
    container: str
    """Short name of the format, such as ``mp4``, ``matroska``, ``mpeg-ps``, ``png``."""
    size_bytes: int
    width: int | None = None
    """Pixels as displayed: rotation is already applied."""
    height: int | None = None
    fps: Fraction | None = None
    """Average frame rate; single frames may come at other times."""
    duration: float | None = None
    """Seconds."""
    frame_count: int | None = None
    """As the container says; decoding may yield another number."""
    video_codec: str | None = None
    audio_codec: str | None = None
    sample_rate: int | None = None
    """Hz."""
    channels: int | None = None
    rotation: int = 0
    """Degrees counter-clockwise by which a player turns the coded picture: 0, 90, 180 or 270."""
    encoder_tag: str | None = None
    """What the file says about the program that wrote it; anyone can write anything there."""


def probe(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> MediaInfo:
    """Find out what a file is.

    Args:
        path: the file; its name plays no part.
        limits: what is too much.

    Raises:
        InputError: ``input.missing``, ``input.unreadable``, ``input.empty``, ``input.not-media``,
            ``input.truncated``, ``input.damaged``, ``input.too-large``, ``input.too-long``,
            ``input.impossible-duration`` or ``input.no-frames``.
    """
    signature, size = sniff_file(path, limits=limits)
    if signature.image_type:
        from thsafe.media.image import probe_image

        return probe_image(path, signature, size, limits=limits)
    from thsafe.media.structure import check_structure

    check_structure(path, signature, size, limits=limits)
    return _probe_stream(path, signature, size, limits)


def sniff_file(path: Path, *, limits: Limits = DEFAULT_LIMITS) -> tuple[Signature, int]:
    """The signature and size of a file that is there, ordinary, readable, not empty and not over the byte limit."""
    try:
        status = path.stat()
    except FileNotFoundError as problem:
        raise complaints.missing(path) from problem
    except (OSError, ValueError) as problem:
        raise complaints.unreadable(path, getattr(problem, "strerror", None) or str(problem)) from problem
    if stat.S_ISDIR(status.st_mode):
        raise complaints.unreadable(path, "it is a folder")
    if not stat.S_ISREG(status.st_mode):
        raise complaints.unreadable(path, "it is a device or pipe, not a file")
    if status.st_size == 0:
        raise complaints.empty(path)
    if status.st_size > limits.max_bytes:
        raise complaints.too_large(path, f"{status.st_size} bytes", f"at most {limits.max_bytes} bytes")
    try:
        with path.open("rb") as source:
            head = source.read(HEAD_BYTES)
    except OSError as problem:
        raise complaints.unreadable(path, problem.strerror or str(problem)) from problem
    signature = sniff(head)
    if signature is None:
        raise complaints.not_media(path, f"it begins with {_show(head)}")
    return signature, status.st_size


def open_container(path: Path, signature: Signature, limits: Limits) -> InputContainer:
    """Open with exactly one demuxer, on this file alone: no playlist, no network, no guess by extension.

    Raises:
        InputError: ``input.damaged`` when FFmpeg cannot make sense of it.
    """
    import av

    names = _FFMPEG_NAMES.get(signature.demuxer, signature.demuxer)
    options = {"protocol_whitelist": "file", "format_whitelist": names}
    try:
        # "file:" keeps names such as concat:… or http:… from being read as protocols
        container: InputContainer = av.open(
            "file:" + os.fspath(path.absolute()), format=signature.demuxer, options=options, metadata_errors="replace"
        )
    except (av.FFmpegError, ValueError, OSError) as problem:
        raise complaints.damaged(path, first_line(problem)) from problem
    for stream in container.streams.video:
        if stream.codec_context is not None:
            stream.codec_context.options = {"max_pixels": str(limits.max_frame_pixels)}
    return container


_FFMPEG_NAMES = {"mov": "mov,mp4,m4a,3gp,3g2,mj2", "matroska": "matroska,webm"}


def moving_picture(container: Any) -> VideoStream | None:
    """The first video stream that is not a cover picture."""
    for stream in container.streams.video:
        if not stream.disposition & stream.disposition.attached_pic and stream.codec_context is not None:
            return stream
    return None


def sound_track(container: Any) -> AudioStream | None:
    """The first sound stream with a known codec."""
    for stream in container.streams.audio:
        if stream.codec_context is not None:
            return stream
    return None


def check_pixels(path: Path, width: int, height: int, most: int, longest: int) -> None:
    """Raise ``input.too-large`` for more than ``most`` pixels or a side over ``longest``.

    Raises ``input.damaged`` for a picture without area.
    """
    if width <= 0 or height <= 0:
        raise complaints.damaged(path, f"a picture of {width} x {height} pixels")
    if width * height > most or max(width, height) > longest:
        rule = f"at most {most} pixels and {longest} along a side"
        raise complaints.too_large(path, f"{width} x {height} pixels", rule)


def first_line(problem: BaseException) -> str:
    """A library's own words, one line, without the path it repeats."""
    text = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
    return str(text).splitlines()[0]


def _probe_stream(path: Path, signature: Signature, size: int, limits: Limits) -> MediaInfo:
    with open_container(path, signature, limits) as container:
        video, audio = moving_picture(container), sound_track(container)
        if video is None and audio is None:
            raise complaints.no_frames(path, f"{signature.container} with {len(container.streams)} streams")
        duration = _duration(container, video, audio)
        _check_duration(path, duration, size, limits)
        info = MediaInfo(
            path=path,
            kind=MediaKind.AUDIO if video is None else MediaKind.VIDEO,
            media_type=signature.audio_type if video is None else signature.video_type or signature.audio_type,
            container=signature.container,
            size_bytes=size,
            duration=duration,
            audio_codec=audio.codec_context.name if audio else None,
            sample_rate=(audio.rate or None) if audio else None,
            channels=(audio.channels or None) if audio else None,
            encoder_tag=_encoder_tag(container, video),
        )
        if video is not None and video.width and video.height:
            # what the header announces, before a decoder sets memory aside for it
            check_pixels(path, video.width, video.height, limits.max_frame_pixels, limits.max_side)
        first = _first_frame(path, container, video or audio)
        if video is None:
            return info
        check_pixels(path, first.width, first.height, limits.max_frame_pixels, limits.max_side)
        if video.frames > limits.max_frames:
            raise complaints.too_many_frames(path, limits.max_frames)
        rotation = first.rotation % 360
        turned = rotation in {90, 270}
        rate = video.average_rate or video.guessed_rate
        return replace(
            info,
            width=first.height if turned else first.width,
            height=first.width if turned else first.height,
            fps=Fraction(rate) if rate else None,
            frame_count=video.frames or None,
            video_codec=video.codec_context.name,
            rotation=rotation,
        )


def _first_frame(path: Path, container: InputContainer, stream: Any) -> Any:
    """The first picture or block of sound that decodes; raises ``input.no-frames`` if there is none near the start."""
    import av

    found = f"{stream.codec_context.name} stream"
    try:
        for number, packet in enumerate(container.demux(stream)):
            try:
                frames = packet.decode()
            except (av.FFmpegError, ValueError) as problem:
                found = f"{stream.codec_context.name} stream: {first_line(problem)}"
                frames = []
            if frames:
                return frames[0]
            if number > _PACKETS_TO_FIRST_FRAME:
                break
    except (av.FFmpegError, ValueError, OSError) as problem:
        raise complaints.damaged(path, first_line(problem)) from problem
    raise complaints.no_frames(path, found)


def _duration(container: InputContainer, *streams: Any) -> float | None:
    """The longest that the container or one of its streams claims, in seconds."""
    claims = [container.duration / 1e6] if container.duration else []
    claims += [float(s.duration * s.time_base) for s in streams if s is not None and s.duration and s.time_base]
    return max(claims, default=None)


def _check_duration(path: Path, duration: float | None, size: int, limits: Limits) -> None:
    if duration is None:
        return
    if duration > limits.max_seconds:
        raise complaints.too_long(path, duration, limits.max_seconds)
    if duration * _LEAST_BYTES_PER_SECOND > size:
        raise complaints.impossible_duration(path, f"{size} bytes for {complaints.spell_seconds(duration)}")


def _encoder_tag(container: InputContainer, video: VideoStream | None) -> str | None:
    for tags in (container.metadata, video.metadata if video else {}):
        for name, value in tags.items():
            if name.lower() in {"encoder", "software", "com.apple.quicktime.software"}:
                return str(value)
    return None


def _show(head: bytes) -> str:
    start = head[:24]
    text = start.decode("ascii", "replace")
    return f'"{text}"' if text.isprintable() and "\ufffd" not in text else start[:8].hex(" ")
