"""What a database driver complains about, as errors that say what to do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError

from thsafe.core.errors import StoreError
from thsafe.store.versions import MOVED

BUSY_SECONDS = 30.0
"""How long a writer waits for another process before it gives up."""

_NOTHING = "nothing was written"


@contextmanager
def translated(engine: Engine) -> Iterator[None]:
    """Turn errors of the driver into StoreErrors."""
    try:
        yield
    except DBAPIError as problem:
        raise explain(problem, engine) from problem


def explain(problem: DBAPIError, engine: Engine) -> StoreError:
    """The driver's error as one a person can act on."""
    name = name_of(problem.orig)
    if MOVED in str(problem.orig):
        name = MOVED
    code, message, next_step = next(rest for matches, *rest in _FAILURES if matches(name))
    return StoreError(
        f"{message}: {shown(engine.url)}",
        code=code,
        found=f"{name}: {problem.orig}".strip(),
        next_step=next_step,
        # Of a connection that broke, nobody can say whether its last word was heard.
        log="look whether the last entry is there: thsafe log show" if problem.connection_invalidated else _NOTHING,
    )


def name_of(problem: BaseException | None) -> str:
    """The driver's own name of a failure, such as ``SQLITE_BUSY`` or ``LockNotAvailable``."""
    return str(getattr(problem, "sqlite_errorname", "") or type(problem).__name__)


_FAILURES: tuple[tuple[Callable[[str], bool], str, str, str], ...] = (
    (
        lambda name: name == MOVED,
        "store.moved",
        "The log has moved on from this database",
        "look where it goes on: thsafe db status",
    ),
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
        lambda name: name.startswith("SQLITE_CANTOPEN"),
        "store.unavailable",
        "The database cannot be opened",
        "check that its folder is there and can be written: SQLite needs that even to read; if it cannot, make a copy",
    ),
    (
        lambda name: name.startswith(
            (
                "SQLITE_IOERR",
                "OperationalError",
                "Interface",
                "AdminShutdown",
                "CrashShutdown",
                "CannotConnectNow",
                "ConnectionTimeout",
            )
        ),
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


def shown(url: URL) -> str:
    """The address without its password."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return (
        url.difference_update_query(_SECRETS)
        .set(password="***" if url.password else None)
        .render_as_string(hide_password=False)
    )


def kept(url: URL) -> str:
    """The address as it may be written down: without passwords."""
    return url.difference_update_query(_SECRETS).set(password=None).render_as_string()


_SECRETS = ("password", "sslpassword")
