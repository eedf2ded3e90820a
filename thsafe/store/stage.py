"""Where PostgreSQL's writers put events, and where whoever is the sequencer takes them from.

Writers put rows here without waiting for one another. The one that holds the advisory lock gives all waiting rows their
place in the log in one transaction, and an answer each. The lock belongs to a connection: when its holder dies, the
server passes it on. The table is not logged by the server, since nothing in it was promised: what is lost here with a
crash of the server was not acknowledged to its writer, who gets an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Connection, bindparam, delete, func, select, text, update

from thsafe.store.engine import LOCK, STALLED_SECONDS
from thsafe.store.schema import stage

_BATCH = 500
_KEPT = text("interval '1 hour'")
"""Answers that nobody came for, since their writer died, go after this time."""

# The three statements of every append are plain text: building them would cost more than running them.
# Times are compared byte by byte, whatever the database's language.
_PUT = """
INSERT INTO log_stage (event, uses, at)
SELECT %(event)s, %(uses)s, %(at)s FROM log_head WHERE last_at COLLATE "C" <= %(latest)s
RETURNING number
"""
_ELECT = f"""
SELECT CASE WHEN pg_try_advisory_lock({LOCK}) THEN true
ELSE (SELECT false FROM pg_advisory_xact_lock_shared({LOCK})) END
"""  # noqa: S608 - a constant number
_TAKE = "DELETE FROM log_stage WHERE number = %(own)s AND answer IS NOT NULL RETURNING answer"

_WITHDRAW = delete(stage).where(stage.c.number == bindparam("own"), stage.c.answer.is_(None))
_ANSWER = update(stage).where(stage.c.number == bindparam("own")).values(answer=bindparam("answered"))
_WAITING = (
    # A row that its writer is just withdrawing is left to it.
    select(stage.c.number, stage.c.event, stage.c.uses, stage.c.at)
    .where(stage.c.answer.is_(None))
    .order_by(stage.c.number)
    .limit(_BATCH)
    .with_for_update(skip_locked=True)
)
_INSIST = text("SELECT true FROM pg_advisory_lock(:lock)").bindparams(lock=LOCK)
_RESIGN = text("SELECT pg_advisory_unlock(:lock)").bindparams(lock=LOCK)


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


def put(connection: Connection, *, event: str, uses: str, at: str, latest: str) -> int | None:
    """Stage an event; returns its number, or None where the log has a later time than ``latest``."""
    fields = {"event": event, "uses": uses, "at": at, "latest": latest}
    number: int | None = connection.exec_driver_sql(_PUT, fields).scalar()
    return number


def take(connection: Connection, number: int) -> str | None:
    """The answer to a staged event, once there is one; it can be taken once."""
    answer: str | None = connection.exec_driver_sql(_TAKE, {"own": number}).scalar()
    return answer


def withdraw(connection: Connection, number: int) -> bool:
    """Take a staged event back; False if it has been answered already."""
    return connection.execute(_WITHDRAW, {"own": number}).rowcount == 1


def elect(connection: Connection, *, insist: bool) -> bool:
    """Become the sequencer (True), or wait until whoever is it has answered a batch (False).

    Args:
        connection: one of ``talking``.
        insist: wait for the lock itself.
    """
    if insist:
        return bool(connection.execute(_INSIST).scalar_one())
    return bool(connection.exec_driver_sql(_ELECT).scalar_one())


def resign(connection: Connection) -> None:
    """Let another be the sequencer."""
    connection.execute(_RESIGN)


@contextmanager
def batch(connection: Connection) -> Iterator[Connection]:
    """One durable transaction of the sequencer, on a connection of ``talking``."""
    connection.exec_driver_sql("BEGIN")
    try:
        connection.exec_driver_sql(f"SET LOCAL idle_in_transaction_session_timeout = '{STALLED_SECONDS}s'")
        yield connection
    except BaseException:
        if not connection.invalidated:
            connection.exec_driver_sql("ROLLBACK")
        raise
    connection.exec_driver_sql("COMMIT")


def waiting(connection: Connection) -> tuple[Waiting, ...]:
    """The events that wait longest, in order; theirs until the transaction ends."""
    return tuple(Waiting(**row) for row in connection.execute(_WAITING).mappings())


def answer(connection: Connection, answers: Sequence[tuple[int, str]]) -> None:
    """Tell writers what became of their events."""
    connection.execute(_ANSWER, [{"own": number, "answered": said} for number, said in answers])


def sweep(connection: Connection) -> None:
    """Remove the answers of writers that died."""
    connection.execute(delete(stage).where(stage.c.answer.is_not(None), stage.c.staged_at < func.now() - _KEPT))
