"""Programs of others: what they say is heard, and nothing of them outlives us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from generators import program
from thsafe.core.errors import EngineError

PIECES = """
import sys, time
for part in ('proc', 'essing\\r', 'x\\n', 'y' * 9000 + '\\n'):
    sys.stderr.write(part); sys.stderr.flush(); time.sleep(.15)
"""
FAMILY = """
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid} ")
time.sleep(300)
"""
OURS = """
import sys
from generators import program
folder = program.WorkFolder("test")
print(folder.path, flush=True)
program.run("It", [sys.executable, "-c", sys.argv[1], sys.argv[2]], folder=folder, cwd=folder.path, timeout=60)
"""


def test_what_it_says_in_pieces_is_heard_whole() -> None:
    heard: list[str] = []
    folder = program.WorkFolder("test")
    ended = program.run(
        "It", [sys.executable, "-c", PIECES], folder=folder, cwd=folder.path, timeout=30, hear=heard.append
    )
    assert [line for line in heard if line][:2] == ["processing", "x"]
    assert ended.last == "y" * 300
    with pytest.raises(EngineError) as caught:
        program.run("It", [str(folder.path / "none")], folder=folder, cwd=folder.path, timeout=3)
    assert caught.value.code == "engine.start"
    assert folder.path.is_dir()
    folder.clear()
    folder.clear()
    assert not folder.path.exists()


def _runs(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_when_we_are_killed_it_ends_with_its_children_and_the_folder_goes(tmp_path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("this system has no /proc")
    noted = tmp_path / "pids"
    ours = subprocess.Popen([sys.executable, "-c", OURS, FAMILY, str(noted)], stdout=subprocess.PIPE, text=True)
    assert ours.stdout is not None
    folder = Path(ours.stdout.readline().strip())
    latest = time.monotonic() + 30
    while not (noted.exists() and noted.read_text().endswith(" ")) and time.monotonic() < latest:
        time.sleep(0.02)
    pids = [int(pid) for pid in noted.read_text().split()]
    assert len(pids) == 2
    assert all(_runs(pid) for pid in pids)
    assert folder.is_dir()
    os.kill(ours.pid, signal.SIGKILL)
    ours.communicate()
    latest = time.monotonic() + 15
    while (folder.exists() or any(_runs(pid) for pid in pids)) and time.monotonic() < latest:
        time.sleep(0.05)
    assert not any(_runs(pid) for pid in pids)
    assert not folder.exists()
