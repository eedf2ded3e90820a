"""Reading the marks of a file: sampled pictures of a video or one still, and the sound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.watermark import reader
from thsafe.watermark.reading import Geometry, MarkReading, Segment
from thsafe.watermark.residual import Residual, accumulate, planes_of

if TYPE_CHECKING:
    from thsafe.core.types import Frame
    from thsafe.media.planes import Planes

_SEGMENT_PICTURES = 6
"""Pictures read together to place the id on the timeline: enough at ordinary quality, few enough to show a splice."""
_MOST_SEGMENTS = 8
_MOST_PICTURES, _RUN_PICTURES = 240, 5
_WORTHWHILE = 2
"""Times as many pictures as were sampled: what makes another look worth its while."""
_DECODED_WHOLE = 120.0
"""Seconds up to which decoding straight on is cheaper than jumping."""
_UNCHANGED = Geometry()
_SOUND_SECONDS = 300
"""The mark repeats every 2.3 s; more would cost memory and tell nothing new."""


def read_video(path: Path, keys: Mapping[str, bytes], *, max_frames: int = 48, search: bool = True) -> MarkReading:
    """Read the mark of a video, or of a still, from pictures spread over its whole length.

    Args:
        path: A video or picture file; probed, never trusted by its name.
        keys: Watermark keys by name, 32 bytes each.
        max_frames: Pictures to look at, at most.
        search: Whether to look for geometric changes when the plain reading fails.

    Returns:
        The reading, with the segments of the timeline in which the id was read on its own.

    Raises:
        InputError: As ``thsafe.media.probe.probe``: unreadable, unsupported or over a limit.
    """
    from thsafe.core.types import MediaKind
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image
    from thsafe.media.probe import probe

    if probe(path).kind is MediaKind.IMAGE:
        return reader.read_pictures([read_image(path)], keys, search=search)
    with VideoReader(path) as video:
        sampled = video.sample_bgr(max_frames)
    return completed(reader.read_pictures((frame for _, frame in sampled), keys, search=search), path, sampled, keys)


def completed(
    reading: MarkReading, path: Path, sampled: Sequence[tuple[float, Frame]], keys: Mapping[str, bytes]
) -> MarkReading:
    """A reading with what the rest of the file adds: the id, where the sample was too weak for it, and segments.

    A file that is joined from several marked films has several ids; the reading names that of the longest part.
    """
    from thsafe.media.probe import probe

    info = probe(path)
    duration = info.duration or 0.0
    if (
        reading.state == "present"
        and reading.geometry.unchanged
        and duration * float(info.fps or 0) >= _WORTHWHILE * len(sampled)
    ):
        more = reader.read_runs(list(_runs(path, duration)), keys)
        reading = more if more.state == "id" else reading
    if reading.state not in {"id", "present"} or reading.key_name is None or len(sampled) < 2:
        return reading
    kept = [planes_of(frame) for _, frame in sampled]
    key = {reading.key_name: keys[reading.key_name]}
    times = [seconds for seconds, _ in sampled]
    found = segments(kept, times, duration, key, reading.geometry)
    read = [segment for segment in found if segment.mark_id is not None]
    if reading.state == "present" and read:
        # Parts of several marked films: together their ids drown each other, one by one they are clear.
        longest = max(read, key=lambda segment: segment.end - segment.start)
        reading = replace(
            reading,
            state="id",
            mark_id=longest.mark_id,
            false_alarm=reader.false_id(reader.MOST_DECODES * len(keys)),
            reason="The id of the longest part was read and its keyed check holds; other parts carry another or none.",
        )
    return replace(reading, segments=found if read else ())


def _runs(path: Path, duration: float) -> Iterator[Residual]:
    """The evidence of up to 240 pictures, five at a time: hours need no more memory than seconds."""
    from thsafe.media.decode import VideoReader

    with VideoReader(path) as video:
        if duration <= _DECODED_WHOLE:
            total = duration * float(video.info.fps or 25)
            pictures: Iterator[Frame] = (
                frame for _, frame in video.iter_bgr(max(1, math.ceil(total / _MOST_PICTURES)))
            )
        else:
            times = [(index + 0.5) * duration / _MOST_PICTURES for index in range(_MOST_PICTURES)]
            pictures = (
                frame
                for first in range(0, _MOST_PICTURES, _RUN_PICTURES)
                for _, frame in video.frames_at(times[first : first + _RUN_PICTURES])
            )
        while run := accumulate(planes_of(frame) for frame in islice(pictures, _RUN_PICTURES)):
            yield run


def read_sound_track(path: Path, keys: Mapping[str, bytes], *, search: bool = True) -> MarkReading:
    """Read the mark in the sound of a video or sound file, from its first five minutes.

    Raises:
        InputError: As ``thsafe.media.sound.iter_sound``: unreadable, no sound, over a limit.
    """
    from thsafe.media.sound import iter_sound
    from thsafe.watermark.soundevidence import ANALYSIS_RATE
    from thsafe.watermark.soundreader import read_sound

    heard, blocks = 0, []
    for block in iter_sound(path, rate=ANALYSIS_RATE):
        blocks.append(block[:, 0])
        heard += len(block)
        if heard >= _SOUND_SECONDS * ANALYSIS_RATE:
            break
    return read_sound(np.concatenate(blocks), ANALYSIS_RATE, keys, search=search)


def segments(
    kept: Sequence[Planes],
    times: Sequence[float],
    duration: float,
    keys: Mapping[str, bytes],
    where: Geometry = _UNCHANGED,
) -> tuple[Segment, ...]:
    """Which id each stretch of the timeline carries by itself; neighbours that agree are one segment.

    At most eight stretches, so that their decodings stay within the bound on false ids.
    """
    found: list[Segment] = []
    size = max(_SEGMENT_PICTURES, -(-len(kept) // _MOST_SEGMENTS))
    for first in range(0, len(kept), size):
        group = accumulate(kept[first : first + size])
        mark_id = reader.read_at(group, kept[first : first + size], keys, where) if group is not None else None
        after = first + size
        start = times[first] if first else 0.0
        end = times[after] if after < len(times) else max(duration, times[-1])
        if found and found[-1].mark_id == mark_id:
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(Segment(start=start, end=end, mark_id=mark_id))
    return tuple(found)
