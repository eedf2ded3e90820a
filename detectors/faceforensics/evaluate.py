"""Everything that is to be said of a detector on a list of crops: figures with intervals, per method and condition.

Intervals are 95 %, from drawing people again, not frames: videos that share a person are one group. Frames
without a face count by both conventions in use: left out, or scored as undecided.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics import metrics
from detectors.faceforensics.listing import Faceless, Sample
from detectors.faceforensics.recipes import Recipe
from detectors.faceforensics.scoring import score_samples
from thsafe.core.types import Progress, Silent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.calibrate import Calibration

    Array = NDArray[np.float64]

SCHEMA: Final = "thsafe.detector-evaluation/1"
_DFB_FRAMES: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Scores:
    """Logits of samples, higher for a manipulation."""

    samples: tuple[Sample, ...]
    logits: NDArray[np.float64]


def evaluate(
    net: Any,
    recipe: Recipe,
    samples: Sequence[Sample],
    faceless: Sequence[Faceless] = (),
    *,
    qualities: Sequence[str] = ("as-is",),
    threshold: float = 0.0,
    calibration: Calibration | None = None,
    compat: bool = False,
    rounds: int = 200,
    progress: Progress | None = None,
    device: str = "cpu",
    half: bool = False,
) -> dict[str, Any]:
    """The report, as JSON values.

    Args:
        net: the network, in evaluation mode.
        recipe: how crops are shown to it; its ``crop`` stands in the report.
        samples: one split of one list.
        faceless: frames of it that showed no face.
        qualities: conditions, of ``degrade.QUALITIES``; the first is the one that methods are told apart under.
        threshold: logit above which a crop is called manipulated; fixed beforehand, one for all conditions.
        calibration: turns logits into likelihood ratios; without it the logit itself is taken for one.
        compat: group frames into videos as DeepfakeBench does, and take its first 32 frames of each.
        rounds: draws of the bootstrap.
        progress: told how far it is.
        device: where the network is.
        half: bfloat16.
    """
    telling = progress or Silent()
    used = _first_frames(samples) if compat else tuple(samples)
    conditions: dict[str, Any] = {}
    methods: dict[str, Any] = {}
    seconds = 0.0
    for quality in qualities:
        started = time.perf_counter()
        logits = score_samples(net, recipe, used, progress=telling, quality=quality, device=device, half=half)
        seconds += time.perf_counter() - started
        scored = Scores(samples=used, logits=logits)
        judged = _Judge(threshold, calibration, quality, rounds, compat=compat)
        conditions[quality] = judged.both(scored, faceless)
        if quality == qualities[0]:
            methods = judged.per_method(scored)
    return {
        "schema": SCHEMA,
        "recipe": recipe.name,
        "network": recipe.network,
        "crop": recipe.crop,
        "polarity": "higher: more like a manipulation",
        "threshold": threshold,
        "calibrated": calibration is not None,
        "video_grouping": "deepfakebench: folder name alone, first 32 frames"
        if compat
        else "method, compression, name",
        "crops": {"genuine": sum(not s.label for s in used), "manipulated": sum(s.label for s in used)},
        "coverage": _coverage(used, faceless),
        "conditions": conditions,
        "methods": methods,
        "seconds_per_crop": round(seconds / max(1, len(used) * len(qualities)), 5),
    }


def judge(
    scored: Scores,
    *,
    threshold: float = 0.0,
    calibration: Calibration | None = None,
    quality: str = "as-is",
    rounds: int = 200,
    compat: bool = False,
) -> dict[str, Any]:
    """Figures per frame and per video of scores that are there already."""
    return _Judge(threshold, calibration, quality, rounds, compat=compat).figures(scored)


class _Judge:
    def __init__(
        self, threshold: float, calibration: Calibration | None, quality: str, rounds: int, *, compat: bool
    ) -> None:
        self._threshold, self._calibration, self._quality = threshold, calibration, quality
        self._rounds, self._compat = rounds, compat

    def both(self, scored: Scores, faceless: Sequence[Faceless]) -> dict[str, Any]:
        """Figures with faceless frames left out; where there are any, also with them scored as undecided."""
        found = {"faceless_left_out": self.figures(scored)}
        if faceless:
            added = [
                Sample(path=scored.samples[0].path.parent / "no-face", label=item.label, method=item.method,
                       video=item.video, identities=item.identities)
                for item in faceless for _ in range(item.frames)
            ]  # fmt: skip
            logits = np.concatenate([scored.logits, np.full(len(added), self._threshold)])
            found["faceless_undecided"] = self.figures(Scores(samples=(*scored.samples, *added), logits=logits))
        return found

    def per_method(self, scored: Scores) -> dict[str, Any]:
        """AUC of each manipulation against all that is genuine."""
        found = {}
        for method in sorted({sample.method for sample in scored.samples if sample.label}):
            kept = [
                number for number, sample in enumerate(scored.samples) if not sample.label or sample.method == method
            ]
            part = Scores(samples=tuple(scored.samples[number] for number in kept), logits=scored.logits[kept])
            whole = self.figures(part)
            found[method] = {
                "crops": sum(sample.method == method for sample in part.samples),
                "videos": len({sample.video for sample in part.samples if sample.label}),
                "frame_auc": whole["frame"]["auc"],
                "video_auc": whole["video"]["auc"],
                "hit_rate_at_threshold": _number(
                    np.mean([logit > self._threshold for sample, logit in
                             zip(part.samples, part.logits, strict=True) if sample.label])
                ),
            }  # fmt: skip
        return found

    def figures(self, scored: Scores) -> dict[str, Any]:
        """Frame by frame, and with frames averaged over their video."""
        groups = _people(scored.samples)
        labels = np.array([sample.label for sample in scored.samples], np.int64)
        keys = [sample.path.parent.name if self._compat else sample.video for sample in scored.samples]
        places: dict[str, list[int]] = {}
        for number, key in enumerate(keys):
            places.setdefault(key, []).append(number)
        rows = list(places.values())
        # DeepfakeBench: a "video" is manipulated only if all its frames are (int of the mean)
        video_labels = np.array([int(labels[row].mean()) for row in rows], np.int64)
        chances = [_chance(scored.logits[row]).mean() for row in rows]
        video_logits = np.array([np.log(chance / (1 - chance)) for chance in np.clip(chances, 1e-9, 1 - 1e-9)])
        return {
            "frame": self._table(labels, scored.logits, groups),
            "video": self._table(video_labels, video_logits, [groups[row[0]] for row in rows]),
        }

    def _table(self, labels: NDArray[np.int64], logits: Array, groups: Sequence[int]) -> dict[str, Any]:
        ratios = logits if self._calibration is None else self._calibration.ratios(logits, self._quality)
        chances = _chance(ratios)
        figures: Mapping[str, Callable[[Any], float]] = {
            "auc": lambda i: metrics.roc_auc(labels[i], logits[i]),
            "ap": lambda i: metrics.average_precision(labels[i], logits[i]),
            "eer": lambda i: metrics.equal_error_rate(labels[i], logits[i]),
            "accuracy": lambda i: metrics.accuracy(labels[i], logits[i], self._threshold),
            "false_alarms": lambda i: _share(logits[i][labels[i] == 0] > self._threshold),
            "hits_at_1pct": lambda i: metrics.hit_rate_at(labels[i], logits[i], 0.01),
            "hits_at_5pct": lambda i: metrics.hit_rate_at(labels[i], logits[i], 0.05),
            "cllr": lambda i: metrics.cllr(labels[i], ratios[i]),
            "cllr_min": lambda i: metrics.cllr_min(labels[i], logits[i]),
            "ece": lambda i: metrics.calibration_error(labels[i], chances[i]),
        }
        everything = np.arange(len(labels))
        found: dict[str, Any] = {"genuine": int((labels == 0).sum()), "manipulated": int((labels == 1).sum())}
        for name, figure in figures.items():
            low, high = metrics.bootstrap(figure, groups, rounds=self._rounds)
            found[name] = {"value": _number(figure(everything)), "low": _number(low), "high": _number(high)}
        if self._calibration is not None:
            found["abstained"] = _number(self._calibration.abstained(logits, self._quality))
        return found


def _coverage(samples: Sequence[Sample], faceless: Sequence[Faceless]) -> dict[str, Any]:
    missing = sum(item.frames for item in faceless)
    empty = {item.video for item in faceless} - {sample.video for sample in samples}
    return {
        "frames_with_face": len(samples),
        "frames_without_face": missing,
        "share": round(len(samples) / max(1, len(samples) + missing), 4),
        "videos_without_any_face": len(empty),
    }


def _people(samples: Sequence[Sample]) -> list[int]:
    """A group per sample: everybody who is linked by a pair of which one face went to the other."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for sample in samples:
        first, *rest = sample.identities
        for other in rest:
            parent[root(other)] = root(first)
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(sample.identities[0]), len(numbers)) for sample in samples]


def _first_frames(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """DeepfakeBench's test protocol: of each video the first 32 crops, by name."""
    by_video: dict[str, list[Sample]] = {}
    for sample in samples:
        by_video.setdefault(sample.video, []).append(sample)
    return tuple(
        replace(sample)
        for video in by_video.values()
        for sample in sorted(video, key=lambda item: item.path.name)[:_DFB_FRAMES]
    )


def _chance(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-np.clip(logits, -50, 50))), np.float64)


def _share(values: NDArray[np.bool_]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _number(value: float) -> float | None:
    """Rounded; None where there is no figure, for JSON has no NaN."""
    return round(float(value), 5) if np.isfinite(value) else None
