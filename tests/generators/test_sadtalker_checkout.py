"""A user's own SadTalker: run apart, believed only where it leaves exactly one video."""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import soundfile

from generators.sadtalker import checkout as driver
from generators.sadtalker.framing import Mode
from generators.sadtalker.pipeline import Manner
from thsafe import SadTalker
from thsafe.cli.main import run
from thsafe.core.errors import EngineError, MissingError, UsageError
from thsafe.core.types import Silent
from thsafe.home import Home
from thsafe.registry import draw_person

SCRIPT = '''
"""Does what the authors' inference.py does, but for the pictures: options, folders, names, exit codes."""
import argparse, json, os, shutil, subprocess, sys, time, uuid
from pathlib import Path

parser = argparse.ArgumentParser()
parser.add_argument("--driven_audio"), parser.add_argument("--source_image")
parser.add_argument("--ref_eyeblink"), parser.add_argument("--ref_pose")
parser.add_argument("--checkpoint_dir", default="./checkpoints"), parser.add_argument("--result_dir", default="./results")
parser.add_argument("--pose_style", type=int, default=0), parser.add_argument("--batch_size", type=int, default=2)
parser.add_argument("--size", type=int, default=256), parser.add_argument("--expression_scale", type=float, default=1.0)
for name in ("--input_yaw", "--input_pitch", "--input_roll"):
    parser.add_argument(name, nargs="+", type=int)
parser.add_argument("--enhancer"), parser.add_argument("--background_enhancer")
for name in ("--cpu", "--face3dvis", "--still", "--verbose", "--old_version"):
    parser.add_argument(name, action="store_true")
parser.add_argument("--preprocess", default="crop", choices=["crop", "extcrop", "resize", "full", "extfull"])
args = parser.parse_args()
behaviour = json.loads(Path("src/config/behaviour.json").read_text())  # relative: the folder must be the checkout's
how = behaviour["how"]
stamp = time.strftime("%Y_%m_%d_%H.%M.%S")
save_dir = Path(args.result_dir) / stamp
(save_dir / "first_frame_dir").mkdir(parents=True)
Path(behaviour["told"]).write_text(json.dumps({"args": vars(args), "cwd": os.getcwd(), "env": dict(os.environ)}))
if how == "hang":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
    Path(behaviour["told"] + ".pids").write_text(f"{os.getpid()} {child.pid}")
    time.sleep(300)
if how == "no face":
    raise "can not detect the landmark from source image"
if how == "no coefficients":
    print("Can't get the coeffs of the input")
    sys.exit(0)
import av, numpy as np
temporary = f"{uuid.uuid4()}.mp4"  # in the current folder, as the authors' muxing does
with av.open(temporary, "w") as container:
    stream = container.add_stream("libx264", rate=25)
    stream.width, stream.height, stream.pix_fmt = args.size, args.size, "yuv420p"
    for number in range(behaviour["frames"]):
        y, x = np.mgrid[: args.size, : args.size]
        picture = np.stack([128 + 60 * np.sin((x + number) / 20), 128 + 50 * np.cos(y / 25), 128 + 0 * x], axis=2)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture.astype(np.uint8), "bgr24")))
    container.mux(stream.encode())
if how == "broken":
    Path(temporary).write_bytes(Path(temporary).read_bytes()[:400])
if how == "two":
    shutil.copy(temporary, save_dir / "drawn##voice.mp4")
shutil.move(temporary, str(save_dir) + ".mp4")
if how != "two":
    shutil.rmtree(save_dir)
print("The generated video is named:", str(save_dir) + ".mp4")
'''


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """Where the script tells what it was given."""
    return tmp_path / "told.json"


@pytest.fixture
def folder(tmp_path: Path, told: Path) -> Path:
    base = tmp_path / "my SadTalker"
    (base / "src" / "config").mkdir(parents=True)
    (base / "checkpoints").mkdir()
    (base / "results").mkdir()
    (base / "inference.py").write_text(SCRIPT)
    _behave(base, told, "well")
    return base


@functools.cache
def _drawn() -> np.ndarray:
    return draw_person("ada", 256)


def _behave(folder: Path, told: Path, how: str, *, frames: int = 20) -> None:
    told_as = {"how": how, "frames": frames, "told": str(told)}
    (folder / "src" / "config" / "behaviour.json").write_text(json.dumps(told_as))


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "drawn face.png"
    cv2.imwrite(str(path), _drawn())
    return path


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "a voice.wav"
    soundfile.write(path, 0.3 * np.sin(np.arange(16000) / 20), 16000)
    return path


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what stays behind is seen."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))


def _left(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "tmp").iterdir())


def _render(folder: Path, portrait: Path, voice: Path, *, timeout: float = 60, **manner: Any) -> Any:
    checkout = driver.Checkout(folder=folder, python=Path(sys.executable), cpu=True, timeout=timeout)
    return driver.render(portrait, voice, checkout, Manner(**manner), facts={}, progress=Silent())


def test_pictures_and_sound_come_back_and_nothing_stays(folder, told, portrait, voice, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("THSAFE_KEY_PASSPHRASE", "secret")
    before = sorted(path for path in folder.rglob("*"))
    manner = {"mode": Mode.FULL, "still": True, "style": 7, "expression_scale": 1.2, "turns": ((-20, 20.4), (), ())}
    draft = _render(folder, portrait, voice, **manner, head=tmp_path / "nod.webm")
    frames = list(draft.frames)
    assert len(frames) == draft.frame_count == 20
    assert frames[0].shape == (256, 256, 3)
    assert len(np.concatenate(list(draft.sound))) == round(20 / 25 * draft.sample_rate)
    assert _left(tmp_path) == []
    assert sorted(path for path in folder.rglob("*")) == before, "the user's folder is as it was"
    given = json.loads(told.read_text())
    assert given["args"]["still"] is True
    assert given["args"]["preprocess"] == "full"
    assert given["args"]["pose_style"] == 7
    assert given["args"]["input_yaw"] == [-20, 20]
    assert given["args"]["ref_pose"].endswith(".mp4")
    assert {Path(given["args"][name]).name for name in ("source_image", "driven_audio")} == {
        "portrait.png",
        "voice.wav",
    }
    assert given["cwd"] != str(folder)
    assert "THSAFE_KEY_PASSPHRASE" not in given["env"]


@pytest.mark.parametrize(
    ("how", "code", "words"),
    [
        ("no face", "engine.failed", "exit code 1"),
        ("no coefficients", "engine.no-output", "Can't get the coeffs"),
        ("two", "engine.outputs", "drawn##voice.mp4"),
        ("broken", "engine.output-unreadable", ""),
    ],
)
def test_only_one_readable_video_is_success(
    folder, told, portrait, voice, tmp_path, how: str, code: str, words: str
) -> None:
    _behave(folder, told, how)
    with pytest.raises(EngineError) as caught:
        _render(folder, portrait, voice)
    assert caught.value.code == code
    assert words in caught.value.found
    assert _left(tmp_path) == []


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # a zombie whose parent is gone waits for init, and runs no more
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_what_does_not_end_is_ended_with_its_children(folder, told, portrait, voice, tmp_path) -> None:
    _behave(folder, told, "hang")
    with pytest.raises(EngineError) as caught:
        _render(folder, portrait, voice, timeout=3)
    assert caught.value.code == "engine.timeout"
    pids = [int(pid) for pid in Path(str(told) + ".pids").read_text().split()]
    latest = time.monotonic() + 5
    while any(_alive(pid) for pid in pids) and time.monotonic() < latest:
        time.sleep(0.05)
    assert not any(_alive(pid) for pid in pids)
    assert _left(tmp_path) == []


def test_frames_that_nobody_asks_for_leave_nothing(folder, portrait, voice, tmp_path) -> None:
    draft = _render(folder, portrait, voice)
    assert _left(tmp_path)
    del draft
    assert _left(tmp_path) == []


def test_a_folder_that_is_none_is_said(tmp_path, home) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(MissingError) as caught:
        SadTalker(checkout=tmp_path / "empty", home=Home(home)).require()
    assert caught.value.code == "engine.checkout"
    with pytest.raises(UsageError):
        SadTalker(backend="checkout", home=Home(home)).require()


def test_an_interpreter_that_is_none_is_said(folder, tmp_path, home) -> None:
    with pytest.raises(MissingError) as caught:
        SadTalker(checkout=folder, checkout_python=tmp_path / "python", home=Home(home)).require()
    assert caught.value.code == "engine.checkout-python"


def test_a_checkout_is_published_like_any_engine(folder, told, home, portrait, voice, tmp_path, capsys) -> None:
    _behave(folder, told, "well", frames=25)
    out = tmp_path / "out.mp4"
    assert run(["keys", "new"]) == 0
    assert run(["consent", "new", "--self", "--portrait", str(portrait)]) == 0
    notes: list[str] = []

    class Told(Silent):
        def note(self, text: str) -> None:
            notes.append(text)

    engine = SadTalker(checkout=folder, checkout_python=sys.executable, progress=Told())
    made = engine.animate(source_image=portrait, audio_file=voice, output_path=out)
    assert made.decision.obligations.labels
    assert "SadTalker is a program of its own: a job that is broken off begins anew" in notes
    capsys.readouterr()
    assert run(["verify", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "disclosed"

    from thsafe.installation import Installation
    from thsafe.provenance.read import read_credentials

    installation = Installation.open(Home(home))
    manifest = json.dumps(dict(read_credentials(out, trust=installation.trust()).raw))
    assert "the user's own checkout" in manifest
    intent = [entry for entry in installation.ledger.entries() if entry.type == "intent"][-1]
    assert intent.event["weights"]["model"] == "sadtalker-checkout"
    assert _left(tmp_path) == []


def test_a_checkout_that_fails_leaves_no_output_and_a_line_in_the_log(folder, told, home, portrait, voice, tmp_path):
    _behave(folder, told, "no coefficients")
    out = tmp_path / "out.mp4"
    assert run(["keys", "new"]) == 0
    assert run(["consent", "new", "--self", "--portrait", str(portrait)]) == 0
    with pytest.raises(EngineError):
        SadTalker(checkout=folder, checkout_python=sys.executable).animate(
            source_image=portrait, audio_file=voice, output_path=out
        )
    assert not out.exists()

    from thsafe.installation import Installation

    last = list(Installation.open(Home(home)).ledger.entries())[-1]
    assert (last.type, last.event["reason"]) == ("failed", "engine.no-output")


@pytest.mark.parametrize(
    ("named", "installed", "chosen"), [(1, 0, 1), (1, 1, 1), (0, 1, 0), (0, 0, 0), (2, 1, 0), (2, 0, 1)]
)
def test_what_draws_is_chosen_by_what_is_there(folder, home, monkeypatch, named, installed, chosen) -> None:
    """``named``: 1 by argument, 2 by the variable."""
    if installed:
        for name in ("sadtalker-256", "sadtalker-mapping"):
            from thsafe.models import find_card

            place = Home(home).models / name / find_card(name).file
            place.parent.mkdir(parents=True)
            place.write_bytes(b"x")
    if named == 2:
        monkeypatch.setenv("THSAFE_SADTALKER", str(folder))
    engine = SadTalker(checkout=folder if named == 1 else None, home=Home(home))
    assert (engine._chosen_checkout() is not None) == bool(chosen)
