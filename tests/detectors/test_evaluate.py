"""The evaluation's report: both conventions for missing faces, people as groups, DeepfakeBench's quirks on request."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.faceforensics import metrics
from detectors.faceforensics.calibrate import calibrate
from detectors.faceforensics.evaluate import Scores, _first_frames, _Judge, _people, judge
from detectors.faceforensics.listing import Faceless, Sample


def sample(method: str, name: str, frame: int, people=None) -> Sample:
    return Sample(
        path=Path(f"/data/{method}/c23/frames/{name}/{frame:03d}.png"),
        label=int(method != "FF-real"),
        method=method,
        video=f"{method}/c23/{name}",
        identities=tuple(people or name.split("_")),
    )


@pytest.fixture(scope="module")
def scored() -> Scores:
    random = np.random.default_rng(9)
    samples = [sample("FF-real", f"{n:03d}", f) for n in range(20) for f in range(4)]
    samples += [
        sample(m, f"{n:03d}_{(n + 1) % 20:03d}", f) for m in ("FF-DF", "FF-NT") for n in range(20) for f in range(4)
    ]
    worth = {"FF-real": 0.0, "FF-DF": 3.0, "FF-NT": 1.0}
    return Scores(samples=tuple(samples), logits=np.array([random.normal(worth[s.method] - 1, 1) for s in samples]))


def test_figures_are_those_of_the_scores(scored) -> None:
    found = judge(scored, rounds=50)
    labels = [s.label for s in scored.samples]
    assert found["frame"]["auc"]["value"] == pytest.approx(metrics.roc_auc(labels, scored.logits), abs=1e-5)
    assert found["video"]["genuine"] == 20
    assert found["video"]["manipulated"] == 40
    assert found["video"]["auc"]["value"] > found["frame"]["auc"]["value"]
    for table in found.values():
        for name in ("auc", "ap", "eer", "accuracy", "hits_at_1pct", "hits_at_5pct", "cllr", "cllr_min", "ece"):
            row = table[name]
            assert row["low"] <= row["value"] + 0.05
            assert row["value"] <= row["high"] + 0.05


def test_deepfakebench_s_grouping_merges_methods_and_ours_does_not(scored) -> None:
    found = judge(scored, rounds=10, compat=True)
    # 000_001 of both methods becomes one "video"
    assert found["video"]["manipulated"] == 20


def test_deepfakebench_s_protocol_takes_the_first_frames() -> None:
    samples = [sample("FF-real", "000", frame) for frame in range(40)]
    assert [s.path.name for s in _first_frames(samples[::-1])] == [f"{n:03d}.png" for n in range(32)]


def test_missing_faces_count_by_both_conventions(scored) -> None:
    faceless = (
        Faceless(label=1, method="FF-DF", video="FF-DF/c23/030_031", identities=("030", "031"), frames=8),
        Faceless(label=0, method="FF-real", video="FF-real/c23/000", identities=("000",), frames=2),
    )
    found = _Judge(0.0, None, "as-is", 10, compat=False).both(scored, faceless)
    out, undecided = found["faceless_left_out"], found["faceless_undecided"]
    assert out["frame"]["manipulated"] + 8 == undecided["frame"]["manipulated"]
    assert undecided["video"]["manipulated"] == out["video"]["manipulated"] + 1
    labels = [*(s.label for s in scored.samples), *[1] * 8, *[0] * 2]
    logits = [*scored.logits, *[0.0] * 10]
    assert undecided["frame"]["auc"]["value"] == pytest.approx(metrics.roc_auc(labels, logits), abs=1e-5)
    assert "faceless_undecided" not in _Judge(0.0, None, "as-is", 10, compat=False).both(scored, ())


def test_methods_are_told_apart_with_the_same_genuine_ones(scored) -> None:
    found = _Judge(0.0, None, "as-is", 10, compat=False).per_method(scored)
    assert set(found) == {"FF-DF", "FF-NT"}
    assert found["FF-DF"]["frame_auc"]["value"] > found["FF-NT"]["frame_auc"]["value"]
    assert found["FF-DF"]["videos"] == 20


def test_people_linked_by_any_pair_are_one_group() -> None:
    samples = [
        sample("FF-real", "000", 0), sample("FF-real", "001", 0), sample("FF-real", "007", 0),
        sample("FF-DF", "000_001", 0), sample("FF-DF", "001_002", 0),
    ]  # fmt: skip
    first, second, alone, pair, chained = _people(samples)
    assert first == second == pair == chained
    assert alone != first


def test_a_calibration_changes_costs_and_no_ranks(scored) -> None:
    labels = [s.label for s in scored.samples]
    calibration = calibrate({"as-is": (labels, list(scored.logits))})
    plain, calibrated = judge(scored, rounds=10), judge(scored, calibration=calibration, rounds=10)
    assert plain["frame"]["auc"] == calibrated["frame"]["auc"]
    assert calibrated["frame"]["cllr"]["value"] < plain["frame"]["cllr"]["value"]
    assert 0 < calibrated["frame"]["abstained"] < 1


def test_one_class_alone_gives_no_figure_and_valid_json() -> None:
    import json

    only = Scores(samples=tuple(sample("FF-real", f"{n:03d}", 0) for n in range(3)), logits=np.zeros(3))
    found = judge(only, rounds=10)
    assert found["frame"]["auc"]["value"] is None
    assert "NaN" not in json.dumps(found)
