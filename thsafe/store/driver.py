"""The driver under SQLAlchemy, for what is said to it directly: several statements of PostgreSQL in one go.

Where many writers meet, what is usually done around a statement costs more than the server's own work for it. So the
statements are prepared once for each connection, and what needs no answer in between is said in one script.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import psycopg

Rows = list[tuple[Any, ...]]
Statement = tuple[object, ...]
"""The beginning of a statement, and values that follow it in brackets, if there are any."""

_MOUTH = "thsafe_mouth"


def say(connection: Connection, *script: Statement, prepare: Sequence[str]) -> None:
    """Say a script whose rows nobody wants; arguments and errors as ``ask``."""
    with _said(connection, script, prepare):
        pass


def ask(connection: Connection, *script: Statement, prepare: Sequence[str]) -> list[Rows]:
    """Say a script; where it begins no transaction, it is one (PostgreSQL: simple query, several statements).

    Args:
        connection: whose driver it is said to.
        script: such as ``("EXECUTE name", 1, "text")``.
        prepare: scripts that ``PREPARE`` what it executes; each is said before it, once for each connection.

    Returns:
        The rows of each statement, none for one that gives none.

    Raises:
        DBAPIError: of the driver.
    """
    with _said(connection, script, prepare) as cursor:
        results: list[Rows] = []
        while True:
            results.append([] if cursor.rownumber is None else cursor.fetchall())
            if not cursor.nextset():
                return results


def undo(connection: Connection) -> None:
    """Roll back, if a transaction is open and the connection is there."""
    if connection.invalidated:
        return
    with _driver_of(connection) as driver:
        if not driver.closed and driver.info.transaction_status.name != "IDLE":
            driver.execute("ROLLBACK")


@contextmanager
def _said(
    connection: Connection, script: Sequence[Statement], prepare: Sequence[str]
) -> Iterator[psycopg.Cursor[tuple[Any, ...]]]:
    with _driver_of(connection) as driver:
        mouth: _Mouth | None = connection.info.get(_MOUTH)
        if mouth is None:
            mouth = connection.info[_MOUTH] = _Mouth.of(driver)
        for statements in prepare:
            if statements not in mouth.prepared:
                mouth.cursor.execute(statements)
                mouth.prepared.add(statements)
        mouth.cursor.execute(";".join([mouth.text_of(statement) for statement in script]).encode())
        yield mouth.cursor


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mouth:
    """What is kept for a connection."""

    cursor: psycopg.Cursor[tuple[Any, ...]]
    quote: Callable[[bytes], bytes | bytearray | memoryview]
    prepared: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, driver: psycopg.Connection) -> _Mouth:
        from psycopg.pq import Escaping

        return cls(cursor=driver.cursor(), quote=Escaping(driver.pgconn).escape_literal)

    def text_of(self, statement: Statement) -> str:
        """A statement with its values in it: only without parameters the server takes several at once."""
        start, *values = statement
        return f"{start}({','.join([self._literal(value) for value in values])})" if values else str(start)

    def _literal(self, value: object) -> str:
        if isinstance(value, bytes):
            value = f"\\x{value.hex()}"
        if not isinstance(value, str):
            return "NULL" if value is None else str(value)
        if "\0" in value:
            from psycopg import DataError

            raise DataError("a text cannot hold the character NUL")
        return bytes(self.quote(value.encode())).decode()


@contextmanager
def _driver_of(connection: Connection) -> Iterator[psycopg.Connection]:
    """The driver's own connection; its errors come as those of SQLAlchemy."""
    driver = cast("psycopg.Connection", connection.connection.driver_connection)
    errors = connection.dialect.loaded_dbapi.Error
    try:
        yield driver
    except errors as problem:
        gone = driver.closed
        if gone:
            connection.invalidate()
        raise DBAPIError.instance(None, None, problem, errors, connection_invalidated=gone) from problem
