"""Who is examined when: a bounded line of jobs, a few at a time, each in a sandbox of its own.

Every step is on disk before the next one begins, so a server that was killed takes up its jobs where they were. One
that was being examined twice when the server died is given up: it may be what killed it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from thsafe.core.errors import StoreError, ThsafeError, UsageError
from thsafe.core.types import Json
from thsafe.media.files import plain_name
from thsafe.remote import fetch
from thsafe.report.view import View, view_as_json, view_from_json
from thsafe.sandbox import Leads, Sandbox
from thsafe.web.jobs import Job, JobFolders, State
from thsafe.web.problems import ServiceError

if TYPE_CHECKING:
    from thsafe.installation import Installation
    from thsafe.web.settings import Settings

_MOST_ATTEMPTS = 2
_SWEEP = 5.0
FETCH = "fetch"
"""The name under which fetching shows among the checks."""


class Schedule:
    """The jobs of one running server."""

    def __init__(self, settings: Settings, *, told: Callable[[Job, float], None]) -> None:
        """Prepare; ``start`` begins.

        Args:
            settings: how many at a time, how long to keep.
            told: called with each job that has ended and the seconds it took.
        """
        self.folders = JobFolders(settings.jobs)
        self.sandbox = Sandbox(settings.home, settings.bounds)
        self._settings = settings
        self._told = told
        self._jobs: dict[str, Job] = {}
        self._line: asyncio.Queue[Job] = asyncio.Queue()
        self._running: set[asyncio.Task[None]] = set()
        self._threads = ThreadPoolExecutor(settings.workers + 1, thread_name_prefix="examine")
        self._installation: Installation | None = None

    async def start(self) -> None:
        """Take up what an earlier server left, and begin."""
        for job in self.folders.left_over():
            self._take_up(job)
        self.sandbox.start()
        for work in (*(self._work for _ in range(self._settings.workers)), self._sweep):
            self._running.add(asyncio.create_task(work()))

    async def stop(self) -> None:
        """End; what is not finished stays on disk for the next server."""
        for task in self._running:
            task.cancel()
        self.sandbox.stop()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self.folders.release()

    def check_room(self) -> None:
        """Raise ServiceError ``service.busy`` when too many wait already."""
        if self._line.qsize() >= self._settings.most_waiting:
            raise ServiceError(
                "Too many files are waiting.",
                code="service.busy",
                found=f"{self._line.qsize()} waiting",
                next_step="try again in a minute",
            )

    def submit(self, job: Job) -> None:
        """Put a job whose folder is complete into the line."""
        self.check_room()
        self.folders.save(job)
        self._jobs[job.id] = job
        self._line.put_nowait(job)

    def find(self, number: str) -> Job | None:
        """A job by its id."""
        return self._jobs.get(number)

    def ahead(self, job: Job) -> int:
        """How many wait before a waiting job."""
        return sum(other.state is State.WAITING and other.created < job.created for other in self._jobs.values())

    def counts(self) -> dict[State, int]:
        """How many jobs are in which state."""
        states = [job.state for job in self._jobs.values()]
        return {state: states.count(state) for state in State}

    def view(self, job: Job) -> View:
        """The report of a finished job; raises ServiceError ``service.unknown`` if it has just been deleted."""
        try:
            return view_from_json(self.folders.view(job.id))
        except (OSError, ValueError, KeyError, TypeError) as problem:
            raise ServiceError(
                "The report is gone.", code="service.unknown", next_step="verify the file again"
            ) from problem

    def delete(self, job: Job) -> None:
        """Stop a job and delete everything of it."""
        self._jobs.pop(job.id, None)
        job.cancelled.set()
        self.folders.forget(job.id)
        job.tell()

    async def leads(self, number: str) -> Leads:
        """Where the marks of an uploaded file lead; the file is the upload of a folder that is no job."""
        loop = asyncio.get_running_loop()
        folder = self.folders.folder(number)

        def examine() -> Leads:
            return self.sandbox.examine(folder / "upload", name="", folder=folder, fingerprint=True).leads

        return await loop.run_in_executor(self._threads, examine)

    # ---- the work

    def _take_up(self, job: Job) -> None:
        self._jobs[job.id] = job
        if job.state.ended:
            return
        if job.attempts >= _MOST_ATTEMPTS:
            problem = StoreError(
                "The server stopped while it examined this file, twice.",
                code="service.interrupted",
                next_step="verify it on a machine of your own: thsafe verify FILE",
            )
            self._end(job, State.FAILED, problem)
        elif not job.address and not self.folders.upload(job.id).is_file():
            problem = StoreError("The file is gone.", code="service.interrupted", next_step="send it again")
            self._end(job, State.FAILED, problem)
        else:
            job.state = State.WAITING
            self._line.put_nowait(job)

    async def _work(self) -> None:
        while True:
            job = await self._line.get()
            if not job.cancelled.is_set():
                await self._run(job)

    async def _run(self, job: Job) -> None:
        loop = asyncio.get_running_loop()
        began = time.monotonic()
        job.state, job.attempts = State.RUNNING, job.attempts + 1
        job.tell()

        def tell(line: dict[str, Json]) -> None:
            loop.call_soon_threadsafe(_note, job, line)

        try:
            await loop.run_in_executor(self._threads, self._examine, job, tell)
            self._end(job, State.DONE)
        except ThsafeError as problem:
            self._end(job, State.FAILED, problem)
        except (OSError, RuntimeError, ValueError, KeyError) as problem:
            if not job.cancelled.is_set():
                failure = StoreError(
                    "The examination could not be finished.", code="service.failed", found=type(problem).__name__
                )
                self._end(job, State.FAILED, failure)
        self._told(job, time.monotonic() - began)

    def _examine(self, job: Job, tell: Callable[[dict[str, Json]], None]) -> None:
        """In a thread: fetch if need be, examine, write the report."""
        self.folders.save(job)
        folder = self.folders.folder(job.id)
        upload = self.folders.upload(job.id)
        if job.address:
            if self._settings.remote is None:
                raise UsageError(
                    "This server fetches nothing.", code="address.closed", next_step="send the file itself"
                )
            upload.unlink(missing_ok=True)
            tell({"check": FETCH})
            fetched = fetch(job.address, upload, rules=self._settings.remote, cancelled=job.cancelled)
            if not self._settings.public:
                job.name = plain_name(fetched.name)
            tell({"check": FETCH, "status": "found", "code": "", "summary": ""})
        work = folder / "work"
        work.mkdir(mode=0o700, exist_ok=True)
        found = self.sandbox.examine(
            upload,
            name=job.name,
            folder=work,
            tell=tell,
            cancelled=job.cancelled,
            detectors=job.detectors,
            impersonal=self._settings.public,
        )
        if not self._settings.public:
            self._log(found.view)
        self.folders.save_view(job, view_as_json(found.view))

    def _log(self, view: View) -> None:
        """A line in the audit log, where there is one, as for ``thsafe verify``."""
        if self._installation is None:
            from thsafe.installation import Installation

            self._installation = Installation.open_or_none(self._settings.home)
        if self._installation is not None:
            report = view.report
            self._installation.ledger.append(
                {"type": "verify", "sha256": report.sha256, "verdict": str(report.verdict)}
            )

    def _end(self, job: Job, state: State, problem: ThsafeError | None = None) -> None:
        job.state, job.ended, job.address = state, time.time(), ""
        job.problem = {} if problem is None else problem.as_dict()
        if job.id in self._jobs:
            with contextlib.suppress(StoreError, OSError):
                self.folders.save(job)
                self.folders.forget_upload(job.id)
        job.tell()

    async def _sweep(self) -> None:
        """Delete reports whose time is over."""
        limit = self._settings.undelivered_seconds if self._settings.public else self._settings.keep_seconds
        while True:
            for job in list(self._jobs.values()):
                if job.state.ended and time.time() - job.ended > limit:
                    self.delete(job)
            await asyncio.sleep(min(_SWEEP, max(0.1, limit / 4)))


def _note(job: Job, line: dict[str, Json]) -> None:
    rest = dict(line)
    job.findings[str(rest.pop("check"))] = rest
    job.tell()
