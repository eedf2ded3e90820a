"""The detector that comes with thsafe: its card tells the truth of its files, its words depend on nothing but the frames,
and it never decides."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.faceforensics import default
from detectors.faceforensics.calibrate import Calibration, load_calibration
from detectors.faceforensics.own.whole import Whole
from detectors.faceforensics.weights import fill_all
from thsafe.cli.main import run
from thsafe.core.types import Status, Verdict
from thsafe.media.image import write_png
from thsafe.registry import draw_person, rehearsal
from thsafe.verification import verify


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return draw_person("mei", 320)


def still(picture, times=(0.0,)):
    return [[(time, picture)] for time in times]


def test_the_card_tells_the_truth_of_the_files() -> None:
    card, path = default.card(), default.weights_path()
    packed = path.read_bytes()
    assert card["sha256"] == hashlib.sha256(packed).hexdigest()
    assert len(packed) == card["bytes"] <= 20_000_000
    net = Whole()
    fill_all(net, path)
    assert sum(value.numel() for value in net.parameters()) == card["parameters"] <= 5_000_000
    calibration = load_calibration(path.with_name("calibration.json"))
    assert calibration.about["weights_sha256"] == card["sha256"]
    assert set(calibration.bins) == {"film/large", "film/small", "photo/large", "photo/small"}
    # no ratio beyond what the people support
    assert all(item.highest <= np.log(calibration.about["people"] + 1) for item in calibration.bins.values())
    for table in card["figures"].values():
        for row in table.values():
            for unit in ("frame", "stretch", "file"):
                assert row[f"{unit}_auc_low"] <= row[f"{unit}_auc"] <= row[f"{unit}_auc_high"]
            assert row["false_alarms"]["of"] == row["genuine_files"]


def test_the_sentence_of_worth_quotes_the_card_s_figures() -> None:
    card = default.card()
    for name in ("all", "own-generators", "swaps"):
        assert f"{card['figures']['c23'][name]['file_auc']:.2f}" in card["worth"]


def test_the_same_frames_give_the_same_words(portrait) -> None:
    frames = [(number / 25, cv2.GaussianBlur(portrait, (0, 0), 0.5 + number / 9)) for number in range(4)]
    first, second = default.examine([frames, frames], moving=True), default.examine([frames, frames], moving=True)
    assert first == second
    assert first.model_digest == default.card()["sha256"]
    assert first.detail["coverage"] == 1.0
    assert default.card()["worth"] in first.summary
    assert first.detail["heat_map"]["jpeg"]
    assert set(first.detail["after_changes"]) == {"half-size", "jpeg-75"}
    assert " of " in first.detail["false_alarms"]
    assert first.interval[0] < 0 < first.interval[1]
    if first.strength is not None:
        assert first.interval[0] <= first.strength <= first.interval[1]
    json.dumps(first.detail, allow_nan=False)


def test_a_speaking_portrait_scores_above_film_of_the_still(portrait) -> None:
    from detectors.faceforensics.selfmade.camera import Camera, filmed
    from thsafe.media.faces import find_faces

    marks = find_faces(portrait, max_faces=1)[0].landmarks
    picture, framed, runs = rehearsal().speaking(portrait, marks, runs=2, length=6, seed=5, short_side=320)
    camera = Camera.drawn(np.random.default_rng(4), framed, count=6, face=(110.0, 130.0))
    genuine = [[(place / 25, shot.picture) for place, shot in enumerate(filmed(picture, framed, camera))]]
    made = [[(place / 25, frame) for place, frame in enumerate(run)] for run in runs]
    first, second = (default.examine(frames, moving=True) for frames in (genuine, made))
    assert second.detail["score"] > first.detail["score"]
    assert [part["end"] - part["start"] for part in second.detail["segments"]] == [2.0, 2.0]


@pytest.mark.parametrize("side", [16, 64, 300])
def test_without_a_face_there_is_no_number(side) -> None:
    found = default.examine(still(np.full((side, side, 3), 120, np.uint8)), moving=False)
    assert found.status is Status.NOT_EVALUATED
    assert found.code == "NO-FACE"
    assert "score" not in found.detail


def test_a_face_in_few_moments_or_too_small_is_not_assessed(portrait) -> None:
    blank = np.full_like(portrait, 120)
    few = default.examine([*still(portrait), *still(blank), *still(blank)], moving=True)
    assert few.code == "SMALL-FACE"
    assert few.detail["with_large_face"] == 1
    tiny = cv2.copyMakeBorder(cv2.resize(portrait, (96, 96)), 60, 60, 60, 60, cv2.BORDER_REPLICATE)
    assert default.examine(still(tiny), moving=False).code == "SMALL-FACE"


def test_an_answer_that_turns_into_its_opposite_is_none(portrait, monkeypatch) -> None:
    made = default._after_changes

    def turned(chief, *, moving):
        opposite = "genuine" if chief.answer == "manipulated" else "manipulated"
        return {name: (score, opposite) for name, (score, _) in made(chief, moving=moving).items()}

    monkeypatch.setattr(Calibration, "answer", lambda *_: "genuine")
    monkeypatch.setattr(default, "_after_changes", turned)
    found = default.examine(still(portrait), moving=False)
    assert found.status is Status.NOT_EVALUATED
    assert found.code == "UNSTABLE"
    assert found.strength is None
    assert found.detail["answer"] == "unsteady"


def test_two_people_are_both_reported(portrait) -> None:
    from thsafe.registry import draw_person

    both = np.hstack([portrait, draw_person("kofi", 320)])
    found = default.examine(still(both), moving=False)
    first, second = found.detail["people"]
    assert abs(first["window"][0] - second["window"][0]) > 200
    assert found.detail["score"] == max(first["score"], second["score"])
    assert "Of 2 people" in found.summary


def test_verify_asks_it_where_nothing_else_settles_and_decides_nothing(home, tmp_path, portrait) -> None:
    picture = tmp_path / "face.png"
    write_png(picture, portrait)
    report = verify(picture)
    (own,) = [item for item in report.evidence if item.check == "detector.small"]
    assert own.code in {"EXPERIMENTAL", "UNSTABLE"}
    assert report.verdict is Verdict.INCONCLUSIVE
    assert any("experimental" in limit for limit in report.limits)
    assert not [item for item in verify(picture, detectors=False).evidence if item.check.startswith("detector.")]


def test_sound_has_no_face(home, tmp_path) -> None:
    from thsafe.media.wav import write_wav

    sound = tmp_path / "tone.wav"
    write_wav(sound, (0.1 * np.sin(np.arange(16000) / 9)).astype(np.float32)[:, None], sample_rate=16000)
    (own,) = [item for item in verify(sound).evidence if item.check == "detector.small"]
    assert own.code == "NOT-APPLICABLE"


def test_the_command_says_what_it_is_worth(home, tmp_path, portrait, capsys) -> None:
    picture = tmp_path / "face.png"
    write_png(picture, portrait)
    assert run(["verify", str(picture), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "inconclusive"
    (own,) = [item for item in report["evidence"] if item["check"] == "detector.small"]
    assert "decides nothing" in own["summary"]
    assert own["detail"]["answer"] in {"genuine", "manipulated", "both", "neither", "unsteady"}
    assert own["state"] in {"ok", "low-quality"}


def test_the_recipe_of_the_card_can_be_found() -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "detector.py"
    assert script.is_file()
    assert "benchmarks/detector.py" in default.card()["recipe"]
