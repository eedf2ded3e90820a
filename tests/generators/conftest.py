"""What every user of a machine sees of a process: its command line, and those of its children."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def process_list() -> Callable[[int], list[str]]:
    """Tells the command lines of a process and of all below it, as ``ps`` would."""
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("this system has no /proc")
    return _command_lines


def _command_lines(first: int) -> list[str]:
    found, below = {}, {first}
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended meanwhile
            continue
        found[int(folder.name)], parents[int(folder.name)] = words, parent
    while more := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= more
    return [found[pid] for pid in sorted(below) if pid in found]
