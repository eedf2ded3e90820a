"""What a face does, in a few measures after the action units of FACS (Ekman and Friesen, 1978), and no more than that.

Distances between mediapipe's landmarks, in shares of the distance between the outer eye corners, after the head's roll
has been taken out. They are geometry: nobody's feelings are measured, a turned head shortens what it turns away, and no
person annotated these units. Over an index whose clips are labelled, a plain classifier (nearest centroid, one person
left out after the other) says how far the measures go there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from detectors.likeness.looks import looks
from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from thsafe.core.types import Frame, Json, Progress
    from thsafe.datasets.index import Index

UNITS: Final[Mapping[str, str]] = {
    "brows_up": "AU1+2: brows above the eyes' line",
    "brows_together": "AU4: the brows' inner ends, nearer is higher",
    "lids_open": "AU5, less AU43: opening of the lids",
    "corners_up": "AU12, less AU15: mouth corners above the middle of the lips",
    "mouth_wide": "AU20, less AU18: distance of the mouth corners",
    "lips_apart": "AU25+26: opening between the lips",
    "lips_thin": "AU24: height of the red of the lips, less is higher",
}
LOOKS: Final = 24
_INDEX_LOOKS: Final = 8
_PLACES: Final = len(UNITS)

Array = NDArray[np.float64]


def units(frame: Frame) -> Array | None:
    """The measures of the largest face, in the order of :data:`UNITS`; None where none is found."""
    from thsafe.media.faces import find_faces

    faces = find_faces(frame, max_faces=1)
    return None if not faces else measured(faces[0].landmarks)


def measured(landmarks: NDArray[np.float32]) -> Array:
    """The same from landmarks, (478, 3) in pixels."""
    flat = np.asarray(landmarks, np.float64)[:, :2]
    across = flat[263] - flat[33]
    unit = max(float(np.hypot(*across)), 1e-6)
    x_axis = across / unit
    p = (flat - (flat[33] + flat[263]) / 2) @ np.array([x_axis, (-x_axis[1], x_axis[0])]).T / unit
    # y grows downwards
    brows = -(p[[105, 66, 334, 296], 1].mean())
    together = -(p[285, 0] - p[55, 0])
    lids = (p[[145, 374], 1] - p[[159, 386], 1]).mean()
    lip_line = p[[13, 14], 1].mean()
    corners = lip_line - p[[61, 291], 1].mean()
    wide = p[291, 0] - p[61, 0]
    apart = p[14, 1] - p[13, 1]
    thin = -((p[13, 1] - p[0, 1]) + (p[17, 1] - p[14, 1]))
    return np.array([brows, together, lids, corners, wide, apart, thin])


def curves(path: Path, count: int = LOOKS) -> Array:
    """The measures of a film's looks, (n, units); NaN where no face was found.

    Raises:
        InputError: ``evaluate.no-face``: in no look.
    """
    rows = [units(frame) for frame in looks(path, count)]
    table = np.array([np.full(_PLACES, np.nan) if row is None else row for row in rows]).reshape(-1, _PLACES)
    if not len(table) or np.isnan(table).all():
        raise InputError(
            f"No face was found in {path.name}.",
            code="evaluate.no-face",
            found=f"{len(rows)} looks",
            next_step="give a film that shows a face from the front",
        )
    return table


def measure(path: Path, progress: Progress, *, neutral: Path | None, driver: Path | None) -> dict[str, Json]:
    """What a film's face does, against a face at rest, and against whom it should follow.

    Args:
        path: the film.
        progress: told of the work.
        neutral: the person at rest (picture or film); else the film's own median, from which a lasting expression
            cannot be told.
        driver: a film whose expression should have been taken over, as long as this one.

    Returns:
        ``file``, ``looks``, ``with_face``, ``against``; ``units``: for each ``mean`` and ``strongest`` (95th
        percentile of the size) against rest; with a driver ``follows``: correlation per unit (None where nothing
        moves) and ``agreement``, their mean.
    """
    progress.start("measuring expressions", None)
    table = curves(path)
    rest = np.nanmedian(curves(neutral) if neutral is not None else table, axis=0)
    change = table - rest
    found: dict[str, Json] = {
        "file": path.name,
        "looks": len(table),
        "with_face": int((~np.isnan(table).any(axis=1)).sum()),
        "against": "the film's own median" if neutral is None else neutral.name,
        "units": {
            name: {
                "mean": round(float(np.nanmean(change[:, place])), 4),
                "strongest": round(float(np.nanpercentile(np.abs(change[:, place]), 95)), 4),
            }
            for place, name in enumerate(UNITS)
        },
    }
    if driver is not None:
        follows = _followed(table, curves(driver))
        known = [value for value in follows.values() if value is not None]
        found |= {"follows": follows, "agreement": round(float(np.mean(known)), 4) if known else None}
    return found


_STILL: Final = 0.004
"""Shares of the eyes' distance: a unit that moves less is at rest, and its correlation is noise."""


def _followed(mine: Array, theirs: Array) -> dict[str, float | None]:
    """Correlation of each unit over time; both films are looked at in as many evenly spaced moments."""
    count = min(len(mine), len(theirs))
    a, b = (table[np.linspace(0, len(table) - 1, count).round().astype(int)] for table in (mine, theirs))
    both = ~(np.isnan(a).any(axis=1) | np.isnan(b).any(axis=1))
    follows: dict[str, float | None] = {}
    for place, name in enumerate(UNITS):
        x, y = a[both, place], b[both, place]
        moving = len(x) > 2 and min(float(x.std()), float(y.std())) > _STILL
        follows[name] = round(float(np.corrcoef(x, y)[0, 1]), 4) if moving else None
    return follows


def over_index(index: Index, progress: Progress, *, split: str | None, limit: int | None) -> dict[str, Json]:
    """How far the measures tell the labelled emotions of an index apart, on people who were left out.

    Each clip becomes the mean and the largest size of every unit, less those of the person's neutral clips (of all of
    the person's clips where none is neutral).

    Returns:
        ``clips``, ``people``, ``not_measured``; ``accuracy`` and ``balanced`` (mean of the emotions' own);
        ``chance`` (one over the number of emotions); ``most_frequent`` (what always guessing that one would give);
        ``confusion``: true emotion to guessed emotion to clips.

    Raises:
        InputError: ``evaluate.emotions``: fewer than two people or two emotions.
    """
    chosen = index.choose(split=split, limit=limit, pictured=True, known=("person", "emotion"))
    progress.start("measuring expressions", len(chosen))
    rows: list[Array] = []
    people: list[str] = []
    felt: list[str] = []
    failed: list[dict[str, Json]] = []
    for clip in chosen:
        path = index.path_of(clip)
        try:
            table = curves(path, _INDEX_LOOKS) if path is not None else None
        except InputError as problem:
            failed.append({"clip": clip.id, "why": problem.message})
            table = None
        progress.advance()
        if table is not None:
            rows.append(np.concatenate((np.nanmean(table, axis=0), np.nanmax(table, axis=0))))
            people.append(str(clip.person))
            felt.append(str(clip.emotion))
    if len(set(people)) < 2 or len(set(felt)) < 2:
        raise InputError(
            "Emotions cannot be compared over these clips.",
            code="evaluate.emotions",
            found=f"{len(rows)} clips with a face, {len(set(people))} people, {len(set(felt))} emotions",
            rule="at least two people and two emotions",
            next_step="take more clips: --limit, or a data set with emotions (thsafe data sets)",
        )
    guessed = _guesses(np.stack(rows), np.array(people), np.array(felt))
    kinds = sorted(set(felt))
    counts = Counter(zip(felt, guessed, strict=True))
    own = [counts[kind, kind] / felt.count(kind) for kind in kinds]
    return {
        "clips": len(rows),
        "people": len(set(people)),
        "not_measured": failed,
        "accuracy": round(sum(counts[kind, kind] for kind in kinds) / len(felt), 4),
        "balanced": round(float(np.mean(own)), 4),
        "chance": round(1 / len(kinds), 4),
        "most_frequent": round(max(Counter(felt).values()) / len(felt), 4),
        "confusion": {kind: {guess: counts[kind, guess] for guess in kinds if counts[kind, guess]} for kind in kinds},
    }


def _guesses(rows: Array, people: NDArray[np.str_], felt: NDArray[np.str_]) -> list[str]:
    """The nearest emotion's centroid among the other people's clips."""
    apart = rows.copy()
    for person in np.unique(people):
        mine = people == person
        calm = mine & (felt == "neutral")
        apart[mine] -= rows[calm if calm.any() else mine].mean(axis=0)
    guesses: list[str] = [""] * len(rows)
    for person in np.unique(people):
        mine, others = people == person, people != person
        spread = np.maximum(apart[others].std(axis=0), 1e-6)
        kinds = np.unique(felt[others])
        centres = np.stack([apart[others & (felt == kind)].mean(axis=0) for kind in kinds])
        distance = np.linalg.norm((apart[mine][:, None] - centres) / spread, axis=2)
        for place, nearest in zip(np.flatnonzero(mine), distance.argmin(axis=1), strict=True):
            guesses[place] = str(kinds[nearest])
    return guesses
