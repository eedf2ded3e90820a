"""The driver under SQLAlchemy, for what is said to it directly: several statements of PostgreSQL in one go.

Where many writers meet, what is usually done around a statement costs more than the server's own work for it. So the
statements are prepared once for each connection, what needs no answer in between is said in one script, and no more of
psycopg is used than its libpq.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import psycopg
    from psycopg.pq.abc import PGresult

Rows = list[tuple[Any, ...]]
Statement = tuple[object, ...]
"""The beginning of a statement, and values that follow it in brackets, if there are any."""

_SPEAKER = "thsafe_speaker"
_READERS: Final[Mapping[int, Callable[[bytes], Any]]] = {
    16: b"t".__eq__,
    17: lambda value: bytes.fromhex(value[2:].decode()),
    20: int,
    23: int,
}
"""How bool, bytea, bigint and integer are read, by their numbers in pg_type; all else is text."""


def say(connection: Connection, *script: Statement, prepare: Sequence[str]) -> None:
    """Say a script whose rows nobody wants; arguments and errors as ``ask``."""
    _said(connection, script, prepare)


def ask(connection: Connection, *script: Statement, prepare: Sequence[str]) -> list[Rows]:
    """Say a script; where it begins no transaction, it is one (PostgreSQL: simple query, several statements).

    Args:
        connection: whose driver it is said to.
        script: such as ``("EXECUTE name", 1, "text")``.
        prepare: scripts that ``PREPARE`` what it executes; each is said before it, once for each connection.

    Returns:
        The rows of each statement, none for one that gives none; booleans, integers, bytes and texts.

    Raises:
        DBAPIError: of the driver.
    """
    return [_rows(result) for result in _said(connection, script, prepare)]


def undo(connection: Connection) -> None:
    """Roll back, if a transaction is open and the connection is there."""
    if connection.invalidated:
        return
    driver = _speaker(connection).driver
    if not driver.closed and driver.info.transaction_status.name != "IDLE":
        say(connection, ("ROLLBACK",), prepare=())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Speaker:
    """What is kept for a connection."""

    driver: psycopg.Connection
    quote: Callable[[bytes], bytes | bytearray | memoryview]
    prepared: set[str] = field(default_factory=set)

    def send(self, script: str) -> list[PGresult]:
        from psycopg import errors, generators, pq

        if "\0" in script:
            raise errors.DataError("a text cannot hold the character NUL")
        self.driver.pgconn.send_query(script.encode())
        # Not libpq's own waiting: this one hears Ctrl-C, and takes the question back.
        results: list[PGresult] = self.driver.wait(generators.execute(self.driver.pgconn))
        if results[-1].status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(results[-1])
        return results

    def text_of(self, statement: Statement) -> str:
        """A statement with its values in it: only without parameters the server takes several at once."""
        start, *values = statement
        return f"{start}({','.join([self._literal(value) for value in values])})" if values else str(start)

    def _literal(self, value: object) -> str:
        if isinstance(value, bytes):
            value = f"\\x{value.hex()}"
        if isinstance(value, str):
            return value if "\0" in value else bytes(self.quote(value.encode())).decode()
        return "NULL" if value is None else str(value)


def _said(connection: Connection, script: Sequence[Statement], prepare: Sequence[str]) -> list[PGresult]:
    speaker = _speaker(connection)
    errors = connection.dialect.loaded_dbapi.Error
    try:
        for statements in prepare:
            if statements not in speaker.prepared:
                speaker.send(statements)
                speaker.prepared.add(statements)
        return speaker.send(";".join([speaker.text_of(statement) for statement in script]))
    except errors as problem:
        gone = speaker.driver.closed
        if gone:
            connection.invalidate()
        raise DBAPIError.instance(None, None, problem, errors, connection_invalidated=gone) from problem


def _speaker(connection: Connection) -> _Speaker:
    speaker: _Speaker | None = connection.info.get(_SPEAKER)
    if speaker is None:
        from psycopg.pq import Escaping

        driver = cast("psycopg.Connection", connection.connection.driver_connection)
        speaker = _Speaker(driver=driver, quote=Escaping(driver.pgconn).escape_literal)
        connection.info[_SPEAKER] = speaker
    return speaker


def _rows(result: PGresult) -> Rows:
    readers = [_READERS.get(result.ftype(column), bytes.decode) for column in range(result.nfields)]
    rows = []
    for row in range(result.ntuples):
        values = [result.get_value(row, column) for column in range(len(readers))]
        rows.append(
            tuple([None if value is None else read(value) for value, read in zip(values, readers, strict=True)])
        )
    return rows
