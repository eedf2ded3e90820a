"""Traces of how a file came about as one finding: context without a score, with moments for the time line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.core.types import Evidence, Json, MediaKind, Status

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from thsafe.core.types import SoundBlock
    from thsafe.examination import Examination
    from thsafe.media.planes import Plane
    from thsafe.traces.jpeg import Compression
    from thsafe.traces.moving import Motion
    from thsafe.traces.rhythm import Rhythm
    from thsafe.traces.sound import Seams

CHECK: Final = "traces"
LONGEST: Final = 120.0
"""Seconds of a film that are looked at."""
_SHOWN: Final = 3
CANNOT_TELL: Final = (
    "Whether anything was forged: uploads, editors and recorders leave the same traces.",
    "That nothing was changed: careful work, and every new coding, leaves none.",
)
ERROR_RATE: Final = (
    "of 51 untouched pictures none was called saved twice; of 12 untouched films (5,517 frames) none had a freeze, "
    "a loop or a change of noise, 3 had a frame twice; see docs/explanation/traces.md"
)

Row = tuple[float, float, str]
"""Start and end in seconds, and what is there."""


def check_traces(examination: Examination) -> Evidence:
    """Earlier compression, the beat of key frames, repeats, and seams in noise, watermark and sound."""
    info = examination.info
    rows: list[Row] = []
    words: list[str] = []
    facts: dict[str, Json] = {}
    if info.kind is MediaKind.IMAGE:
        _picture(examination, words, facts)
    if info.kind is MediaKind.VIDEO:
        _film(examination, words, facts, rows)
    if info.audio_codec is not None:
        _sound(examination.path, words, facts, rows)
    found = bool(words)
    summary = "; ".join(words[:_SHOWN]) + (f"; and {len(words) - _SHOWN} more" if len(words) > _SHOWN else "")
    return Evidence(
        check=CHECK,
        status=Status.FOUND if found else Status.ABSENT,
        code="CONTEXT",
        summary=(
            f"{summary[:1].upper()}{summary[1:]}. Context, not a sign of forgery: ordinary handling does this too."
            if found
            else "No repeats, seams or earlier coding show. That does not say that there were none."
        ),
        detail={
            "traces": words,
            **facts,
            "segments": [
                {"start": round(start, 2), "end": round(end, 2), "words": text} for start, end, text in sorted(rows)
            ],
            "error_rate": ERROR_RATE,
            "cannot_tell": " ".join(CANNOT_TELL),
        },
    )


def _picture(examination: Examination, words: list[str], facts: dict[str, Json]) -> None:
    import cv2

    from thsafe.traces.jpeg import look_at_picture

    frame = examination.sampled()[0][1]
    found: Compression = look_at_picture(examination.path, cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY))
    facts["JPEG quality"] = found.quality
    if found.earlier_step is not None:
        facts["evidence of two roundings"] = found.twice
        words.append(f"the picture was saved as a JPEG at least twice (earlier step {found.earlier_step})")
    if found.grid is not None:
        x, y = found.grid
        words.append(f"a grid of eight pixels lies at ({x}, {y}): it was a JPEG or a film's frame before")
    if found.ghost is not None:
        x0, y0, x1, y1 = found.ghost
        facts["part saved before (x0, y0, x1, y1)"] = [x0, y0, x1, y1]
        words.append(
            f"a part ({x0}, {y0}) to ({x1}, {y1}) was once saved at quality {found.ghost_quality}, the rest was not"
        )


def _film(examination: Examination, words: list[str], facts: dict[str, Json], rows: list[Row]) -> None:
    from thsafe.media.decode import VideoReader
    from thsafe.media.groups import read_groups
    from thsafe.traces.moving import look_at_motion
    from thsafe.traces.rhythm import find_rhythm

    _rhythm(find_rhythm(read_groups(examination.path)), words, facts)
    with VideoReader(examination.path) as reader:
        height = reader.info.height or 0
        planes = ((seconds, plane[: height & ~1]) for seconds, plane in reader.iter_i420())
        motion = look_at_motion(_until(planes, LONGEST))
    facts["frames looked at"] = motion.frames
    _motion(motion, words, rows)
    _marks(examination, words)


def _until(frames: Iterator[tuple[float, Plane]], longest: float) -> Iterator[tuple[float, Plane]]:
    for seconds, plane in frames:
        if seconds > longest:
            return
        yield seconds, plane


def _rhythm(found: Rhythm, words: list[str], facts: dict[str, Json]) -> None:
    facts["pictures in a group"] = f"{found.shortest} to {found.longest}" if found.longest else None
    facts["share predicted both ways"] = round(found.predicted_both_ways, 2)
    facts["share of bytes in key frames"] = round(found.key_share, 2)
    if found.earlier_beat is not None:
        facts["strength of the earlier beat"] = found.strength
        words.append(f"an earlier coding with a key frame every {found.earlier_beat} frames shows through")


def _motion(found: Motion, words: list[str], rows: list[Row]) -> None:
    rows += [(start, end, "stands still") for start, end in found.frozen]
    for first, again in found.looped:
        rows.append((*first, f"comes again at {again[0]:.1f} s"))
        rows.append((*again, f"was there at {first[0]:.1f} s"))
    seams = [change for change in found.noise_changes if not change.at_cut]
    rows += [(seconds, seconds, "a frame twice") for seconds in found.repeated]
    rows += [(change.seconds, change.seconds, f"noise x {change.ratio:.1f}") for change in seams]
    rows += [(seconds, seconds, "scene changes") for seconds in found.cuts]
    words += _told(
        (len(found.frozen), "the picture stands still {}"),
        (len(found.looped), "a stretch is repeated {}"),
        (len(found.repeated), "a frame comes twice {}"),
        (len(seams), "the noise changes within a scene {}"),
    )
    if found.every:
        words.append(f"every {found.every}th frame is a repeat: the frame rate was converted")


def _marks(examination: Examination, words: list[str]) -> None:
    """Whether the watermark is not the same all along."""
    reading = examination.reading
    if reading is None or reading.mark_id is None:
        return
    ids = {segment.mark_id for segment in reading.segments}
    if len(ids) > 1:
        words.append("the watermark is not the same, or not there, in parts of the film")


def _sound(path: Path, words: list[str], facts: dict[str, Json], rows: list[Row]) -> None:
    from thsafe.core.errors import InputError
    from thsafe.media.sound import iter_sound
    from thsafe.traces.sound import RATE, look_at_sound

    try:
        blocks = iter_sound(path, rate=RATE)
        found: Seams = look_at_sound(_first(blocks, LONGEST * RATE))
    except InputError as problem:
        facts["sound not looked at"] = problem.message
        return
    rows += [(seconds, seconds, "the sound jumps") for seconds in found.jumps]
    rows += [(start, end, "no sound at all") for start, end in found.silences]
    for seconds, step in found.rooms:
        rows.append((seconds, seconds, f"the room is {abs(step):.0f} dB {'louder' if step > 0 else 'quieter'}"))
    words += _told(
        (len(found.jumps), "the sound jumps {}"),
        (len(found.silences), "the sound is perfectly silent {}"),
        (len(found.rooms), "the sound of the room changes {}"),
    )


def _first(blocks: Iterator[SoundBlock], samples: float) -> Iterator[NDArray[np.float32]]:
    held = 0
    for block in blocks:
        if held >= samples:
            return
        held += len(block)
        yield block[:, 0]


def _told(*items: tuple[int, str]) -> Sequence[str]:
    return [text.format("once" if count == 1 else f"{count} times") for count, text in items if count]
