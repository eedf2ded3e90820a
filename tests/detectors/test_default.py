"""The detector that comes with thsafe: its card tells the truth of its files, its words depend on nothing but the frames,
and it never decides."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.faceforensics import default
from detectors.faceforensics.calibrate import load_calibration
from detectors.faceforensics.export import load
from detectors.faceforensics.recipes import find_recipe
from thsafe.cli.main import run
from thsafe.core.types import Status, Verdict
from thsafe.media.image import write_png
from thsafe.registry import draw_person, rehearsal
from thsafe.verification import verify


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return draw_person("mei", 320)


def test_the_card_tells_the_truth_of_the_files() -> None:
    card, path = default.card(), default.weights_path()
    packed = path.read_bytes()
    assert card["sha256"] == hashlib.sha256(packed).hexdigest()
    assert len(packed) == card["bytes"] <= 20_000_000
    net = load(find_recipe(card["recipe_name"]), path)
    assert sum(value.numel() for value in net.parameters()) == card["parameters"] <= 5_000_000
    calibration = load_calibration(path.with_name("calibration.json"))
    assert calibration.about["weights_sha256"] == card["sha256"]
    assert set(calibration.bins) == set(card["figures"])
    for table in card["figures"].values():
        for row in table.values():
            assert row["frame_auc_low"] <= row["frame_auc"] <= row["frame_auc_high"]


def test_the_sentence_of_worth_quotes_the_card_s_figures() -> None:
    card = default.card()
    for name in ("all", "own-generators", "swaps"):
        assert f"{card['figures']['c23'][name]['frame_auc']:.2f}" in card["worth"]


def test_the_same_frames_give_the_same_words(portrait) -> None:
    frames = [(0.0, portrait), (1.0, cv2.GaussianBlur(portrait, (0, 0), 1.0))]
    first, second = default.examine(frames, moving=True), default.examine(frames, moving=True)
    assert first == second
    assert first.code == "EXPERIMENTAL"
    assert first.strength is None
    assert first.model_digest == default.card()["sha256"]
    assert first.detail["coverage"] == 1.0
    assert default.card()["worth"] in first.summary
    json.dumps(first.detail, allow_nan=False)


def test_a_speaking_portrait_scores_above_its_still(portrait) -> None:
    from thsafe.media.faces import find_faces

    marks = find_faces(portrait, max_faces=1)[0].landmarks
    still, _, frames = rehearsal().speaking(portrait, marks, count=6, seed=5, short_side=320)
    genuine = default.examine([(float(n), still) for n in range(6)], moving=True)
    made = default.examine([(float(n), frame) for n, frame in enumerate(frames)], moving=True)
    assert made.detail["score"] > genuine.detail["score"]


@pytest.mark.parametrize("side", [16, 64, 300])
def test_without_a_face_there_is_no_number(side) -> None:
    found = default.examine([(0.0, np.full((side, side, 3), 120, np.uint8))], moving=False)
    assert found.status is Status.NOT_EVALUATED
    assert found.code == "NO-FACE"
    assert "score" not in found.detail


def test_a_face_in_few_frames_or_too_small_is_not_assessed(portrait) -> None:
    blank = np.full_like(portrait, 120)
    few = default.examine([(0.0, portrait), (1.0, blank), (2.0, blank)], moving=True)
    assert few.code == "NO-FACE"
    assert few.detail["frames_with_face"] == 1
    tiny = cv2.copyMakeBorder(cv2.resize(portrait, (96, 96)), 60, 60, 60, 60, cv2.BORDER_REPLICATE)
    assert default.examine([(0.0, tiny)], moving=False).code == "NO-FACE"


def test_only_twelve_frames_are_looked_at(portrait) -> None:
    found = default.examine([(float(number), portrait) for number in range(30)], moving=True)
    assert len(found.detail["scores"]) == default.FRAMES
    assert found.detail["times"][0] == 0
    assert found.detail["times"][-1] == 29


def test_verify_asks_it_where_nothing_else_settles_and_decides_nothing(home, tmp_path, portrait) -> None:
    picture = tmp_path / "face.png"
    write_png(picture, portrait)
    report = verify(picture)
    (own,) = [item for item in report.evidence if item.check == "detector.small"]
    assert own.code == "EXPERIMENTAL"
    assert report.verdict is Verdict.INCONCLUSIVE
    assert any("experimental" in limit for limit in report.limits)
    assert not [item for item in verify(picture, detectors=False).evidence if item.check.startswith("detector.")]


def test_sound_has_no_face(home, tmp_path) -> None:
    from thsafe.media.wav import write_wav

    sound = tmp_path / "tone.wav"
    write_wav(sound, (0.1 * np.sin(np.arange(16000) / 9)).astype(np.float32)[:, None], sample_rate=16000)
    (own,) = [item for item in verify(sound).evidence if item.check == "detector.small"]
    assert own.code == "NOT-APPLICABLE"


def test_torch_is_loaded_only_where_there_is_a_face_to_score(home, tmp_path) -> None:
    picture = tmp_path / "plain.png"
    cv2.imwrite(str(picture), np.full((64, 64, 3), 90, np.uint8))
    code = (
        "import sys; from thsafe.verification import verify; "
        f"verify({str(picture)!r}); print('torch' in sys.modules, 'mediapipe' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_the_command_says_what_it_is_worth(home, tmp_path, portrait, capsys) -> None:
    picture = tmp_path / "face.png"
    write_png(picture, portrait)
    assert run(["verify", str(picture), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "inconclusive"
    (own,) = [item for item in report["evidence"] if item["check"] == "detector.small"]
    assert "decides nothing" in own["summary"]
    assert own["detail"]["answer"] in {"genuine", "manipulated", "both", "neither"}


def test_the_recipe_of_the_card_can_be_found() -> None:
    script = Path(__file__).resolve().parents[2] / "benchmarks" / "detector.py"
    assert script.is_file()
    assert "benchmarks/detector.py" in default.card()["recipe"]
