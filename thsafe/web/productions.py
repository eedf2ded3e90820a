"""The studio's films: a short line, one made at a time in a process of its own, each in a folder of its own.

A folder counts once its ``film.json`` is there, which is written last. What a killed server leaves half done has none
and is cleared away by the next one. Finished films stay until somebody deletes them.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import secrets
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from thsafe.core.errors import StoreError, ThsafeError, error_from_dict
from thsafe.core.types import Json
from thsafe.media.files import write_whole
from thsafe.web.jobs import State
from thsafe.web.problems import ServiceError, unknown

_MOST_WAITING = 8
_MOST_REMEMBERED = 50
"""Failures that are kept in memory, so that their page can be read again."""
_PATIENCE = 10.0
"""Seconds that a worker has to close the log's entry and clear up."""
_MOST_LINE = 1 << 20
_ID = re.compile(r"[A-Za-z0-9_-]{24}")
_COMMAND = (sys.executable, "-P", "-m", "thsafe.web.rendering")
"""-P keeps the working folder off the module path."""
_WASTE = "waste"


@dataclass(slots=True, kw_only=True)
class Production:
    """One film that was asked for."""

    id: str
    title: str
    """Who is seen: a drawn person's name, or empty for a picture of the user's own."""
    created: float
    """Seconds since 1970."""
    state: State = State.WAITING
    stage: str = ""
    done: int = 0
    total: int | None = None
    made: dict[str, Json] = field(default_factory=dict)
    """Of the finished film: ``sha256``, ``manifest``, ``watermark``, ``entry``, ``seconds``."""
    problem: dict[str, Json] = field(default_factory=dict)
    """A ThsafeError's fields."""
    job: dict[str, Json] = field(default_factory=dict)
    worker: asyncio.subprocess.Process | None = None

    @property
    def error(self) -> ThsafeError:
        """Why there is no film."""
        return error_from_dict(self.problem)

    @property
    def file_name(self) -> str:
        """What a download is called."""
        return f"thsafe-{self.title or 'portrait'}-{self.made['sha256'][:8]}.mp4"

    def facts(self) -> dict[str, Json]:
        """How far it is, for the page's script."""
        return {"state": str(self.state), "stage": self.stage, "done": self.done, "total": self.total}


class Productions:
    """The films of one studio."""

    def __init__(self, folder: Path) -> None:
        """Prepare; ``start`` begins.

        Args:
            folder: of this studio alone.
        """
        self._folder = folder
        self._films: dict[str, Production] = {}
        self._line: asyncio.Queue[Production] = asyncio.Queue()
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take up finished films, clear away what is half done, and begin."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in self._folder.iterdir():
            film = _finished(folder)
            if film is None:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                self._films[film.id] = film
        self._work = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop the film that is being made and forget those that wait."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.gather(self._work, return_exceptions=True)
        for film in list(self._films.values()):
            if film.state is not State.DONE:
                await self.delete(film)

    def all(self) -> list[Production]:
        """The newest first."""
        return sorted(self._films.values(), key=lambda film: -film.created)

    def find(self, number: str) -> Production:
        """A film by its id; raises ServiceError ``service.unknown``."""
        film = self._films.get(number)
        if film is None:
            raise unknown("film")
        return film

    def new(self, title: str) -> Production:
        """A film with a folder of its own, not yet in the line; raises ServiceError ``service.busy``."""
        if self._line.qsize() >= _MOST_WAITING:
            raise ServiceError(
                "Too many films are waiting.",
                code="service.busy",
                found=f"{self._line.qsize()} waiting",
                next_step="wait until one is done, or stop one",
            )
        film = Production(id=secrets.token_urlsafe(18), title=title, created=time.time())
        self.folder(film).mkdir(mode=0o700)
        return film

    def folder(self, film: Production) -> Path:
        """Where a film and what it is made of lies."""
        if _ID.fullmatch(film.id) is None:
            raise ValueError(film.id)
        return self._folder / film.id

    def video(self, film: Production) -> Path:
        """The finished film."""
        return self.folder(film) / "film.mp4"

    def captions(self, film: Production) -> Path:
        """Its captions, where it speaks a text."""
        return self.folder(film) / "film.vtt"

    def submit(self, film: Production, job: dict[str, Json]) -> None:
        """Put it into the line.

        Args:
            film: with everything it needs in its folder.
            job: as ``thsafe.web.rendering.generate`` wants it.
        """
        film.job = job
        self._films[film.id] = film
        self._line.put_nowait(film)
        self._forget_failures()

    async def delete(self, film: Production) -> None:
        """Stop a film if it is being made; delete everything of it."""
        self._films.pop(film.id, None)
        await self._end_worker(film)
        self.discard(film)

    def discard(self, film: Production) -> None:
        """Delete its folder, at one blow: nothing half deleted is ever taken for a film."""
        waste = self._folder / f".{_WASTE}-{secrets.token_hex(4)}"
        with contextlib.suppress(FileNotFoundError):
            self.folder(film).rename(waste)
            shutil.rmtree(waste, ignore_errors=True)

    # ---- the work

    async def _run(self) -> None:
        while True:
            film = await self._line.get()
            if film.id not in self._films:
                continue
            film.state = State.RUNNING
            try:
                film.made = await self._make(film)
                self._keep(film)
                film.state = State.DONE
            except ThsafeError as problem:
                film.problem, film.state = problem.as_dict(), State.FAILED
                self.discard(film)
            except (OSError, ValueError) as problem:
                failure = StoreError("The film could not be finished.", code="studio.failed", found=str(problem)[:200])
                film.problem, film.state = failure.as_dict(), State.FAILED
                self.discard(film)

    async def _make(self, film: Production) -> dict[str, Json]:
        """Let a worker make it and listen; raises what the worker met."""
        film.worker = worker = await asyncio.create_subprocess_exec(
            *_COMMAND,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C is the server's to hear; it tells the worker
            limit=_MOST_LINE,
        )
        try:
            if worker.stdin is None or worker.stdout is None:
                raise OSError("no pipes")
            worker.stdin.write(json.dumps(film.job).encode() + b"\n")
            async for data in worker.stdout:
                line = json.loads(data)
                if "made" in line:
                    return dict(line["made"])
                if "problem" in line:
                    raise error_from_dict(line["problem"])
                film.stage = line.get("stage", film.stage)
                film.total = line.get("total", None if "stage" in line else film.total)
                film.done = line.get("done", film.done)
            status = await worker.wait()
            raise StoreError(
                "The worker ended before the film was done.",
                code="studio.worker",
                found=f"exit status {status}",
                next_step="try again; if it stays so, see what this says: thsafe doctor",
            )
        finally:
            await asyncio.shield(self._end_worker(film))

    def _keep(self, film: Production) -> None:
        """Delete what it was made of; the film counts from now on."""
        folder = self.folder(film)
        for path in folder.iterdir():
            if path not in {self.video(film), self.captions(film)}:
                path.unlink(missing_ok=True)
        kept = {"id": film.id, "title": film.title, "created": film.created, "made": film.made}
        write_whole(folder / "film.json", json.dumps(kept).encode())
        film.job = {}

    @staticmethod
    async def _end_worker(film: Production) -> None:
        """Ask the worker to stop; after a while make it."""
        worker, film.worker = film.worker, None
        if worker is None:
            return
        if worker.stdin is not None:
            worker.stdin.close()
        if worker.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                worker.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(worker.wait(), _PATIENCE)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(worker.pid, signal.SIGKILL)  # it, if it is still there, and whatever it has started
        await worker.wait()

    def _forget_failures(self) -> None:
        failed = [film for film in self.all() if film.state is State.FAILED]
        for film in failed[_MOST_REMEMBERED:]:
            del self._films[film.id]


def _finished(folder: Path) -> Production | None:
    """The film in a folder that an earlier server has finished."""
    try:
        kept = json.loads((folder / "film.json").read_bytes())
        film = Production(**kept, state=State.DONE)
    except (OSError, ValueError, TypeError):
        return None
    return film if film.id == folder.name and _ID.fullmatch(film.id) and (folder / "film.mp4").is_file() else None
