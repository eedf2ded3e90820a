"""Verifications that were asked for, each a folder on disk: what a killed server leaves is taken up by the next one.

A folder counts once its ``job.json`` is there, and that is written last: an upload that broke off leaves no job.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from threading import Event

from thsafe.core.errors import StoreError
from thsafe.core.types import Json
from thsafe.media.files import write_whole

_ID = re.compile(r"[A-Za-z0-9_-]{24}")
_ID_BYTES = 18
"""144 random bits: who has a job's address may see it, nobody guesses it."""


class State(StrEnum):
    """How far a job is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self in {State.DONE, State.FAILED}


@dataclass(slots=True, kw_only=True)
class Job:
    """One verification; what is on disk of it, and who listens to it."""

    id: str
    name: str
    """What the report calls the file; never a path."""
    created: float
    """Seconds since 1970."""
    address: str = ""
    """Where to fetch it from; empty for an upload."""
    detectors: bool = False
    state: State = State.WAITING
    attempts: int = 0
    ended: float = 0.0
    problem: dict[str, Json] = field(default_factory=dict)
    """A ThsafeError's fields."""
    findings: dict[str, dict[str, Json]] = field(default_factory=dict)
    """By check: ``status``, ``code`` and ``summary``; only ``check`` while it looks."""
    cancelled: Event = field(default_factory=Event, compare=False)
    _changed: asyncio.Event = field(default_factory=asyncio.Event, compare=False)

    def tell(self) -> None:
        """Wake everyone who waits for a change."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def change(self, seconds: float) -> bool:
        """Wait for the next change, so long at most; whether there was one."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        return True


_KEPT = tuple(item.name for item in fields(Job) if item.name not in {"_changed", "cancelled", "findings"})


class JobFolders:
    """The jobs of one server on disk; no two servers work in one folder."""

    def __init__(self, folder: Path) -> None:
        """Claim the folder; raises StoreError ``store.home`` or ``service.running``."""
        self._folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(folder.parent / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise StoreError(
                f"The folder for uploads cannot be made: {folder}",
                code="store.home",
                found=str(problem),
                next_step="choose another with --data, or set THSAFE_HOME",
            ) from problem
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as problem:
            os.close(self._lock)
            raise StoreError(
                "Another server works in this folder.",
                code="service.running",
                found=str(folder),
                next_step="stop it, or give this one a folder of its own: --data DIR",
            ) from problem

    def release(self) -> None:
        """Let another server have the folder."""
        os.close(self._lock)

    def new(self) -> str:
        """A fresh id with a folder of its own, private to this user."""
        number = secrets.token_urlsafe(_ID_BYTES)
        self.folder(number).mkdir(mode=0o700)
        return number

    def folder(self, number: str) -> Path:
        """The folder of a job."""
        if not is_id(number):
            raise ValueError(number)
        return self._folder / number

    def upload(self, number: str) -> Path:
        """The file to examine."""
        return self.folder(number) / "upload"

    def adopt(self, number: str, upload: Path) -> None:
        """Take a file that lies beside the folders as the file to examine."""
        upload.rename(self.upload(number))

    def save(self, job: Job) -> None:
        """Write what is to survive."""
        kept = {name: getattr(job, name) for name in _KEPT}
        write_whole(self.folder(job.id) / "job.json", json.dumps(kept).encode())

    def save_view(self, job: Job, view: Json) -> None:
        """Write what the report page shows."""
        write_whole(self.folder(job.id) / "view.json", json.dumps(view).encode())

    def view(self, number: str) -> Json:
        """The view of a finished job; raises OSError or ValueError where there is none."""
        return json.loads((self.folder(number) / "view.json").read_bytes())

    def forget_upload(self, number: str) -> None:
        """Delete the file and whatever was made while it was examined."""
        folder = self.folder(number)
        (folder / "upload").unlink(missing_ok=True)
        shutil.rmtree(folder / "work", ignore_errors=True)

    def forget(self, number: str) -> None:
        """Delete everything of a job."""
        shutil.rmtree(self.folder(number), ignore_errors=True)

    def left_over(self) -> Iterator[Job]:
        """The jobs of an earlier server, oldest first; folders that are no job are cleared away."""
        found = []
        for folder in self._folder.iterdir():
            try:
                kept = json.loads((folder / "job.json").read_bytes())
                job = Job(**{**kept, "state": State(kept["state"])})
                found.append(job if job.id == folder.name else _mismatch(folder))
            except (OSError, ValueError, TypeError, KeyError):
                shutil.rmtree(folder, ignore_errors=True)
        yield from sorted(found, key=lambda job: job.created)

    def room(self) -> int:
        """Bytes free where uploads go."""
        return shutil.disk_usage(self._folder).free


def is_id(text: str) -> bool:
    """Whether a text has the form of a job's id."""
    return _ID.fullmatch(text) is not None


def _mismatch(folder: Path) -> Job:
    raise ValueError(folder.name)
