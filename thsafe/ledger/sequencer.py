"""Appending on PostgreSQL: events are staged, and one process at a time gives all that wait their place.

There is no server of ours: whichever writer gets the lock is the sequencer until its own event is answered, and
commits what all others have staged meanwhile with it. So eight writers need one wait for the disk, not eight.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, select
from sqlalchemy.exc import DataError, IntegrityError

from thsafe.core.clock import from_text, to_text
from thsafe.core.errors import ConsentRefused, StoreError, ThsafeError
from thsafe.core.types import Json
from thsafe.ledger.entry import Draft, Entry, check_event, entry_of_leaf
from thsafe.ledger.write import Refusal, Writer, check_clock, latest_for
from thsafe.store import schema, stage
from thsafe.store.engine import talking
from thsafe.store.failures import explain
from thsafe.store.growth import Row
from thsafe.store.stage import Waiting

_SWEEP_EVERY = 1000
"""Entries after which the stage is swept."""
_TIDY_EVERY = 500
"""Staged events after which the room of what was answered is given back."""

_REFUSALS: Mapping[str, Callable[..., Exception]] = {
    kind.__name__: kind for kind in (ConsentRefused, StoreError, TypeError, ValueError)
}
_SAID = ("message", "code", "found", "rule", "next_step", "log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequencer:
    """Appends plain events, with uses but without rows in other tables."""

    engine: Engine
    writer: Writer

    def append(self, draft: Draft) -> Entry:
        """Stage one event and return once it is durably in the log; errors as ``Ledger.append``."""
        check_event(draft.event)
        event, uses = json.dumps(draft.event), json.dumps(draft.uses)
        with talking(self.engine) as connection:
            number = self._put(connection, event, uses)
            try:
                answer = self._wait(connection, number)
            except BaseException:
                answered = self._withdraw(number)
                if answered is None:
                    raise
                answer = answered
        return _read(answer)

    def _put(self, connection: Connection, event: str, uses: str) -> int:
        now = self.writer.clock()
        while True:
            latest = latest_for(now)
            number = stage.put(connection, event=event, uses=uses, at=to_text(now), latest=latest)
            if number is not None:
                return number
            # Either the clock is wrong, or this process was held up since it was read: it is read again to tell.
            last_at = connection.execute(select(schema.head.c.last_at)).scalar_one()
            now = self.writer.clock()
            check_clock(now, last_at)

    def _wait(self, connection: Connection, number: int) -> str:
        elected, answer = stage.elect_or_take(connection, number)
        while True:
            if elected:
                self._lead(connection)
                if answer is None:  # else the sequencer before had it answered, and the answer is taken
                    answer = stage.take(connection, number)
            if answer is not None:
                return answer
            # Those who only look must not keep each other from sequencing.
            elected = stage.elect(connection, insist=True)

    def _lead(self, connection: Connection) -> None:
        leading = True
        try:
            leading = not self._sequence(connection)
        finally:
            if leading and not connection.invalidated:
                stage.resign(connection)

    def _withdraw(self, number: int) -> str | None:
        """An event that its writer is told of as not written must not get in later; the answer if it is in already."""
        try:
            with talking(self.engine) as connection:
                return None if stage.withdraw(connection, number) else stage.take(connection, number)
        except StoreError:
            return None  # the server is gone, and the stage with it

    def _sequence(self, connection: Connection) -> bool:
        """Answer those that wait; True once another can be the sequencer."""
        try:
            with stage.batch(connection, last=True) as found:
                found.answers = self._answers(connection, found.rows, found.head)
            if any(row.number % _TIDY_EVERY == 0 for row in found.rows):
                stage.tidy(connection)
        except (DataError, IntegrityError):
            # One of them cannot be stored: each by itself, so that only that one fails.
            for row in found.rows:
                self._alone(connection, row)
            return False
        return True

    def _answers(self, connection: Connection, rows: Sequence[Waiting], head: Row) -> dict[int, str]:
        if not rows:
            return {}
        answers = self.writer.sequence(connection, [_draft(row) for row in rows], head=head)
        if any(isinstance(given, Entry) and given.index % _SWEEP_EVERY == 0 for given in answers):
            stage.sweep(connection)
        return {row.number: _write(given) for row, given in zip(rows, answers, strict=True)}

    def _alone(self, connection: Connection, row: Waiting) -> None:
        try:
            with stage.batch(connection) as found:
                # Whoever gave up meanwhile is not written.
                own = [item for item in found.rows if item.number == row.number]
                found.answers = self._answers(connection, own, found.head)
        except (DataError, IntegrityError) as problem:
            stage.tell(connection, {row.number: _write(explain(problem, self.engine))})


def _draft(row: Waiting) -> Draft:
    return Draft(event=json.loads(row.event), uses=json.loads(row.uses), at=from_text(row.at))


def _write(given: Entry | Refusal | StoreError) -> str:
    if isinstance(given, Entry):
        return json.dumps({"leaf": given.leaf.decode()})
    if isinstance(given, ThsafeError):
        return json.dumps({"error": type(given).__name__, **{name: getattr(given, name) for name in _SAID}})
    return json.dumps({"error": type(given).__name__, "message": str(given)})


def _read(answer: str) -> Entry:
    said: dict[str, Json] = json.loads(answer)
    if "leaf" in said:
        return entry_of_leaf(said["leaf"].encode())
    raise _REFUSALS[said.pop("error")](said.pop("message"), **said)
