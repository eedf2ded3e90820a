"""The template that local workers are forked from, and what a worker does with its channel.

The template has everything loaded that an examination needs, opens nothing and reads no media. It ends with the driver,
whose channel it listens to, and its forks end with it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import signal
import socket
import tempfile
from typing import TYPE_CHECKING, NoReturn

from thsafe.batch.assignment import Assignment
from thsafe.batch.work import work_of
from thsafe.confinement import end_with_parent
from thsafe.core.errors import ThsafeError
from thsafe.examiner import LOADED

if TYPE_CHECKING:
    from thsafe.core.types import Json


_FOR_PROVENANCE = (
    *(name for name in LOADED if name.startswith("PIL.")),
    *(name for name in LOADED if name.startswith("thsafe.") and ".watermark" not in name and "sound" not in name),
    "thsafe.beside",
    "thsafe.watermark",
)
"""Without what decodes: that takes four times as long to load."""


def serve(handle: int, *, decodes: bool) -> None:
    """Fork a worker for every socket that comes down the channel, until it closes.

    Args:
        handle: of the channel.
        decodes: whether workers will look at pictures and sounds.
    """
    for name in LOADED if decodes else _FOR_PROVENANCE:
        with contextlib.suppress(ImportError):
            __import__(name)
    gc.freeze()  # what is loaded stays shared with the forks
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the driver sees the end of a worker in its channel
    end_with_parent()
    channel = socket.socket(fileno=handle)
    while True:
        message, handles, _, _ = socket.recv_fds(channel, 64, 1)
        if not message:
            return
        for theirs in handles:
            if os.fork() == 0:
                channel.close()
                _be_worker(socket.socket(fileno=theirs))
            os.close(theirs)


def _be_worker(channel: socket.socket) -> NoReturn:
    status = 1
    try:
        end_with_parent()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        _work(channel)
        status = 0
    finally:
        os._exit(status)


def _work(channel: socket.socket) -> None:
    lines = channel.makefile("rb")
    brief: dict[str, Json] = json.loads(lines.readline())
    tempfile.tempdir = brief["scratch"]  # the driver clears it away, however this process ends
    try:
        work = work_of(brief)
    except ThsafeError as problem:
        _tell(channel, {"problem": problem.as_dict()})
        return
    _limit(brief)
    own = os.pidfd_open(os.getpid())
    socket.send_fds(channel, [b'{"ready": true}\n'], [own])
    os.close(own)
    for line in lines:
        item = Assignment(**json.loads(line))
        answer = work.do(item, lambda key: _tell(channel, {"key": key}))
        _tell(channel, {"answer": answer})


def _tell(channel: socket.socket, line: dict[str, Json]) -> None:
    channel.sendall(json.dumps(line).encode() + b"\n")


def _limit(brief: dict[str, Json]) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    settings = brief["settings"]
    if brief["kind"] == "verify" and settings["checks"] != "detectors":
        most = int(settings["megabytes"]) << 20
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
