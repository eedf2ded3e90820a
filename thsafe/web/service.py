"""What the routes of one server share: its settings, its jobs, its doorkeeper, its counters."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from starlette.background import BackgroundTask

from thsafe.core.errors import UsageError
from thsafe.media.files import plain_name
from thsafe.remote import check_address
from thsafe.web.access import Access
from thsafe.web.jobs import Job, State
from thsafe.web.meters import Meters
from thsafe.web.problems import ServiceError, unknown
from thsafe.web.rate import Rate
from thsafe.web.schedule import Schedule

if TYPE_CHECKING:
    from starlette.requests import Request

    from thsafe.installation import Installation
    from thsafe.web.settings import Settings


class Service:
    """One server's state; ``app.state.service``."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.meters = Meters()
        self.schedule = Schedule(settings, told=self.meters.ended)
        self.access = Access(settings)
        self.installation: Installation | None = None
        """Opened when it is first asked for."""
        self._rate = Rate(settings.per_minute)

    def admit(self, request: Request) -> None:
        """Let a client start another verification, or raise ServiceError ``service.rate`` or ``service.busy``."""
        if self.settings.public:
            client = request.client.host if request.client else ""
            if (wait := self._rate.take(client)) > 0:
                raise ServiceError(
                    "Too many verifications in a short time.",
                    code="service.rate",
                    rule=f"{self.settings.per_minute} in a minute",
                    next_step=f"try again in {wait:.0f} seconds",
                )
        self.schedule.check_room()

    def new_job(self, *, address: str = "", detectors: bool = False) -> Job:
        """A job with a folder of its own, not yet in the line."""
        if address:
            self.check_address(address)
        number = self.schedule.folders.new()
        return Job(id=number, name=self.shown_name(""), created=time.time(), address=address, detectors=detectors)

    def submit(self, job: Job) -> None:
        """Put it into the line; its folder goes when that fails."""
        try:
            self.schedule.submit(job)
        except BaseException:
            self.schedule.folders.forget(job.id)
            raise
        self.meters.taken()

    def find(self, number: str) -> Job:
        """A job by its id; raises ServiceError ``service.unknown``."""
        job = self.schedule.find(number)
        if job is None:
            raise unknown("verification")
        return job

    def shown_name(self, name: str) -> str:
        """What a report may call the file."""
        return "" if self.settings.public else plain_name(name)

    def delivery(self, job: Job) -> BackgroundTask | None:
        """In public mode: what deletes a job once its end was delivered."""
        if not self.settings.public or not job.state.ended:
            return None

        async def forget() -> None:
            self.schedule.delete(job)

        return BackgroundTask(forget)

    def moment(self, seconds: float) -> datetime:
        """Seconds since 1970 as a moment."""
        return datetime.fromtimestamp(seconds, UTC)

    def refresh_meters(self) -> None:
        """Bring the counters of waiting and running jobs up to now."""
        counts = self.schedule.counts()
        self.meters.now(waiting=counts[State.WAITING], running=counts[State.RUNNING])

    def check_address(self, address: str) -> None:
        """Raise UsageError where a file at this address would not be fetched."""
        if self.settings.remote is None:
            raise UsageError("This server fetches nothing.", code="address.closed", next_step="send the file itself")
        check_address(address, self.settings.remote)
