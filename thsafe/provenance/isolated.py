"""Reading credentials of an untrusted file in a process of its own, with limits on time and memory.

The manifest parser is native code that meets bytes from strangers; crafted files have made it run out of memory. The
child gets the file's name and the trust lists, and answers in JSON, which cannot carry anything but values. Every file
gets a child of its own, forked from a template that has the parser loaded.
"""

from __future__ import annotations

import atexit
import base64
import dataclasses
import json
import os
import resource
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import NoReturn

from thsafe.core.clock import from_text, system_clock, to_text
from thsafe.core.errors import InputError
from thsafe.core.types import Json
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.read import Action, Codes, Credentials, IngredientNode, SignerFacts, Thumbnail, read_credentials
from thsafe.provenance.trust import Trust, TrustKind, TrustList
from thsafe.provenance.unprotected import ByteRange

_MAX_ANSWER = 64 << 20
_FRAME = struct.Struct(">BQ")
# -P keeps the working folder off the module path: a folder of downloads may hold a json.py of its own.
_TEMPLATE = (
    "import sys; sys.path.append(sys.argv[1]); from thsafe.provenance import isolated; isolated.serve_questions()"
)
_DONE, _STOPPED, _TOO_LONG = 0, 1, 2
_GRACE = 5.0
_START = 60.0
# Seconds for the template to load the SDK on a busy machine, before its first answer.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")


def read_credentials_isolated(
    path: Path,
    *,
    trust: Trust,
    manifest_bytes: bytes | None = None,
    media_type: str | None = None,
    at: datetime | None = None,
    seconds: float = 60,
    megabytes: int = 2048,
) -> Credentials:
    """As :func:`read_credentials`, in a child process that is killed past its limits; then ``NOT_EVALUATED``.

    Args:
        path: the file.
        trust: the lists to go by.
        manifest_bytes: a manifest store to hold against the file instead of its own.
        media_type: the file's kind, if known.
        at: judge certificates and time stamps as of this moment; None for now.
        seconds: wall-clock limit.
        megabytes: limit on address space; a signed file of 1 GB needs about 600 MB.

    Raises:
        InputError: the file does not exist or cannot be opened.
    """
    if not path.is_file():
        raise InputError("The file does not exist.", code="input.missing", found=path.name)
    task = {
        "path": str(path.absolute()),
        "lists": [[item.name, str(item.kind), item.pem.decode("latin-1")] for item in trust.lists],
        "manifest": None if manifest_bytes is None else base64.b64encode(manifest_bytes).decode(),
        "media_type": media_type,
        "at": None if at is None else to_text(at),
    }
    if _FORK.here:
        return _read_here(path, trust, manifest_bytes, media_type, at)
    try:
        outcome, answer = _FORK.ask(json.dumps(task).encode(), seconds=seconds, megabytes=megabytes)
    except (OSError, EOFError) as problem:
        return _not_evaluated(f"the reader cannot be reached: {type(problem).__name__}")
    if outcome == _TOO_LONG:
        return _not_evaluated(f"reading took longer than {seconds:g} seconds")
    if outcome == _STOPPED:
        return _not_evaluated(f"the reader stopped with status {answer.decode()}: it met a limit or crashed")
    try:
        return credentials_from_json(json.loads(answer))
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        return _not_evaluated(f"the reader's answer cannot be understood: {type(problem).__name__}")


def warm_up() -> None:
    """Start the process that readers are forked from, without waiting for it; the next reading finds it ready."""
    _FORK.start()


def fork_from_here(private: int) -> None:
    """Fork readers from this very process from now on: for one that has limits of its own and serves a single file.

    Args:
        private: a file descriptor that readers must not get.
    """
    _FORK.private = private


def read_in_this_process() -> None:
    """Read without a child from now on: for a worker that has limits of its own and is thrown away when it breaks."""
    _FORK.here = True


def _read_here(
    path: Path, trust: Trust, manifest_bytes: bytes | None, media_type: str | None, at: datetime | None
) -> Credentials:
    try:
        return read_credentials(
            path,
            trust=trust,
            manifest_bytes=manifest_bytes,
            media_type=media_type,
            clock=system_clock if at is None else lambda: at,
        )
    except (MemoryError, ValueError) as problem:
        return _not_evaluated(f"the reader met a limit: {type(problem).__name__}")


def credentials_to_json(found: Credentials) -> dict[str, Json]:
    """A JSON value that :func:`credentials_from_json` turns back into the same credentials."""
    return dataclasses.asdict(found)


def credentials_from_json(value: Mapping[str, Json]) -> Credentials:
    """Credentials from their JSON value; raises KeyError, TypeError or ValueError for anything else."""
    rest = dict(value)
    signer, codes = rest.pop("signer"), rest.pop("codes")
    return Credentials(
        state=Ladder(rest.pop("state")),
        reasons=tuple(rest.pop("reasons")),
        signer=None if signer is None else SignerFacts(**signer),
        actions=tuple(Action(**{**item, "regions": tuple(item["regions"])}) for item in rest.pop("actions")),
        digital_source_types=tuple(rest.pop("digital_source_types")),
        ingredients=tuple(_ingredient(item) for item in rest.pop("ingredients")),
        codes=Codes(**{name: tuple(items) for name, items in codes.items()}),
        unprotected=tuple(ByteRange(**item) for item in rest.pop("unprotected")),
        thumbnails=tuple(Thumbnail(**item) for item in rest.pop("thumbnails")),
        **rest,
    )


def _ingredient(value: Mapping[str, Json]) -> IngredientNode:
    lists = {"failures": tuple(value["failures"]), "children": tuple(_ingredient(item) for item in value["children"])}
    return IngredientNode(**{**value, **lists})


def _not_evaluated(reason: str) -> Credentials:
    return Credentials(state=Ladder.NOT_EVALUATED, reasons=(reason,))


class _Fork:
    """The parent's end: one template process that has the SDK loaded and forks a fresh reader for every file.

    A reader that was taken over by one file never sees another; a fork costs milliseconds, a new interpreter a third of
    a second. The template reads no media itself and ends with its parent, whose pipe it listens to.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0
        self.private: int | None = None
        """Set where readers are forked from this process: what they must not get."""
        self.here = False
        """Set where there is no child: this process may break itself."""

    def start(self) -> None:
        with self._lock:
            if self.private is None and not self.here:
                self._running()

    def ask(self, task: bytes, *, seconds: float, megabytes: int) -> tuple[int, bytes]:
        with self._lock:
            if self.private is not None:
                silence = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
                try:
                    return _fork_reader(task, megabytes, seconds, self.private, silence)
                finally:
                    os.close(silence)
            process = self._running()
            try:
                return _exchange(process, f"{megabytes} {seconds}\n".encode() + task + b"\n", seconds + _GRACE)
            except BaseException:
                self._stop()  # what it says next would answer another question
                raise

    def stop(self) -> None:
        with self._lock:
            self._stop()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and (self._owner != os.getpid() or self._process.poll() is not None):
            self._stop()
        if self._process is None:
            environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _TEMPLATE, str(Path(__file__).parents[2])],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # an interrupt at the terminal is the parent's to handle
            )
            self._owner = os.getpid()
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        if self._owner == os.getpid():
            process.kill()
            process.wait()
        else:
            process.returncode = 0  # another process's child: not ours to wait for


def _exchange(process: subprocess.Popen[bytes], question: bytes, seconds: float) -> tuple[int, bytes]:
    if process.stdin is None or process.stdout is None:
        raise EOFError
    process.stdin.write(question)
    process.stdin.flush()
    handle, deadline = process.stdout.fileno(), time.monotonic() + seconds + _START
    header = _receive(handle, _FRAME.size, deadline)
    outcome, length = _FRAME.unpack(header)
    return outcome, _receive(handle, length, deadline)


def _receive(handle: int, length: int, deadline: float) -> bytes:
    """Exactly so many bytes; raises EOFError if the other end closes or the deadline passes."""
    parts = bytearray()
    while len(parts) < length:
        if not select.select([handle], [], [], max(0.0, deadline - time.monotonic()))[0]:
            raise EOFError
        piece = os.read(handle, min(1 << 20, length - len(parts)))
        if not piece:
            raise EOFError
        parts += piece
    return bytes(parts)


def serve_questions() -> None:
    """Be the template process: one question after another, each answered by a fork of its own."""
    questions, answers = sys.stdin.buffer, os.dup(1)
    silence = os.open(os.devnull, os.O_RDWR)
    os.dup2(silence, 1)
    while limits := questions.readline():
        megabytes, seconds = limits.split()
        outcome, answer = _fork_reader(questions.readline(), int(megabytes), float(seconds), answers, silence)
        with open(answers, "wb", closefd=False) as stream:
            stream.write(_FRAME.pack(outcome, len(answer)) + answer)


def _fork_reader(task: bytes, megabytes: int, seconds: float, answers: int, silence: int) -> tuple[int, bytes]:
    incoming, outgoing = os.pipe()
    child = os.fork()
    if child == 0:
        # The parent's pipes are not for a process that may be taken over by what it reads.
        os.close(incoming)
        os.close(answers)
        os.dup2(silence, 0)
        _read_and_exit(task, megabytes, seconds, outgoing)
    os.close(outgoing)
    answer, outcome, deadline = bytearray(), _DONE, time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([incoming], [], [], left)[0]:
            outcome = _TOO_LONG
            break
        piece = os.read(incoming, 1 << 20)
        answer += piece
        if not piece or len(answer) > _MAX_ANSWER:
            break
    os.close(incoming)
    if outcome != _DONE or len(answer) > _MAX_ANSWER:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if outcome == _TOO_LONG:
        return outcome, b""
    return (_STOPPED, str(status).encode()) if status else (_DONE, bytes(answer))


def _read_and_exit(task: bytes, megabytes: int, seconds: float, outgoing: int) -> NoReturn:
    try:
        limit, share = megabytes << 20, max(1, round(seconds))
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (share, share + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with open(outgoing, "wb") as stream:
            stream.write(_answer(json.loads(task)))
    except BaseException:  # noqa: BLE001 - the exit status is the whole message
        os._exit(1)
    os._exit(0)


def _answer(task: Json) -> bytes:
    lists = tuple(
        TrustList(name=name, kind=TrustKind(kind), pem=pem.encode("latin-1")) for name, kind, pem in task["lists"]
    )
    manifest = None if task["manifest"] is None else base64.b64decode(task["manifest"])
    at = None if task["at"] is None else from_text(task["at"])
    found = read_credentials(
        Path(task["path"]),
        trust=Trust(lists),
        manifest_bytes=manifest,
        media_type=task["media_type"],
        clock=system_clock if at is None else lambda: at,
    )
    return json.dumps(credentials_to_json(found)).encode()


_FORK = _Fork()
atexit.register(_FORK.stop)
