"""Identity and expression in figures: on drawn people, on landmarks that are moved, and over indexes."""

from __future__ import annotations

import functools
import json
import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from detectors.likeness import expression, identity
from thsafe.cli.main import run
from thsafe.core.errors import InputError, MissingError, UsageError
from thsafe.core.types import Silent
from thsafe.datasets.clip import Clip
from thsafe.datasets.index import Index, write
from thsafe.home import Home
from thsafe.media.encode import Mp4Writer
from thsafe.media.faces import find_faces
from thsafe.media.planes import i420_from_bgr
from thsafe.models.facenet import FaceNet
from thsafe.registry import draw_person, drawn_person_digests

SIDE = 256


@functools.cache
def drawn(name: str) -> np.ndarray:
    return draw_person(name, SIDE)


def people() -> tuple[str, str, str]:
    first, second, third, *_ = drawn_person_digests()
    return first, second, third


def picture(path: Path, name: str, *, light: float = 1.0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.clip(drawn(name) * light, 0, 255).astype(np.uint8))
    return path


def film(path: Path, name: str, count: int = 10) -> Path:
    """Somebody drawn, who is pushed about a little."""
    with Mp4Writer(path, width=SIDE, height=SIDE, fps=Fraction(25)) as writer:
        for number in range(count):
            way = np.array([[1, 0, 3 * math.sin(number)], [0, 1, 0]], np.float32)
            moved = cv2.warpAffine(drawn(name), way, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
            writer.write_picture(i420_from_bgr(moved))
    return path


def index_of(folder: Path, clips: list[Clip]) -> Path:
    made = Index(dataset="mead", title="MEAD", licence="x", access="x", root=folder, clips=tuple(clips))
    write(made, folder / "index.jsonl")
    return folder / "index.jsonl"


# identity


def test_a_film_is_more_like_its_own_person_than_like_another(tmp_path) -> None:
    first, second, _ = people()
    how = identity.Appearance()
    clip = film(tmp_path / "film.mp4", first)
    own = identity.measure(clip, identity.reference(picture(tmp_path / "a.png", first), how), how, Silent())
    other = identity.measure(clip, identity.reference(picture(tmp_path / "b.png", second), how), how, Silent())
    assert own["with_face"] == own["looks"] > 5
    assert own["similarity"] > 0.9
    assert own["lowest"] <= own["similarity"] <= own["steadiness"] + 0.05
    assert other["similarity"] < own["similarity"] - 0.05


def test_pictures_of_nobody_or_two_are_said(tmp_path) -> None:
    how = identity.Appearance()
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((SIDE, SIDE, 3), 90, np.uint8))
    both = np.hstack([drawn(name) for name in people()[:2]])
    cv2.imwrite(str(tmp_path / "two.png"), both)
    for name in ("grey", "two"):
        with pytest.raises(InputError) as caught:
            identity.reference(tmp_path / f"{name}.png", how)
        assert caught.value.code == "evaluate.no-face"
    known = identity.reference(picture(tmp_path / "a.png", people()[0]), how)
    with pytest.raises(InputError):
        identity.measure(tmp_path / "grey.png", known, how, Silent())


def test_the_best_measure_that_is_installed_is_taken(home, monkeypatch) -> None:
    assert isinstance(identity.describer(Home(home), "auto"), identity.Appearance)
    with pytest.raises(MissingError) as caught:
        identity.describer(Home(home), "facenet")
    assert "facenet-vggface2" in caught.value.next_step
    with pytest.raises(UsageError):
        identity.describer(Home(home), "iris")

    class Fake:
        name = "facenet-vggface2:0"

        def describe(self, frame: np.ndarray) -> Any:
            import torch

            return None if frame.mean() < 1 else torch.tensor([3.0, 4.0])

    monkeypatch.setattr(FaceNet, "installed", classmethod(lambda cls, home: Fake()))
    how = identity.describer(Home(home), "auto")
    assert how.name == "facenet-vggface2:0"
    assert np.allclose(how.describe(np.ones((4, 4, 3), np.uint8)), [0.6, 0.8])
    assert how.describe(np.zeros((4, 4, 3), np.uint8)) is None
    assert isinstance(identity.describer(Home(home), "hog"), identity.Appearance)


def _people_index(folder: Path) -> Path:
    clips = []
    for name in people()[:2]:
        for number, light in enumerate((1.0, 0.8)):
            picture(folder / name / f"{number}.png", name, light=light)
            clips.append(Clip(id=f"{name}/{number}", video=f"{name}/{number}.png", person=name, split="test"))
    clips.append(Clip(id="gone", video="gone.png", person="x"))
    clips.append(Clip(id="sound", audio="sound.wav", person="x"))
    return index_of(folder, clips)


def test_over_an_index_people_are_told_apart(tmp_path, capsys, home) -> None:
    path = _people_index(tmp_path)
    assert run(["evaluate", "identity", str(path), "--measure", "hog", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clips"], found["people"]) == (4, 2)
    assert (found["same"]["pairs"], found["different"]["pairs"]) == (2, 4)
    assert found["same"]["similarity"] > found["different"]["similarity"] + 0.1
    assert (found["auc"], found["eer"]) == (1.0, 0.0)
    assert [item["clip"] for item in found["not_measured"]] == ["gone"]
    assert run(["evaluate", "identity", str(path), "--split", "val"]) == 30
    assert "data.nothing" in capsys.readouterr().err
    assert run(["evaluate", "identity", str(path), "--limit", "2"]) == 30
    assert "evaluate.people" in capsys.readouterr().err


def test_chance_is_half() -> None:
    random = np.random.default_rng(1)
    labels = np.repeat([1, 0], 2000)
    assert identity._equal_error(labels, random.normal(size=4000)) == pytest.approx(0.5, abs=0.03)
    assert identity._equal_error(labels, labels + 0.1 * random.normal(size=4000)) < 0.01


def test_the_identity_command(tmp_path, capsys, home) -> None:
    first, *_ = people()
    clip, me = film(tmp_path / "film.mp4", first, 6), picture(tmp_path / "me.png", first)
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    assert run(["evaluate", "identity", str(clip), "--reference", str(me)]) == 0
    shown = capsys.readouterr().out
    assert "film.mp4: similarity 0.9" in shown
    assert "compares appearance, not people" in shown
    assert (
        run(["evaluate", "identity", str(clip), str(tmp_path / "broken.mp4"), "--reference", str(me), "--json"]) == 50
    )
    found = json.loads(capsys.readouterr().out)
    assert [("similarity" in row) for row in found["files"]] == [True, False]
    for wrong in ([str(clip)], [str(clip), "--reference", str(me), "--split", "test"], ["x.jsonl", "y.mp4"]):
        assert run(["evaluate", "identity", *wrong]) == 2
    assert run(["evaluate", "identity", str(tmp_path / "broken.mp4"), "--reference", str(me)]) == 30


# expression


@pytest.fixture(scope="module")
def landmarks() -> np.ndarray:
    (face, *_) = find_faces(drawn(people()[0]))
    return face.landmarks


def _changed(landmarks: np.ndarray, points: list[int], dx: float, dy: float) -> dict[str, float]:
    moved = landmarks.copy()
    moved[points, 0] += dx
    moved[points, 1] += dy
    change = expression.measured(moved) - expression.measured(landmarks)
    return dict(zip(expression.UNITS, change, strict=True))


def test_each_unit_answers_its_own_movement(landmarks) -> None:
    unit = float(np.hypot(*(landmarks[263, :2] - landmarks[33, :2])))
    smile = _changed(landmarks, [61, 291], 0, -0.1 * unit)
    assert smile["corners_up"] == pytest.approx(0.1, abs=1e-3)
    assert max(abs(smile[name]) for name in smile if name != "corners_up") < 0.02
    brows = _changed(landmarks, [105, 66, 334, 296], 0, -0.1 * unit)
    assert brows["brows_up"] == pytest.approx(0.1, abs=0.01)
    jaw = _changed(landmarks, [14, 17], 0, 0.2 * unit)
    assert jaw["lips_apart"] == pytest.approx(0.2, abs=0.02)
    assert abs(jaw["lips_thin"]) < 0.01
    shut = _changed(landmarks, [159, 386], 0, 0.05 * unit)
    assert shut["lids_open"] == pytest.approx(-0.05, abs=0.01)
    assert _changed(landmarks, [55], 0.1 * unit, 0)["brows_together"] > 0.05


def test_place_size_and_roll_do_not_matter(landmarks) -> None:
    angle, scale = math.radians(20), 1.7
    turn = scale * np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    moved = landmarks.copy()
    moved[:, :2] = landmarks[:, :2] @ turn.T + [40, -15]
    assert np.allclose(expression.measured(moved), expression.measured(landmarks), atol=1e-4)


def _pretend(monkeypatch: pytest.MonkeyPatch, tables: dict[str, np.ndarray]) -> None:
    monkeypatch.setattr(expression, "curves", lambda path, count=0: tables[Path(path).name])


def test_following_a_driver_is_told_unit_by_unit(monkeypatch) -> None:
    wave = np.sin(np.linspace(0, 9, 40))
    driver = np.zeros((40, 7))
    driver[:, 3], driver[:, 5] = 0.1 * wave, 0.1 * wave
    mine = np.zeros((20, 7))
    mine[:, 3] = 0.05 * wave[np.linspace(0, 39, 20).round().astype(int)]
    mine[:, 5] = -mine[:, 3]
    mine[4] = np.nan
    _pretend(monkeypatch, {"mine.mp4": mine, "driver.mp4": driver, "rest.png": np.full((1, 7), -0.2)})
    found = expression.measure(Path("mine.mp4"), Silent(), neutral=Path("rest.png"), driver=Path("driver.mp4"))
    assert found["follows"]["corners_up"] > 0.95
    assert found["follows"]["lips_apart"] < -0.95
    assert found["follows"]["brows_up"] is None
    assert found["agreement"] == pytest.approx(0, abs=0.02)
    assert found["with_face"] == 19
    assert found["units"]["brows_up"]["mean"] == pytest.approx(0.2)


def _felt(monkeypatch: pytest.MonkeyPatch, folder: Path, *, size: float) -> Path:
    """Three people with faces of their own, four emotions, of which each moves one unit by ``size``."""
    random = np.random.default_rng(5)
    clips, tables = [], {}
    for person in ("M003", "W009", "W011"):
        own = random.normal(size=7)
        for place, emotion in enumerate(("neutral", "happy", "sad", "angry")):
            for number in range(5):
                table = own + 0.05 * random.normal(size=(6, 7))
                table[:, place] += size * (emotion != "neutral")
                name = f"{person}{emotion}{number}.mp4"
                tables[name] = table
                clips.append(Clip(id=name, video=name, person=person, emotion=emotion))
    _pretend(monkeypatch, tables)
    return index_of(folder, clips)


def test_labelled_emotions_are_told_apart_where_faces_differ(tmp_path, monkeypatch, capsys) -> None:
    path = _felt(monkeypatch, tmp_path, size=0.4)
    assert run(["evaluate", "emotion", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["clips"], found["people"], found["chance"]) == (60, 3, 0.25)
    assert found["accuracy"] == found["balanced"] > 0.95
    assert found["confusion"]["happy"]["happy"] >= 14
    path = _felt(monkeypatch, tmp_path, size=0.0)
    assert run(["evaluate", "emotion", str(path)]) == 0
    shown = capsys.readouterr().out
    assert "by chance 25%" in shown
    assert run(["evaluate", "emotion", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"] < 0.5, "where nothing differs it is chance"
    assert run(["evaluate", "emotion", str(path), "--limit", "3"]) == 30
    assert run(["evaluate", "emotion", str(path), "--neutral", "x.png"]) == 2


def test_the_emotion_command(tmp_path, capsys, home) -> None:
    first, *_ = people()
    clip, me = film(tmp_path / "film.mp4", first, 6), picture(tmp_path / "me.png", first)
    assert run(["evaluate", "emotion", str(clip), "--neutral", str(me), "--driver", str(clip)]) == 0
    shown = capsys.readouterr().out
    assert "6 of 6 looks show a face; against me.png" in shown
    assert "not what anybody feels" in shown
    assert run(["evaluate", "emotion", str(clip), "--split", "test"]) == 2
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((SIDE, SIDE, 3), 90, np.uint8))
    assert run(["evaluate", "emotion", str(tmp_path / "grey.png")]) == 30


# lip-sync over an index


def test_lipsync_measures_the_clips_of_an_index(tmp_path, capsys, monkeypatch, home) -> None:
    asked: list[tuple[str, str | None]] = []

    class Meter:
        published_anchor = {"what": "real", "lse_d": 7.0, "lse_c": 7.0}  # noqa: RUF012

        def measure(self, path: Path, *, progress: Any, face: int | None, voice: Path | None) -> dict[str, Any]:
            asked.append((path.name, voice and voice.name))
            if path.name == "3.mp4":
                raise InputError("No face.", code="lipsync.no-face")
            values = {"lse_d": 6.0 + len(asked), "lse_c": 5.0, "offset": 0}
            face_ = {"face": 1, "from": 0.0, "to": 3.0, "notes": [], **values}
            return {"file": path.name, "faces": [face_], **values}

    monkeypatch.setattr("thsafe.registry.lipsync_meter", lambda home, *, device: Meter())
    clips = [
        Clip(id="a/1", video="1.mp4", audio="1.m4a", split="test"),
        Clip(id="a/2", video="2.mp4", split="test"),
        Clip(id="a/3", video="3.mp4", split="test"),
        Clip(id="a/4", audio="4.wav", split="test"),
        Clip(id="a/5", video="5.mp4", split="train"),
    ]
    path = index_of(tmp_path, clips)
    assert run(["evaluate", "lipsync", str(path), "--split", "test", "--json"]) == 50
    found = json.loads(capsys.readouterr().out)
    assert asked == [("1.mp4", "1.m4a"), ("2.mp4", None), ("3.mp4", None)]
    assert [row["file"] for row in found["files"]] == ["a/1", "a/2", "a/3"]
    assert found["mean"] == {"files": 2, "lse_d": 7.5, "lse_c": 5.0}
    assert run(["evaluate", "lipsync", str(path), "--split", "test", "--limit", "2"]) == 0
    assert "of 2 films" in capsys.readouterr().out
