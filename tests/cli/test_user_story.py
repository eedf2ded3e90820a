"""The main job as a user types it, with files of the user's own: refused, agreed, made, verified, audited, taken back."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from thsafe.cli.main import run
from thsafe.media.image import write_png
from thsafe.registry import draw_person

SHORT = ("--size", "256", "--text", "Hello there, how are you?")


@pytest.fixture(scope="module")
def drawn() -> np.ndarray:
    return draw_person("ada", 512)


@pytest.fixture
def keys(home: Path, capsys) -> Path:
    assert run(["keys", "new"]) == 0
    capsys.readouterr()
    return home


def _json(capsys) -> dict:
    return json.loads(capsys.readouterr().out)


def test_a_drawn_person_speaks_and_everything_can_be_asked_about_it(keys, tmp_path, capsys) -> None:
    out = tmp_path / "hello.mp4"
    assert run(["generate", "say", "--person", "ada", *SHORT, "-o", str(out), "--json"]) == 0
    made = _json(capsys)
    assert run(["verify", str(out), "--json", "--report", str(tmp_path / "hello.html")]) == 0
    report = _json(capsys)
    assert report["verdict"] == "disclosed"
    assert report["sha256"] == made["sha256"]
    page = (tmp_path / "hello.html").read_text()
    assert "disclosed" in page
    assert page.count("data:image/jpeg") >= 6
    assert run(["inspect", str(out)]) == 0
    shown = capsys.readouterr().out
    assert made["watermark_id"] in shown
    assert made["manifest_id"] in shown
    assert "entry 1" in shown
    assert run(["audit", "run", "--folder", str(tmp_path), "--report", str(tmp_path / "audit.html"), "--json"]) in {
        0,
        10,
    }
    audit = _json(capsys)
    assert audit["log"]["ok"]
    assert [item["state"] for item in audit["outputs"]] == ["intact"]
    assert audit["judgements"]["fail"] == 0
    assert "hello.mp4" in (tmp_path / "audit.html").read_text()


def test_a_picture_of_a_person_needs_consent_and_gets_it_in_one_command(keys, tmp_path, drawn, capsys) -> None:
    portrait, out = tmp_path / "me.png", tmp_path / "out.mp4"
    write_png(portrait, drawn)
    command = ["generate", "say", "--image", str(portrait), *SHORT, "-o", str(out)]

    assert run(command) == 21
    refusal = capsys.readouterr().err
    assert refusal.startswith(
        'error[consent.missing]: No consent covers the person in me.png for purpose "demonstration".'
    )
    assert all(f"\n  {word:<7} " in refusal for word in ("rule", "next", "log"))
    assert not out.exists()

    assert run(["consent", "new", "--self", "--portrait", str(portrait), "--json"]) == 0
    consent = _json(capsys)["id"]
    assert run(command) == 0
    assert run(["verify", str(out), "--json"]) == 0
    capsys.readouterr()

    assert (
        run(
            [
                "generate",
                "say",
                "--image",
                str(portrait),
                *SHORT,
                "-o",
                str(tmp_path / "ad.mp4"),
                "--purpose",
                "advertising",
            ]
        )
        == 21
    )
    assert "advertising" in capsys.readouterr().err
    assert not (tmp_path / "ad.mp4").exists()

    assert run(["consent", "revoke", consent]) == 0
    assert "out.mp4" in capsys.readouterr().out, "the outputs made under it are listed"
    assert run([*command, "--force"]) == 21
    assert "consent.revoked" in capsys.readouterr().err


def test_speech_animates_a_picture(keys, tmp_path, drawn, capsys, shared_data) -> None:
    portrait, out = tmp_path / "me.png", tmp_path / "out.mp4"
    write_png(portrait, drawn)
    assert run(["consent", "new", "--self", "--portrait", str(portrait)]) == 0
    speech = shared_data / "speech" / "fsdd_7_theo_1.wav"
    command = [
        "generate",
        "animate",
        "--image",
        str(portrait),
        "--audio",
        str(speech),
        "--size",
        "256",
        "-o",
        str(out),
        "--json",
    ]
    code = run(command)
    shown = capsys.readouterr()
    assert code == 0, shown.err
    assert run(["verify", str(out), "--json"]) == 0
    assert _json(capsys)["verdict"] == "disclosed"


def _faceless() -> np.ndarray:
    return np.tile(np.linspace(0, 255, 512, dtype=np.uint8)[None, :, None], (512, 1, 3))


def test_portraits_that_cannot_be_used(keys, tmp_path, drawn, capsys) -> None:
    cases = {
        "portrait.no-face": _faceless(),
        "portrait.two-faces": np.hstack([drawn, drawn[:, ::-1]]),
        "portrait.too-small": cv2.copyMakeBorder(
            cv2.resize(drawn, (96, 96), interpolation=cv2.INTER_AREA), 200, 200, 200, 200, cv2.BORDER_REPLICATE
        ),
    }
    for code, picture in cases.items():
        portrait = tmp_path / f"{code}.png"
        write_png(portrait, picture)
        assert run(["consent", "new", "--self", "--portrait", str(portrait)]) == 0
        capsys.readouterr()
        out = tmp_path / "out.mp4"
        assert run(["generate", "say", "--image", str(portrait), *SHORT, "-o", str(out)]) == 30, code
        error = capsys.readouterr().err
        assert error.startswith(f"error[{code}]"), error
        assert "\n  next    " in error
        assert not out.exists()


def test_files_that_are_not_what_they_should_be(keys, tmp_path, capsys) -> None:
    png = cv2.imencode(".png", _faceless())[1].tobytes()
    files = {
        "empty.png": (b"", "input.empty"),
        "text.png": (b"this is not a picture", "input.not-media"),
        "cut.png": (png[: len(png) // 2], "input.truncated"),
        "folder.png": (None, "input.unreadable"),
        "missing.png": ("", "input.missing"),
    }
    for name, (content, code) in files.items():
        path = tmp_path / name
        if content is None:
            path.mkdir()
        elif content != "":
            path.write_bytes(content)
        for command in (
            ["verify", str(path)],
            ["generate", "say", "--image", str(path), *SHORT, "-o", str(tmp_path / "out.mp4")],
            ["generate", "animate", "--person", "ada", "--audio", str(path), "-o", str(tmp_path / "out.mp4")],
        ):
            assert run(command) == 30, (name, command)
            error = capsys.readouterr().err
            assert error.startswith(f"error[{code}]"), (name, error)
            assert "Traceback" not in error
    assert not (tmp_path / "out.mp4").exists()


def test_silence_is_refused_in_words(keys, tmp_path, capsys) -> None:
    import wave

    quiet = tmp_path / "quiet.wav"
    with wave.open(str(quiet), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(bytes(2 * 16000))
    assert run(["generate", "animate", "--person", "ada", "--audio", str(quiet), "-o", str(tmp_path / "out.mp4")]) == 30
    assert capsys.readouterr().err.startswith("error[input.silent]")
    assert not (tmp_path / "out.mp4").exists()


def test_a_wrong_kind_of_file_is_named(keys, tmp_path, drawn, capsys) -> None:
    portrait = tmp_path / "me.wav"  # a picture under a wrong name: content counts
    write_png(tmp_path / "me.png", drawn)
    (tmp_path / "me.png").rename(portrait)
    assert (
        run(["generate", "animate", "--person", "ada", "--audio", str(portrait), "-o", str(tmp_path / "out.mp4")]) == 30
    )
    assert "me.wav is a picture, not a sound file" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ["lipsync", "sadtalker"])
def test_engines_whose_weights_are_missing_say_how_to_get_them(keys, tmp_path, drawn, capsys, engine, attacks) -> None:
    portrait, speech = tmp_path / "me.png", tmp_path / "speech.wav"
    write_png(portrait, drawn)
    import wave

    with wave.open(str(speech), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes((8000 * np.sin(np.arange(16000) / 20)).astype("<i2").tobytes())
    if engine == "sadtalker":
        command = ["generate", "animate", "--engine", "sadtalker", "--image", str(portrait), "--audio", str(speech)]
    else:
        video = tmp_path / "me.mp4"
        _film(video, drawn)
        command = ["generate", "lipsync", "--engine", "wav2lip", "--video", str(video), "--audio", str(speech)]
    assert run([*command, "-o", str(tmp_path / "out.mp4")]) == 31
    error = capsys.readouterr().err
    assert error.startswith("error[model.missing]")
    assert "thsafe models pull" in error


def _film(path: Path, picture: np.ndarray) -> None:
    from fractions import Fraction

    from thsafe.media.encode import Mp4Writer
    from thsafe.media.planes import i420_from_bgr

    small = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA)
    with Mp4Writer(path, width=128, height=128, fps=Fraction(25)) as writer:
        for _ in range(5):
            writer.write_picture(i420_from_bgr(small))


def test_without_keys_the_next_step_is_named(home, tmp_path, capsys) -> None:
    assert run(["generate", "say", "--person", "ada", *SHORT, "-o", str(tmp_path / "out.mp4")]) == 33
    error = capsys.readouterr().err
    assert error.startswith("error[keys.missing]")
    assert "thsafe keys new" in error


def test_doctor_names_what_is_missing_and_ends_well(keys, capsys) -> None:
    assert run(["doctor", "--json"]) == 0
    found = {item["part"]: item for item in json.loads(capsys.readouterr().out)}
    assert found["keys"]["state"] == "ok"
    assert found["weights wav2lip-gan"]["next"] == "thsafe models pull wav2lip-gan"


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_job_leaves_nothing(keys, tmp_path, signal_name) -> None:
    import os
    import signal
    import subprocess
    import sys
    import time

    from generators.embedded.cast.cache import framed_person
    from thsafe.home import Home

    framed_person("ada", short_side=256, home=Home(keys))  # kept ready: what is interrupted is the film
    words = "The quick brown fox jumps over the lazy dog. " * 60
    command = [str(Path(sys.executable).parent / "thsafe"), "generate", "say", "--person", "ada", "--size", "256"]
    process = subprocess.Popen(
        [*command, "--text", words, "-o", str(tmp_path / "out.mp4")],
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path)),
    )
    for _ in range(600):
        if list(tmp_path.glob(".thsafe-*/encoded.mp4")):
            break
        time.sleep(0.1)
    process.send_signal(getattr(signal, signal_name))
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "nothing was written" in errors
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert run(["log", "verify", "--json"]) == 0
