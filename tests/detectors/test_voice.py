"""Voices: two experimental answers, asked for alone, without strength, with their false alarms."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from detectors.voice.check import SHIPPED, examine
from detectors.voice.spectral import RATE, WINDOW, scores, statistics, windows
from thsafe.core.errors import InputError
from thsafe.core.types import Status
from thsafe.media.roundtrip import through_aac
from thsafe.media.sound import load_sound
from thsafe.registry import reciter


@pytest.fixture(scope="module")
def rules():
    """A voice made by rules."""
    return reciter().voiced(next(reciter().recitals(1, seed=77, held_out=True)))


@pytest.fixture(scope="module")
def talker(shared_data_once):
    paths = sorted((shared_data_once / "grid").glob("*.mpg"))
    return np.concatenate([load_sound(path, rate=RATE) for path in paths])


@pytest.fixture(scope="module")
def shared_data_once():
    import os
    from pathlib import Path

    base = Path(os.environ.get("THSAFE_SHARED", Path(__file__).resolve().parents[3] / "shared")) / "data"
    if not base.is_dir():
        pytest.skip(f"no test media at {base}")
    return base


def test_our_model_hears_rules_and_says_what_that_is_worth(rules):
    (found,) = examine(rules, {})
    assert (found.check, found.status, found.code, found.strength) == (
        "voice.spectral",
        Status.FOUND,
        "EXPERIMENTAL",
        None,
    )
    assert found.detail["error_rate"] in found.summary
    assert found.model_digest == SHIPPED.card()["sha256"]


def test_talkers_are_below_the_line(talker):
    (found,) = examine(talker, {})
    assert found.status is Status.ABSENT
    assert "says nothing" in found.summary


def test_a_codec_does_not_turn_the_answer(rules):
    coded = through_aac(rules[: 4 * WINDOW], rate=RATE, bit_rate=32000)
    assert len(coded) == 4 * WINDOW
    assert float(np.mean(scores(SHIPPED.weights(), windows(coded)))) > 0


def test_nothing_is_said_of_silence_music_and_scraps(rules):
    time = np.arange(8 * RATE) / RATE
    chord = sum(np.sin(2 * np.pi * hertz * time) for hertz in (220, 277, 330)).astype(np.float32) * 0.1
    for sound, code in (
        (np.zeros(8 * RATE, np.float32), "SILENT"),
        (rules[: 2 * RATE], "TOO-SHORT"),
        (np.zeros(0, np.float32), "SILENT"),
        (chord, "NO-SPEECH"),
    ):
        (found,) = examine(sound, {})
        assert (found.status, found.code) == (Status.NOT_EVALUATED, code)


def test_statistics_do_not_hear_how_loud_it_is(rules):
    piece = windows(rules)[0]
    assert statistics(piece * 0.1) == pytest.approx(statistics(piece), abs=0.15)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "logits"),
    [("AASIST", ((2.6105, -2.7820), (2.6462, -2.8952))), ("AASIST-L", ((4.6364, -4.0664), (4.5968, -4.0644)))],
)
def test_aasist_gives_the_same_numbers_as_when_it_was_written(shared_data_once, name, logits):
    import torch

    from detectors.voice.aasist import SAMPLES, load_aasist

    net = load_aasist(shared_data_once / "weights" / "aasist" / f"{name}.pth")
    noise = torch.randn(2, SAMPLES, generator=torch.Generator().manual_seed(0)) * 0.1
    with torch.inference_mode():
        found = net(noise)
    assert found.shape == (2, 2)
    assert found.numpy() == pytest.approx(np.array(logits), abs=1e-3)


@pytest.mark.shared
def test_aasist_tells_talkers_from_rules_and_warns_of_its_alarms(shared_data_once, talker, rules):
    paths = {"aasist-l": shared_data_once / "weights" / "aasist" / "AASIST-L.pth"}
    genuine, made = (examine(sound, paths)[1] for sound in (talker, rules))
    assert (genuine.check, genuine.status, made.status) == ("voice.aasist-l", Status.ABSENT, Status.FOUND)
    assert "no use as an alarm" in made.summary
    assert made.strength is None


@pytest.mark.shared
def test_other_weights_are_refused(shared_data_once, tmp_path):
    from safetensors.numpy import save_file

    from detectors.voice.aasist import load_aasist

    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="not the weights of AASIST"):
        load_aasist(tmp_path / "other.safetensors")
    shutil.copy(shared_data_once / "weights" / "aasist" / "LICENSE", tmp_path / "AASIST.pth")
    with pytest.raises(InputError):
        load_aasist(tmp_path / "AASIST.pth")


def test_batches_know_which_weights_listened(tmp_path):
    from detectors.lipsync.check import SHIPPED as LIPS
    from thsafe.forensics import weights_of_checks
    from thsafe.home import Home

    found = weights_of_checks(Home(tmp_path))
    assert found["lip-sync"] == [LIPS.card()["sha256"]]
    assert found["voice.spectral"] == [SHIPPED.card()["sha256"]]
