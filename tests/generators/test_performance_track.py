"""Tracks: what is written is read back, and what a person got wrong is told with its line."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.track import COLUMNS, LIMITS, NUMBERS, TrackWriter, parse, read_text, values
from thsafe.core.errors import InputError, UsageError

HEADER = '{"format": "thsafe.performance/1", "fps": "25", "seed": 0, "engine": "x"}'


def pose(**numbers: float) -> Pose:
    expression = np.array([numbers.pop(name, 0.0) for name in CHANNELS], np.float32)
    return Pose(expression=expression, **numbers)


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["a.jsonl", "a.csv"]),
    st.lists(st.fixed_dictionaries({name: st.floats(*LIMITS[name]) for name in COLUMNS[1:]}), min_size=1, max_size=6),
)
def test_what_is_written_is_played_back(tmp_path_factory: pytest.TempPathFactory, name: str, rows: list) -> None:
    path = tmp_path_factory.mktemp("track") / name
    poses = [pose(**row) for row in rows]
    with TrackWriter(path, fps=Fraction(25), seed=3, engine="x") as writer:
        for number, item in enumerate(poses):
            writer.add(number / 25, item)
    track = parse(read_text(path))
    assert track.fps == 25
    assert track.seconds == pytest.approx(len(poses) / 25)
    for kept, item in zip(track.poses(Fraction(25), len(poses)), poses, strict=True):
        assert np.allclose(values(0, kept), values(0, item), atol=2e-5, rtol=1e-4)
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_another_rate_is_interpolated_and_the_last_row_holds() -> None:
    track = parse(f'{HEADER}\n{{"time": 0, "yaw": 0}}\n{{"time": 1, "yaw": 10}}')
    assert [round(item.yaw, 3) for item in track.poses(Fraction(2), 5)] == [0, 5, 10, 10, 10]


@pytest.mark.parametrize(
    ("text", "code", "line"),
    [
        ("", "performance.header", 1),
        ("{}", "performance.header", 1),
        ('{"format": "thsafe.performance/2", "fps": 25}', "performance.header", 1),
        ('{"format": "thsafe.performance/1", "fps": 0}', "performance.header", 1),
        (HEADER, "performance.empty", 1),
        (f"{HEADER}\nnonsense", "performance.row", 2),
        (f"{HEADER}\n[1]", "performance.row", 2),
        (HEADER + '\n{"jaw": 0.1}', "performance.row", 2),
        (HEADER + '\n{"time": 0}\n{"time": 0.04, "jaw": 9}', "performance.row", 3),
        (HEADER + '\n{"time": 0}\n\n{"time": 0.04, "jaww": 0}', "performance.row", 4),
        (HEADER + '\n{"time": 1}\n{"time": 0.5}', "performance.row", 3),
        (HEADER + '\n{"time": 0, "jaw": NaN}', "performance.row", 2),
        (HEADER + '\n{"time": 0, "jaw": true}', "performance.row", 2),
        (HEADER + '\n{"time": 0, "jaw": "wide"}', "performance.row", 2),
        (HEADER + '\n{"time": 0, "jaw": [1]}', "performance.row", 2),
        ('# format="thsafe.performance/1" fps="25"\ntime,jaw\n0,0\n0.04', "performance.row", 4),
        ('# format="thsafe.performance/1" fps="25"\ntime,jaw,jaw\n0,0,0', "performance.row", 2),
        ('# format="thsafe.performance/1" fps="25"\ntime,jaw\n0,x', "performance.row", 3),
        ("time,jaw\n0,0", "performance.header", 1),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(InputError) as caught:
        parse(text)
    assert caught.value.code == code
    assert f"line {line}" in caught.value.explain()
    assert caught.value.next_step


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=120), st.booleans())
def test_nothing_crashes_the_reader(text: str, headed: bool) -> None:
    with contextlib.suppress(InputError):
        parse(HEADER + "\n" + text if headed else text)


def test_a_track_has_an_ending_and_a_folder(tmp_path: Path) -> None:
    for path, code in ((tmp_path / "a.txt", "performance.kind"), (tmp_path / "no" / "a.csv", "performance.folder")):
        with pytest.raises(UsageError) as caught:
            TrackWriter(path, fps=Fraction(25), seed=0, engine="x")
        assert caught.value.code == code


def test_a_failed_run_leaves_no_track(tmp_path: Path) -> None:
    def fail() -> None:
        with TrackWriter(tmp_path / "a.csv", fps=Fraction(25), seed=0, engine="x") as writer:
            writer.add(0.0, Pose.neutral())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_columns_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "performance.md").read_text()
    for name in COLUMNS:
        assert f"`{name}`" in page
        if name not in {"time", *NUMBERS[:4]}:
            assert f"| {LIMITS[name][0]:g} to {LIMITS[name][1]:g}" in page.replace("0.10 ", "0.1 ")
