"""Who does the work: this process, processes of this machine, or actors of a Ray cluster.

An executor takes assignments while it has room and gives answers in any order. It says what became of its workers and
decides nothing: whether something is tried again is the driver's to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from thsafe.batch.assignment import Assignment
from thsafe.core.errors import UsageError
from thsafe.core.types import Json

NAMES = ("local", "serial", "ray")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one assignment."""

    number: int
    result: Mapping[str, Json] | None
    """As ``thsafe.batch.assignment.Work.do`` gave it; None: the worker is gone without an answer."""
    key: str | None = None
    """Of what the worker had in hand when it went, if it came so far."""
    reason: str = ""
    """Why it is gone, in words."""
    blameless: bool = False
    """The worker went for reasons of its own, such as a node that was removed."""


class Executor(Protocol):
    """Workers of one kind."""

    survives: bool
    """Whether this process lives on when a worker dies."""

    def room(self) -> int:
        """How many more assignments it takes now."""

    def submit(self, item: Assignment) -> None:
        """Give one assignment."""

    def wait(self, seconds: float) -> list[Answer]:
        """Answers that are there, after waiting for one at most so long."""

    def close(self) -> None:
        """End all workers, whatever they are doing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Staff:
    """How many workers, of what."""

    workers: int
    gpus: float = 0.0
    """Share of a graphics card that each worker has (Ray)."""
    cpus: float = 1.0
    """Processors that each worker counts for (Ray)."""
    address: str | None = None
    """Of a running Ray cluster: ``auto`` or ``HOST:PORT``; None: one of this machine, for this batch alone."""


def open_executor(name: str, brief: Mapping[str, Json], staff: Staff) -> Executor:
    """The executor of that name, its workers starting.

    Raises:
        UsageError: ``batch.executor``.
        MissingError: ``ray.missing``.
    """
    match name:
        case "serial":
            from thsafe.batch.executors.serial import SerialExecutor

            return SerialExecutor(brief)
        case "local":
            from thsafe.batch.executors.local import LocalExecutor

            return LocalExecutor(brief, workers=staff.workers)
        case "ray":
            from thsafe.batch.executors.ray import RayExecutor

            return RayExecutor(brief, staff)
    raise UsageError(
        f'There is no executor "{name}".', code="batch.executor", next_step="choose one of: " + ", ".join(NAMES)
    )
