"""Recorded sound to mouth shapes: silence stays shut, loud parts open, any length, any cutting."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from generators.embedded import listen
from generators.embedded.coarticulation import channel_curves
from generators.embedded.listen import HOP, RATE, WINDOW, Acoustic, Allphone, Mixed, Survey, survey
from generators.embedded.pose import CHANNELS
from generators.embedded.visemes import VISEMES, Viseme, posteriors
from generators.speech.espeak import Espeak
from thsafe.core.errors import InputError
from thsafe.media.sound import iter_sound

JAW = CHANNELS.index("jaw")
TEXT = "Mama and papa sold five shiny shoes. We see a big blue moon above the farm."


def blocks(samples: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (samples[begin : begin + size] for begin in range(0, len(samples), size))


def heard(samples: np.ndarray, listener: listen.PhoneListener, size: int = 4000) -> np.ndarray:
    found = survey(blocks(samples, size))
    return np.concatenate(list(listen.listen(blocks(samples, size), found, listener=listener)))


@pytest.fixture(scope="module")
def spoken() -> tuple[np.ndarray, np.ndarray]:
    """Sound at 16 kHz and the true classes."""
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
    import soxr

    speech = Espeak().speak(TEXT)
    return soxr.resample(speech.samples, speech.sample_rate, RATE), posteriors(speech.phones, seconds=speech.duration)


def vowel(seconds: float = 1.0, pitch: float = 120.0) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    harmonics = [np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 12)]
    return (0.3 * np.sum(harmonics, axis=0)).astype(np.float32)


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(RATE, np.float32),
        np.zeros(0, np.float32),
        np.full(RATE, 1e-4, np.float32),
        np.random.default_rng(0).normal(0, 2e-4, RATE).astype(np.float32),
    ],
    ids=["digital silence", "empty", "offset", "hiss at -74 dB"],
)
def test_a_recording_without_sound_is_refused(sound: np.ndarray) -> None:
    with pytest.raises(InputError) as caught:
        survey([sound])
    assert caught.value.code == "input.silent"
    assert "dB" in caught.value.found
    assert caught.value.next_step


def test_one_word_in_long_silence_is_enough() -> None:
    sound = np.zeros(60 * RATE, np.float32)
    sound[30 * RATE : 30 * RATE + 4000] = 0.05 * vowel(0.25)
    found = survey(blocks(sound, 16384))
    assert len(found.level) == 6000
    assert found.level[:2990].max() == 0
    assert found.level[3005:3020].min() > 0.9


def test_level_is_relative_to_the_recording() -> None:
    sound = np.concatenate([vowel(), 0.1 * vowel(), 0 * vowel()]).astype(np.float32)
    loud, quiet = survey([sound]), survey([0.01 * sound])
    assert loud.loud_db - quiet.loud_db == pytest.approx(40, abs=0.1)
    assert np.median(loud.level[:90]) > 0.95
    assert np.median(loud.level[110:190]) == pytest.approx(1 - 20 / 34, abs=0.05)
    assert loud.level[210:].max() == 0
    assert quiet.level[:90].min() > 0.9


@pytest.mark.parametrize("size", [1, 159, 160, 161, 5000, 10**7])
def test_cutting_the_sound_changes_nothing(size: int) -> None:
    sound = np.concatenate([vowel(0.3), 0.2 * vowel(0.2, 200), np.zeros(777, np.float32)]).astype(np.float32)
    whole = survey([sound])
    cut = survey(blocks(sound, size))
    assert np.array_equal(whole.level, cut.level)
    assert whole.samples == cut.samples == len(sound)
    assert len(cut.level) == math.ceil(len(sound) / HOP)
    assert np.array_equal(heard(sound, Acoustic(), size), heard(sound, Acoustic(), len(sound)))


class Counting:
    """A listener that tells each window's first sample and length."""

    def __init__(self) -> None:
        self.windows: list[tuple[float, int]] = []

    def posteriors(self, sound: np.ndarray, survey: Survey) -> np.ndarray:
        self.windows.append((float(sound[0]), len(sound)))
        table = np.zeros((math.ceil(len(sound) / HOP), VISEMES))
        table[:, len(self.windows) % VISEMES] = 1.0
        return table


@pytest.mark.parametrize("seconds", [0.004, 0.5, 9.995, 10.0, 10.5, 19.0, 19.01, 28.2])
def test_windows_cover_any_length_once(seconds: float) -> None:
    sound = np.arange(1, round(seconds * RATE) + 1).astype(np.float32) / 1e6
    listener = Counting()
    found = Survey(level=np.zeros(1, np.float32), loud_db=0.0, quiet_db=-34.0, loud_band=0.0, samples=len(sound))
    table = np.concatenate(list(listen.listen(blocks(sound, 16384), found, listener=listener)))
    assert len(table) == math.ceil(len(sound) / HOP)
    assert np.allclose(table.sum(axis=1), 1.0)
    assert max(length for _, length in listener.windows) <= WINDOW * HOP
    starts = [round(first * 1e6) - 1 for first, _ in listener.windows]
    assert np.allclose(starts, np.arange(len(starts)) * 9 * RATE, atol=2)


def test_windows_fade_into_each_other() -> None:
    sound = np.ones(15 * RATE, np.float32)
    found = Survey(level=np.zeros(1, np.float32), loud_db=0.0, quiet_db=-34.0, loud_band=0.0, samples=len(sound))
    table = np.concatenate(list(listen.listen([sound], found, listener=Counting())))
    assert table[899, 1] == 1.0
    assert table[950, 1] == pytest.approx(0.5, abs=0.03)
    assert table[936, 1] == table[964, 2] == 1.0  # where only one window hears 0.38 s to both sides, it alone counts
    assert table[1000, 2] == 1.0


@pytest.mark.parametrize("make", [Acoustic, Allphone, Mixed])
def test_probabilities_add_up_and_silence_is_shut(make: type, spoken: tuple[np.ndarray, np.ndarray]) -> None:
    sound = np.concatenate([np.zeros(RATE, np.float32), spoken[0], np.zeros(RATE, np.float32)])
    table = heard(sound, make())
    assert np.allclose(table.sum(axis=1), 1.0)
    assert table.min() >= 0
    assert table[:95, Viseme.SIL].min() > 0.99
    assert table[-95:, Viseme.SIL].min() > 0.99
    curves = channel_curves(table)
    assert np.abs(curves[:80]).max() < 1e-6
    assert curves[:, JAW].max() > 0.08


def test_the_mouth_follows_a_voice_whose_sounds_are_known(spoken: tuple[np.ndarray, np.ndarray]) -> None:
    sound, truth = spoken
    table = heard(sound, Mixed())
    rows = min(len(table), len(truth))
    jaw, true_jaw = channel_curves(table[:rows])[:, JAW], channel_curves(truth[:rows])[:, JAW]
    assert np.corrcoef(jaw, true_jaw)[0, 1] > 0.45
    assert (table[:rows].argmax(axis=1) == truth.argmax(axis=1)[:rows]).mean() > 0.3


def test_a_noisy_room_is_not_speech(spoken: tuple[np.ndarray, np.ndarray]) -> None:
    quiet = np.zeros(RATE, np.float32)
    sound = np.concatenate([quiet, spoken[0], quiet])
    rms = float(np.sqrt(np.mean(spoken[0] ** 2)))
    noisy = sound + np.random.default_rng(2).normal(0, rms * 10 ** (-20 / 20), len(sound)).astype(np.float32)
    jaw = channel_curves(heard(noisy, Mixed()))[:, JAW]
    assert np.median(jaw[:90]) < 0.01
    assert np.median(jaw[-90:]) < 0.01
    assert np.percentile(jaw[100:-100], 75) > 0.04


def test_hiss_is_teeth_and_hum_is_not() -> None:
    random = np.random.default_rng(1)
    hiss = np.diff(random.normal(0, 0.1, RATE + 1)).astype(np.float32)
    sound = np.concatenate([vowel(), hiss]).astype(np.float32)
    table = heard(sound, Acoustic())
    hissing = table[:, [Viseme.SS, Viseme.CH]].sum(axis=1)
    assert hissing[10:90].max() < 0.1
    assert hissing[110:190].min() > 0.8


def test_quiet_recordings_are_heard_like_loud_ones(spoken: tuple[np.ndarray, np.ndarray]) -> None:
    sound = spoken[0]
    loud, quiet = heard(sound, Mixed()), heard(0.02 * sound, Mixed())
    assert (loud.argmax(axis=1) == quiet.argmax(axis=1)).mean() > 0.9


def test_the_recogniser_takes_a_scrap_of_sound_and_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    listener = Allphone()
    found = Survey(level=np.ones(1, np.float32), loud_db=-15.0, quiet_db=-49.0, loud_band=5.0, samples=80)
    assert listener.posteriors(vowel(0.005), found).shape == (1, VISEMES)
    assert listener.posteriors(vowel(1.0), found).shape == (100, VISEMES)
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""


def from_file(path: Path) -> tuple[np.ndarray, np.ndarray]:
    found = survey(iter_sound(path, rate=RATE))
    table = np.concatenate(list(listen.listen(iter_sound(path, rate=RATE), found)))
    assert abs(len(table) - len(found.level)) == 0
    return found.level, channel_curves(table)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "least"),
    [("speech/jfk.flac", 0.6), ("grid/bbaf2n.mpg", 0.45), ("grid/lrwp9a.mpg", 0.4), ("speech/fsdd_7_theo_1.wav", 0.3)],
)
def test_real_speech_opens_the_mouth_with_the_voice(shared_data: Path, name: str, least: float) -> None:
    level, curves = from_file(shared_data / name)
    jaw = curves[:, JAW]
    assert np.corrcoef(jaw, level)[0, 1] > least
    assert np.percentile(jaw, 95) > 0.05
    assert jaw.max() < 0.2
    if (level < 0.02).sum() > 20:
        assert np.median(jaw[level < 0.02]) < 0.02


@pytest.mark.shared
def test_music_moves_the_mouth_and_breaks_nothing(shared_data: Path) -> None:
    level, curves = from_file(shared_data / "speech/music_no_speech.ogg")
    assert np.isfinite(curves).all()
    assert np.abs(curves[level <= 0][:, JAW]).mean() < 0.02
