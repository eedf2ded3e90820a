"""A stranger's model3.json: what it names is checked before anything opens it, and copied as it was checked."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from generators.embedded.pose import CHANNELS, Pose
from generators.live2d import rig as rigging
from generators.live2d.cubism_json import dumps
from generators.live2d.figure import FIGURES, RIG
from generators.live2d.model3 import read_model, stage
from thsafe.cli.puppet import FIGURES as OFFERED
from thsafe.core.errors import InputError

_SPEC = importlib.util.spec_from_file_location("live2d_models", Path(__file__).with_name("live2d_models.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
models = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(models)


def test_what_a_model_names_is_read(tmp_path: Path) -> None:
    model = read_model(models.fake_model(tmp_path / "m"))
    assert (model.name, model.lip_sync, model.eye_blink) == ("x", ("ParamA",), ("ParamEyeLOpen", "ParamEyeROpen"))
    assert (model.motion("Idle"), model.motion("Idle:0")) == (("Idle", 0), ("Idle", 0))
    assert model.expression("smile") == "smile"
    for ask in (lambda: model.motion("Idle:1"), lambda: model.motion("Wave"), lambda: model.expression("grin")):
        with pytest.raises(InputError) as caught:
            ask()
        assert caught.value.next_step
    before = model.digest
    (tmp_path / "m" / "t.png").write_bytes(models.png(9, 9))
    assert read_model(model.path).digest != before, "every file counts for the digest"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Moc": "../x.moc3"}, "below the model's own folder"),
        ({"Moc": "/etc/passwd"}, "below the model's own folder"),
        ({"Moc": "a\\..\\x.moc3"}, "below the model's own folder"),
        ({"Moc": "C:x.moc3"}, "below the model's own folder"),
        ({"Moc": "leaving.moc3"}, "leads elsewhere"),
        ({"Moc": "gone.moc3"}, "not there"),
        ({"Moc": "."}, "not there"),
        ({"Moc": None}, "has no name"),
        ({"Moc": "t.png"}, "begins with"),
        ({"Textures": []}, "no textures"),
        ({"Textures": "t.png"}, "no list"),
        ({"Textures": ["x.moc3"]}, "no PNG"),
        ({"Textures": ["huge.png"]}, "pixels"),
        ({"Textures": [f"big{n}.png" for n in range(5)]}, "pixels"),
        ({"Textures": ["flat.png"]}, "pixels"),
        ({"Physics": "bad.physics3.json"}, "line 1"),
        ({"Physics": "nan.physics3.json"}, "NaN"),
        ({"Physics": "list.physics3.json"}, "no object"),
        ({"Physics": "deep.physics3.json"}, ""),
        ({"Motions": []}, ""),
        ({"Motions": {"Idle": [3]}}, "no list"),
        ({"Motions": ["a"]}, "no object"),
        ({"Expressions": {"Name": "x"}}, "no list"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    folder = tmp_path / "m"
    path = models.fake_model(folder, **changes)
    (tmp_path / "x.moc3").write_bytes(b"MOC3")
    (folder / "leaving.moc3").symlink_to(tmp_path / "x.moc3")
    (folder / "huge.png").write_bytes(models.png(100_000, 16))
    for number in range(5):
        (folder / f"big{number}.png").write_bytes(models.png(8192, 8192))
    (folder / "flat.png").write_bytes(models.png(8, 0))
    (folder / "bad.physics3.json").write_text("{")
    (folder / "nan.physics3.json").write_text('{"a": NaN}')
    (folder / "list.physics3.json").write_text("[1]")
    (folder / "deep.physics3.json").write_text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")
    if changes == {"Motions": []}:
        assert read_model(path).motions == {}
        return
    with pytest.raises(InputError) as caught:
        read_model(path)
    assert caught.value.code == "live2d.model"
    assert words in caught.value.found + caught.value.rule


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"Version": 2}', '{"Version": 3}', '{"Version": 3, "FileReferences": 4}']
)
def test_other_files_are_no_models(tmp_path: Path, text: str) -> None:
    path = tmp_path / "y.model3.json"
    path.write_text(text)
    for named in (path, tmp_path / "gone.model3.json", tmp_path / "y.json", tmp_path):
        with pytest.raises(InputError):
            read_model(named)


def test_the_copy_is_plain_and_fit_for_the_parser_of_the_sdk(tmp_path: Path) -> None:
    model = read_model(models.fake_model(tmp_path / "m"))
    (tmp_path / "copy").mkdir()
    copy = stage(model, tmp_path / "copy")
    references = json.loads(copy.read_text())["FileReferences"]
    names = [references["Moc"], *references["Textures"], references["Physics"], references["Expressions"][0]["File"]]
    assert all((tmp_path / "copy" / name).is_file() and name.startswith("file") for name in names)
    assert references["Motions"]["Idle"][0]["FadeInTime"] == 0.5
    assert "e-06" not in (tmp_path / "copy" / references["Physics"]).read_text()
    (tmp_path / "m" / "x.moc3").write_bytes(b"MOC3 another")
    (tmp_path / "again").mkdir()
    with pytest.raises(InputError) as caught:
        stage(model, tmp_path / "again")
    assert caught.value.code == "input.changed"


def test_numbers_are_written_as_the_parser_of_the_sdk_reads_them() -> None:
    text = dumps({"a": [4.9e-06, -0.0, 1e7, 3], "n": "ä", "e": [], "o": {}, "t": True, "x": None})
    assert json.loads(text) == {"a": [0.000005, 0, 10000000, 3], "n": "ä", "e": [], "o": {}, "t": True, "x": None}
    assert "\\u" not in text
    for line in text.splitlines():
        assert not line.rstrip(",").endswith(("}", "]")) or line.strip(" \t,") in {"}", "]", '"e": []', '"o": {}'}
    with pytest.raises(ValueError, match="no such number"):
        dumps(float("nan"))


def _rig(tmp_path: Path, *names: str, lips: tuple[str, ...] = ("ParamA",), **changes: Any) -> rigging.Rig:
    path = models.fake_model(tmp_path, **changes)
    content = json.loads(path.read_text())
    content["Groups"] = [{"Target": "Parameter", "Name": "LipSync", "Ids": list(lips)}] if lips else []
    path.write_text(json.dumps(content))
    return rigging.rig_of(dict.fromkeys(names, (0.0, 1.0, 0.0)), read_model(path))


def _pose(**channels: float) -> Pose:
    pose = Pose.neutral()
    for name, value in channels.items():
        pose.expression[CHANNELS.index(name)] = value
    return pose


def test_the_lip_sync_group_is_read_and_not_assumed(tmp_path: Path) -> None:
    plain = _rig(tmp_path, "ParamMouthOpenY", "ParamJaw", lips=("ParamJaw",))
    assert plain.values(_pose(jaw=0.16))["ParamJaw"] == 1.0
    assert "ParamMouthOpenY" not in plain.values(Pose.neutral())
    assert _rig(tmp_path, "ParamMouthOpenY", lips=()).lip_sync == ("ParamMouthOpenY",)
    assert _rig(tmp_path, "PARAM_MOUTH_OPEN_Y", lips=()).lip_sync == ("PARAM_MOUTH_OPEN_Y",)
    with pytest.raises(InputError) as caught:
        _rig(tmp_path, "ParamMouthOpenY", lips=("ParamGone",))
    assert caught.value.code == "live2d.mouth"


def test_vowels_take_their_own_mouths(tmp_path: Path) -> None:
    rig = _rig(tmp_path, *(f"Param{vowel}" for vowel in "AIUEO"))
    mouths = {
        "A": _pose(jaw=0.155),
        "I": _pose(jaw=0.05, wide=0.05),
        "U": _pose(jaw=0.06, pucker=0.105),
        "E": _pose(jaw=0.09, wide=0.028),
        "O": _pose(jaw=0.115, pucker=0.075),
    }
    for vowel, pose in mouths.items():
        values = rig.values(pose)
        assert max(values, key=lambda name: values[name] if name.startswith("Param") and len(name) == 6 else -1) == (
            f"Param{vowel}"
        )
    shut = rig.values(_pose(jaw=0.1, press=0.035))
    assert all(shut[f"Param{vowel}"] == 0 for vowel in "AIUEO")


def test_a_motion_sync_file_is_honoured(tmp_path: Path) -> None:
    shapes = {"A": {"ParamMouthOpenY": 1.0, "ParamMouthForm": 0.2}, "Silence": {"ParamMouthForm": 0.5}}
    mappings = [
        {"Type": "Shape", "Id": vowel, "Targets": [{"Id": name, "Value": value} for name, value in shape.items()]}
        for vowel, shape in shapes.items()
    ]
    tmp_path.mkdir(exist_ok=True)
    (tmp_path / "x.motionsync3.json").write_text(json.dumps({"Settings": [{"Mappings": mappings}]}))
    names = ("ParamMouthOpenY", "ParamMouthForm")
    rig = _rig(tmp_path, *names, lips=(), MotionSync="x.motionsync3.json")
    still, ah = rig.values(Pose.neutral()), rig.values(_pose(jaw=0.155))
    assert still["ParamMouthForm"] == pytest.approx(0.5)
    assert still["ParamMouthOpenY"] == 0
    assert ah["ParamMouthOpenY"] > 0.7
    (tmp_path / "x.motionsync3.json").write_text('{"Settings": []}')
    with pytest.raises(InputError):
        _rig(tmp_path, *names, lips=(), MotionSync="x.motionsync3.json")


def test_directions_and_ranges_are_those_of_cubism() -> None:
    values = RIG.values(
        Pose(expression=Pose.neutral().expression, yaw=10, pitch=5, roll=-4, gaze_x=0.045, blink_left=1)
    )
    assert values["ParamAngleX"] > 0 > values["ParamAngleY"]
    assert values["ParamAngleZ"] < 0
    assert values["ParamEyeBallX"] == 1
    assert (values["ParamEyeLOpen"], values["ParamEyeROpen"]) == (0, 1)
    far = RIG.absolute(RIG.values(Pose(expression=Pose.neutral().expression, yaw=500, breath=9, gaze_y=-9)))
    for name, value in far.items():
        assert RIG.parameters[name].least <= value <= RIG.parameters[name].most
    assert far["ParamAngleX"] == 30


def test_the_command_line_offers_every_figure() -> None:
    assert tuple(FIGURES) == OFFERED
