"""The driver under SQLAlchemy, for what is said to it directly: several statements of PostgreSQL in one go.

Where many writers meet, what is usually done around a statement costs more than the server's own work for it. So the
statements are prepared once for each connection, what needs no answer in between is sent in one pipeline, and no more
of psycopg is used than its libpq.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import psycopg
    from psycopg.abc import PQGen
    from psycopg.pq.abc import PGconn, PGresult

Rows = list[tuple[Any, ...]]
Statement = tuple[object, ...]
"""``EXECUTE`` and the name of a prepared one, then its values; or a whole statement alone."""

_EXECUTE = "EXECUTE "
_PREPARED = "thsafe_prepared"
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
    """Say a script; where it begins no transaction, it is one (PostgreSQL: pipelining, extended query).

    Args:
        connection: whose driver it is said to; one of ``thsafe.store.lines``.
        script: such as ``("EXECUTE name", 1, "text")``; all is sent before the first answer is read.
        prepare: scripts that ``PREPARE`` what it executes; each is said before it, once for each connection.

    Returns:
        The rows of each statement, none for one that gives none; booleans, integers, bytes and texts.

    Raises:
        DBAPIError: of the driver; what came after the statement that failed was not done.
    """
    return [_rows(result) for result in _said(connection, script, prepare)]


def undo(connection: Connection) -> None:
    """Roll back, if a transaction is open and the connection is there."""
    if connection.invalidated:
        return
    driver = driver_of(connection)
    if not driver.closed and driver.info.transaction_status.name != "IDLE":
        say(connection, ("ROLLBACK",), prepare=())


def _said(connection: Connection, script: Sequence[Statement], prepare: Sequence[str]) -> list[PGresult]:
    driver = driver_of(connection)
    errors = connection.dialect.loaded_dbapi.Error
    prepared: set[str] = connection.info.setdefault(_PREPARED, set())
    try:
        for statements in prepare:
            if statements not in prepared:
                driver.execute(statements.encode())
                prepared.add(statements)
        return _send(driver, script)
    except errors as problem:
        gone = driver.closed
        if gone:
            connection.invalidate()
        raise DBAPIError.instance(None, None, problem, errors, connection_invalidated=gone) from problem


def _send(driver: psycopg.Connection, script: Sequence[Statement]) -> list[PGresult]:
    from psycopg import errors, pq

    parameters = [[_parameter(value) for value in values] for _, *values in script]
    pgconn = driver.pgconn
    with _pipeline(driver):
        for (start, *values), given in zip(script, parameters, strict=True):
            words = str(start)
            if words.startswith(_EXECUTE):
                # Bytes go as they are (1), all else as text (0).
                formats = [int(isinstance(value, bytes)) for value in values]
                pgconn.send_query_prepared(words[len(_EXECUTE) :].encode(), given, formats)
            else:
                pgconn.send_query_params(words.encode(), None)
        pgconn.pipeline_sync()
        # Not libpq's own waiting: this one hears Ctrl-C, and takes the question back.
        results = driver.wait(_answers(pgconn, len(script)))
    for result in results:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            raise errors.error_from_result(result)
    return results


@contextmanager
def _pipeline(driver: psycopg.Connection) -> Iterator[None]:
    driver.pgconn.enter_pipeline_mode()
    try:
        yield
        driver.pgconn.exit_pipeline_mode()
    except BaseException:
        try:
            driver.pgconn.exit_pipeline_mode()
        except Exception:  # noqa: BLE001 - of whatever kind
            # What was not answered yet would be taken for the answer to the next question.
            driver.close()
        raise


def _answers(pgconn: PGconn, count: int) -> PQGen[list[PGresult]]:
    from psycopg import generators

    yield from generators.send(pgconn)
    results = []
    for _ in range(count):
        results += yield from generators.fetch_many(pgconn)
    yield from generators.fetch_many(pgconn)  # the end of the pipeline
    return results


def _parameter(value: object) -> bytes | None:
    from psycopg import errors

    if value is None or isinstance(value, bytes):
        return value
    text = str(value)
    if "\0" in text:
        raise errors.DataError("a text cannot hold the character NUL")
    return text.encode()


def _rows(result: PGresult) -> Rows:
    readers = [_READERS.get(result.ftype(column), bytes.decode) for column in range(result.nfields)]
    rows = []
    for row in range(result.ntuples):
        values = [result.get_value(row, column) for column in range(len(readers))]
        rows.append(
            tuple([None if value is None else read(value) for value, read in zip(values, readers, strict=True)])
        )
    return rows


def driver_of(connection: Connection) -> psycopg.Connection:
    """The driver's own connection."""
    return cast("psycopg.Connection", connection.connection.driver_connection)
