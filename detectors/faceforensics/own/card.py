"""What the detector that comes along is worth: its calibration, its figures on people it never saw, and its card.

Three units: a single frame judged as a photograph; a stretch of neighbouring frames, as short as a film can be; and a
file, all stretches of one person and method under one condition together. The calibration is of people left out of the
fit, and of none of the test split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics import metrics
from detectors.faceforensics.calibrate import Calibration, calibrate
from detectors.faceforensics.own.measure import QUALITIES
from detectors.faceforensics.own.quality import SMALL, bin_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.own.fit import Spared
    from detectors.faceforensics.own.measure import Table

    Array = NDArray[np.float64]

OWN: Final = ("engine-say", "engine-dub")
SWAPS: Final = ("face-swap", "gradient-swap", "autoencoder-swap")
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "own-generators": OWN,
    "swaps": SWAPS,
}
STRANGE: Final[Mapping[str, tuple[str, ...]]] = {
    "face-swap": ("face-swap",),
    "gradient-swap": ("gradient-swap",),
    "both": ("face-swap", "gradient-swap"),
    "autoencoder-swap": ("autoencoder-swap",),
    "swaps": SWAPS,
    "rendered-mouth": ("rendered-mouth",),
    "mouth-paste": ("mouth-paste",),
    "self-blend": ("self-blend",),
    "up-sampled": ("up-sampled",),
    "own-generators": OWN,
    "engine": (*OWN, "reenactment"),
}
"""What is left out of a fit to see what it is worth on methods that it does not know; ``both``: swaps by landmarks."""
_UNITS: Final = ("frame", "stretch", "file")


def calibrated(table: Table, spared: Spared, *, about: Mapping[str, Any]) -> Calibration:
    """Likelihood ratios and limits from people left out, in the bins of ``own.quality``; one example a file.

    A ratio is bounded by how many people there are, not by how many files they are in. People who were really filmed
    are few and unlike stills before a camera; the limit for genuine files holds for either by itself.
    """
    examples, worlds = {}, {}
    small = table.faces < SMALL
    for moving, scores in ((True, spared.moving), (False, spared.still)):
        for inside in (~small, small):
            name = bin_of(SMALL - 1 if inside is small else SMALL, moving=moving)
            labels, values, names = files(table.rows(inside), scores[inside])
            examples[name] = (labels.tolist(), values.tolist())
            worlds[name] = [world(person) for person in names]
    people = len(np.unique(table.people))
    return calibrate(examples, about={**about, "people": people}, independent=people, kinds=worlds)


def world(person: str) -> str:
    """``filmed`` for somebody who was filmed, ``still`` for whoever is a picture before our camera."""
    return "filmed" if person.startswith("film-") else "still"


def files(table: Table, scores: Array) -> tuple[NDArray[np.int64], Array, list[str]]:
    """Label, mean score and person of every file: what was made of one person by one method, or one genuine clip."""
    keys = [
        (person, method, clip if method == "genuine" else "")
        for person, method, clip in zip(table.people, table.methods, table.clips, strict=True)
    ]
    rows: dict[tuple[str, str, str], list[float]] = {}
    for key, score in zip(keys, scores, strict=True):
        rows.setdefault(key, []).append(float(score))
    labels = np.array([int(key[1] != "genuine") for key in rows], np.int64)
    return labels, np.array([float(np.mean(values)) for values in rows.values()]), [key[0] for key in rows]


def figures(table: Table, scores: Mapping[str, Array], calibration: Calibration) -> dict[str, dict[str, Any]]:
    """For each condition, for everything, the groups and every method: AUC by unit with intervals, and error rates.

    Args:
        table: the test split.
        scores: ``film`` and ``photo``, each (n,).
        calibration: gives the answers.
    """
    found: dict[str, dict[str, Any]] = {}
    for quality in QUALITIES:
        inside = table.qualities == quality
        part = table.rows(inside)
        film, photo = scores["film"][inside], scores["photo"][inside]
        rows: dict[str, Any] = {}
        for name, methods in _groups(part).items():
            kept = (part.labels == 0) | np.isin(part.methods, methods)
            rows[name] = _row(part.rows(kept), film[kept], photo[kept], calibration, quality)
        found[quality] = rows
    return found


def _groups(table: Table) -> dict[str, tuple[str, ...]]:
    made = sorted(set(table.methods[table.labels == 1]))
    return {"all": tuple(made), **GROUPS, **{method: (method,) for method in made}}


def _row(table: Table, film: Array, photo: Array, calibration: Calibration, quality: str) -> dict[str, Any]:
    row: dict[str, Any] = {"stretches": int(table.labels.sum()), "people": len(np.unique(table.people))}
    file_labels, file_scores, file_people = files(table, film)
    units = {
        "frame": (table.labels, photo, list(table.people)),
        "stretch": (table.labels, film, list(table.people)),
        "file": (file_labels, file_scores, file_people),
    }
    for unit in _UNITS:
        labels, values, people = units[unit]
        row[f"{unit}_auc"], row[f"{unit}_auc_low"], row[f"{unit}_auc_high"] = _auc(labels, values, people)
    row["files"] = int(file_labels.sum())
    row["genuine_files"] = int((1 - file_labels).sum())
    small = quality == "half-size"
    used = [bin_of(SMALL - 1 if small else SMALL, moving=moving) for moving in (True, False)]
    answers = [calibration.answer(float(score), used[0]) for score in file_scores]
    made = np.array([answer == "manipulated" for answer in answers])
    row["false_alarms"] = rate(made[file_labels == 0])
    row["hits"] = rate(made[file_labels == 1])
    photo_answers = [calibration.answer(float(score), used[1]) for score in photo]
    called = np.array([answer == "manipulated" for answer in photo_answers])
    row["photo_false_alarms"] = rate(called[table.labels == 0])
    row["photo_hits"] = rate(called[table.labels == 1])
    row["answered"] = round(float(np.mean([answer in {"manipulated", "genuine"} for answer in answers])), 3)
    return row


def strange(table: Table, film: Array, methods: Sequence[str]) -> dict[str, Any]:
    """AUC per file with intervals, by condition, of methods that a fit did not know.

    Args:
        table: the test split.
        film: its scores by that fit, (n,).
        methods: those left out.
    """
    row: dict[str, Any] = {}
    kept = (table.labels == 0) | np.isin(table.methods, methods)
    for quality in ("as-is", "c23"):
        inside = kept & (table.qualities == quality)
        row[quality] = list(_auc(*files(table.rows(inside), film[inside])))
    return row


def _auc(labels: NDArray[np.int64], values: Array, people: Sequence[str]) -> tuple[float, float, float]:
    low, high = metrics.bootstrap(lambda chosen: metrics.roc_auc(labels[chosen], values[chosen]), people, rounds=300)
    return round(metrics.roc_auc(labels, values), 3), round(low, 3), round(high, 3)


def rate(wrong: NDArray[np.bool_]) -> dict[str, Any]:
    """How many of how many, with Clopper and Pearson's exact 95 % interval."""
    from scipy.stats import beta

    count, of = int(wrong.sum()), len(wrong)
    low = float(beta.ppf(0.025, count, of - count + 1)) if count else 0.0
    high = float(beta.ppf(0.975, count + 1, of - count)) if count < of else 1.0
    return {"count": count, "of": of, "low": round(low, 4), "high": round(high, 4)}


def worth(found: Mapping[str, Mapping[str, Any]]) -> str:
    """One sentence for reports."""
    row = found["c23"]
    return (
        f"on {row['all']['people']} people it never saw, films at c23, it ranks manipulated above genuine with AUC "
        f"{row['all']['file_auc']:.2f} per file (this engine's own outputs {row['own-generators']['file_auc']:.2f}, "
        f"face swaps {row['swaps']['file_auc']:.2f}); on generators of others expect little more than chance. "
        "It decides nothing."
    )
