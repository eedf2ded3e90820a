"""Every figure of merit against scikit-learn on random scores, ties included, and against cases with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.faceforensics import metrics

judge = pytest.importorskip("sklearn.metrics")


def cases():
    random = np.random.default_rng(5)
    for number in range(25):
        size = int(random.integers(5, 400))
        labels = random.random(size) < random.uniform(0.1, 0.9)
        labels[0], labels[1] = True, False
        scores = random.normal(labels * random.uniform(0, 2), 1)
        yield labels, np.round(scores, number % 3) if number % 2 else scores


def test_areas_and_precision_are_those_of_scikit_learn() -> None:
    for labels, scores in cases():
        assert metrics.roc_auc(labels, scores) == pytest.approx(judge.roc_auc_score(labels, scores), abs=1e-12)
        expected = judge.average_precision_score(labels, scores)
        assert metrics.average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)
        expected = judge.accuracy_score(labels, scores > 0.3)
        assert metrics.accuracy(labels, scores, 0.3) == pytest.approx(expected, abs=1e-12)


def test_operating_points_lie_on_the_curve_of_scikit_learn() -> None:
    for labels, scores in cases():
        false, hits, _ = judge.roc_curve(labels, scores, drop_intermediate=False)
        mine = metrics.roc_curve(labels, scores)
        assert mine[0] == pytest.approx(false)
        assert mine[1] == pytest.approx(hits)
        for share in (0.01, 0.05, 0.5):
            assert metrics.hit_rate_at(labels, scores, share) == pytest.approx(hits[false <= share].max())
        rate = metrics.equal_error_rate(labels, scores)
        # both error rates are equal between two points of the curve: one above, one below
        assert np.minimum(false, 1 - hits).max() - 1e-12 <= rate <= np.maximum(false, 1 - hits).min() + 1e-12


def test_cost_of_ratios_is_a_log_loss_at_even_odds() -> None:
    for labels, scores in cases():
        weights = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())
        chances = 1 / (1 + np.exp(-scores))
        expected = judge.log_loss(labels, chances, sample_weight=weights) / np.log(2)
        assert metrics.cllr(labels, scores) == pytest.approx(expected, rel=1e-9)
        assert metrics.cllr_min(labels, scores) <= metrics.cllr(labels, scores) + 1e-9


def test_the_least_cost_is_that_of_isotonic_regression() -> None:
    from sklearn.isotonic import IsotonicRegression

    for labels, scores in cases():
        chance = IsotonicRegression(y_min=0, y_max=1).fit_transform(scores, labels.astype(float))
        prior = np.log(labels.sum() / (~labels).sum())
        with np.errstate(divide="ignore"):
            ratios = np.log(chance) - np.log1p(-chance) - prior
        assert metrics.cllr_min(labels, scores) == pytest.approx(metrics.cllr(labels, ratios), abs=1e-6)


def test_calibration_error_of_known_bins() -> None:
    chances = np.array([0.05, 0.05, 0.95, 0.95])
    assert metrics.calibration_error([0, 0, 1, 1], chances, bins=10) == pytest.approx(0.05)
    assert metrics.calibration_error([1, 1, 0, 0], chances, bins=10) == pytest.approx(0.95)
    random = np.random.default_rng(1)
    stated = random.random(50_000)
    assert metrics.calibration_error(random.random(50_000) < stated, stated) < 0.02


def test_perfect_and_useless_scores() -> None:
    labels = np.array([0, 0, 1, 1])
    assert metrics.roc_auc(labels, labels) == 1
    assert metrics.equal_error_rate(labels, labels) == 0
    assert metrics.cllr_min(labels, labels) == 0
    assert metrics.cllr(labels, np.zeros(4)) == pytest.approx(1.0)
    assert metrics.roc_auc(labels, np.zeros(4)) == 0.5
    assert metrics.equal_error_rate(labels, np.zeros(4)) == 0.5


@pytest.mark.parametrize("name", ["roc_auc", "equal_error_rate", "cllr", "cllr_min"])
def test_one_class_alone_has_no_figure(name) -> None:
    assert np.isnan(getattr(metrics, name)([1, 1], [0.2, 0.4]))
    assert np.isnan(getattr(metrics, name)([], []))


def test_intervals_draw_whole_groups() -> None:
    random = np.random.default_rng(2)
    labels = np.repeat([0, 1], 200)
    scores = random.normal(labels, 1)
    single = metrics.bootstrap(lambda i: metrics.roc_auc(labels[i], scores[i]), range(400))
    # frames that repeat a video are no new evidence: the interval stays as wide
    many = np.tile(np.arange(400), 5)
    repeated = metrics.bootstrap(lambda i: metrics.roc_auc(labels[many][i], scores[many][i]), list(many))
    loose = metrics.bootstrap(lambda i: metrics.roc_auc(labels[many][i], scores[many][i]), range(2000))
    assert single[0] < metrics.roc_auc(labels, scores) < single[1]
    assert repeated[1] - repeated[0] > 1.5 * (loose[1] - loose[0])
    assert metrics.bootstrap(lambda i: 0.0, []) == pytest.approx((np.nan, np.nan), nan_ok=True)
