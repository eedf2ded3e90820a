"""Processes of this machine: forks of one template that has everything loaded, each serving many items.

A worker that breaks takes nobody with it: the item it had in hand is answered "gone", those behind it in its queue go
to others. A worker is replaced after a while, so that neither memory nor whatever a file did to it lasts.
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from thsafe.batch.assignment import Assignment
from thsafe.batch.executors import Answer
from thsafe.core.errors import StoreError, error_from_dict
from thsafe.core.types import Json

_TEMPLATE = (
    "import sys; sys.path.append(sys.argv[1]); from thsafe.batch import template; "
    "template.serve(int(sys.argv[2]), decodes=sys.argv[3] == '1')"
)
_LIFETIME = 500
"""Items a worker serves without networks; loading a network takes longer than forking."""
_LIFETIME_WITH_MODELS = 20_000
_START_SECONDS = 300.0
_MOST_STILLBORN = 5


@dataclass(slots=True)
class _Worker:
    channel: socket.socket
    queue: deque[Assignment] = field(default_factory=deque)
    """What it was given and has not answered; it has the first in hand."""
    process: int | None = None
    """A pidfd, once it is ready."""
    given: int = 0
    key: str | None = None
    since: float = field(default_factory=time.monotonic)
    """When it began with what it has in hand."""
    rest: bytes = b""
    retired: bool = False


class LocalExecutor:
    """Forks workers as they are needed."""

    survives = True

    def __init__(self, brief: Mapping[str, Json], *, workers: int) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix="thsafe-batch-", ignore_cleanup_errors=True)
        self._brief = {**brief, "scratch": self._scratch.name}
        self._most = workers
        generates = brief["kind"] == "generate"
        self._depth = 1 if generates else 2
        self._seconds = float(brief["settings"]["seconds"])
        loads = generates or brief["settings"]["checks"] == "detectors"
        light = not generates and brief["settings"]["checks"] == "provenance"
        self._decodes = "0" if light else "1"
        self._lifetime = _LIFETIME_WITH_MODELS if loads else _LIFETIME
        self._workers: list[_Worker] = []
        self._again: deque[Assignment] = deque()
        self._stillborn = 0
        self._template: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def room(self) -> int:
        """Queues are short, so that the last items are shared evenly."""
        return self._most * self._depth - sum(len(worker.queue) for worker in self._workers) - len(self._again)

    def submit(self, item: Assignment) -> None:
        """Give it to whoever has least to do."""
        worker = min(self._usable(), key=lambda worker: len(worker.queue), default=None)
        if worker is None or (worker.queue and len(self._workers) < self._most):
            worker = self._fork()
        if not worker.queue:
            worker.since = time.monotonic()
        worker.queue.append(item)
        worker.given += 1
        with suppress(OSError):  # it is gone, which is seen when its channel is read
            worker.channel.sendall(json.dumps(asdict(item)).encode() + b"\n")
        if worker.given >= self._lifetime:
            worker.retired = True
            with suppress(OSError):
                worker.channel.shutdown(socket.SHUT_WR)

    def wait(self, seconds: float) -> list[Answer]:
        """Answers, and what became of workers that died or took too long."""
        while self._again and any(len(worker.queue) < self._depth for worker in self._usable()):
            self.submit(self._again.popleft())
        if self._again and len(self._workers) < self._most:
            self.submit(self._again.popleft())
        channels = {worker.channel: worker for worker in self._workers}
        ready, _, _ = select.select(list(channels), [], [], seconds)
        answers: list[Answer] = []
        for channel in ready:
            answers += self._hear(channels[channel])
        answers += self._end_the_late()
        return answers

    def close(self) -> None:
        """The template's end is the end of all its forks; what they had fetched goes too."""
        for worker in self._workers:
            self._kill(worker)
            worker.channel.close()
            if worker.process is not None:
                os.close(worker.process)
        self._workers.clear()
        self._again.clear()
        channel, self._channel = self._channel, None
        template, self._template = self._template, None
        if channel is not None:
            channel.close()
        if template is not None:
            try:
                template.wait(timeout=5)
            except subprocess.TimeoutExpired:
                template.kill()
                template.wait()
        self._scratch.cleanup()

    def _usable(self) -> list[_Worker]:
        return [worker for worker in self._workers if not worker.retired and len(worker.queue) < self._depth]

    def _fork(self) -> _Worker:
        ours, theirs = socket.socketpair()
        with theirs:
            for attempt in (1, 2):
                try:
                    socket.send_fds(self._running(), [b"fork"], [theirs.fileno()])
                except OSError:
                    self._channel = None
                    if attempt == 2:
                        raise
                else:
                    break
        worker = _Worker(channel=ours)
        self._workers.append(worker)
        ours.sendall(json.dumps(self._brief).encode() + b"\n")
        return worker

    def _running(self) -> socket.socket:
        if self._template is not None and self._template.poll() is not None:
            self._channel = None
        if self._channel is None:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                root = str(Path(__file__).parents[3])
                self._template = subprocess.Popen(
                    # -P keeps the working folder off the module path: a folder of downloads may hold a json.py.
                    [sys.executable, "-P", "-c", _TEMPLATE, root, str(theirs.fileno()), self._decodes],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=None if os.environ.get("THSAFE_DEBUG") else subprocess.DEVNULL,
                    pass_fds=(theirs.fileno(),),
                    start_new_session=True,  # an interrupt at the terminal is the driver's to handle
                )
            self._channel = ours
        return self._channel

    def _hear(self, worker: _Worker) -> list[Answer]:
        try:
            if worker.process is None:
                piece, handles, _, _ = socket.recv_fds(worker.channel, 1 << 18, 1)
                worker.process = handles[0] if handles else None
            else:
                piece = worker.channel.recv(1 << 18)
        except OSError:
            piece = b""
        if not piece:
            return self._bury(worker, "its worker ended without an answer")
        *lines, worker.rest = (worker.rest + piece).split(b"\n")
        answers: list[Answer] = []
        for line in lines:
            told: dict[str, Json] = json.loads(line)
            if "problem" in told:
                raise error_from_dict(told["problem"])
            if "ready" in told:
                self._stillborn = 0
                worker.since = time.monotonic()
            elif "key" in told:
                worker.key = told["key"]
            else:
                item = worker.queue.popleft()
                worker.key, worker.since = None, time.monotonic()
                answers.append(Answer(number=item.number, result=told["answer"]))
        return answers

    def _bury(self, worker: _Worker, reason: str) -> list[Answer]:
        self._workers.remove(worker)
        worker.channel.close()
        if worker.process is None:
            self._stillborn += 1
            self._again.extend(worker.queue)
            if self._stillborn >= _MOST_STILLBORN:
                raise StoreError(
                    "Workers end before they have begun.",
                    code="batch.workers",
                    found=f"{self._stillborn} in a row",
                    next_step="look at the memory of this machine; then: thsafe batch run --executor serial",
                )
            return []
        os.close(worker.process)
        if not worker.queue:
            return []
        first = worker.queue.popleft()
        self._again.extend(worker.queue)
        return [Answer(number=first.number, result=None, key=worker.key, reason=reason)]

    def _end_the_late(self) -> list[Answer]:
        answers: list[Answer] = []
        now = time.monotonic()
        for worker in list(self._workers):
            most = self._seconds if worker.process is not None else _START_SECONDS
            if worker.queue and now - worker.since > most:
                self._kill(worker)
                answers += self._bury(worker, f"it took longer than {self._seconds:g} seconds")
        return answers

    def _kill(self, worker: _Worker) -> None:
        if worker.process is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(worker.process, signal.SIGKILL)
