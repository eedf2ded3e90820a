"""The index of originals: kept, looked in at every verification, forgotten."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from thsafe.cli.main import run
from thsafe.media.image import write_png


def picture(seed: int) -> np.ndarray:
    """A scene with enough in it to be known again."""
    random = np.random.default_rng(seed)
    coarse = random.integers(20, 235, (14, 18, 3), dtype=np.uint8)
    fine = random.integers(0, 60, (96, 128, 3), dtype=np.uint8)
    scene = cv2.resize(coarse, (512, 384), interpolation=cv2.INTER_CUBIC)
    return cv2.add(cv2.convertScaleAbs(scene, alpha=0.75), cv2.resize(fine, (512, 384), interpolation=cv2.INTER_CUBIC))


@pytest.fixture
def footage(tmp_path: Path, home: Path) -> Path:
    del home
    folder = tmp_path / "footage" / "below"
    folder.mkdir(parents=True)
    for number in range(3):
        write_png(folder / f"{number}.png", picture(number))
    (folder / "notes.txt").write_text("no media")
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    return tmp_path / "footage"


def test_kept_found_and_forgotten(
    footage: Path, tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["originals", "add", str(footage), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["added"]) == 3
    assert [Path(item["file"]).name for item in told["problems"]] == ["broken.mp4"]
    assert run(["originals", "add", str(footage)]) == 0
    assert "0 new" in capsys.readouterr().out
    assert oct((home / "thsafe.db").stat().st_mode & 0o777) == "0o600"

    altered = picture(1)
    cv2.circle(altered, (300, 150), 40, (20, 20, 220), -1)
    suspect = tmp_path / "suspect.png"
    write_png(suspect, cv2.resize(altered, (448, 336), interpolation=cv2.INTER_AREA))
    assert run(["verify", str(suspect), "--json"]) == 10
    report = json.loads(capsys.readouterr().out)
    finding = next(item for item in report["evidence"] if item["check"] == "originals")
    assert (report["verdict"], finding["code"]) == ("tampered", "ALTERED")
    assert "1.png" not in finding["summary"]
    assert finding["detail"]["heat_map"]["jpeg"]

    copy = tmp_path / "copy.png"
    write_png(copy, picture(2)[20:-20, 30:-30])
    assert run(["verify", str(copy), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "no-signs-found"

    (footage / "below" / "1.png").unlink()
    assert run(["verify", str(suspect), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert next(item for item in report["evidence"] if item["check"] == "originals")["code"] == "ORIGINAL-GONE"

    assert run(["originals", "forget", str(footage)]) == 0
    assert "3 forgotten" in capsys.readouterr().out
    assert run(["originals", "forget", str(footage)]) == 2
    assert run(["verify", str(copy), "--json"]) == 0
    assert not any(item["check"] == "originals" for item in json.loads(capsys.readouterr().out)["evidence"])


def test_an_index_of_files_is_taken_over(footage: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["originals", "add", str(footage / "below" / "0.png")]) == 0
    capsys.readouterr()
    assert run(["originals", "list", "--json"]) == 0
    (entry,) = json.loads(capsys.readouterr().out)
    del entry["present"]
    assert run(["originals", "forget", str(footage)]) == 0
    (home / "originals").mkdir()
    (home / "originals" / f"{entry['sha256']}.json").write_text(json.dumps(entry))
    (home / "originals" / "spoilt.json").write_text("{")
    (home / "originals" / "other.json").write_text('{"sha256": 3}')
    assert run(["db", "upgrade"]) == 0
    capsys.readouterr()
    assert run(["originals", "list", "--json"]) == 0
    assert [{**entry, "present": True}] == json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in (home / "originals").iterdir()) == ["other.json", "spoilt.json"]


def test_looking_makes_no_database(footage: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(footage / "below" / "0.png"), "--json"]) in {0, 13}
    capsys.readouterr()
    assert not home.exists()


def test_what_is_missing_is_said(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    del home
    assert run(["originals", "add", str(tmp_path / "nowhere")]) == 30
    assert "input.missing" in capsys.readouterr().err
