"""The small detector that comes with thsafe: its weights, its card, and what it says of a file.

It is evidence beside the rest and decides nothing alone. Its card says what it is worth on people and methods that it
never saw, per quality; a report repeats that.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.own.people import Person, put_together
from detectors.faceforensics.own.stretches import LEAST_FACE, Stretch, find_stretches, measured
from thsafe.core.types import Evidence, Status

if TYPE_CHECKING:
    from detectors.faceforensics.calibrate import Bin, Calibration
    from detectors.faceforensics.own.scorer import Measured, Scorer
    from thsafe.core.types import Frame, Json

CHECK: Final = "detector.small"
LEAST_COVER: Final = 0.5
"""Share of the moments looked at that must show such a face."""
MOST_PEOPLE: Final = 3
WINDOW: Final = 2.0
"""Seconds for which one stretch stands."""
_MIXED: Final = {"manipulated": 1, "both": 0, "neither": 0, "genuine": -1}
_STABLE_LOOKS: Final = 2
"""Stretches that are looked at again after changes."""
_CHANGES: Final = ("half-size", "jpeg-75")
_LIMITED: Final = 1.0
"""log10 of a likelihood ratio under which evidence is called limited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opinion:
    """What is said of one person."""

    person: Person
    measured: tuple[Measured, ...]
    score: float
    scores: tuple[float, ...]
    quality: str
    answer: str
    strength: float
    """log10 of the bounded likelihood ratio."""


def weights_path() -> Path:
    """Where the weights lie."""
    return Path(str(resources.files("detectors.faceforensics") / "shipped" / "small.safetensors"))


@cache
def card() -> Mapping[str, Any]:
    """The card beside the weights."""
    return tomllib.loads(weights_path().with_suffix(".toml").read_text(encoding="utf-8"))


def examine(stretches: Iterable[Sequence[tuple[float, Frame]]], *, moving: bool) -> Evidence:
    """Score the people of a file.

    Args:
        stretches: for each moment neighbouring frames as (seconds, BGR picture); one of one frame for a photograph.
        moving: whether they come from a video.

    Returns:
        Evidence ``detector.small``. ``found`` and ``absent`` say only on which side of inconclusive the score lies, at
        the error rate of the card; everything else is ``not-evaluated`` with its reason.
    """
    from thsafe.media.faces import FaceFinder

    looks, moments = [], 0
    with FaceFinder() as finder:
        for frames in stretches:
            looks.append(find_stretches(frames, finder, most=MOST_PEOPLE))
            moments += 1
    large = [[face for face in faces if face.face >= LEAST_FACE] for faces in looks]
    people = [person for person in put_together(large) if len(person.stretches) >= max(1, LEAST_COVER * moments)]
    if not people:
        return _not_assessed(looks, large, moments)
    opinions = [_judged(person, moving=moving) for person in people[:MOST_PEOPLE]]
    chief = max(opinions, key=lambda opinion: opinion.score)
    changed = _after_changes(chief, moving=moving)
    steady = all(abs(_MIXED[answer] - _MIXED[chief.answer]) <= 1 for _, answer in changed.values())
    return _evidence(chief, opinions, changed, moments=moments, moving=moving, steady=steady)


def _not_assessed(looks: Sequence[Sequence[Stretch]], large: Sequence[Sequence[Stretch]], moments: int) -> Evidence:
    """The reason why there is no number."""
    seen, enough = (sum(bool(faces) for faces in kind) for kind in (looks, large))
    detail: dict[str, Json] = {"moments": moments, "with_face": seen, "with_large_face": enough}
    if not seen:
        code, words = "NO-FACE", "Not assessed: no face was found."
    else:
        code = "SMALL-FACE"
        words = f"Not assessed: a face of {LEAST_FACE} pixels or more in only {enough} of {moments} moments looked at."
    return Evidence(check=CHECK, status=Status.NOT_EVALUATED, code=code, summary=words, detail=detail)


def _judged(person: Person, *, moving: bool) -> _Opinion:
    found = _measured(person.stretches)
    scores = _scores(found, moving=moving)
    score, quality = float(np.mean(scores)), _quality(person, moving=moving)
    calibration = _calibration()
    return _Opinion(
        person=person,
        measured=found,
        score=score,
        scores=scores,
        quality=quality,
        answer=calibration.answer(score, quality),
        strength=float(calibration.ratios(np.array([score]), quality)[0] / np.log(10)),
    )


def _after_changes(chief: _Opinion, *, moving: bool) -> dict[str, tuple[float, str]]:
    """Score and answer at half the size and after JPEG, at the moments that speak loudest."""
    from detectors.faceforensics.degrade import ClipFate

    loudest = np.argsort(chief.scores)[::-1][:_STABLE_LOOKS]
    chosen = [chief.person.stretches[int(place)] for place in loudest]
    base = float(np.mean([chief.scores[int(place)] for place in loudest]))
    found = {}
    for change in _CHANGES:
        altered = []
        for stretch in chosen:
            shown = stretch.frames[0].shape[0] / stretch.margin
            fate = ClipFate.fixed(change, face=shown, least=LEAST_FACE)
            altered.append(stretch.scaled(fate.befall(stretch.frames), fate.scale))
        # what the loudest moments lose is taken off the whole score
        score = chief.score + float(np.mean(_scores(_measured(altered), moving=moving))) - base
        found[change] = (score, _calibration().answer(score, chief.quality))
    return found


def _evidence(
    chief: _Opinion,
    opinions: Sequence[_Opinion],
    changed: Mapping[str, tuple[float, str]],
    *,
    moments: int,
    moving: bool,
    steady: bool,
) -> Evidence:
    from detectors.faceforensics.own.heat import heat_map

    known, calibration = card(), _calibration()
    used = calibration.bin_for(chief.quality)
    status, words = _words(chief) if steady else (Status.NOT_EVALUATED, _UNSTEADY)
    whose = ""
    if len(opinions) > 1:
        whose = f" Of {len(opinions)} people, this is said of the one with the highest score."
    place = int(np.argmax(chief.scores))
    loudest = chief.person.stretches[place]
    heat, covered = heat_map(_scorer(), loudest, chief.measured[place], moving=moving)
    detail: dict[str, Json] = {
        "score": round(chief.score, 4),
        "answer": chief.answer if steady else "unsteady",
        "error_rate": calibration.alpha,
        "quality": chief.quality,
        "coverage": round(len(chief.person.stretches) / moments, 3),
        "face_pixels": round(chief.person.size),
        "false_alarms": _rate(known, chief.quality, "false_alarms"),
        "hits": _rate(known, chief.quality, "hits"),
        "calibrated_with": f"{used.genuine} genuine and {used.manipulated} manipulated files, of other people",
        "crop": known["crop"],
        "trained_on": known["trained_on"],
        "after_changes": {
            change: {"score": round(score, 4), "answer": said} for change, (score, said) in changed.items()
        },
        "people": [_as_json(opinion, moments) for opinion in opinions],
        "segments": _segments(chief) if moving else [],
        "heat_map": {"seconds": loudest.seconds, "jpeg": heat, "covers": round(covered, 3)},
    }
    return Evidence(
        check=CHECK,
        status=status,
        code="EXPERIMENTAL" if steady else "UNSTABLE",
        summary=f"{words}{whose} Experimental: {known['worth']}",
        strength=round(chief.strength, 3) if steady else None,
        interval=_bounds(used),
        detail=detail,
        model_digest=weights_digest(),
    )


_UNSTEADY: Final = (
    "Inconclusive: at half the size, or saved as JPEG once more, the same picture gets the opposite answer."
)


def _words(opinion: _Opinion) -> tuple[Status, str]:
    if opinion.answer == "manipulated":
        grade = "limited" if opinion.strength < _LIMITED else "moderate"
        return Status.FOUND, f"Evidence of manipulation ({grade}): the face looks like the fakes this was trained on."
    if opinion.answer == "genuine":
        return Status.ABSENT, (
            "No trace of the manipulations that this detector knows; that does not show the picture is genuine."
        )
    if opinion.answer == "both":
        return Status.NOT_EVALUATED, "Inconclusive: the score is usual for genuine and for manipulated faces."
    return Status.NOT_EVALUATED, "Inconclusive: the score is unlike those of the faces this was calibrated with."


def _as_json(opinion: _Opinion, moments: int) -> dict[str, Json]:
    left, top, right, bottom = opinion.person.stretches[0].window
    return {
        "score": round(opinion.score, 4),
        "answer": opinion.answer,
        "log10_likelihood_ratio": round(opinion.strength, 3),
        "quality": opinion.quality,
        "coverage": round(len(opinion.person.stretches) / moments, 3),
        "face_pixels": round(opinion.person.size),
        "window": [round(left), round(top), round(right), round(bottom)],
        "times": [round(stretch.seconds, 2) for stretch in opinion.person.stretches],
        "scores": [round(value, 4) for value in opinion.scores],
    }


def _segments(opinion: _Opinion) -> list[Json]:
    """One stretch stands for the two seconds that it lies in."""
    return [
        {"start": start, "end": start + WINDOW, "score": round(score, 3)}
        for stretch, score in zip(opinion.person.stretches, opinion.scores, strict=True)
        for start in (WINDOW * (stretch.seconds // WINDOW),)
    ]


def _rate(known: Mapping[str, Any], quality: str, name: str) -> str:
    """A rate with its number and interval, in words, under the condition that comes nearest."""
    kind, _, size = quality.partition("/")
    condition = "half-size" if size == "small" else "c23" if kind == "film" else "jpeg-75"
    row = known["figures"][condition]["all"][name if kind == "film" else f"photo_{name}"]
    return f"{row['count']} of {row['of']} {kind}s of people it never saw (95 %: {row['low']:.0%} to {row['high']:.0%})"


def _bounds(used: Bin) -> tuple[float, float]:
    return round(used.lowest / float(np.log(10)), 3), round(used.highest / float(np.log(10)), 3)


def _quality(person: Person, *, moving: bool) -> str:
    from detectors.faceforensics.own.quality import quality_of

    return quality_of(person.stretches, moving=moving)


def _measured(stretches: Sequence[Stretch]) -> tuple[Measured, ...]:
    return tuple(measured(stretch) for stretch in stretches)


def _scores(found: Sequence[Measured], *, moving: bool) -> tuple[float, ...]:
    return tuple(float(value) for value in _scorer().scores(found, moving=moving))


@cache
def _scorer() -> Scorer:
    """Loaded once a process: a batch of files keeps it warm."""
    from detectors.faceforensics.own.scorer import Scorer

    return Scorer.load(weights_path())


@cache
def _calibration() -> Calibration:
    from detectors.faceforensics.calibrate import load_calibration

    return load_calibration(weights_path().with_name("calibration.json"))


@cache
def weights_digest() -> str:
    """SHA-256 of the weights."""
    return hashlib.sha256(weights_path().read_bytes()).hexdigest()
