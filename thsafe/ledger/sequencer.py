"""Appending on PostgreSQL: events are staged, and one process at a time gives all that wait their place.

There is no server of ours: whichever writer gets the lock is the sequencer until its own event is answered, and
commits what all others have staged meanwhile with it. So eight writers need one wait for the disk, not eight.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, IntegrityError

from thsafe.core.clock import to_text
from thsafe.core.errors import ConsentRefused, StoreError, ThsafeError
from thsafe.core.types import Json
from thsafe.ledger.entry import Draft, Entry, check_event, entry_of_leaf
from thsafe.ledger.write import Refusal, Writer, check_clock, latest_for
from thsafe.store import schema, stage
from thsafe.store.failures import explain
from thsafe.store.lines import Lines
from thsafe.store.stage import Answer, Batch, Turn, Waiting

_SWEEP_EVERY = 1000
"""Entries after which the stage is swept."""
_MISSES = 3
"""Turns after which one insists, which makes all that come later wait."""
_TIDY_EVERY = 500
"""Staged events after which the room of what was answered is given back."""

_REFUSALS: Mapping[str, Callable[..., Exception]] = {
    kind.__name__: kind for kind in (ConsentRefused, StoreError, TypeError, ValueError)
}
_SAID = ("message", "code", "found", "rule", "next_step", "log")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequencer:
    """Appends plain events, with uses but without rows in other tables."""

    lines: Lines
    writer: Writer

    def append(self, draft: Draft) -> Entry:
        """Stage one event and return once it is durably in the log; errors as ``Ledger.append``."""
        check_event(draft.event)
        event, uses = json.dumps(draft.event), json.dumps(draft.uses)
        number = secrets.randbits(62)
        try:
            with self.lines.line() as connection:
                answer = self._wait(connection, number, self._enter(connection, number, event, uses))
        except BaseException:
            answered = self._withdraw(number)
            if answered is None:
                raise
            answer = answered
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _enter(self, connection: Connection, number: int, event: str, uses: str) -> Turn:
        now = self.writer.clock()
        while True:
            latest = latest_for(now)
            turn = stage.enter(connection, number, event=event, uses=uses, at=to_text(now), latest=latest)
            if turn.staged:
                return turn
            # Either the clock is wrong, or this process was held up since it was read: it is read again to tell.
            last_at = connection.execute(select(schema.head.c.last_at)).scalar_one()
            now = self.writer.clock()
            check_clock(now, last_at)

    def _wait(self, connection: Connection, number: int, turn: Turn) -> Entry | Exception:
        misses = 0
        while True:
            if turn.elected:
                own = self._lead(connection, number, turn)
                if own is not None:
                    return own
            elif turn.answer is not None:
                return _read(turn.answer)
            # Who looks in the moment between two sequencers can miss both, but not for ever.
            misses += 1
            turn = stage.turn(connection, number) if misses < _MISSES else stage.insist(connection, number)

    def _lead(self, connection: Connection, number: int, turn: Turn) -> Entry | Exception | None:
        """Be the sequencer until one batch is answered; the answer to the own event, if it was in it or before it."""
        try:
            if turn.answer is None:
                return self._sequence(connection, number)
        except BaseException:
            if not connection.invalidated:
                stage.resign(connection)
            raise
        stage.resign(connection)
        return _read(turn.answer)

    def _withdraw(self, number: int) -> Entry | Exception | None:
        """An event that its writer is told of as not written must not get in later; the answer if it is in already."""
        try:
            with self.lines.line() as connection:
                answer = None if stage.withdraw(connection, number) else stage.take(connection, number)
        except StoreError:
            return None  # the server is gone, and the stage with it
        return None if answer is None else _read(answer)

    def _sequence(self, connection: Connection, number: int) -> Entry | Exception | None:
        """Answer those that wait and resign."""
        try:
            with stage.batch(connection, own=number) as found:
                answers = self._plan(connection, found, found.rows)
        except (DataError, IntegrityError):
            # One of them cannot be stored: each by itself, so that only that one fails.
            for row in found.rows:
                self._alone(connection, row)
            own = stage.take(connection, number)
            stage.resign(connection)
            return None if own is None else _read(own)
        if any(row.number % _TIDY_EVERY == 0 for row in found.rows):
            stage.tidy(connection)
        if any(isinstance(given, Entry) and given.index % _SWEEP_EVERY == 0 for given in answers.values()):
            stage.sweep(connection)
        return answers.get(number)

    def _plan(self, connection: Connection, found: Batch, rows: Sequence[Waiting]) -> dict[int, Entry | Refusal]:
        """Say what becomes of these of the batch."""
        if not rows:
            return {}
        plan = self.writer.plan(connection, [_draft(row) for row in rows], head=found.head)
        answers = {row.number: given for row, given in zip(rows, plan.answers, strict=True)}
        found.growth = plan.growth
        found.answers = {number: _write(given) for number, given in answers.items()}
        return answers

    def _alone(self, connection: Connection, row: Waiting) -> None:
        try:
            with stage.batch(connection) as found:
                # Whoever gave up meanwhile is not written.
                self._plan(connection, found, [item for item in found.rows if item.number == row.number])
        except (DataError, IntegrityError) as problem:
            stage.tell(connection, {row.number: _refused(explain(problem, self.lines.engine))})


def _draft(row: Waiting) -> Draft:
    return Draft(event=json.loads(row.event), uses=json.loads(row.uses), at=row.at)


def _write(given: Entry | Refusal) -> int | str:
    return given.index if isinstance(given, Entry) else _refused(given)


def _refused(problem: Exception) -> str:
    said = (
        {name: getattr(problem, name) for name in _SAID}
        if isinstance(problem, ThsafeError)
        else {"message": str(problem)}
    )
    return json.dumps({"error": type(problem).__name__, **said})


def _read(answer: Answer) -> Entry | Exception:
    if isinstance(answer, bytes):
        return entry_of_leaf(answer)
    said: dict[str, Json] = json.loads(answer)
    return _REFUSALS[str(said.pop("error"))](said.pop("message"), **said)
