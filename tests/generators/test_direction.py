"""Direction: moods that show and fade, lips that still meet, and words for what cannot be played."""

from __future__ import annotations

import dataclasses
import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.embedded.direction import MOODS, Direction
from generators.embedded.life import life
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.visemes import TARGETS, Viseme
from thsafe.core.errors import UsageError

FPS = Fraction(25)


def still(count: int) -> list[Pose]:
    return [Pose.neutral()] * count


def test_no_direction_changes_nothing() -> None:
    poses = still(3)
    assert list(Direction().direct(poses, FPS)) == poses
    assert Direction().params() == {}
    assert Direction.from_params({}) == Direction()


def test_direction_survives_the_request() -> None:
    asked = Direction.read(
        emotion="0 sad:0.5, 2 happy", pose="5,-2,1", gaze="0.5,-0.25", blink_rate=30, head_motion=0.25
    )
    assert Direction.from_params(asked.params()) == asked
    assert asked.moods == ((0.0, "sad", 0.5), (2.0, "happy", 1.0))


@pytest.mark.parametrize("mood", [name for name in MOODS if name != "neutral"])
def test_a_mood_shows_and_grows_with_its_strength(mood: str) -> None:
    full, half = (next(Direction.read(emotion=f"{mood}:{much}").direct(still(1), FPS)) for much in (1, 0.5))
    size = [float(np.abs(pose.expression).sum()) for pose in (full, half)]
    assert size[0] > 0.02
    assert size[1] == pytest.approx(size[0] / 2, rel=1e-4)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.integers(0, 80), st.sampled_from(list(MOODS)), st.floats(0, 1)),
        min_size=1,
        max_size=6,
        unique_by=lambda mood: mood[0],
    )
)
def test_a_time_line_of_moods_never_jumps_and_ends_in_its_last_mood(moods: list[tuple[int, str, float]]) -> None:
    line = tuple((tenth / 20, name, strength) for tenth, name, strength in sorted(moods))
    direction = Direction(moods=line)
    step, most = 0.002, max(abs(value) for mood in MOODS.values() for value in mood.values())
    before = direction._mood(0.0)
    for number in range(1, 2500):
        now = direction._mood(number * step)
        for channel in before.keys() | now.keys():
            # a smooth step changes by at most 1.5 of its height over its length; two moods may change at once
            assert abs(now.get(channel, 0.0) - before.get(channel, 0.0)) <= 6 * most * step / 0.5
        before = now
    start, name, strength = line[-1]
    last = direction._mood(start + 1.0)
    assert {channel: value for channel, value in last.items() if value} == pytest.approx(
        {channel: value * strength for channel, value in MOODS[name].items() if value * strength}
    )


def test_moods_fade_into_each_other() -> None:
    smile, frown = CHANNELS.index("smile"), CHANNELS.index("frown")
    poses = list(Direction.read(emotion="happy, 1 sad").direct(still(60), FPS))
    curve = np.array([pose.expression for pose in poses])
    assert curve[24, smile] == pytest.approx(0.095)
    assert curve[40, frown] == pytest.approx(0.080)
    assert curve[40, smile] == pytest.approx(-0.020)
    assert np.abs(np.diff(curve, axis=0)).max() < 0.02


@pytest.mark.parametrize("mood", MOODS)
def test_lips_that_meet_still_meet(mood: str) -> None:
    closed = Pose(expression=TARGETS[Viseme.PP].astype(np.float32))
    (acted,) = Direction.read(emotion=mood).direct([closed], FPS)
    assert acted.channel("jaw") == 0
    assert acted.channel("press") == pytest.approx(0.035)
    open_ = Pose(expression=TARGETS[Viseme.AA].astype(np.float32))
    (spoken,) = Direction.read(emotion=mood).direct([open_], FPS)
    assert 0.16 <= spoken.channel("jaw") <= 0.21


def test_pose_gaze_and_stillness() -> None:
    moving = [dataclasses.replace(Pose.neutral(), yaw=4.0, gaze_x=0.0)] * 50
    poses = list(Direction.read(pose="5,1,-2", gaze="1,-1", head_motion=0.0).direct(moving, FPS))
    assert {(pose.yaw, pose.pitch, pose.roll, pose.gaze_x, pose.gaze_y) for pose in poses} == {
        (5.0, 1.0, -2.0, 0.045, -0.045)
    }


def test_a_file_of_poses_and_one_of_moods(tmp_path: Path) -> None:
    curve, moods = tmp_path / "turn.csv", tmp_path / "moods.txt"
    curve.write_text("# second, yaw, pitch, roll\n0,0,0,0\n1,10,0,0\n")
    moods.write_text("0 neutral\n0.5 happy:0.5\n")
    asked = Direction.read(pose=str(curve), emotion=str(moods), head_motion=0)
    poses = list(asked.direct(still(26), FPS))
    assert [round(poses[number].yaw, 2) for number in (0, 10, 25)] == [0, 4, 10]
    assert asked.moods[1] == (0.5, "happy", 0.5)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ({"emotion": "glad"}, "direction.emotion"),
        ({"emotion": "happy:2"}, "direction.emotion"),
        ({"emotion": "happy:x"}, "direction.emotion"),
        ({"emotion": "2 happy, 1 sad"}, "direction.emotion"),
        ({"emotion": "-1 happy"}, "direction.emotion"),
        ({"pose": "50,0,0"}, "direction.pose"),
        ({"pose": "1,2"}, "direction.pose"),
        ({"pose": "nan,0,0"}, "direction.pose"),
        ({"pose": "0,1,1,1\n0,1,1,1"}, "direction.pose"),
        ({"gaze": "2,0"}, "direction.gaze"),
        ({"gaze": "left"}, "direction.gaze"),
        ({"blink_rate": 99}, "direction.blinks"),
        ({"head_motion": 2}, "direction.motion"),
    ],
)
def test_what_cannot_be_played_is_told(words: dict[str, object], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        Direction.read(**words)
    assert caught.value.code == code
    assert caught.value.next_step.startswith(("--", "give"))


@pytest.mark.parametrize(("rate", "low", "high"), [(0, 0, 0), (6, 3, 9), (40, 30, 46), (None, 11, 23)])
def test_the_blink_rate_is_kept(rate: float | None, low: int, high: int) -> None:
    rows = np.concatenate(list(itertools.islice(life(np.zeros(6000, np.float32), seed=1, blink_rate=rate), 60)))
    shut = rows[:, 0] > 0.5
    assert low <= int((shut[1:] & ~shut[:-1]).sum()) <= high
