"""``thsafe engines``: what is said of each engine, before and after its weights are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from thsafe.cli.engines import _facts
from thsafe.cli.main import run
from thsafe.home import Home
from thsafe.models import find_card


def _pretend(home: Home, name: str, *, accepted: bool) -> None:
    card = find_card(name)
    folder = home.models / card.name
    folder.mkdir(parents=True)
    (folder / card.file).write_bytes(b"x")
    if accepted:
        (folder / "receipt.json").write_text(json.dumps({"accepted": card.licence, "sha256": "0" * 64}))


def test_every_engine_is_listed_with_its_state(home, capsys) -> None:
    assert run(["engines", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["embedded"]["state"] == "ready"
    assert rows["embedded"]["commercial_use"] is True
    assert rows["wav2lip"]["state"] == "needs weights"
    assert rows["wav2lip"]["needs"].startswith("weights: thsafe models pull")
    assert rows["sadtalker"]["state"] == "needs weights"
    assert rows["liveportrait"]["tasks"] == ["drive"]
    assert rows["sadtalker"]["vram"].startswith("0.8 GB of weights")
    paces = {name: row["pace"] for name, row in rows.items()}
    assert set(paces.values()) <= {"live", "fast", "slow", "service"}
    assert (paces["embedded"], paces["wav2lip"], paces["liveportrait"], paces["did"]) == (
        "live",
        "fast",
        "slow",
        "service",
    )
    assert run(["engines", "list"]) == 0
    assert "non-commercial use only" in capsys.readouterr().out


@pytest.mark.parametrize("accepted", [False, True])
def test_weights_count_once_their_licence_is_accepted(home, accepted: bool) -> None:
    _pretend(Home(home), "wav2lip", accepted=accepted)
    assert _facts("wav2lip", Home(home))["state"] == ("ready" if accepted else "needs weights")


def test_weights_that_belong_together_count_together(home) -> None:
    _pretend(Home(home), "sadtalker-256", accepted=False)
    assert _facts("sadtalker", Home(home))["state"] == "needs weights"
    _pretend(Home(home), "sadtalker-mapping", accepted=False)
    assert _facts("sadtalker", Home(home))["state"] == "ready"


def test_an_engine_is_shown_with_its_weights(home, capsys) -> None:
    assert run(["engines", "show", "wav2lip"]) == 0
    shown = capsys.readouterr().out
    assert "wav2lip-gan, not installed" in shown
    assert "commercial use  no" in shown
    assert run(["engines", "show", "nobody"]) == 2


def test_a_check_says_what_is_missing_or_wrong(home, capsys) -> None:
    assert run(["engines", "check", "embedded"]) == 0
    assert run(["engines", "check", "wav2lip"]) == 31
    assert run(["engines", "check", "sadtalker"]) == 31
    assert run(["engines", "check", "liveportrait"]) == 31
    _pretend(Home(home), "wav2lip-gan", accepted=True)
    capsys.readouterr()
    assert run(["engines", "check", "wav2lip"]) == 30
    assert "model.not-weights" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "options"),
    [
        (["animate", "--audio", "a.wav", "--still"], "--still"),
        (["animate", "--audio", "a.wav", "--engine", "sadtalker", "--fps", "30", "--gaze", "0,1"], "--fps, --gaze"),
        (["drive", "--driver", "a.mp4", "--mode", "crop", "--loose"], "--loose"),
        (["drive", "--driver", "a.mp4", "--engine", "liveportrait", "--size", "512"], "--size"),
    ],
)
def test_options_of_another_engine_are_not_passed_over(home, capsys, command: list[str], options: str) -> None:
    assert run(["generate", *command, "--image", "me.png", "-o", "out.mp4"]) == 2
    said = capsys.readouterr().err
    assert "usage.engine" in said
    assert options in said


def test_options_reach_their_engine(home, monkeypatch) -> None:
    from thsafe import LivePortrait, SadTalker
    from thsafe.core.errors import EngineError

    seen: list[tuple[object, dict[str, object]]] = []

    def stop(engine: object, **given: object) -> None:
        seen.append((engine, given))
        raise EngineError("far enough", code="engine.test")

    monkeypatch.setattr(SadTalker, "animate", stop)
    monkeypatch.setattr(LivePortrait, "drive", stop)
    common = ["--image", "me.png", "-o", "out.mp4", "--seed", "3", "--device", "cpu"]
    animate = ["generate", "animate", "--engine", "sadtalker", "--audio", "a.wav", "--model", "sadtalker-512"]
    assert run([*animate, "--yaw", "-20,0,20", "--mode", "full", "--still", "--checkout", "mine", *common]) == 32
    engine, given = seen[0]
    assert str(engine._checkout) == "mine"
    assert (given["size"], given["yaw"], given["mode"], given["still"]) == (512, (-20.0, 0.0, 20.0), "full", True)
    assert given["seed"] == 3
    drive = ["generate", "drive", "--engine", "liveportrait", "--driver", "a.mp4"]
    assert run([*drive, "--loose", "--only-lips", "--face", "2", *common]) == 32
    _, given = seen[1]
    assert (given["stitched"], given["only_lips"], given["face"], given["fps"]) == (False, True, 2, None)


def test_an_engines_weights_come_together(home, tmp_path, capsys, monkeypatch) -> None:
    from thsafe.models import fetch

    def pretended(card: object, home: Home, **_: object) -> Path:
        _pretend(home, card.name, accepted=False)
        return home.models / card.name / card.file

    monkeypatch.setattr(fetch, "pull", pretended)
    assert run(["models", "pull", "sadtalker", "--file", str(tmp_path / "x")]) == 2
    assert "model.file" in capsys.readouterr().err
    assert run(["models", "pull", "sadtalker"]) == 0
    assert run(["models", "pull", "sadtalker", "liveportrait"]) == 0, "what is there already is left as it is"
    assert _facts("sadtalker", Home(home))["state"] == _facts("liveportrait", Home(home))["state"] == "ready"
    assert run(["models", "pull", "nobody"]) == 2
