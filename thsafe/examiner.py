"""The examiner: the other end of ``thsafe.sandbox``, in processes of its own.

``serve`` is the template that has everything loaded; for every task it forks an examiner, which limits itself, examines
one file, tells what it finds as lines of JSON, and ends. The template keeps the time and takes leave of the dead.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from thsafe.confinement import Bounds, confine, end_with_parent
from thsafe.core.errors import ThsafeError
from thsafe.core.types import Evidence, Json
from thsafe.home import Home
from thsafe.sandbox import Leads

if TYPE_CHECKING:
    from thsafe.examination import Examination
    from thsafe.installation import Installation

_MOST_TASK = 1 << 16
LOADED = (
    "av", "c2pa", "cv2", "jinja2", "numpy", "pdqhash", "PIL.BmpImagePlugin", "PIL.GifImagePlugin", "PIL.ImageOps",
    "PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.PpmImagePlugin", "scipy.fft", "scipy.ndimage", "scipy.signal",
    "soxr", "sqlalchemy", "thsafe.findings", "thsafe.forensics", "thsafe.installation", "thsafe.keys",
    "thsafe.ledger.log", "thsafe.media.boxes", "thsafe.media.decode", "thsafe.media.files", "thsafe.media.image",
    "thsafe.media.sound", "thsafe.media.structure", "thsafe.provenance.crosscheck", "thsafe.provenance.essence",
    "thsafe.provenance.fingerprint", "thsafe.provenance.isolated", "thsafe.provenance.lookup",
    "thsafe.provenance.recover", "thsafe.provenance.soundprint", "thsafe.provenance.tree",
    "thsafe.provenance.trustlists", "thsafe.report.impersonal", "thsafe.report.view", "thsafe.verification",
    "thsafe.watermark.describe", "thsafe.watermark.files", "thsafe.watermark.soundreader",
)  # fmt: skip
"""What the template imports beforehand: a fork costs milliseconds, these imports a second."""


@dataclass(slots=True)
class _Child:
    pid: int
    watch: int
    """A pidfd: readable when the process has ended."""
    answers: socket.socket
    deadline: float
    late: bool = False


def serve(handle: int) -> None:
    """Be the template: fork an examiner for every task that comes down the channel, until it closes."""
    for name in LOADED:
        with contextlib.suppress(ImportError):
            __import__(name)
    gc.freeze()  # what is loaded stays shared with the forks
    channel = socket.socket(fileno=handle)
    children: dict[int, _Child] = {}
    try:
        while _serve_once(channel, children):
            pass
    finally:
        for child in children.values():
            _end(child)


def _serve_once(channel: socket.socket, children: dict[int, _Child]) -> bool:
    now = time.monotonic()
    wait = min((child.deadline for child in children.values()), default=now + 60) - now
    watched: list[Any] = [channel, *(child.watch for child in children.values())]
    ready, _, _ = select.select(watched, [], [], max(0.0, wait))
    for number, child in list(children.items()):
        if child.watch in ready:
            _reap(children.pop(number))
        elif child.deadline <= time.monotonic():
            child.late, child.deadline = True, time.monotonic() + 60
            _end(child)
    if channel in ready:
        message, handles, _, _ = socket.recv_fds(channel, _MOST_TASK, 1)
        if not message:
            return False
        task = json.loads(message)
        if "stop" in task and task["stop"] in children:
            _end(children[task["stop"]])
        for handle in handles:
            children[task["start"]] = _fork(task, socket.socket(fileno=handle))
    return True


def _fork(task: dict[str, Json], answers: socket.socket) -> _Child:
    template = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_examiner(task, answers, template)
    watch = os.pidfd_open(pid)
    return _Child(pid, watch, answers, time.monotonic() + float(task["bounds"]["seconds"]))


def _end(child: _Child) -> None:
    """Kill the examiner and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)


def _reap(child: _Child) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(child.pid, 0)[1])
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)  # readers that it forked and left behind
    os.close(child.watch)
    with contextlib.suppress(OSError), child.answers as answers:
        answers.settimeout(5)
        answers.sendall(b"\n" + json.dumps({"ended": status, "late": child.late}).encode() + b"\n")


# ---- the examiner


def _be_examiner(task: dict[str, Json], answers: socket.socket, template: int) -> NoReturn:
    status = 1
    try:
        os.setsid()
        end_with_parent()
        if os.getppid() != template:
            os._exit(1)
        kept = answers.fileno()
        os.closerange(3, kept)
        os.closerange(kept + 1, 1 << 16)
        os.umask(0o077)
        tempfile.tempdir = task["folder"]
        _tell(answers, _examine(task, answers))
        status = 0
    except ThsafeError as problem:
        _tell(answers, {"problem": problem.as_dict()})
        status = 0
    except MemoryError:
        status = -signal.SIGKILL
    finally:
        if status == -signal.SIGKILL:
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(status)


def _tell(answers: socket.socket, line: dict[str, Json]) -> None:
    answers.sendall(json.dumps(line).encode() + b"\n")


def _examine(task: dict[str, Json], answers: socket.socket) -> dict[str, Json]:
    from thsafe.provenance.isolated import fork_from_here
    from thsafe.report.impersonal import without_persons
    from thsafe.report.view import view_as_json, view_of
    from thsafe.verification import examine

    class Teller:
        def start(self, stage: str, total: int | None) -> None:
            del total
            _tell(answers, {"check": stage})

        def advance(self, steps: int = 1) -> None:
            pass

        def note(self, text: str) -> None:
            pass

    def found(item: Evidence) -> None:
        summary = "" if task["impersonal"] else item.summary
        _tell(answers, {"check": item.check, "status": str(item.status), "code": item.code, "summary": summary})

    home = Home(Path(task["home"]))
    installation = _reader(home)
    fork_from_here(answers.fileno())
    confine(Bounds(**task["bounds"]))
    examination, report = examine(
        Path(task["path"]),
        home=home,
        progress=Teller(),
        record=False,
        detectors=task["detectors"],
        installation=installation,
        found=found,
    )
    if task["fingerprint"]:
        examination.fingerprint()
        examination.soundprint()
    with contextlib.suppress(ThsafeError, OSError, ValueError, RuntimeError):
        examination.sampled()  # for the timeline, where no check has looked at the pictures
    leads = _leads(examination, moved=any(item.code == "RECOVERED-CONFLICT" for item in report.evidence))
    report = replace(report, file=task["name"])
    view = without_persons(report, examination) if task["impersonal"] else view_of(report, examination)
    return {"view": view_as_json(view), "leads": asdict(leads)}


def _reader(home: Home) -> Installation | None:
    """The installation without its log's key; the database is connected before new sockets are refused."""
    from thsafe.installation import Installation
    from thsafe.keys import KeyRing
    from thsafe.ledger.log import Ledger

    if not home.keys.is_dir():
        return None
    return Installation(home=home, ring=KeyRing.open(home), ledger=Ledger.open(home))


def _leads(examination: Examination, *, moved: bool) -> Leads:
    reading = examination.reading
    record = examination.record
    return Leads(
        mark_id=None if reading is None else reading.mark_id,
        manifest_id=None if record is None else record.manifest_id,
        fingerprint=examination.measured.get("fingerprint"),
        soundprint=examination.measured.get("soundprint") or None,
        moved=moved,
    )
