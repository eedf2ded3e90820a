"""What goes to a worker and what it is told: one item, the attempt's id, and the form of a failure nobody foresaw."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from thsafe.core.exitcodes import ExitCode
from thsafe.core.types import Json

Tell = Callable[[str], None]
"""Told the key of what the worker now has in hand, before anything of it is parsed."""

LATER = "later"
"""State of an answer that says nothing about the item: the database or the network failed."""

ATTEMPTS = 3
"""How often a worker may die of an item before it is poison."""
_JOBS = uuid.UUID("6f0d7a52-93a4-4a1c-9a2c-5f1d0a0f7f11")


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One item for a worker."""

    number: int
    source: str
    task: Mapping[str, Json] | None = None
    job: str = ""
    """Of a generation: the id under which the log will know this attempt."""


def job_id(batch_id: str, number: int, attempt: int) -> str:
    """The id under which the log knows an attempt at a generation."""
    return str(uuid.uuid5(_JOBS, f"{batch_id}/{number}/{attempt}"))


class Work(Protocol):
    """What an executor's workers hold."""

    def do(self, item: Assignment, tell: Tell) -> dict[str, Json]:
        """The answer: ``state`` and ``seconds``, with ``key``, ``sha256``, ``verdict`` and ``report``, or ``error``."""


def as_error(problem: BaseException) -> dict[str, Json]:
    """A failure that nobody foresaw, in the form of those that were."""
    return {
        "error": "batch.item",
        "message": f"The item could not be done: {type(problem).__name__}.",
        "found": str(problem)[:500],
        "rule": "",
        "next": "look at it alone: thsafe verify FILE",
        "log": "nothing was written",
        "exit_code": int(ExitCode.INPUT),
    }
