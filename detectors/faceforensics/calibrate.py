"""From scores to likelihood ratios, per quality bin, with the bounds that the number of examples supports.

Logistic calibration with Platt's targets; a ratio is never larger than its evidence: with n genuine examples none
of which was misjudged, the rate of misjudging could still be about 1 / (n + 1) (empirical bound after Vergeer et al.,
"Numerical likelihood ratios outputted by LR systems are often based on extrapolation", 2016). Abstention is
class-conditional conformal prediction at a stated error rate (Vovk, "Conditional validity of inductive conformal
predictors", 2012): a score that fits both classes, or neither, is no answer. Nor is one that is hardly more usual for
either class: where few examples overlap much, a limit alone would give answers that are next to nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SCHEMA: Final = "thsafe.calibration/1"
ALPHA: Final = 0.10
ANSWERS: Final = float(np.log(2))
"""Least log ratio, either way, of an answer."""
_LEAST: Final = 10
"""Examples of each class without which nothing is calibrated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bin:
    """One quality: how scores there become ratios."""

    slope: float
    offset: float
    genuine: int
    manipulated: int
    lowest: float
    """Natural-log bounds of a ratio."""
    highest: float
    genuine_limit: float
    """Scores above it fit no genuine example at the stated error rate, with ``ANSWERS`` or more as their ratio."""
    manipulated_limit: float
    """Scores below it fit no manipulated example, with ``-ANSWERS`` or less as their ratio."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """All bins of a detector."""

    bins: Mapping[str, Bin]
    alpha: float = ALPHA
    about: Mapping[str, Any] = field(default_factory=dict)
    """Detector, data and crop that it holds for."""

    def bin_for(self, quality: str) -> Bin:
        """The bin of that quality; for one never seen, the most cautious."""
        if quality in self.bins:
            return self.bins[quality]
        return min(self.bins.values(), key=lambda item: item.highest)

    def ratios(self, scores: Array, quality: str) -> Array:
        """Natural-log likelihood ratios (n,), bounded; positive speaks for a manipulation."""
        found = self.bin_for(quality)
        return np.clip(found.slope * np.asarray(scores, np.float64) + found.offset, found.lowest, found.highest)

    def answer(self, score: float, quality: str) -> str:
        """``genuine``, ``manipulated``, ``both`` (inconclusive) or ``neither`` (unlike all that was seen)."""
        found = self.bin_for(quality)
        like_genuine, like_made = score <= found.genuine_limit, score >= found.manipulated_limit
        if like_genuine and like_made:
            return "both"
        return "genuine" if like_genuine else "manipulated" if like_made else "neither"

    def abstained(self, scores: Array, quality: str) -> float:
        """Share of scores without an answer."""
        answers = [self.answer(float(score), quality) for score in scores]
        return sum(item in {"both", "neither"} for item in answers) / max(1, len(answers))

    def as_json(self) -> dict[str, Any]:
        """For the file."""
        rows = {name: {key: getattr(item, key) for key in Bin.__slots__} for name, item in self.bins.items()}
        return {"schema": SCHEMA, "alpha": self.alpha, "about": dict(self.about), "bins": rows}


def calibrate(
    scores: Mapping[str, tuple[Sequence[int], Sequence[float]]],
    *,
    alpha: float = ALPHA,
    about: Mapping[str, Any] | None = None,
    independent: int | None = None,
    kinds: Mapping[str, Sequence[str]] | None = None,
) -> Calibration:
    """Fit every bin.

    Args:
        scores: for each quality the labels (1: manipulated) and scores of independent examples: one per video.
        alpha: share of either class that may be misjudged.
        about: what it holds for.
        kinds: for each quality the kind of every example, where they come from different worlds. The limit for genuine
            ones then holds for each kind by itself, and ratios are fitted with all kinds weighing the same.
        independent: how many examples of a class count as independent at most, such as the number of people in them.

    Raises:
        InputError: ``calibrate.few``: fewer than ten examples of a class.
    """
    bins = {}
    for quality, (labels, values) in scores.items():
        truth, found = np.asarray(labels).astype(bool), np.asarray(values, np.float64)
        genuine, made = int((~truth).sum()), int(truth.sum())
        if min(genuine, made) < _LEAST:
            raise InputError(
                f"Too few examples to calibrate {quality}.",
                code="calibrate.few",
                found=f"{genuine} genuine and {made} manipulated videos",
                rule=f"at least {_LEAST} of each",
                next_step="prepare more data, or go without likelihood ratios",
            )
        worlds = np.asarray(kinds[quality]) if kinds else np.zeros(len(found), np.int64)
        slope, offset = _logistic(truth, found, worlds)
        bound = float(np.log(min(genuine, made, independent or genuine) + 1))
        high = max(_limit(found[~truth & (worlds == kind)], alpha) for kind in np.unique(worlds[~truth]))
        low = -_limit(-found[truth], alpha)
        bins[quality] = Bin(
            slope=slope,
            offset=offset,
            genuine=genuine,
            manipulated=made,
            lowest=-bound,
            highest=bound,
            genuine_limit=max(high, _score_at(ANSWERS, slope, offset)),
            manipulated_limit=min(low, _score_at(-ANSWERS, slope, offset)),
        )
    return Calibration(bins=bins, alpha=alpha, about=dict(about or {}))


def load_calibration(path: Path) -> Calibration:
    """Read what :meth:`Calibration.as_json` gave; raises InputError ``calibrate.form``."""
    try:
        whole = json.loads(path.read_bytes())
        bins = {str(name): Bin(**row) for name, row in whole["bins"].items()}
        numbers = [value for item in bins.values() for value in (item.slope, item.offset, item.lowest, item.highest)]
        good = whole["schema"] == SCHEMA and bool(bins) and bool(np.isfinite(numbers).all())
        found = Calibration(bins=bins, alpha=float(whole["alpha"]), about=whole["about"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise InputError(
            f"{path.name} is no calibration.",
            code="calibrate.form",
            found=f"{type(problem).__name__}: {problem}",
            next_step="thsafe detector calibrate makes one",
        ) from problem
    if not good:
        raise InputError(
            f"{path.name} is no calibration of this version.",
            code="calibrate.form",
            rule=f"{SCHEMA}, at least one bin, finite numbers",
            next_step="thsafe detector calibrate makes one",
        )
    return found


def _score_at(ratio: float, slope: float, offset: float) -> float:
    """The score of that log ratio; out of reach where scores say nothing."""
    return (ratio - offset) / slope if slope > 0 else float(np.copysign(np.inf, ratio))


def _logistic(truth: NDArray[np.bool_], scores: Array, worlds: NDArray[Any]) -> tuple[float, float]:
    """Slope and offset of the log ratio; both classes weigh the same, so the offset holds no prior.

    Platt's targets (1999) keep it finite where the classes do not overlap; a falling line is made level.
    """
    from scipy.optimize import minimize

    made, genuine = int(truth.sum()), int((~truth).sum())
    goal = np.where(truth, (made + 1) / (made + 2), 1 / (genuine + 2))
    weight = np.zeros(len(truth))
    for kind in np.unique(worlds):
        for side in (truth, ~truth):
            inside = side & (worlds == kind)
            weight[inside] = 1 / max(1, int(inside.sum()))
    for side in (truth, ~truth):
        weight[side] *= 0.5 / weight[side].sum()
    middle, spread = float(scores.mean()), float(scores.std()) or 1.0
    scaled = (scores - middle) / spread

    def cost(values: Array) -> float:
        line = values[0] * scaled + values[1]
        return float(np.sum(weight * (np.logaddexp(0, line) - goal * line)))

    slope, offset = minimize(cost, np.array([1.0, 0.0]), method="BFGS").x
    if slope <= 0:
        return 0.0, 0.0
    return float(slope / spread), float(offset - slope * middle / spread)


def _limit(scores: Array, alpha: float) -> float:
    """The score that at most ``alpha`` of new examples of a class exceed: the ceil((n + 1)(1 - alpha))-th smallest."""
    place = int(np.ceil((len(scores) + 1) * (1 - alpha)))
    return float("inf") if place > len(scores) else float(np.sort(scores)[place - 1])
