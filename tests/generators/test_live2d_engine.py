"""The Live2D engine: our own figures and a real model, from the gate to the finished film; lips that follow the sound."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from generators.embedded.pose import Pose
from generators.live2d import cubism
from generators.live2d.cubism import Cubism, Look, inspect
from generators.live2d.figure import RIG
from generators.live2d.model3 import read_model
from generators.live2d.motion3 import read_motion
from generators.live2d.puppet import Puppet
from thsafe import Live2D
from thsafe.cli.main import run
from thsafe.core.errors import ConsentRefused, EngineError, InputError, MissingError, UsageError
from thsafe.core.types import MediaKind, Request, Silent, Task
from thsafe.generation import media_input
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys.ring import KeyRing
from thsafe.registry import draw_person
from thsafe.testing import generator_contract

_SPEC = importlib.util.spec_from_file_location("live2d_models", Path(__file__).with_name("live2d_models.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
models = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(models)
real_model = models.real_model


def _frames(path: Path) -> list[np.ndarray]:
    film, found = cv2.VideoCapture(str(path)), []
    while True:
        there, frame = film.read()
        if not there:
            return found
        found.append(frame)


def _opened(frames: list[np.ndarray], box: tuple[int, int, int, int]) -> np.ndarray:
    """Red of lips, tongue and throat, or white of teeth, in the part of the picture where the mouth is: pixels."""
    x0, y0, x1, y1 = box
    found = []
    for frame in frames:
        blue, green, red = cv2.split(frame[y0:y1, x0:x1].astype(int))
        found.append(((red - green > 55) | (blue > 235)).sum())
    return np.array(found, float)


def test_our_own_figure_speaks_and_its_lips_follow(home, tmp_path, capsys) -> None:
    KeyRing.create(Home(home))
    voice, out, motion = models.speech(tmp_path / "v.wav", 2.0), tmp_path / "out.mp4", tmp_path / "o.motion3.json"
    call = ["generate", "animate", "--engine", "live2d", "--audio", str(voice), "--size", "256", "-o", str(out)]
    assert run([*call, "--save-motion", str(motion)]) == 0
    played, frames = read_motion(motion), _frames(out)
    assert len(frames) == 50
    intended = [played.values(number / 25)["ParamMouthOpenY"] for number in range(50)]
    assert np.ptp(intended) > 0.4, "the sound opens and shuts the mouth"
    assert np.corrcoef(intended, _opened(frames, (92, 152, 164, 210)))[0, 1] >= 0.8
    capsys.readouterr()
    assert run(["verify", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == "disclosed"
    intent = next(iter(Installation.open(Home(home)).ledger.find("intent"))).event
    assert [item["performer"] for item in intent["inputs"]] == ["synthetic", "person"]


def test_what_it_yields_is_a_draft(tmp_path) -> None:
    params: dict[str, Any] = {"size": 128, "view": "bust", "background": [1, 2, 3], "figure": "wren", "fps": 10}
    inputs = (media_input("voice", models.speech(tmp_path / "v.wav"), MediaKind.AUDIO),)
    request = Request(
        task=Task.ANIMATE, engine="live2d", inputs=inputs, params=params, purpose="testing", job_id="j", nonce="n"
    )
    permit: Any = None
    generator_contract.check_draft(Live2D(figure="wren").render(request, permit, Silent()))


@pytest.mark.parametrize("name", ["robin", "wren"])
def test_every_parameter_of_a_figure_is_seen(name: str) -> None:
    puppet = Puppet(name, Look(width=256, height=256, fps=Fraction(25)))
    rest = {parameter: span.default for parameter, span in RIG.parameters.items()}
    still = puppet.draw(rest).astype(int)
    for parameter, span in RIG.parameters.items():
        far = span.least if span.default == span.most else span.most
        if parameter == "ParamEyeLOpen":
            far = 0.0
        seen = np.abs(puppet.draw({**rest, parameter: far}).astype(int) - still).max(axis=2) > 20
        assert seen.sum() > 20, parameter
        if parameter in {"ParamEyeLOpen", "ParamEyeLSmile", "ParamBrowLY"}:
            assert np.nonzero(seen)[1].min() > 128, f"{parameter} is at the picture's right"
    assert (puppet.draw(rest) == puppet.draw(rest)).all()


def test_options_that_cannot_be(tmp_path) -> None:
    voice, out = models.speech(tmp_path / "v.wav"), tmp_path / "out.mp4"
    for made in (
        {"model": "x", "figure": "robin"},
        {"invented": True},
        {"likeness": "me.png"},
        {"model": "x", "invented": True, "likeness": "me.png"},
    ):
        with pytest.raises(UsageError):
            Live2D(**made)
    for manner in (
        {"size": 127},
        {"size": 131},
        {"view": "feet"},
        {"background": "red"},
        {"background": "#12345"},
        {"save_motion": tmp_path / "x.json"},
        {"emotion": "joyful"},
    ):
        with pytest.raises(UsageError):
            Live2D().animate(audio=voice, output_path=out, **manner)
    with pytest.raises(UsageError) as caught:
        Live2D(figure="owl").animate(audio=voice, output_path=out)
    assert caught.value.code == "live2d.figure"
    call = ["generate", "animate", "--audio", str(voice), "-o", str(out)]
    for more in (
        ["--engine", "live2d", "--image", "x.png"],
        ["--engine", "live2d", "--mode", "full"],
        ["--engine", "live2d", "--performance", "x.csv"],
        ["--person", "ada", "--invented"],
        ["--person", "ada", "--view", "head"],
        ["--person", "ada", "--model", "x.model3.json"],
        ["--engine", "sadtalker", "--image", "x.png", "--model", "sadtalker-9"],
    ):
        assert run([*call, *more]) == 2, more
    assert not out.exists()


def test_of_our_figures_expressions_are_known_and_motions_are_not(home, tmp_path) -> None:
    KeyRing.create(Home(home))
    voice, out = models.speech(tmp_path / "v.wav"), tmp_path / "out.mp4"
    for manner in ({"expression": "grin"}, {"motion": "Idle:0"}):
        with pytest.raises(UsageError):
            Live2D(home=Home(home)).animate(audio=voice, output_path=out, **manner)
    assert not out.exists()


def test_a_model_counts_as_a_person_until_something_is_stated(home, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cubism, "require_live2d", lambda: None)
    monkeypatch.setattr("generators.live2d.engine.require_live2d", lambda: None)
    KeyRing.create(Home(home))
    path, voice = models.fake_model(tmp_path / "m"), models.speech(tmp_path / "v.wav")
    with pytest.raises(ConsentRefused) as caught:
        Live2D(model=path, home=Home(home)).animate(audio=voice, output_path=tmp_path / "out.mp4")
    assert caught.value.code == "consent.missing"
    assert "--invented" in caught.value.next_step
    face = tmp_path / "me.png"
    cv2.imwrite(str(face), draw_person("ada", 256))
    with pytest.raises(ConsentRefused) as caught:
        Live2D(model=path, likeness=face, home=Home(home)).animate(audio=voice, output_path=tmp_path / "out.mp4")
    assert "me.png" in caught.value.message
    reached: list[str] = []
    monkeypatch.setattr(
        Live2D, "render", lambda self, request, permit, progress: reached.append(request.engine) or 1 / 0
    )
    stated = Live2D(model=path, invented=True, model_licence="CC0", home=Home(home))
    with pytest.raises(ZeroDivisionError):
        stated.animate(audio=voice, output_path=tmp_path / "out.mp4")
    assert reached == ["live2d"]
    event = list(Installation.open(Home(home)).ledger.find("intent"))[-1].event
    assert event["inputs"][0] == {**event["inputs"][0], "kind": "model", "performer": "puppet"}
    assert event["weights"]["licence"] == "CC0"
    assert event["weights"]["sha256"] == read_model(path).digest
    assert run(["consent", "new", "--self", "--portrait", str(face)]) == 0
    with pytest.raises(ZeroDivisionError):
        Live2D(model=path, likeness=face, home=Home(home)).animate(audio=voice, output_path=tmp_path / "out.mp4")


def test_a_film_moves_the_figure_and_words_are_spoken(home, tmp_path) -> None:
    KeyRing.create(Home(home))
    face, film, motion = draw_person("ada", 320), tmp_path / "film.mp4", tmp_path / "o.motion3.json"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"mp4v"), 10, (320, 320))
    for number in range(12):
        turn = cv2.getRotationMatrix2D((160, 200), -1.0 * number, 1.0)
        writer.write(cv2.warpAffine(face, turn, (320, 320), borderMode=cv2.BORDER_REPLICATE))
    writer.release()
    out = tmp_path / "out.mp4"
    call = ["generate", "drive", "--engine", "live2d", "--figure", "wren", "--driver", str(film), "-o", str(out)]
    assert run([*call, "--size", "256", "--save-motion", str(motion)]) == 0
    tilts = [read_motion(motion).values(number / 10)["ParamAngleZ"] for number in range(12)]
    assert np.corrcoef(tilts, range(12))[0, 1] > 0.9
    assert len(_frames(out)) == 12
    with pytest.raises(UsageError):
        Live2D(home=Home(home)).drive(driver=film, output_path=tmp_path / "no.mp4", emotion="happy")
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
    said = ["generate", "say", "--engine", "live2d", "--text", "Ah.", "--size", "256", "-o", str(tmp_path / "say.mp4")]
    assert run([*said, "--expression", "smile"]) == 0
    assert run([*said, "--ssml"]) == 2
    assert run([*said, "--force", "--model", str(tmp_path / "gone.model3.json"), "--invented"]) in {30, 31}


def test_without_the_package_the_next_step_is_named(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    with pytest.raises(MissingError) as caught:
        inspect(read_model(models.fake_model(tmp_path / "m")))
    assert 'pip install "thsafe[live2d]"' in caught.value.next_step
    assert cubism.lacks() == (caught.value.found, caught.value.next_step)
    with pytest.raises(MissingError):
        Live2D(model=tmp_path / "m" / "x.model3.json").require()
    Live2D().require()


def test_without_egl_doctor_names_the_packages_of_debian(monkeypatch) -> None:
    monkeypatch.setattr(cubism, "require_live2d", lambda: None)
    monkeypatch.setattr(cubism, "_TRY", "print('libEGL.so.1 cannot be loaded'); raise SystemExit(3)")
    found = cubism.lacks()
    assert found is not None
    assert found[0] == "libEGL.so.1 cannot be loaded"
    assert "apt-get install libegl1 libgl1-mesa-dri" in found[1]


def _live2d_there() -> bool:
    return importlib.util.find_spec("live2d") is not None


@pytest.mark.skipif(not _live2d_there(), reason="live2d-py is not installed")
def test_a_broken_mesh_breaks_the_child_alone(tmp_path) -> None:
    with pytest.raises(InputError) as caught:
        inspect(read_model(models.fake_model(tmp_path / "m")))
    assert caught.value.code in {"live2d.crash", "live2d.moc"}


@pytest.mark.skipif(not _live2d_there(), reason="live2d-py is not installed")
def test_a_child_that_does_not_answer_is_ended(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(cubism, "_START", "import time; time.sleep(60)")
    monkeypatch.setattr(cubism, "LOADING", 0.3)
    with pytest.raises(InputError) as caught:
        inspect(read_model(models.fake_model(tmp_path / "m")))
    assert caught.value.code == "live2d.timeout"


@pytest.mark.shared
def test_a_real_model_is_drawn_and_its_lips_follow(home, tmp_path, real_model) -> None:
    KeyRing.create(Home(home))
    voice, out, motion = models.speech(tmp_path / "v.wav", 2.2), tmp_path / "out.mp4", tmp_path / "o.motion3.json"
    Live2D(model=real_model, invented=True, home=Home(home)).animate(
        audio=voice, output_path=out, save_motion=motion, size=256, expression="exp_04", head_motion=0.0
    )
    played, frames = read_motion(motion), _frames(out)
    intended = np.array(
        [sum(played.values(number / 25)[f"Param{vowel}"] for vowel in "AIUEO") for number in range(len(frames))]
    )
    assert len(frames) == 55
    shut = frames[int(intended.argmin())].astype(int)
    mouth = [np.abs(frame.astype(int) - shut)[126:146, 105:150].mean() for frame in frames]
    assert np.ptp(intended) > 0.4
    assert np.corrcoef(intended, mouth)[0, 1] >= 0.8


@pytest.mark.shared
def test_a_child_that_dies_is_one_error_and_no_film(real_model, monkeypatch) -> None:
    stage = Cubism(read_model(real_model), Look(width=64, height=64, fps=Fraction(25)))
    folder = stage._children._folder
    rows = (stage.rig.values(pose) for pose in [Pose.neutral()] * 200)
    frames = stage.frames(rows)
    first = next(frames)
    assert first.shape == (64, 64, 3)
    assert first.std() > 5, "something is drawn"
    os.kill(stage._children.each[0]._process.pid, signal.SIGKILL)
    with pytest.raises(EngineError) as caught:
        list(frames)
    assert caught.value.code == "live2d.crash"
    assert "signal 9" in caught.value.found
    assert not folder.exists(), "nothing is left behind"


@pytest.mark.shared
def test_two_children_draw_what_one_draws(real_model) -> None:
    poses = [Pose(expression=Pose.neutral().expression, yaw=2.0 * number, roll=number) for number in range(5)]
    drawn = []
    for workers in (1, 2):
        look = Look(width=96, height=96, fps=Fraction(25), motion=("Idle", 1))
        stage = Cubism(read_model(real_model), look, workers=workers)
        drawn.append(list(stage.frames(stage.rig.values(pose) for pose in poses)))
        assert stage.face_box is not None
    assert all((one == two).all() for one, two in zip(*drawn, strict=True))
    assert (drawn[0][0] != drawn[0][4]).any()


@pytest.mark.shared
def test_textures_are_looked_at_in_the_size_that_suits_the_view(real_model) -> None:
    """Drawn several times as large and made smaller it looks alike; seen whole it would glitter from large textures."""
    model, drawn = read_model(real_model), {}
    for side in (256, 1024):
        look = Look(width=side, height=side, fps=Fraction(25), view="full")
        stage = Cubism(model, look)
        (drawn[side],) = stage.frames([stage.rig.values(Pose.neutral())])
    small = cv2.resize(drawn[1024], (256, 256), interpolation=cv2.INTER_AREA)
    assert cv2.PSNR(drawn[256], small) > 34


def test_changed_between_question_and_drawing(home, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("generators.live2d.engine.require_live2d", lambda: None)
    KeyRing.create(Home(home))
    path, voice = models.fake_model(tmp_path / "m"), models.speech(tmp_path / "v.wav")
    engine = Live2D(model=path, invented=True, home=Home(home))
    asked = engine.gate_of

    def swapped(installation: Installation) -> Any:
        shutil.copyfile(voice, tmp_path / "m" / "x.moc3")
        (tmp_path / "m" / "x.moc3").write_bytes(b"MOC3 another")
        return asked(installation)

    monkeypatch.setattr(engine, "gate_of", swapped)
    with pytest.raises(InputError) as caught:
        engine.animate(audio=voice, output_path=tmp_path / "out.mp4")
    assert caught.value.code == "input.changed"
    assert not (tmp_path / "out.mp4").exists()
