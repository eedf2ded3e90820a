"""Connections and transactions on the store: SQLite beside the keys, or PostgreSQL by URL.

``writing`` is the one way to change anything: on SQLite it takes the write lock at once (``BEGIN IMMEDIATE``), on
PostgreSQL an advisory lock, so that a count and the row that follows from it are one step. ``reading`` sees one
moment. Driver errors leave both as StoreErrors that say what to do.
"""

from __future__ import annotations

import math
import os
import random
import selectors
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import ArgumentError, DBAPIError, DisconnectionError, NoSuchModuleError
from sqlalchemy.pool import ConnectionPoolEntry

from thsafe.core.errors import MissingError, StoreError
from thsafe.store import failures, versions
from thsafe.store.failures import shown, translated

_EXCLUSIVE = "BEGIN IMMEDIATE"
LOCK = int.from_bytes(sha256(b"thsafe log").digest()[:8], "big", signed=True)
"""PostgreSQL advisory lock of whoever writes the log."""

_REST_SECONDS = 1.0
_LAST_USED = "thsafe_last_used"
STALLED_SECONDS = 20
"""A writer that holds PostgreSQL's lock and does nothing for so long is disconnected by the server: another goes on."""


def open_engine(url: str) -> Engine:
    """Open the database, making its tables on first use.

    Args:
        url: ``sqlite:///path`` or ``postgresql://user@host/name``.

    Raises:
        StoreError: it cannot be opened, is no database of ours, of another version, or has moved.
        MissingError: the PostgreSQL driver is not installed.
    """
    engine = connect(url)
    try:
        with reading(engine) as connection:
            ready = versions.is_ready(connection, where=shown(engine.url))
        if not ready:
            with writing(engine) as connection:
                # Another process may have been faster between the two transactions.
                if not versions.is_ready(connection, where=shown(engine.url)):
                    versions.create(connection)
    except BaseException:
        engine.dispose()
        raise
    return engine


def connect(url: str) -> Engine:
    """The database as it is, empty or of another version; errors as ``open_engine``."""
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
    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One exclusive transaction: durable when the block ends, undone when it raises.

    Raises:
        StoreError: the database is locked, read-only, full or gone.
    """
    with translated(engine), engine.connect() as connection:
        connection.execution_options(thsafe_begin=_EXCLUSIVE)
        with connection.begin():
            if engine.dialect.name == "postgresql":
                connection.execute(text(f"SET LOCAL idle_in_transaction_session_timeout = '{STALLED_SECONDS}s'"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
            yield connection


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """One transaction that sees a single moment of the database, however long it reads.

    Raises:
        StoreError: the database cannot be read.
    """
    with translated(engine), engine.connect() as connection:
        if engine.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with connection.begin():
            yield connection


def scrub(engine: Engine) -> None:
    """After an erasure: leave no copy of the deleted bytes in SQLite's write-ahead log."""
    if engine.dialect.name == "sqlite":
        with translated(engine), engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("PRAGMA wal_checkpoint(TRUNCATE)"))


def _open_sqlite(address: URL) -> Engine:
    if not address.database or address.database == ":memory:":
        raise _unknown_url(str(address))
    path = Path(address.database)
    if path.is_file() and not os.access(path.parent, os.W_OK):
        return _open_for_reading(address, path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _make_private(path)
    except OSError as problem:
        raise StoreError(
            f"The database cannot be opened: {path}",
            code="store.unavailable",
            found=str(problem),
            next_step="check the owner and mode of this path, or set THSAFE_HOME or THSAFE_DB to another",
        ) from problem
    engine = create_engine(address, connect_args={"timeout": failures.BUSY_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite_connection)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _open_for_reading(address: URL, path: Path) -> Engine:
    """A database in a place where nothing can be written: an auditor's copy, a snapshot, a disk mounted read-only.

    SQLite wants to make two files beside it even to read. Where a writer has them there already it needs nothing more;
    where there are none, nobody writes, and it may take the file as it is (https://sqlite.org/wal.html#readonly).
    """
    written = path.with_name(f"{path.name}-wal").exists()
    name = f"{path.absolute().as_uri()}?{'mode=ro' if written else 'immutable=1'}"

    def connect() -> sqlite3.Connection:
        return sqlite3.connect(name, uri=True, timeout=failures.BUSY_SECONDS, check_same_thread=False)

    engine = create_engine(address, creator=connect)
    event.listen(engine, "connect", _prepare_for_reading)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_private(path: Path) -> None:
    """An empty file of mode 0600, if there is none; SQLite gives its -wal and -shm files the mode of the database.

    It is made beside and linked into place: closing a database file lets go of every lock that this process holds on
    it (https://sqlite.org/howtocorrupt.html §2.2), so nobody but SQLite may ever have it open.
    """
    if path.exists():
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    os.close(handle)
    try:
        with suppress(FileExistsError):  # another process was faster
            os.link(name, path)
    finally:
        Path(name).unlink()


def _readable(text: bytes) -> str:
    """A value of kind text; SQLite keeps what is no UTF-8, too, and the driver would stop at it."""
    return text.decode("utf-8", "backslashreplace")


def _prepare_for_reading(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.text_factory = _readable
    # The driver must not begin transactions by itself: _begin_sqlite says which kind is wanted.
    connection.isolation_level = None


def _prepare_sqlite_connection(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    _prepare_for_reading(connection, _entry)
    # SQLite does not wait here by itself: two programs that open a new database at once would fail.
    _patiently(lambda: connection.execute("PRAGMA journal_mode=WAL"))
    for pragma in (
        "synchronous=FULL",  # NORMAL is 7x faster and loses the last commits on a power cut
        "foreign_keys=ON",
        "secure_delete=ON",  # erased personal fields must not linger in free pages
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    wanted = connection.get_execution_options().get("thsafe_begin", "BEGIN")
    if wanted != _EXCLUSIVE:
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite's own waiting looks every tenth of a second: among eight writers one can miss its turn for half a minute.
    driver: sqlite3.Connection = connection.connection.dbapi_connection  # type: ignore[assignment]
    driver.execute("PRAGMA busy_timeout=0")
    try:
        _patiently(lambda: connection.exec_driver_sql(_EXCLUSIVE))
    finally:
        driver.execute(f"PRAGMA busy_timeout={failures.BUSY_SECONDS * 1000:.0f}")


def _patiently(call: Callable[[], object]) -> None:
    """Try again while another process holds the database, every few milliseconds."""
    started = time.monotonic()
    while True:
        try:
            call()
        except (sqlite3.OperationalError, DBAPIError) as problem:
            name = failures.name_of(problem.orig if isinstance(problem, DBAPIError) else problem)
            waited = time.monotonic() - started
            if not name.startswith("SQLITE_BUSY") or waited > failures.BUSY_SECONDS:
                raise
            # Not in step with the others; seldom, once it takes long.
            time.sleep(random.uniform(0.5, 1.5) * min(0.01, 0.001 + waited / 50))  # noqa: S311 - no secret
        else:
            return


def _open_postgresql(address: URL) -> Engine:
    try:
        engine = create_engine(address.set(drivername="postgresql+psycopg"))
    except (ImportError, NoSuchModuleError) as problem:
        raise MissingError(
            "The PostgreSQL driver is not installed.",
            code="store.driver",
            found=str(problem),
            next_step="pip install 'thsafe[postgres]'",
        ) from problem
    event.listen(engine, "connect", _prepare_postgresql_connection)
    event.listen(engine, "checkin", _note_use)
    event.listen(engine, "checkout", _look_whether_it_lives)
    return engine


def _prepare_postgresql_connection(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SET lock_timeout = '{failures.BUSY_SECONDS * 1000:.0f}ms'")
    cursor.close()
    connection.commit()


def _note_use(_connection: object, entry: ConnectionPoolEntry) -> None:
    entry.info[_LAST_USED] = time.monotonic()


def _look_whether_it_lives(connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: object) -> None:
    rested = time.monotonic() - entry.info.get(_LAST_USED, math.inf)
    if not is_alive(connection, rested=rested):
        raise DisconnectionError


def is_alive(connection: DBAPIConnection | None, *, rested: float) -> bool:
    """Whether PostgreSQL still listens on a connection that was not used for so many seconds.

    The server may have been restarted since; asked only after a rest, for writers in a row it would be a cost. A server
    that ends says so on each connection: what lies there unread costs no round trip to notice.
    """
    if connection is None:
        return False
    if rested < _REST_SECONDS and not _has_been_told(connection):
        return True
    try:
        cursor = connection.cursor()
        cursor.execute("SELECT 1")
        cursor.close()
        connection.rollback()
    except Exception:  # noqa: BLE001 - whatever it is, this connection is of no use
        return False
    return True


def _has_been_told(connection: DBAPIConnection) -> bool:
    """Whether the server sent something on a connection that asked for nothing: as a rule, that it is closed."""
    with _Selector() as selector:
        selector.register(connection.fileno(), selectors.EVENT_READ)
        return bool(selector.select(0))


# For a single look, where there is a choice, the one that asks the kernel once.
_Selector: type[selectors.BaseSelector] = getattr(selectors, "PollSelector", selectors.DefaultSelector)


def _unknown_url(url: str) -> StoreError:
    return StoreError(
        "This is not a database address that thsafe knows.",
        code="store.url",
        found=url.rpartition("@")[2],
        next_step="use sqlite:///PATH or postgresql://USER@HOST/NAME",
    )
