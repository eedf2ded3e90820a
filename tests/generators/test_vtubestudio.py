"""The plug-in for VTube Studio against a local stand-in that speaks its API, and that misbehaves."""

from __future__ import annotations

import importlib.util
import io
import logging
import stat
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

pytest.importorskip("websockets", reason="the extra vtubestudio is not installed")

from generators.embedded.pose import CHANNELS, Pose
from generators.live2d.camera import camera_poses
from generators.live2d.token_store import TokenStore
from generators.live2d.vtubestudio import Patience, Studio, in_time, inputs_of
from thsafe.cli.main import run
from thsafe.core.errors import EngineError, InputError, MissingError, StoreError, UsageError
from thsafe.core.types import Silent
from thsafe.home import Home
from thsafe.registry import draw_person


def _helper(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


vts, models = _helper("vts_server"), _helper("live2d_models")
QUICK = Patience(answer=0.8, person=0.8, back=1.5)


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(Home(tmp_path / "h"), keyring=False)


def _poses(count: int) -> Iterator[Pose]:
    for number in range(count):
        pose = Pose.neutral()
        pose.expression[CHANNELS.index("jaw")] = 0.016 * (number % 10)
        yield Pose(expression=pose.expression, yaw=3.0 * (number % 5), blink_left=0.25)


def test_it_asks_once_and_moves_the_figure(store, tmp_path) -> None:
    with vts.Studio("events") as server:
        with Studio(store, address=server.address, patience=QUICK) as studio:
            done = studio.perform(_poses(12))
        assert (done.sent, done.reconnected) == (12, 0)
        assert "VoiceU" in done.left_out
        assert "FaceAngleX" not in done.left_out
        assert [round(values["FaceAngleX"], 2) for values in server.injected[:5]] == [0, 4.8, 9.6, 14.4, 19.2]
        assert server.injected[0]["EyeOpenLeft"] == 0.75
        opened = [values["MouthOpen"] for values in server.injected[:10]]
        assert opened == sorted(opened)
        assert opened[-1] > 0.9
        assert server.asked.count("AuthenticationTokenRequest") == 1
        with Studio(store, address=server.address, patience=QUICK) as studio:
            studio.perform(_poses(1))
        assert server.asked.count("AuthenticationTokenRequest") == 1, "the token is kept"
        server.known.clear()
        with Studio(store, address=server.address, patience=QUICK):
            pass
        assert server.asked.count("AuthenticationTokenRequest") == 2, "a token that was taken back is asked for anew"
    kept = list((tmp_path / "h" / "vtube-studio").iterdir())
    assert len(kept) == 1
    assert stat.S_IMODE(kept[0].stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        ("deny", "vts.denied"),
        ("ongoing", "vts.ongoing"),
        ("off", "vts.off"),
        ("garbage", "vts.answer"),
        ("list", "vts.answer"),
        ("no-data", "vts.answer"),
        ("other-kind", "vts.answer"),
        ("types", "vts.answer"),
        ("huge", "vts.lost"),
    ],
)
def test_what_it_refuses_or_garbles_is_one_clear_error(store, behaviour, code) -> None:
    with vts.Studio(behaviour) as server, pytest.raises((EngineError, StoreError)) as caught:
        Studio(store, address=server.address, patience=QUICK).open()
    assert caught.value.code == code
    assert caught.value.next_step
    assert vts.TOKEN not in caught.value.explain()


def test_a_line_that_breaks_is_taken_up_again(store) -> None:
    with vts.Studio("close-at-4") as server:
        with Studio(store, address=server.address, patience=QUICK, sleep=lambda _: None) as studio:
            done = studio.perform(_poses(8))
        assert (done.sent, done.reconnected) == (7, 1)
        assert server.connections == 2
        assert server.asked.count("AuthenticationTokenRequest") == 1


def test_a_line_that_stays_broken_is_told(store) -> None:
    server = vts.Studio()
    with server, Studio(store, address=server.address, patience=QUICK) as studio:
        poses = _poses(50)
        next(poses)
        assert studio.perform([next(poses)]).sent == 1
        server.__exit__()
        begin = time.monotonic()
        with pytest.raises(StoreError) as caught:
            studio.perform(poses)
    assert caught.value.code == "vts.lost"
    assert time.monotonic() - begin < 12


def test_silence_is_not_waited_for_for_ever(store) -> None:
    with vts.Studio("mute") as server:
        with Studio(store, address=server.address, patience=Patience(answer=0.3, person=1, back=0.5)) as studio:
            done = studio.perform(_poses(2))
        assert (done.sent, done.reconnected) == (0, 2)


@pytest.mark.parametrize(("behaviour", "name"), [("taken", "MouthOpen"), ("unknown", "Brows")])
def test_what_another_plug_in_holds_is_left_to_it(store, behaviour, name) -> None:
    with vts.Studio(behaviour) as server:
        with Studio(store, address=server.address, patience=QUICK) as studio:
            done = studio.perform(_poses(4))
        assert name in done.left_out
        assert len(server.injected) == 3
        assert all(name not in values and "FaceAngleX" in values for values in server.injected)


def test_nobody_there_and_no_address(store) -> None:
    with pytest.raises(StoreError) as caught:
        Studio(store, address="ws://127.0.0.1:9", patience=QUICK).open()
    assert caught.value.code == "vts.unreachable"
    assert "Start API" in caught.value.next_step
    for address in ("http://127.0.0.1:8001", "ws://", "8001", "ws://name:secret@host"):
        with pytest.raises(UsageError):
            Studio(store, address=address)


def test_without_the_package_the_next_step_is_named(store, monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, package=None: None)
    with pytest.raises(MissingError) as caught:
        Studio(store)
    assert "thsafe[vtubestudio]" in caught.value.next_step


def test_a_recording_keeps_its_own_time_and_drops_what_is_late() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    shown = []
    for pose in in_time((Pose(expression=Pose.neutral().expression, yaw=n) for n in range(100)), Fraction(50), rate=25,
                        clock=lambda: now[0], sleep=sleep):  # fmt: skip
        shown.append((round(now[0], 3), pose.yaw))
        if pose.yaw == 20:
            now[0] += 1.0  # the receiver hangs
    assert shown[:3] == [(0, 0), (0.04, 2), (0.08, 4)]
    assert all(abs(yaw / 50 - at) <= 1 / 25 for at, yaw in shown)
    assert len(shown) < 30


def test_every_value_is_one_that_json_and_the_api_know() -> None:
    wild = Pose(expression=np.full(12, np.nan, np.float32), yaw=1e9, pitch=float("inf"), gaze_x=float("nan"))
    values = inputs_of(wild)
    assert all(np.isfinite(value) for value in values.values())
    assert {f"Voice{vowel}" for vowel in "AIUEO"} <= set(values)


def test_speech_reaches_it_from_the_command_line(home, tmp_path, monkeypatch, capsys, caplog) -> None:
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    caplog.set_level(logging.DEBUG)
    voice = models.speech(tmp_path / "v.wav", 1.2)
    with vts.Studio() as server:
        assert run(["live2d", "perform", "--audio", str(voice), "--address", server.address, "--rate", "20"]) == 0
        assert len(server.injected) >= 5
        steps = np.diff(server.times)
        assert np.median(steps) >= 0.9 / 20
        server.injected.clear()
        monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(voice.read_bytes())}))
        assert run(["live2d", "perform", "--audio", "-", "--address", server.address, "--json"]) == 0
        assert server.injected
    told = capsys.readouterr()
    ours = "".join(record.getMessage() for record in caplog.records if record.name != "websockets.server")
    assert vts.TOKEN not in told.out + told.err + ours
    assert run(["live2d", "perform", "--address", server.address]) == 2
    assert run(["live2d", "perform", "--audio", str(voice), "--camera", "0"]) == 2
    assert run(["live2d", "perform", "--audio", str(voice), "--address", "ws://127.0.0.1:9"]) == 34


def test_a_camera_is_followed_and_let_go(tmp_path, monkeypatch) -> None:
    face, empty = np.ascontiguousarray(draw_person("ada", 320)), np.full((320, 320, 3), 200, np.uint8)
    film = cv2.VideoWriter(str(tmp_path / "cam.avi"), cv2.VideoWriter_fourcc(*"MJPG"), 25, (320, 320))
    for number in range(34):
        turned = cv2.warpAffine(face, cv2.getRotationMatrix2D((160, 200), -0.8 * max(0, number - 22), 1.0), (320, 320))
        film.write(turned if number < 32 else empty)
    film.release()
    now = [0.0]

    def clock() -> float:
        now[0] += 0.02
        return now[0]

    poses = list(camera_poses(tmp_path / "cam.avi", Silent(), clock=clock))
    assert len(poses) >= 10
    rolls = [pose.roll for pose in poses]
    assert max(rolls) > 4, "a head that tilts clockwise is followed"
    assert all(abs(pose.yaw) < 12 for pose in poses)
    with pytest.raises(InputError) as caught:
        list(camera_poses(tmp_path / "gone.avi", Silent()))
    assert caught.value.code == "camera.closed"
