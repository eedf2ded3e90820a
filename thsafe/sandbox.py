"""Examining a stranger's file in a process of its own, under limits and cut off from the network.

One template process has everything loaded that an examination needs; every file gets a fork of it that serves this
file only. What the fork finds comes back as lines of JSON, which cannot carry anything but values. It opens the store
for reading, never the log's or the gate's keys, and writes nothing but temporary files in the folder it is given.
"""

from __future__ import annotations

import atexit
import contextlib
import itertools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.confinement import Bounds
from thsafe.core.errors import InputError, StoreError, error_from_dict
from thsafe.core.types import Json
from thsafe.home import Home

if TYPE_CHECKING:
    from thsafe.report.view import View

Tell = Callable[[dict[str, Json]], None]
"""Told ``{"check": name}`` when a check begins and ``{"check", "status", "code", "summary"}`` when it is done."""

_TEMPLATE = "import sys; sys.path.append(sys.argv[1]); from thsafe import examiner; examiner.serve(int(sys.argv[2]))"
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "HOME", "THSAFE_DB", "OMP_NUM_THREADS")
_MOST_ANSWER = 64 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Leads:
    """Where a file's marks lead, for whoever looks up manifests."""

    mark_id: str | None
    """The watermark read from the picture or sound."""
    manifest_id: str | None
    """The published output that a mark or the encoded content leads to."""
    fingerprint: str | None
    soundprint: str | None
    moved: bool
    """The mark belongs to a different video."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What came of one file."""

    view: View
    leads: Leads


class Sandbox:
    """The parent's end: forks examiners and listens to them; safe to use from several threads at once."""

    def __init__(self, home: Home, bounds: Bounds | None = None) -> None:
        """Prepare; nothing is started before ``start`` or the first file.

        Args:
            home: whose trust lists, store and watermark keys the examination uses.
            bounds: what one file may cost.
        """
        self._home = home
        self._bounds = bounds or Bounds()
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None
        atexit.register(self.stop)

    def start(self) -> None:
        """Load the template, without waiting for it."""
        with self._lock:
            self._running()

    def stop(self) -> None:
        """End the template and every examiner."""
        with self._lock:
            channel, self._channel = self._channel, None
            process, self._process = self._process, None
            if channel is not None:
                channel.close()
            if process is not None:
                try:
                    process.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def examine(
        self,
        path: Path,
        *,
        name: str,
        folder: Path,
        tell: Tell | None = None,
        cancelled: threading.Event | None = None,
        detectors: bool = False,
        impersonal: bool = False,
        fingerprint: bool = False,
    ) -> Examined:
        """Examine one file.

        Args:
            path: the file.
            name: what the report calls it.
            folder: where the examiner may put temporary files; the caller's to delete.
            tell: told each check.
            cancelled: when it is set the examiner is killed.
            detectors: let installed forensic detectors look too.
            impersonal: leave out of the report whatever may name a person (``thsafe.report.impersonal``).
            fingerprint: also take the fingerprint, where no check has asked for it.

        Raises:
            InputError: the file is not media, is over a limit, or the examination met a limit (``sandbox.limit``),
                took too long (``sandbox.time``), crashed (``sandbox.crashed``) or was stopped (``sandbox.cancelled``).
            MissingError: ``sandbox.unavailable``.
            StoreError: ``sandbox.gone``: the process cannot be started; or the database cannot be opened.
        """
        task = {
            "path": str(path.absolute()),
            "name": name,
            "folder": str(folder.absolute()),
            "home": str(self._home.path.absolute()),
            "detectors": detectors,
            "impersonal": impersonal,
            "fingerprint": fingerprint,
            "bounds": asdict(self._bounds),
        }
        number, answers = self._begin(task)
        with answers:
            return self._listen(number, answers, tell, cancelled)

    def _begin(self, task: dict[str, Json]) -> tuple[int, socket.socket]:
        number = next(self._numbers)
        message = json.dumps({"start": number, **task}).encode()
        ours, theirs = socket.socketpair()
        with theirs:
            for attempt in (1, 2):
                with self._lock:
                    channel = self._running()
                    try:
                        socket.send_fds(channel, [message], [theirs.fileno()])
                    except OSError as problem:
                        self._lost()
                        if attempt == 2:
                            ours.close()
                            raise _gone(problem) from problem
                    else:
                        break
        return number, ours

    def _listen(
        self, number: int, answers: socket.socket, tell: Tell | None, cancelled: threading.Event | None
    ) -> Examined:
        told: dict[str, Json] = {}
        deadline = time.monotonic() + self._bounds.seconds + 60  # the template keeps the time; this is if it has gone
        try:
            for line in _lines(answers, cancelled, deadline):
                if "check" in line:
                    if tell is not None:
                        tell(line)
                else:
                    told |= line
                    if "ended" in line:
                        break
        except _Cancelled as problem:
            self._kill(number)
            raise InputError("The examination was stopped.", code="sandbox.cancelled") from problem
        except (OSError, EOFError, ValueError, TypeError, RecursionError) as problem:
            self._kill(number)
            raise _gone(problem) from problem
        return _outcome(told)

    def _kill(self, number: int) -> None:
        with self._lock, contextlib.suppress(OSError):
            if self._channel is not None:
                self._channel.send(json.dumps({"stop": number}).encode())

    def _running(self) -> socket.socket:
        if self._process is not None and self._process.poll() is not None:
            self._lost()
        if self._channel is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
                self._process = subprocess.Popen(
                    # -P keeps the working folder off the module path: a folder of uploads may hold a json.py.
                    [sys.executable, "-P", "-c", _TEMPLATE, str(Path(__file__).parents[1]), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env=environment,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # an interrupt at the terminal is the parent's to handle
                )
            self._channel = ours
        return self._channel

    def _lost(self) -> None:
        channel, self._channel = self._channel, None
        process, self._process = self._process, None
        if channel is not None:
            channel.close()
        if process is not None:
            process.kill()
            process.wait()


class _Cancelled(Exception):
    pass


def _lines(answers: socket.socket, cancelled: threading.Event | None, deadline: float) -> itertools.chain[Json]:
    return itertools.chain.from_iterable(_received(answers, cancelled, deadline))


def _received(answers: socket.socket, cancelled: threading.Event | None, deadline: float) -> Json:
    """The JSON objects that arrive, in groups; raises EOFError when the other end closes or the time is over."""
    rest, size = bytearray(), 0
    while True:
        if cancelled is not None and cancelled.is_set():
            raise _Cancelled
        if time.monotonic() > deadline:
            raise EOFError
        if not select.select([answers], [], [], 0.25)[0]:
            continue
        piece = answers.recv(1 << 20)
        size += len(piece)
        if not piece or size > _MOST_ANSWER:
            raise EOFError
        rest += piece
        *whole, last = rest.split(b"\n") if b"\n" in piece else [rest]
        rest = bytearray(last)
        yield [json.loads(line) for line in whole if line.strip()]


def _outcome(told: dict[str, Json]) -> Examined:
    from thsafe.report.view import view_from_json

    if told.get("late"):
        raise InputError(
            "Examining the file took too long.",
            code="sandbox.time",
            rule="every file gets the same time",
            next_step="try a shorter piece of it, or thsafe verify on a machine of your own",
        )
    if "problem" in told:
        raise error_from_dict(told["problem"])
    if "view" in told and told.get("ended") == 0:
        try:
            return Examined(view=view_from_json(told["view"]), leads=Leads(**told["leads"]))
        except (KeyError, TypeError, ValueError) as problem:
            raise _gone(problem) from problem
    status = told.get("ended")
    if status in {-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGXFSZ}:
        raise InputError(
            "Examining the file met a limit of this server.",
            code="sandbox.limit",
            found=f"the examiner was stopped by {signal.Signals(-int(str(status))).name}",
            next_step="try a smaller or shorter piece of it, or thsafe verify on a machine of your own",
        )
    raise InputError(
        "The examination broke down on this file.",
        code="sandbox.crashed",
        found=f"the examiner ended with status {status}",
        rule="a file that breaks its reader gets no report",
    )


def _gone(problem: BaseException) -> StoreError:
    return StoreError(
        "The examiner cannot be reached.",
        code="sandbox.gone",
        found=type(problem).__name__,
        next_step="try again; if it stays so, look at the memory of the machine",
    )
