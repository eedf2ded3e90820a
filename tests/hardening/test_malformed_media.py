"""Five hundred broken files: each is answered in words, soon, without growing, and without taking the process along."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
MUTATIONS = HERE.parents[1] / "fuzz" / "broken_media.py"
COUNT = int(os.environ.get("THSAFE_TEST_MUTATIONS", "500"))
SECONDS = 30
MEGABYTES = 160


def _mutations():
    spec = importlib.util.spec_from_file_location("thsafe_broken_media", MUTATIONS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    folder = tmp_path_factory.mktemp("broken")
    for name, data in _mutations().mutations(COUNT):
        (folder / name).write_bytes(data)
    return folder


def _try_all(folder: Path, home: Path, way: str):
    command = [sys.executable, str(HERE / "try_files.py"), str(folder), str(home), way]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=570)
    assert done.returncode == 0, (done.stdout.splitlines()[-1:], done.stderr[-2000:])
    return [json.loads(line) for line in done.stdout.splitlines()]


def _check(rows, count: int) -> None:
    assert len(rows) == count
    assert [row for row in rows if row[1].startswith("TRACEBACK")] == []
    assert [row for row in rows if row[2] > SECONDS] == []
    warm = rows[count // 5][3]
    assert rows[-1][3] - warm < MEGABYTES, f"grew from {warm} to {rows[-1][3]} MB"


def test_genuine_files_are_read(tmp_path):
    folder = tmp_path / "whole"
    folder.mkdir()
    whole = _mutations().seeds()
    for name, data in whole.items():
        (folder / f"whole.{name}").write_bytes(data)
    rows = _try_all(folder, tmp_path / "home", "read")
    assert {row[0]: row[1] for row in rows} == {f"whole.{name}": "read" for name in whole}


def test_broken_files_are_read_or_refused_in_words(broken, tmp_path):
    rows = _try_all(broken, tmp_path / "home", "read")
    _check(rows, COUNT)
    came = Counter(row[1] for row in rows)
    # a corpus that is all refused, or not at all, would test nothing
    assert came["read"] > COUNT // 10
    assert sum(number for word, number in came.items() if word.startswith("input.")) > COUNT // 4


def test_broken_files_are_verified_to_a_verdict_or_refused(broken, tmp_path):
    rows = _try_all(broken, tmp_path / "home", "verify")
    _check(rows, COUNT)
    # noise and damage are never evidence of a history
    assert {row[1] for row in rows if not row[1].startswith("input.")} <= {"inconclusive", "tampered"}
