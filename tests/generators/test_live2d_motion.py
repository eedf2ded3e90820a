"""motion3.json and exp3.json: evaluated as the SDK plays them, and written so that the SDK takes them."""

from __future__ import annotations

import importlib.util
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from generators.embedded.pose import CHANNELS, Pose
from generators.live2d.cubism import Cubism, Look, replayed
from generators.live2d.figure import RIG
from generators.live2d.model3 import read_model
from generators.live2d.motion3 import read_motion, write_expression, write_motion
from thsafe.cli.main import run
from thsafe.core.errors import InputError, UsageError

_SPEC = importlib.util.spec_from_file_location("live2d_models", Path(__file__).with_name("live2d_models.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
models = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(models)
real_model = models.real_model


def _rows(count: int, rig=RIG) -> list[dict[str, float]]:
    rows = []
    for number in range(count):
        expression = np.zeros(12, np.float32)
        expression[CHANNELS.index("jaw")] = 0.08 + 0.07 * np.sin(number / 3)
        rows.append(
            rig.values(
                Pose(expression=expression, yaw=8 * np.sin(number / 9), blink_left=0.5 + 0.5 * np.sin(number / 5))
            )
        )
    return rows


def test_what_is_written_is_read_as_it_was_meant(tmp_path) -> None:
    rows, path = _rows(60), tmp_path / "x.motion3.json"
    write_motion(path, rows, RIG, fps=Fraction(30), loop=True)
    played = read_motion(path)
    assert (played.loop, played.restricted, played.duration) == (True, True, pytest.approx(59 / 30))
    for number, row in enumerate(rows):
        shown = played.values(number / 30)
        for name, value in RIG.absolute(row).items():
            span = RIG.parameters[name]
            assert abs(shown[name] - value) <= 1e-3 * (span.most - span.least), name
    meta = json.loads(path.read_text())["Meta"]
    flat = [curve["Segments"] for curve in json.loads(path.read_text())["Curves"]]
    assert meta["CurveCount"] == len(flat)
    assert meta["TotalSegmentCount"] == sum((len(curve) - 2) // 3 for curve in flat)
    assert meta["TotalPointCount"] == meta["TotalSegmentCount"] + len(flat)
    still = [curve for curve in flat if len(curve) == 5]
    assert still, "what does not move is one straight line"


@pytest.mark.parametrize(
    ("segments", "restricted", "times", "values"),
    [
        ([0, 1, 0, 2, 3], True, (0, 1, 2, 5), (1, 2, 3, 3)),
        ([0, 1, 2, 1, 5, 0, 2, 7], True, (0, 0.9, 1, 1.5), (1, 1, 5, 6)),
        ([0, 1, 3, 1, 5], True, (0, 0.5, 1), (5, 5, 5)),
        ([0, 0, 1, 0.3333333, 0, 0.6666667, 1, 1, 1], True, (0.25, 0.5, 0.75), (0.15625, 0.5, 0.84375)),
        ([0, 0, 1, 0.9, 0, 1.0, 0, 1, 1], False, (0.5, 0.95), (0.0112, 0.3166)),
    ],
)
def test_every_kind_of_segment(tmp_path, segments, restricted, times, values) -> None:
    curve = {"Target": "Parameter", "Id": "P", "Segments": segments}
    content = {"Version": 3, "Meta": {"Duration": 2, "AreBeziersRestricted": restricted}, "Curves": [curve]}
    path = tmp_path / "k.motion3.json"
    path.write_text(json.dumps(content))
    played = read_motion(path)
    assert [played.values(time)["P"] for time in times] == pytest.approx(values, abs=0.02)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"Meta": {"Duration": 1}, "Curves": [{"Target": "Parameter", "Id": "P", "Segments": [0, 1, 9, 1, 1]}]}',
     '{"Meta": {"Duration": 1}, "Curves": [{"Target": "Parameter", "Id": "P", "Segments": [0, 1, 1, 1]}]}',
     '{"Meta": {"Duration": -1}, "Curves": []}', '{"Meta": {"Duration": NaN}, "Curves": []}'],
)  # fmt: skip
def test_what_is_no_motion_is_told(tmp_path, text) -> None:
    path = tmp_path / "x.motion3.json"
    path.write_text(text)
    for named in (path, tmp_path / "gone.motion3.json"):
        with pytest.raises(InputError):
            read_motion(named)


def test_names_that_cannot_be(tmp_path) -> None:
    for path in (tmp_path / "x.json", tmp_path / "no" / "x.motion3.json"):
        with pytest.raises(UsageError):
            write_motion(path, _rows(2), RIG, fps=Fraction(25))
    with pytest.raises(UsageError):
        write_motion(tmp_path / "x.motion3.json", [], RIG, fps=Fraction(25))
    with pytest.raises(UsageError):
        write_expression(tmp_path / "x.exp3.json", {})
    assert not list(tmp_path.iterdir())


def test_the_commands_write_them(home, tmp_path, capsys) -> None:
    voice, out = models.speech(tmp_path / "v.wav", 1.0), tmp_path / "o.motion3.json"
    assert run(["live2d", "motion", "--audio", str(voice), "-o", str(out)]) == 0
    assert run(["live2d", "motion", "--audio", str(voice), "-o", str(out)]) == 2, "nothing is replaced unasked"
    opened = [read_motion(out).values(number / 30)["ParamMouthOpenY"] for number in range(30)]
    assert max(opened) - min(opened) > 0.3
    assert run(["live2d", "expression", "angry", "-o", str(tmp_path / "a.exp3.json"), "--json"]) == 0
    written = json.loads((tmp_path / "a.exp3.json").read_text())
    found = {item["Id"]: item["Value"] for item in written["Parameters"]}
    assert written["Type"] == "Live2D Expression"
    assert found["ParamBrowLY"] < 0 > found["ParamMouthForm"]
    assert {item["Blend"] for item in written["Parameters"]} == {"Add"}
    assert run(["live2d", "expression", "neutral", "-o", str(tmp_path / "n.exp3.json")]) == 2
    assert run(["live2d", "motion", "-o", str(tmp_path / "z.motion3.json")]) == 2
    capsys.readouterr()


@pytest.mark.shared
def test_the_sdk_plays_what_we_write_and_we_play_what_it_plays(tmp_path, real_model, capsys) -> None:
    model = read_model(real_model)
    assert run(["live2d", "show", str(real_model), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["lip_sync"], about["motions"]) == (["ParamA"], {"Idle": 2, "TapBody": 6})
    own = tmp_path / "own.motion3.json"
    stage = Cubism(model, Look(width=64, height=64, fps=Fraction(25)))
    rows = _rows(50, stage.rig)
    stage.close()
    write_motion(own, rows, stage.rig, fps=Fraction(25))
    ids = [name for name in stage.rig.driven() if name in ("ParamA", "ParamO", "ParamAngleX", "ParamEyeLOpen")]
    table = replayed(model, own, ids, dt=0.04, steps=45)
    assert table is not None, "the SDK's parser accepts it"
    meant = read_motion(own)
    for step, shown in enumerate(table, start=1):
        values = meant.values(step * 0.04)
        for name, value in zip(ids, shown, strict=True):
            span = stage.rig.parameters[name]
            assert abs(values[name] - value) <= 0.01 * (span.most - span.least), (name, step)
    theirs = model.folder / model.motions["Idle"][0]
    played = replayed(model, theirs, ["ParamAngleX", "ParamAngleZ"], dt=1 / 30, steps=90)
    assert played is not None
    motion = read_motion(theirs)
    worst = max(
        abs(motion.values(step / 30).get("ParamAngleX", 0.0) - shown[0]) / 60
        for step, shown in enumerate(played, start=1)
        if step / 30 > 1.2
    )
    assert worst <= 0.005, f"the evaluator follows the SDK: {worst}"
    broken = tmp_path / "broken.motion3.json"
    broken.write_text(json.dumps({"Version": 3, "Meta": {"Duration": 1.0, "Small": 4.9e-06}, "Curves": []}))
    assert _refused(model, broken), "as the notes say of numbers with an exponent"


def _refused(model, motion: Path) -> bool:
    """Whether the SDK does not play a file: it says so, plays nothing, or breaks."""
    try:
        played = replayed(model, motion, ["ParamAngleX"], dt=0.04, steps=2)
    except InputError as problem:
        return problem.code == "live2d.crash"
    return not played or all(row == [0.0] for row in played)
