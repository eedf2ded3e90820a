"""Poses: alive but calm, the same for the same seed, smooth everywhere, flat in memory."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from generators.embedded.coarticulation import channel_curves
from generators.embedded.life import COLUMNS, life
from generators.embedded.performance import Performance
from generators.embedded.pose import CHANNELS, MAX_GAZE, MAX_PITCH, MAX_YAW, Pose
from generators.embedded.visemes import VISEMES, Viseme, posteriors
from generators.speech.espeak import Phone
from thsafe.core.errors import UsageError

LOUD = np.tile(np.concatenate([np.ones(30), np.full(15, 0.4), np.ones(25), np.zeros(30)]), 600).astype(np.float32)
"""Ten minutes of something like speech."""


def track(seconds: int, seed: int, level: np.ndarray = LOUD) -> np.ndarray:
    return np.concatenate(list(itertools.islice(life(level, seed=seed), seconds)))


@pytest.fixture(scope="module")
def long_life() -> np.ndarray:
    return track(600, seed=7)


def column(rows: np.ndarray, name: str) -> np.ndarray:
    return rows[:, COLUMNS.index(name)]


def test_blinks_come_as_often_as_people_blink(long_life: np.ndarray) -> None:
    shut = column(long_life, "blink") > 0.5
    starts = np.flatnonzero(shut[1:] & ~shut[:-1]) / 100
    assert 12 <= len(starts) / 10 <= 24  # per minute
    waits = np.diff(starts)
    assert 0.85 <= waits.min() < 2.0
    assert 5.0 < waits.max() <= 7.05
    assert column(long_life, "blink").max() == pytest.approx(1.0, abs=0.01)


def test_a_blink_shuts_faster_than_it_opens(long_life: np.ndarray) -> None:
    blink = column(long_life, "blink")
    peak = int(np.flatnonzero(blink > 0.999)[0])
    shutting = peak - int(np.flatnonzero(blink[:peak] < 0.01)[-1])
    opening = int(np.flatnonzero(blink[peak:] < 0.01)[0])
    assert 6 <= shutting <= 12
    assert 17 <= opening <= 25


@pytest.mark.parametrize(("name", "low", "high", "limit"), [("yaw", 1.8, 3.4, MAX_YAW), ("pitch", 0.9, 2.2, MAX_PITCH)])
def test_the_head_is_alive_but_calm(long_life: np.ndarray, name: str, low: float, high: float, limit: float) -> None:
    angle = column(long_life, name)
    assert low < angle.std() < high
    assert np.abs(angle).max() < limit
    assert np.abs(np.diff(angle)).max() * 100 < 30  # degrees a second
    assert abs(angle.mean()) < 1.0


def test_eyes_stay_on_the_viewer(long_life: np.ndarray) -> None:
    x, y = column(long_life, "gaze_x"), column(long_life, "gaze_y")
    assert np.abs(x).max() < MAX_GAZE
    assert np.abs(y).max() < MAX_GAZE
    still = np.abs(np.diff(x)) < 0.0005
    assert still.mean() > 0.8  # glances are jumps between rests


def test_it_begins_at_rest() -> None:
    first = track(1, seed=3, level=np.zeros(100, np.float32))[0]
    assert np.abs(first[[COLUMNS.index(name) for name in ("blink", "yaw", "pitch", "roll", "breath")]]).max() < 0.01


def test_the_seed_decides() -> None:
    assert np.array_equal(track(5, seed=1), track(5, seed=1))
    assert not np.array_equal(track(5, seed=1), track(5, seed=2))


def test_brows_rise_with_the_voice() -> None:
    level = np.zeros(600, np.float32)
    level[300:320] = 1.0
    raised = column(track(6, seed=4, level=level), "browup") - column(track(6, seed=4, level=0 * level), "browup")
    assert raised[305:315].min() > 0.015
    assert np.abs(raised[:250]).max() < 1e-6


PHONES = [
    Phone(start=number * 0.1, end=(number + 1) * 0.1, ipa=ipa)
    for number, ipa in enumerate(["", "m", "ɑ", "p", "i", "s", "u", "f", "ə", "b", "oʊ", ""] * 3)
]


def poses(*, fps: Fraction = Fraction(25), frames: int = 90, seed: int = 0, chunk: int = 1000) -> list[Pose]:
    table = posteriors(PHONES, seconds=3.6)
    chunks = (table[begin : begin + chunk] for begin in range(0, len(table), chunk))
    return list(Performance(chunks, LOUD[:360], fps=fps, frames=frames, seed=seed))


def test_as_many_poses_as_asked_for_even_beyond_the_sound() -> None:
    many = poses(frames=500)
    assert len(many) == 500
    assert not many[-1].expression[: CHANNELS.index("browup")].any()
    assert len(poses(frames=0)) == 0


def test_poses_are_the_same_however_the_input_is_cut() -> None:
    for one, other in zip(poses(), poses(chunk=7), strict=True):
        assert np.allclose(one.expression, other.expression, atol=1e-5)
        assert one.yaw == other.yaw


def test_the_seed_moves_the_head_and_never_the_mouth() -> None:
    mouth = slice(0, CHANNELS.index("browup"))
    one, other = poses(seed=1), poses(seed=2)
    assert all(np.array_equal(a.expression[mouth], b.expression[mouth]) for a, b in zip(one, other, strict=True))
    assert any(a.yaw != b.yaw for a, b in zip(one, other, strict=True))
    assert [pose.yaw for pose in one] == [pose.yaw for pose in poses(seed=1)]


def test_lips_lead_the_sound_by_sixty_milliseconds() -> None:
    jaw = CHANNELS.index("jaw")
    curve = channel_curves(posteriors(PHONES, seconds=3.6))[:, jaw]
    shown = np.array([pose.expression[jaw] for pose in poses(fps=Fraction(100), frames=350)])
    assert np.allclose(shown, curve[6:356], atol=1e-6)


@pytest.mark.parametrize("fps", [Fraction(24), Fraction(30000, 1001), Fraction(60)])
def test_the_frame_rate_does_not_change_the_life(fps: Fraction) -> None:
    frames = int(3 * fps)
    times = np.arange(frames) / float(fps)
    dense = [pose.yaw for pose in poses(fps=Fraction(100), frames=330)]
    assert np.allclose([pose.yaw for pose in poses(fps=fps, frames=frames)], np.interp(times * 100, range(330), dense))


def test_nothing_jumps() -> None:
    many = poses(frames=150)
    jaw = np.array([pose.expression[0] for pose in many])
    assert np.abs(np.diff(jaw)).max() < 0.13
    assert max(abs(a.yaw - b.yaw) for a, b in itertools.pairwise(many)) < 0.6
    assert max(abs(a.pitch - b.pitch) for a, b in itertools.pairwise(many)) < 1.0


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"fps": Fraction(0)}, "engine.fps"), ({"fps": Fraction(121)}, "engine.fps"), ({"seed": -1}, "engine.seed")],
)
def test_wrong_numbers_are_told_at_once(wrong: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        Performance(iter(()), LOUD, **{"fps": Fraction(25), "frames": 1, **wrong})
    assert caught.value.code == code


def test_input_is_read_only_as_far_as_needed() -> None:
    read = 0

    def chunks() -> Iterator[np.ndarray]:
        nonlocal read
        while True:
            read += 1
            silence = np.zeros((100, VISEMES))
            silence[:, Viseme.SIL] = 1
            yield silence

    performance = Performance(chunks(), LOUD, fps=Fraction(25), frames=10**9)
    for _ in range(250):
        next(performance)
    assert read <= 12


MEMORY = """
import sys
from fractions import Fraction
from generators.embedded.performance import Performance
from pathlib import Path
from generators.embedded.soundtrack import Manner, Recorded, Spoken, fitted_sound, frame_count
from thsafe.core.types import Silent
track = TRACK
frames = frame_count(track, Fraction(25))
sound = fitted_sound(track, Fraction(25))
for pose in Performance(track.posteriors(), track.survey.level, fps=Fraction(25), frames=frames): next(sound, None)
for block in sound: pass
# VmHWM begins anew with the program; ru_maxrss would begin with the size of the process that started it
print(frames / 25, Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
"""


SPOKEN = 'Spoken("The quick brown fox jumps over the lazy dog again. " * int(sys.argv[1]), Manner(), Silent())'
RECORDED = "Recorded(Path(sys.argv[1]))"


def measured(track: str, argument: object) -> tuple[float, float]:
    """Seconds of the clip and the process's largest size in kB."""
    command = [sys.executable, "-c", MEMORY.replace("TRACK", track), str(argument)]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert not done.stderr
    seconds, kilobytes = done.stdout.split()
    return float(seconds), float(kilobytes)


def test_memory_does_not_grow_with_the_text() -> None:
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
    # The windows that are held fill up in the first minute; from there on nothing may grow.
    short, long = measured(SPOKEN, 20), measured(SPOKEN, 60)
    assert 58 < short[0] < 80
    assert long[0] > 180
    assert long[1] < 1.1 * short[1]


def test_memory_does_not_grow_with_the_recording(tmp_path: Path) -> None:
    sizes = []
    for seconds in (10, 60):
        time = np.arange(seconds * 16000) / 16000
        sound = 0.3 * np.sin(2 * np.pi * 150 * time) * (0.5 + 0.5 * np.sin(2 * np.pi * 2.5 * time))
        soundfile.write(tmp_path / "voice.wav", sound, 16000)
        length, size = measured(RECORDED, tmp_path / "voice.wav")
        assert length == seconds
        sizes.append(size)
    assert sizes[1] < 1.1 * sizes[0]
