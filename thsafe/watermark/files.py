"""Reading the marks of a file: sampled pictures of a video or one still, and the sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.watermark.reader import read_pictures, read_planes, read_unchanged
from thsafe.watermark.reading import MarkReading, Segment
from thsafe.watermark.residual import accumulate, planes_of

if TYPE_CHECKING:
    from thsafe.media.planes import Planes

_SEGMENT_PICTURES = 6
"""Pictures read together to place the id on the timeline: enough at ordinary quality, few enough to show a splice."""
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
        return read_pictures([read_image(path)], keys, search=search)
    with VideoReader(path) as video:
        sampled = video.sample_bgr(max_frames)
        duration = video.info.duration or 0.0
    times = [seconds for seconds, _ in sampled]
    kept = [planes_of(frame) for _, frame in sampled]
    reading = read_planes(kept, keys, search=search)
    if reading.state != "id" or not reading.geometry.unchanged or reading.key_name is None:
        return reading
    key = {reading.key_name: keys[reading.key_name]}
    return replace(reading, segments=segments(kept, times, duration, key))


def read_sound_track(path: Path, keys: Mapping[str, bytes], *, search: bool = True) -> MarkReading:
    """Read the mark in the sound of a video or sound file, from its first five minutes.

    Raises:
        InputError: As ``thsafe.media.sound.iter_sound``: unreadable, no sound, over a limit.
    """
    from thsafe.media.sound import iter_sound
    from thsafe.watermark.soundreader import ANALYSIS_RATE, read_sound

    heard, blocks = 0, []
    for block in iter_sound(path, rate=ANALYSIS_RATE):
        blocks.append(block[:, 0])
        heard += len(block)
        if heard >= _SOUND_SECONDS * ANALYSIS_RATE:
            break
    return read_sound(np.concatenate(blocks), ANALYSIS_RATE, keys, search=search)


def segments(
    kept: Sequence[Planes], times: Sequence[float], duration: float, keys: Mapping[str, bytes]
) -> tuple[Segment, ...]:
    """Which id each stretch of the timeline carries by itself; neighbours that agree are one segment."""
    found: list[Segment] = []
    for first in range(0, len(kept), _SEGMENT_PICTURES):
        group = accumulate(kept[first : first + _SEGMENT_PICTURES])
        mark_id = read_unchanged(group, keys).mark_id if group is not None else None
        after = first + _SEGMENT_PICTURES
        start = times[first] if first else 0.0
        end = times[after] if after < len(times) else max(duration, times[-1])
        if found and found[-1].mark_id == mark_id:
            found[-1] = replace(found[-1], end=end)
        else:
            found.append(Segment(start=start, end=end, mark_id=mark_id))
    return tuple(found)
