"""What the laws of places ask is in the finished file: an audit finds it there again, in every kind of file."""

from __future__ import annotations

import csv
import wave

import cv2
import numpy as np
import pytest

from thsafe.cli.main import run
from thsafe.consent.grant import create_self_consent
from thsafe.labelling import Labeller

DISCLOSED = ["CA-3a-A", "CA-3a-B", "CA-3a-C", "CA-3a-D", "CA-3a-E"]
PLACES = ("CN", "IN", "DE", "US-CA")


@pytest.fixture
def sound(tmp_path):
    path = tmp_path / "in.wav"
    times = np.arange(16000 * 6) / 16000
    tone = np.random.default_rng(1).normal(0, 2000, len(times)) * (1 + np.sin(2 * np.pi * 2 * times))
    with wave.open(str(path), "wb") as target:
        target.setnchannels(1)
        target.setsampwidth(2)
        target.setframerate(16000)
        target.writeframes(tone.astype("<i2").tobytes())
    return path


def audited(tmp_path) -> dict[str, str]:
    """Each rule's verdict on the one output, and the audit's exit code."""
    code = run(["audit", "run", "--csv", str(tmp_path / "audit.csv"), "--force"])
    with (tmp_path / "audit.csv").open(newline="") as opened:
        rows = list(csv.DictReader(opened))
    assert {row["state"] for row in rows} == {"intact"}
    return {"exit": str(code), **{row["rule"]: row["verdict"] for row in rows}}


@pytest.mark.parametrize("ending", ["wav", "mp3", "m4a"])
def test_sound(installation, sound, tmp_path, ending, capsys) -> None:
    create_self_consent(installation.home, portrait=sound, keys=installation.ring)
    Labeller(territories=PLACES).label(sound, tmp_path / f"out.{ending}", origin="generated")
    found = audited(tmp_path)
    wanted = ["EU-COP-S2b", "CN-EXP-A", "CN-IMP", "IN-3(3)-L", *DISCLOSED]
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, "pass")
    assert "fail" not in found.values()
    assert found["exit"] == "0", capsys.readouterr()


def test_a_picture(installation, tmp_path, capsys) -> None:
    path = tmp_path / "in.png"
    small = np.random.default_rng(5).integers(40, 210, (12, 16, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(small, (480, 360)))
    Labeller(territories=PLACES).label(path, tmp_path / "out.png", origin="generated", shows_nobody=True)
    found = audited(tmp_path)
    wanted = ["EU-COP-S2a", "EU-50-4", "CN-IMP", "IN-3(3)-L", *DISCLOSED]
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, "pass")
    assert found["CN-EXP-I"] != "fail"
    assert found["exit"] == "0", capsys.readouterr()


def test_a_film(installation, tiny, tmp_path, capsys) -> None:
    tiny.Tiny(territories=PLACES).say(tmp_path / "out.mp4")
    found = audited(tmp_path)
    wanted = ["EU-COP-S2a", "EU-50-4", "CN-EXP-V", "CN-IMP", "IN-3(3)-L", *DISCLOSED]
    assert {name: found[name] for name in wanted} == dict.fromkeys(wanted, "pass")
    assert found["exit"] == "0", capsys.readouterr()


def test_the_sign_of_ai_is_missed_where_no_law_drew_it(installation, tiny, tmp_path) -> None:
    tiny.Tiny(territories=("US-NY",)).say(tmp_path / "out.mp4")
    run(["audit", "run", "--rules", "eu,house", "--csv", str(tmp_path / "audit.csv")])
    with (tmp_path / "audit.csv").open(newline="") as opened:
        found = {row["rule"]: row["verdict"] for row in csv.DictReader(opened)}
    assert found["EU-COP-S2a"] == "fail"
    assert found["HOUSE-LABEL"] == "pass"
