"""Calibrated ratios cost less, stay within what n supports, and abstention keeps its promise on simulated scores."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from detectors.faceforensics import metrics
from detectors.faceforensics.calibrate import calibrate, load_calibration
from detectors.faceforensics.calibration_plot import calibration_svg
from thsafe.core.errors import InputError


def drawn(random, count, distance, *, scale=3.0, shift=4.0):
    labels = np.repeat([0, 1], count)
    return labels, scale * random.normal(labels * distance, 1) + shift


@pytest.mark.parametrize("distance", [0.2, 1.0, 3.0])
def test_both_promises_of_abstention_hold_on_average(distance) -> None:
    random = np.random.default_rng(11)
    wrong = np.zeros((2, 150))
    for trial in range(150):
        labels, scores = drawn(random, 40, distance)
        found = calibrate({"c23": (labels, scores)}, alpha=0.1)
        new_labels, new_scores = drawn(random, 20, distance)
        answers = np.array([found.answer(score, "c23") for score in new_scores])
        wrong[0, trial] = np.isin(answers[new_labels == 0], ["manipulated", "neither"]).mean()
        wrong[1, trial] = np.isin(answers[new_labels == 1], ["genuine", "neither"]).mean()
    # at most alpha, and not by refusing to answer at all, unless hardly any score is twice as usual for one class
    assert (wrong.mean(axis=1) <= 0.1 + 0.02).all()
    assert distance < 1 or (wrong.mean(axis=1) >= 0.03).all()


@pytest.mark.parametrize("distance", [0.0, 0.2, 0.6, 1.5])
def test_no_answer_is_hardly_more_usual_for_either_class(distance) -> None:
    labels, scores = drawn(np.random.default_rng(12), 60, distance)
    found = calibrate({"c23": (labels, scores)}, alpha=0.1)
    tried = np.linspace(scores.min() - 3, scores.max() + 3, 400)
    for score, ratio in zip(tried, found.ratios(tried, "c23"), strict=True):
        match found.answer(float(score), "c23"):
            case "manipulated":
                assert ratio >= np.log(2) - 1e-9
            case "genuine":
                assert ratio <= -np.log(2) + 1e-9


def test_hopeless_scores_are_mostly_left_unanswered_and_good_ones_answered() -> None:
    random = np.random.default_rng(3)
    labels, scores = drawn(random, 400, 0.0)
    assert calibrate({"x": (labels, scores)}).abstained(scores, "x") > 0.7
    labels, scores = drawn(random, 400, 5.0)
    assert calibrate({"x": (labels, scores)}).abstained(scores, "x") < 0.2


def test_ratios_are_worth_more_than_raw_scores_and_bounded_by_n() -> None:
    random = np.random.default_rng(5)
    found = calibrate({"x": drawn(random, 200, 2.0)})
    labels, scores = drawn(random, 2000, 2.0)
    ratios = found.ratios(scores, "x")
    assert metrics.cllr(labels, ratios) < 0.65
    assert metrics.cllr(labels, ratios) < metrics.cllr(labels, scores)
    assert metrics.cllr(labels, ratios) - metrics.cllr_min(labels, scores) < 0.05
    few = calibrate({"x": drawn(random, 12, 30.0)})
    assert few.ratios(np.array([1e6, -1e6]), "x") == pytest.approx([np.log(13), -np.log(13)])


def test_scores_the_wrong_way_round_say_nothing() -> None:
    random = np.random.default_rng(6)
    labels, scores = drawn(random, 100, 2.0)
    found = calibrate({"x": (1 - labels, scores)})
    assert (found.ratios(scores, "x") == 0).all()


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        calibrate({"x": ([0] * 9 + [1] * 50, list(range(59)))})
    assert caught.value.code == "calibrate.few"


def test_a_quality_never_seen_gets_the_most_cautious_bin(tmp_path) -> None:
    random = np.random.default_rng(7)
    found = calibrate({"many": drawn(random, 400, 5.0), "few": drawn(random, 15, 5.0)}, about={"crop": "mtcnn"})
    assert found.bin_for("other") == found.bins["few"]
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(found.as_json()))
    assert load_calibration(path) == found


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"schema": "other"}',
        '{"schema": "thsafe.calibration/1", "alpha": 0.1, "about": {}, "bins": {}}',
    ],
)
def test_other_files_are_no_calibration(tmp_path, content) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(content)
    with pytest.raises(InputError) as caught:
        load_calibration(path)
    assert caught.value.code == "calibrate.form"


def test_the_picture_shows_each_quality_its_scores_and_where_no_answer_is():
    random = np.random.default_rng(3)
    scores = {"as-is": drawn(random, 60, 4.0), "c23 & <small>": drawn(random, 60, 1.0)}
    made = calibrate(scores)
    root = ET.fromstring(calibration_svg(made, scores, title="my-net"))
    panels = root.findall("{*}g")
    assert len(panels) == 2
    for panel, (name, found) in zip(panels, made.bins.items(), strict=True):
        assert panel.find("{*}text").text.startswith(f"{name}: {found.genuine} genuine")
        strokes = [item.get("stroke") for item in panel.findall("{*}path") if item.get("stroke-opacity")]
        assert len(strokes) == 120
        assert len(set(strokes)) == 2
        heights = [float(point.split(",")[1]) for point in panel.find("{*}polyline").get("points").split()]
        assert heights == sorted(heights, reverse=True), "a higher score never speaks less for a manipulation"
    # Without an answer where classes overlap, a narrow band where they do not.
    grey = [float(panel.find("{*}rect").get("width")) for panel in panels]
    assert grey[1] > grey[0]
    bare = ET.fromstring(calibration_svg(made, title="my-net"))
    assert not [item for item in bare.iter() if item.get("stroke-opacity")]
