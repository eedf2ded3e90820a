"""Everything in this process, one item after another: for looking closely. A file that kills it kills the driver."""

from __future__ import annotations

from collections.abc import Mapping

from thsafe.batch.assignment import Assignment
from thsafe.batch.executors import Answer
from thsafe.batch.work import work_of
from thsafe.core.types import Json


class SerialExecutor:
    """Works when it is waited for."""

    survives = False

    def __init__(self, brief: Mapping[str, Json]) -> None:
        self._work = work_of(brief)
        self._item: Assignment | None = None

    def room(self) -> int:
        """One at a time."""
        return 0 if self._item is not None else 1

    def submit(self, item: Assignment) -> None:
        """Keep it for ``wait``."""
        self._item = item

    def wait(self, seconds: float) -> list[Answer]:
        """Do what was given."""
        del seconds
        item, self._item = self._item, None
        if item is None:
            return []
        return [Answer(number=item.number, result=self._work.do(item, lambda _key: None))]

    def close(self) -> None:
        """Nothing is running."""
        self._item = None
