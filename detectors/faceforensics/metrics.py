"""Figures of merit for scores where higher means manipulated; checked against scikit-learn in the tests."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Truth = NDArray[np.bool_]


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Area under the ROC curve: the chance that a manipulated one scores higher, ties count half; NaN for one class."""
    from scipy.stats import rankdata

    truth, values = _both(labels, scores)
    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return float("nan")
    ranks = rankdata(values)
    return float((ranks[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Precision averaged over the steps of recall, ties taken together; NaN without a manipulated one."""
    truth, values = _both(labels, scores)
    if not truth.any():
        return float("nan")
    hits, false = _cumulated(truth, values)
    precision = hits / (hits + false)
    recall = hits / hits[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))


def equal_error_rate(labels: ArrayLike, scores: ArrayLike) -> float:
    """Where misses and false alarms are equally frequent, on the ROC curve between its points; NaN for one class."""
    truth, _ = _both(labels, scores)
    if truth.all() or not truth.any():
        return float("nan")
    false_rate, hit_rate = roc_curve(labels, scores)
    gap = false_rate - (1 - hit_rate)
    after = int(np.argmax(gap >= 0))
    if after == 0 or gap[after] == 0:
        return float(false_rate[after])
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(false_rate[after - 1] + share * (false_rate[after] - false_rate[after - 1]))


def hit_rate_at(labels: ArrayLike, scores: ArrayLike, false_rate: float) -> float:
    """The most manipulated ones found with at most that share of false alarms; NaN for one class."""
    truth, _ = _both(labels, scores)
    if truth.all() or not truth.any():
        return float("nan")
    false, hits = roc_curve(labels, scores)
    return float(hits[false <= false_rate + 1e-12].max())


def accuracy(labels: ArrayLike, scores: ArrayLike, threshold: float) -> float:
    """Share of right answers when everything above the threshold is called manipulated."""
    truth, values = _both(labels, scores)
    return float(np.mean((values > threshold) == truth)) if len(truth) else float("nan")


def calibration_error(labels: ArrayLike, chances: ArrayLike, *, bins: int = 15) -> float:
    """Expected calibration error: mean gap between stated chance and what came true, over equal bins.

    After Guo et al., "On Calibration of Modern Neural Networks", 2017.
    """
    truth, values = _both(labels, chances)
    if not len(truth):
        return float("nan")
    place = np.clip(np.ceil(values * bins).astype(int) - 1, 0, bins - 1)
    gaps = [
        abs(float(truth[place == number].mean()) - float(values[place == number].mean())) * int((place == number).sum())
        for number in range(bins)
        if (place == number).any()
    ]
    return float(sum(gaps) / len(truth))


def cllr(labels: ArrayLike, ratios: ArrayLike) -> float:
    """Cost of natural-log likelihood ratios in bits; 0 is perfect, 1 says nothing, more misleads. NaN for one class.

    Brümmer and du Preez, "Application-independent evaluation of speaker detection", 2006, eq. 1.
    """
    truth, values = _both(labels, ratios)
    if truth.all() or not truth.any():
        return float("nan")
    made = np.logaddexp(0, -values[truth]).mean()
    genuine = np.logaddexp(0, values[~truth]).mean()
    return float((made + genuine) / 2 / np.log(2))


def cllr_min(labels: ArrayLike, scores: ArrayLike) -> float:
    """The cost after the best monotone calibration on these very scores: what discrimination alone is worth."""
    from scipy.optimize import isotonic_regression

    truth, values = _both(labels, scores)
    if truth.all() or not truth.any():
        return float("nan")
    levels, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    shares = np.bincount(where, weights=truth.astype(np.float64), minlength=len(levels)) / counts
    chance = np.asarray(isotonic_regression(shares, weights=counts.astype(np.float64)).x, np.float64)[where]
    prior = np.log(truth.sum() / (~truth).sum())
    with np.errstate(divide="ignore"):
        ratios = np.log(chance) - np.log1p(-chance) - prior
    return cllr(truth, ratios)


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[Array, Array]:
    """False-alarm rates and hit rates, from (0, 0) to (1, 1), one point per distinct score; NaN where a class lacks."""
    truth, values = _both(labels, scores)
    hits, false = _cumulated(truth, values)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            np.concatenate([[0.0], false / (~truth).sum()]),
            np.concatenate([[0.0], hits / truth.sum()]),
        )


def bootstrap(
    measure: Callable[[NDArray[np.int64]], float],
    groups: Sequence[Hashable],
    *,
    rounds: int = 200,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Percentile interval of a figure when whole groups are drawn again with replacement.

    Frames of one video, and videos of one pair of people, are not independent: a group is what is.

    Args:
        measure: the figure for chosen places.
        groups: the group of every place.
        rounds: how often is drawn.
        seed: of the draws.
        level: share that the interval covers.

    Returns:
        (low, high); NaN where no draw had a value.
    """
    names: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        names.setdefault(group, []).append(place)
    members = [np.array(places, np.int64) for places in names.values()]
    if not members:
        return float("nan"), float("nan")
    random = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        chosen = random.integers(0, len(members), len(members))
        values.append(measure(np.concatenate([members[index] for index in chosen])))
    found = np.array(values)[np.isfinite(values)]
    if not len(found):
        return float("nan"), float("nan")
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _cumulated(truth: Truth, values: Array) -> tuple[Array, Array]:
    """Hits and false alarms above each distinct score, highest first."""
    order = np.argsort(-values, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(values[order]) != 0, True)) if len(values) else np.zeros(0, np.int64)
    hits = np.cumsum(truth[order])[ends].astype(np.float64)
    return hits, (ends + 1).astype(np.float64) - hits


def _both(labels: ArrayLike, scores: ArrayLike) -> tuple[Truth, Array]:
    return np.asarray(labels).astype(bool).reshape(-1), np.asarray(scores, np.float64).reshape(-1)
