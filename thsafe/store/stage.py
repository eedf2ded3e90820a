"""Where PostgreSQL's writers put events, and where whoever is the sequencer takes them from.

Writers put rows here without waiting for one another. The one that holds the advisory lock gives all waiting rows their
place in the log in one transaction, and an answer each. The lock belongs to a connection: when its holder dies, the
server passes it on. The table is not logged by the server, since nothing in it was promised: what is lost here with a
crash of the server was not acknowledged to its writer, who gets an error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from thsafe.core.types import Json
from thsafe.store.driver import driver_of
from thsafe.store.engine import LOCK, STALLED_SECONDS
from thsafe.store.growth import READ_HEAD, Row, head_of

if TYPE_CHECKING:
    import psycopg

_BATCH = 500
_KEPT = "1 hour"
"""Answers that nobody came for, since their writer died, go after this time."""

# All of this is said to the driver itself, several statements at a time where none waits for another's answer: what is
# usually done around a statement would cost more than the server's work. Times are compared byte by byte, whatever the
# database's language.
_PUT = """
INSERT INTO log_stage (event, uses, at)
SELECT %(event)s, %(uses)s, %(at)s FROM log_head WHERE last_at COLLATE "C" <= %(latest)s
RETURNING number
"""
_ELECT = f"""
SELECT CASE WHEN pg_try_advisory_lock({LOCK}) THEN true
ELSE (SELECT false FROM pg_advisory_xact_lock_shared({LOCK})) END
"""  # noqa: S608 - a constant number
_INSIST = f"SELECT true FROM pg_advisory_lock({LOCK})"  # noqa: S608 - as above
_RESIGN = f"SELECT pg_advisory_unlock({LOCK})"
_TAKE = "DELETE FROM log_stage WHERE number = %(own)s AND answer IS NOT NULL RETURNING answer"
_WITHDRAW = "DELETE FROM log_stage WHERE number = %(own)s AND answer IS NULL"
_LIMIT = f"SET LOCAL idle_in_transaction_session_timeout = '{STALLED_SECONDS}s'"
# A row that its writer is just withdrawing is left to it.
_WAITING = f"""
SELECT number, event, uses, at FROM log_stage WHERE answer IS NULL
ORDER BY number LIMIT {_BATCH} FOR UPDATE SKIP LOCKED
"""  # noqa: S608 - as above
_ANSWER = """
UPDATE log_stage SET answer = given.value
FROM json_each_text(%(answers)s::json) AS given WHERE log_stage.number = given.key::bigint
"""
_SWEEP = f"DELETE FROM log_stage WHERE answer IS NOT NULL AND staged_at < now() - interval '{_KEPT}'"  # noqa: S608

# Where another tidies, or the rows are not this user's, nothing is done; the file is not cut, for which all would wait.
_TIDY = "VACUUM (SKIP_LOCKED, TRUNCATE false) log_stage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """One staged event."""

    number: int
    event: str
    """JSON."""
    uses: str
    """JSON: consent id -> limit."""
    at: str
    """Its writer's clock, RFC 3339."""


@dataclass(slots=True, kw_only=True)
class Batch:
    """What the sequencer has in hand."""

    rows: tuple[Waiting, ...]
    """Those that wait longest, in order; nobody else's until the transaction ends."""
    head: Row
    """Of the log, in the same transaction."""
    answers: Mapping[int, str] = field(default_factory=dict)
    """By number: what their writers are told with the commit."""


def put(connection: Connection, *, event: str, uses: str, at: str, latest: str) -> int | None:
    """Stage an event; returns its number, or None where the log has a later time than ``latest``."""
    with driver_of(connection) as driver:
        fields = {"event": event, "uses": uses, "at": at, "latest": latest}
        number: int | None = _first(driver.execute(_PUT, fields, prepare=True))
    return number


def take(connection: Connection, number: int) -> str | None:
    """The answer to a staged event, once there is one; it can be taken once."""
    with driver_of(connection) as driver:
        answer: str | None = _first(driver.execute(_TAKE, {"own": number}, prepare=True))
    return answer


def withdraw(connection: Connection, number: int) -> bool:
    """Take a staged event back; False if it has been answered already."""
    with driver_of(connection) as driver:
        return bool(driver.execute(_WITHDRAW, {"own": number}).rowcount == 1)


def elect(connection: Connection, *, insist: bool) -> bool:
    """Become the sequencer (True), or wait until whoever is it has answered a batch (False).

    Args:
        connection: one of ``talking``.
        insist: wait for the lock itself.
    """
    with driver_of(connection) as driver:
        return bool(_first(driver.execute(_INSIST if insist else _ELECT, prepare=True)))


def elect_or_take(connection: Connection, number: int) -> tuple[bool, str | None]:
    """The same, and whoever was not elected takes the answer to its event, if there is one now."""
    with driver_of(connection) as driver, driver.pipeline():
        elected = driver.execute(_ELECT, prepare=True)
        taken = driver.execute(_TAKE, {"own": number}, prepare=True)
        return bool(_first(elected)), _first(taken)


def resign(connection: Connection) -> None:
    """Let another be the sequencer."""
    with driver_of(connection) as driver:
        driver.execute(_RESIGN)


@contextmanager
def batch(connection: Connection, *, last: bool = False) -> Iterator[Batch]:
    """One durable transaction of the sequencer, on a connection of ``talking``.

    Args:
        connection: of the sequencer.
        last: resign with the commit.

    Yields:
        Events, and room for their answers.
    """
    with driver_of(connection) as driver:
        try:
            with driver.pipeline():
                driver.execute("BEGIN")
                driver.execute(_LIMIT)
                waiting = driver.execute(_WAITING, prepare=True)
                head = driver.execute(READ_HEAD, prepare=True)
                rows = tuple(
                    Waiting(number=number, event=event, uses=uses, at=at)
                    for number, event, uses, at in waiting.fetchall()
                )
                found = Batch(rows=rows, head=head_of(head.fetchone()))
            yield found
            with driver.pipeline():
                if found.answers:
                    _tell(driver, found.answers)
                driver.execute("COMMIT")
                if last:
                    driver.execute(_RESIGN)
        except BaseException:
            if not connection.invalidated and not driver.closed:
                driver.execute("ROLLBACK")
            raise


def tell(connection: Connection, answers: Mapping[int, str]) -> None:
    """Tell writers what became of their events, in no batch."""
    with driver_of(connection) as driver:
        _tell(driver, answers)


def sweep(connection: Connection) -> None:
    """Remove the answers of writers that died."""
    with driver_of(connection) as driver:
        driver.execute(_SWEEP)


def tidy(connection: Connection) -> None:
    """Give back the room of rows that are gone; outside a batch.

    The server does so by itself once a minute at most. Until then every sequencer reads through what all writers of
    that minute have left behind: after a few thousand appends that takes longer than all else.
    """
    with suppress(DBAPIError), driver_of(connection) as driver:  # what was answered stays answered
        driver.execute(_TIDY)


def _tell(driver: psycopg.Connection, answers: Mapping[int, str]) -> None:
    # One JSON text: the driver would quote an array of texts letter by letter.
    driver.execute(_ANSWER, {"answers": json.dumps(answers)}, prepare=True)


def _first(cursor: psycopg.Cursor) -> Json:
    row = cursor.fetchone()
    return None if row is None else row[0]
