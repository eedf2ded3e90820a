"""Running a program that is not ours: in its own process group, with no more of the environment than it needs.

What it reads and writes lies in a folder of its own, which nothing outlives: not an error, not a kill of this process.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from thsafe.core.errors import EngineError, MissingError

_PYTHONS: Final = ("venv/bin/python", ".venv/bin/python", "env/bin/python")
_PASSED_ON: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
    "OMP_NUM_THREADS",
    "TORCH_HOME",
    "HF_HOME",
    "XDG_CACHE_HOME",
)
"""Nothing else of the environment: it may hold keys."""
_GRACE_SECONDS: Final = 10.0
_GLANCE_SECONDS: Final = 0.1
_LAST_WORDS: Final = 2000
"""Bytes that are read of the end of what a program said."""
_LISTEN: Final = 1 << 16
BEGINS_ANEW: Final = "is a program of its own: a job that is broken off begins anew"
_KEEPER: Final = """
import contextlib, os, shutil, signal, sys, time
group = 0
for line in sys.stdin:
    group = int(line)
for order in (signal.SIGTERM, signal.SIGKILL) if group else ():
    with contextlib.suppress(OSError):
        os.killpg(group, order)
        latest = time.monotonic() + float(sys.argv[2])
        while order == signal.SIGTERM and time.monotonic() < latest:
            os.killpg(group, 0)
            time.sleep(0.05)
shutil.rmtree(sys.argv[1], ignore_errors=True)
"""
"""Reads which process group runs (0: none) until its input ends, which it does with whoever writes there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    code: int
    lines: tuple[str, ...]
    """What it said last, at most some 2000 bytes; lines that rewrite themselves count once each time."""

    @property
    def last(self) -> str:
        """Its last words."""
        return self.lines[-1][:300] if self.lines else "nothing was said"


class WorkFolder:
    """A temporary folder for one run, in which pictures and voices of people lie.

    A small process watches over it: when this one is killed, it ends the program and removes the folder.

    Args:
        name: what is seen of it in the system's temporary folder.
    """

    def __init__(self, name: str) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=f"thsafe-{name}-"))
        self._keeper = subprocess.Popen(
            [sys.executable, "-SIc", _KEEPER, str(self.path), str(_GRACE_SECONDS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is for us; the keeper then clears up
        )

    def watch(self, group: int) -> None:
        """Say which process group runs here; 0 when it has ended."""
        if self._keeper.stdin is not None:
            with contextlib.suppress(OSError):
                self._keeper.stdin.write(b"%d\n" % group)
                self._keeper.stdin.flush()

    def clear(self) -> None:
        """Remove it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._keeper.stdin is not None and not self._keeper.stdin.closed:
            with contextlib.suppress(OSError):
                self._keeper.stdin.close()
            self._keeper.wait()


def interpreter(title: str, folder: Path, named: Path | None) -> str:
    """The Python that runs a checkout: the one that is named, its own environment's, or the one on the path.

    Raises:
        MissingError: ``engine.checkout-python``.
    """
    places = [named] if named else [folder / name for name in _PYTHONS]
    for path in places:
        if path.is_file() and os.access(path, os.X_OK):
            return str(path.absolute())
    found = None if named else shutil.which("python3")
    if found is None:
        raise MissingError(
            f"There is no Python to run {title} with.",
            code="engine.checkout-python",
            found=", ".join(str(path) for path in places),
            next_step=f"name the interpreter of {title}'s environment: --checkout-python PATH",
        )
    return found


def run(
    title: str,
    command: Sequence[str],
    *,
    folder: WorkFolder,
    cwd: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    hear: Callable[[str], None] | None = None,
) -> Ended:
    """Run a program to its end.

    Args:
        title: what it is called in errors.
        command: program and arguments; no shell sees them.
        folder: where it works, and where what it says is kept.
        cwd: its current folder.
        timeout: seconds after which it is told to end (SIGTERM), and ended 10 s later.
        environment: variables besides those that are passed on.
        hear: told every line, also those that end in a carriage return, while it runs.

    Raises:
        EngineError: ``engine.timeout`` or ``engine.start``.
    """
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    log = folder.path / "said"
    with log.open("w+b") as said, log.open("rb") as heard:
        try:
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=kept | {"PYTHONUNBUFFERED": "1"} | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,  # so that its ffmpeg ends with it
            )
        except OSError as problem:
            raise EngineError(
                f"{title} cannot be started.",
                code="engine.start",
                found=f"{command[0]}: {problem.strerror or problem}",
                next_step="check the interpreter: --checkout-python PATH",
            ) from problem
        lines = _Lines(heard, hear)
        try:
            folder.watch(process.pid)
            _wait(title, process, timeout, lines)
        finally:
            _end(process)
            folder.watch(0)
        lines.catch_up()
        size = said.seek(0, os.SEEK_END)
        said.seek(max(0, size - _LAST_WORDS))
        last = tuple(line.strip() for line in _split(said.read().decode("utf-8", "replace")) if line.strip())
    return Ended(code=process.returncode, lines=last)


class _Lines:
    """What a program says, line by line, while it says it."""

    def __init__(self, source: IO[bytes], hear: Callable[[str], None] | None) -> None:
        self._source, self._hear, self._rest = source, hear, ""

    def catch_up(self) -> None:
        """Tell what came since the last time."""
        if self._hear is None:
            return
        while block := self._source.read(_LISTEN):
            *whole, self._rest = _split(self._rest[-_LAST_WORDS:] + block.decode("utf-8", "replace"))
            for line in whole:
                self._hear(line)


def _split(text: str) -> list[str]:
    return text.replace("\r", "\n").split("\n")


def _wait(title: str, process: subprocess.Popen[bytes], timeout: float, lines: _Lines) -> None:
    latest = time.monotonic() + timeout
    while process.poll() is None:
        lines.catch_up()
        if time.monotonic() > latest:
            raise EngineError(
                f"{title} did not come to an end.",
                code="engine.timeout",
                found=f"still running after {timeout:.0f} s",
                next_step="give a shorter input, or more time",
            )
        time.sleep(_GLANCE_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop it and what it started: politely, then not; the second round also meets what a program left running."""
    for order, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, order)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
