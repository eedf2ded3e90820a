"""Connections and transactions on the store: SQLite beside the keys, or PostgreSQL by URL.

``writing`` is the one way to change anything: on SQLite it takes the write lock at once (``BEGIN IMMEDIATE``), on
PostgreSQL an advisory lock, so that a count and the row that follows from it are one step. ``reading`` sees one
moment. Driver errors leave both as StoreErrors that say what to do.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, insert, inspect, make_url, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import MissingError, StoreError
from thsafe.store import schema

BUSY_SECONDS = 30.0
"""How long a writer waits for another process before it gives up."""

_ADVISORY_LOCK = int.from_bytes(sha256(b"thsafe log").digest()[:8], "big", signed=True)


def open_engine(url: str) -> Engine:
    """Open the database, making its tables on first use.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user@host/name``.

    Raises:
        StoreError: it cannot be opened, is no database of ours, or was written by a newer thsafe.
        MissingError: the PostgreSQL driver is not installed.
    """
    try:
        address = make_url(url)
    except ArgumentError as problem:
        raise _unknown_url(url) from problem
    match address.get_backend_name():
        case "sqlite":
            engine = _open_sqlite(address)
        case "postgresql":
            engine = _open_postgresql(address)
        case _:
            raise _unknown_url(url)
    try:
        with reading(engine) as connection:
            ready = _is_ready(connection, where=_shown(engine.url))
        if not ready:
            with writing(engine) as connection:
                # Another process may have been faster between the two transactions.
                if not _is_ready(connection, where=_shown(engine.url)):
                    _create(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One exclusive transaction: durable when the block ends, undone when it raises.

    Raises:
        StoreError: the database is locked, read-only, full or gone.
    """
    with _translated(engine), engine.connect() as connection:
        connection.execution_options(thsafe_begin="BEGIN IMMEDIATE")
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees a single moment of the database, however long it reads.

    Raises:
        StoreError: the database cannot be read.
    """
    with _translated(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def scrub(engine: Engine) -> None:
    """After an erasure: leave no copy of the deleted bytes in SQLite's write-ahead log."""
    if engine.dialect.name == "sqlite":
        with _translated(engine), engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _open_sqlite(address: URL) -> Engine:
    if not address.database or address.database == ":memory:":
        raise _unknown_url(str(address))
    path = Path(address.database)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives its -wal and -shm files the mode of the database: private from the first byte.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as problem:
        raise StoreError(
            f"The database cannot be opened: {path}",
            code="store.unavailable",
            found=str(problem),
            next_step="check the owner and mode of this path, or set THSAFE_HOME or THSAFE_DB to another",
        ) from problem
    engine = create_engine(address, connect_args={"timeout": BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite_connection)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite_connection(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    # The driver must not begin transactions by itself: _begin_sqlite says which kind is wanted.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",  # NORMAL is 7x faster and loses the last commits on a power cut
        "foreign_keys=ON",
        "secure_delete=ON",  # erased personal fields must not linger in free pages
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    connection.exec_driver_sql(str(connection.get_execution_options().get("thsafe_begin", "BEGIN")))


def _open_postgresql(address: URL) -> Engine:
    try:
        return create_engine(address.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    except (ImportError, NoSuchModuleError) as problem:
        raise MissingError(
            "The PostgreSQL driver is not installed.",
            code="store.driver",
            found=str(problem),
            next_step="pip install 'thsafe[postgres]'",
        ) from problem


def _is_ready(connection: Connection, *, where: str) -> bool:
    """Are our tables there? Refuses a database that is not ours or is newer than this code."""
    names = set(inspect(connection).get_table_names())
    if schema.schema.name not in names:
        if taken := sorted(names & set(schema.metadata.tables)):
            raise StoreError(
                f"The database belongs to another program: {where}",
                code="store.foreign",
                found=f"tables {', '.join(taken)} without {schema.schema.name}",
                next_step="set THSAFE_DB to a database of its own",
            )
        return False
    version = connection.execute(select(schema.schema.c.version)).scalar_one()
    if version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"The database was written by a newer thsafe: {where}",
            code="store.newer-schema",
            found=f"schema version {version}; this program knows {schema.SCHEMA_VERSION}",
            next_step="upgrade: pip install --upgrade thsafe",
        )
    return True


def _create(connection: Connection) -> None:
    """All tables, the empty tree and the log's name."""
    schema.metadata.create_all(connection, checkfirst=False)
    made_at = to_text(system_clock())
    connection.execute(insert(schema.schema).values(version=schema.SCHEMA_VERSION, made_at=made_at))
    connection.execute(
        insert(schema.head).values(
            one=1,
            # A random name: checkpoints travel to witnesses, so they say neither whose host nor who it is.
            origin=f"thsafe/{secrets.token_hex(16)}",
            size=0,
            root=sha256(b"").digest(),
            frontier=b"",
            last_at="",
        )
    )


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except DBAPIError as problem:
        raise _explain(problem, _shown(engine.url)) from problem


def _explain(problem: DBAPIError, where: str) -> StoreError:
    """The driver's error as one a person can act on."""
    name = str(getattr(problem.orig, "sqlite_errorname", "") or type(problem.orig).__name__)
    code, message, next_step = next(rest for matches, *rest in _FAILURES if matches(name))
    return StoreError(
        f"{message}: {where}",
        code=code,
        found=f"{name}: {problem.orig}".strip(),
        next_step=next_step,
        log="nothing was written",
    )


_FAILURES: tuple[tuple[Callable[[str], bool], str, str, str], ...] = (
    (
        lambda name: name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED", "LockNotAvailable")),
        "store.locked",
        f"Another process held the database for {BUSY_SECONDS:.0f} s",
        "wait for the other thsafe to finish, or stop it; for many writers set THSAFE_DB to a PostgreSQL URL",
    ),
    (
        lambda name: name.startswith(("SQLITE_READONLY", "ReadOnlySqlTransaction", "InsufficientPrivilege")),
        "store.read-only",
        "The database cannot be written",
        "give this user write access to the file and its folder, or set THSAFE_HOME",
    ),
    (
        lambda name: name.startswith(("SQLITE_FULL", "DiskFull")),
        "store.full",
        "The disk that holds the database is full",
        "free some space and run the command again",
    ),
    (
        lambda name: name.startswith("SQLITE_NOTADB"),
        "store.not-a-database",
        "This file is not a database",
        "move it away, or set THSAFE_HOME or THSAFE_DB to another place",
    ),
    (
        lambda name: name.startswith("SQLITE_CORRUPT"),
        "store.corrupt",
        "The database is damaged",
        "restore it from a backup, then run: thsafe log verify",
    ),
    (
        lambda name: name.startswith(("SQLITE_CANTOPEN", "SQLITE_IOERR", "OperationalError", "Interface")),
        "store.unavailable",
        "The database cannot be reached",
        "check that the server or the disk is there and that THSAFE_DB names it",
    ),
    (
        lambda _name: True,
        "store.failed",
        "The database refused a statement",
        "run: thsafe log verify; if it finds nothing, report this with the text above",
    ),
)


def _unknown_url(url: str) -> StoreError:
    return StoreError(
        "This is not a database address that thsafe knows.",
        code="store.url",
        found=url.rpartition("@")[2],
        next_step="use sqlite:///PATH or postgresql://USER@HOST/NAME",
    )


def _shown(url: URL) -> str:
    """The address without its password."""
    return url.database or "" if url.get_backend_name() == "sqlite" else url.render_as_string(hide_password=True)
