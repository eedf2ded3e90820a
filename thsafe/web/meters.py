"""Counters for ``/metrics``, as Prometheus text; they count and time, and know nothing of files or clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from thsafe.web.jobs import Job

_SECONDS = (0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30, 60, 300)


class Meters:
    """The counters of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._taken = Counter("thsafe_verifications_taken", "Verifications taken on.", registry=self._registry)
        self._ended = Counter(
            "thsafe_verifications_ended", "Verifications that ended.", ["state", "code"], registry=self._registry
        )
        self._seconds = Histogram(
            "thsafe_verification_seconds",
            "From a worker's start to the report.",
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._waiting = Gauge("thsafe_verifications_waiting", "Waiting for a worker.", registry=self._registry)
        self._running = Gauge("thsafe_verifications_running", "Being examined.", registry=self._registry)
        self._refused = Counter("thsafe_requests_refused", "Requests refused.", ["code"], registry=self._registry)

    def taken(self) -> None:
        """One more verification."""
        self._taken.inc()

    def ended(self, job: Job, seconds: float) -> None:
        """One has ended."""
        self._ended.labels(state=str(job.state), code=str(job.problem.get("error", ""))).inc()
        self._seconds.observe(seconds)

    def refused(self, code: str) -> None:
        """A request was turned away."""
        self._refused.labels(code=code).inc()

    def now(self, *, waiting: int, running: int) -> None:
        """What is going on at this moment."""
        self._waiting.set(waiting)
        self._running.set(running)

    def text(self) -> bytes:
        """All of it in the Prometheus text format."""
        return generate_latest(self._registry)
