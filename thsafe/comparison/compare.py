"""The straight path of a comparison: read both, lay one on the other in space and time, say what differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.comparison.footage import Footage, load
from thsafe.comparison.judging import OTHER_TAKE, picture_differences, sound_differences, time_differences
from thsafe.comparison.picture import Differences, measure, smooth
from thsafe.comparison.placing import Placement, place, refine
from thsafe.comparison.result import Comparison, Difference, Kind, Moment, Outcome, clock
from thsafe.comparison.sounding import Heard, compare_sound, listen, offset_of
from thsafe.comparison.timing import Timing, align
from thsafe.core.errors import InputError
from thsafe.core.types import MediaKind, Progress, Silent
from thsafe.media.digest import hash_file
from thsafe.media.files import plain_name
from thsafe.media.probe import MediaInfo, probe

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEAST_SHARE = 0.25
_LEAST_MOVING = 8
"""Pictures that a film must have to be laid along another."""
_LEAST_AGREEMENT = 0.15
_LEAST_STRAIGHT = 0.6
_SLOWEST = 0.47
# Slower than the slowest speed that is looked for: no line, but moments that happen to look alike.
_MOVES = 2e-4
"""Energy of motion from which its agreement says something; below it is the noise of codecs."""
_SEGMENT = 2.0
_LIMITS = (
    "The original is taken to be what it is said to be: which of two files came first cannot be seen from them.",
    "A change within what encoding does, or shorter than a third of a second, is not found.",
    "A copy in which nothing was found to differ may still be shown out of context.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A comparison with what its page draws."""

    comparison: Comparison
    placement: Placement | None = None
    timing: Timing | None = None
    heat: NDArray[np.float32] | None = None
    """Levels of luma at the original's working size."""


def compare(suspect: str | Path, original: str | Path, *, progress: Progress | None = None) -> Comparison:
    """Hold a file against what it is said to be made from: films, pictures or sound.

    Args:
        suspect: the file in question.
        original: what it may be a copy of.
        progress: told which step runs.

    Raises:
        InputError: a file cannot be read; ``compare.kinds``: a film and a sound file have nothing to compare.
    """
    return look(Path(suspect), Path(original), progress=progress).comparison


def look(suspect: Path, original: Path, *, progress: Progress | None = None) -> Seen:
    """The same, with what the page draws."""
    telling = progress or Silent()
    theirs, ours = probe(suspect), probe(original)
    digests = hash_file(suspect), hash_file(original)
    names = plain_name(suspect.name), plain_name(original.name)

    def result(outcome: Outcome, sentence: str, **rest: object) -> Comparison:
        return Comparison(
            suspect=names[0],
            original=names[1],
            suspect_sha256=digests[0],
            original_sha256=digests[1],
            outcome=outcome,
            sentence=sentence,
            limits=_LIMITS,
            **rest,  # type: ignore[arg-type]
        )

    if digests[0] == digests[1]:
        return Seen(comparison=result(Outcome.IDENTICAL, "The two files are the same, byte for byte."))
    has_picture = [info.kind is not MediaKind.AUDIO for info in (theirs, ours)]
    if has_picture[0] != has_picture[1] and not (theirs.audio_codec and ours.audio_codec):
        raise InputError(
            "One file has only sound and the other none.",
            code="compare.kinds",
            found=f"{theirs.media_type} and {ours.media_type}",
            next_step="compare two files that both have a picture, or both have sound",
        )
    if not all(has_picture):
        return Seen(comparison=_by_sound(suspect, original, telling, result))
    one, other = load(suspect, theirs, telling), load(original, ours, telling, people=True)
    telling.start("laying one on the other", None)
    placement = place(one, other)
    if placement is None:
        return Seen(comparison=result(Outcome.OTHER, "The suspect shows nothing of the original."))
    films = MediaKind.VIDEO in {theirs.kind, ours.kind}
    if films and min(len(one.times), len(other.times)) < _LEAST_MOVING:
        words = "The two show one scene; with a single picture beside a film no more can be said."
        return Seen(comparison=result(Outcome.OTHER, words), placement=placement)
    timing = align(one, other, placement)
    if timing.pairs:
        placement = refine(placement, one, other, list(timing.pairs))
        timing = align(one, other, placement)
    if timing.share < _LEAST_SHARE:
        words = "The suspect shows the original's scene, but no stretch of it: another film, or another take."
        return Seen(comparison=result(Outcome.OTHER, words), placement=placement, timing=timing)
    telling.start("measuring", None)
    found = measure(one, other, placement, timing)
    if _other_take(found, timing):
        words = "The suspect shows the original's scene, but moves differently all the time: another take, not a copy."
        return Seen(comparison=result(Outcome.OTHER, words), placement=placement, timing=timing)
    moving = theirs.kind is MediaKind.VIDEO
    differences = picture_differences(found, other)
    notes: list[str] = [] if other.people else ["faces: none was found in the original"]
    heard: tuple[Heard, ...] = ()
    if moving and ours.kind is MediaKind.VIDEO:
        end = theirs.duration or float(one.times[-1])
        differences += time_differences(timing, suspect_end=end)
        heard = _hear(suspect, original, theirs, ours, timing, differences, notes, telling, end)
    differences.sort(key=lambda item: (item.start, item.kind))
    outcome = Outcome.ALTERED if differences else Outcome.COPY
    comparison = result(
        outcome,
        _sentence(differences, moving=moving),
        differences=tuple(differences),
        changes=_changes(placement, timing, theirs, ours),
        moments=_moments(found, timing, heard, one) if moving else (),
        not_compared=tuple(notes),
    )
    return Seen(comparison=comparison, placement=placement, timing=timing, heat=found.heat)


def _other_take(found: Differences, timing: Timing) -> bool:
    if not len(found.times):
        return True
    if float(np.median(smooth(found.around, found.times))) > OTHER_TAKE:
        return True
    crawls = any(run.speed < _SLOWEST and run.end - run.start >= 1.0 for run in timing.runs)
    unlike = timing.agreement < _LEAST_AGREEMENT or timing.straight < _LEAST_STRAIGHT or crawls
    return timing.energy > _MOVES and unlike


def _hear(
    suspect: Path,
    original: Path,
    theirs: MediaInfo,
    ours: MediaInfo,
    timing: Timing,
    differences: list[Difference],
    notes: list[str],
    progress: Progress,
    end: float,
) -> tuple[Heard, ...]:
    """The sound along the picture's moments; its differences are added to the list."""
    progress.start("listening", None)
    one = listen(suspect) if theirs.audio_codec else None
    other = listen(original) if ours.audio_codec else None
    if one is None or other is None:
        if other is not None:
            words = "the original has sound, the suspect has none"
            differences.append(Difference(kind=Kind.SOUND_REMOVED, start=0.0, end=end, words=words))
        elif one is not None:
            words = "the suspect has sound, the original has none"
            differences.append(Difference(kind=Kind.SOUND_ADDED, start=0.0, end=end, words=words))
        else:
            notes.append("sound: neither file has any")
        return ()

    def original_at(seconds: float) -> float | None:
        for run in timing.runs:
            if run.start - 0.02 <= seconds <= run.end + 0.02:
                return run.original_at(seconds)
        return None

    heard = compare_sound(one, other, original_at)
    if not heard:
        notes.append("sound: silent, or nowhere along the original for long enough")
    differences += sound_differences(heard)
    return heard


def _by_sound(suspect: Path, original: Path, progress: Progress, result: Callable[..., Comparison]) -> Comparison:
    """Files of which one at least has only sound."""
    progress.start("listening", None)
    one, other = listen(suspect), listen(original)
    offset = offset_of(one, other) if one is not None and other is not None else None
    if one is None or other is None or offset is None:
        return result(Outcome.OTHER, "The suspect's sound is nowhere in the original's.")
    start = offset
    heard = compare_sound(one, other, lambda seconds: seconds + start if seconds + start >= 0 else None)
    differences = sound_differences(heard)
    moments = tuple(
        Moment(
            start=item.start,
            end=item.end,
            original=item.start + start,
            mouth=None,
            face=None,
            around=None,
            sound=round(item.likeness, 3),
        )
        for item in heard[:: max(1, round(_SEGMENT / 0.25))]
    )
    return result(
        Outcome.ALTERED if differences else Outcome.COPY,
        _sentence(differences, moving=True),
        differences=tuple(differences),
        changes=(f"it begins at {clock(offset)} of the original",) if offset > 0.05 else (),
        moments=moments,
        not_compared=("picture: one of the files has none",),
    )


def _sentence(differences: list[Difference], *, moving: bool) -> str:
    if not differences:
        return "A copy of the original: nothing in it was found to be altered."
    # the face and the voice before all else
    order = list(Kind)
    shown = sorted(differences, key=lambda item: order.index(item.kind))
    words = [item.words if moving else item.words.rsplit(" ", 1)[0] for item in shown[:4]]
    more = f"; and {len(shown) - 4} more" if len(shown) > 4 else ""
    return f"A copy of the original in which something differs: {'; '.join(words)}{more}."


def _changes(placement: Placement, timing: Timing, theirs: MediaInfo, ours: MediaInfo) -> tuple[str, ...]:
    """What copying did, which is no alteration."""
    changes = []
    if placement.mirrored:
        changes.append("mirrored")
    if placement.visible < 0.97:
        changes.append(f"cropped to {placement.visible:.0%} of the original's picture")
    if abs(placement.scale - 1) > 0.02:
        changes.append(f"scaled to {placement.scale:.0%}")
    if abs(placement.turned) > 0.5:
        changes.append(f"turned by {abs(placement.turned):.1f} degrees")
    if timing.runs and theirs.kind is MediaKind.VIDEO and ours.kind is MediaKind.VIDEO:
        first, last = timing.runs[0], timing.runs[-1]
        if first.original_start > 0.15:
            changes.append(f"begins at {clock(first.original_start)} of the original")
        if ours.duration and ours.duration - last.original_end > 0.25:
            changes.append(f"ends at {clock(last.original_end)} of the original's {clock(ours.duration)}")
        speeds = {
            round(run.speed, 2)
            for run in timing.runs
            if run.end - run.start >= 1.0 and abs(run.speed - 1) > 0.03 and run.speed > _SLOWEST
        }
        changes += [f"plays at {speed:g} times the speed" for speed in sorted(speeds)]
    return tuple(changes)


def _moments(found: Differences, timing: Timing, heard: tuple[Heard, ...], suspect: Footage) -> tuple[Moment, ...]:
    """The time line in steps of two seconds."""
    period = 1 / suspect.rate
    last = float(suspect.times[-1]) + period
    moments = []
    for number in range(max(1, int(np.ceil(last / _SEGMENT - 0.05)))):
        start, end = number * _SEGMENT, min(last, (number + 1) * _SEGMENT)
        inside = (found.times >= start) & (found.times < end)
        run = next((run for run in timing.runs if run.start < end and run.end > start), None)
        near = [item.likeness for item in heard if item.start < end and item.end > start]
        moments.append(
            Moment(
                start=round(start, 2),
                end=round(end, 2),
                original=None if run is None else round(run.original_at(max(start, run.start)), 2),
                mouth=_greatest(found.mouths[inside]),
                face=_greatest(found.uppers[inside]),
                around=_greatest(found.around[inside]),
                sound=round(float(np.median(near)), 3) if near else None,
            )
        )
    return tuple(moments)


def _greatest(values: NDArray[np.float32]) -> float | None:
    """The greatest over people of the mean over time."""
    if not values.size or np.isnan(values).all():
        return None
    rows = values.reshape(len(values), -1)
    means = [float(np.nanmean(column)) for column in rows.T if not np.isnan(column).all()]
    return round(max(means), 3)
