"""Looking after the database of a log: how it stands, bringing it up to date, copying it, moving it to another.

A copy counts only once its log has been recomputed from its leaves and has the root of the original.
"""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, make_url, select

from thsafe.core.errors import LedgerBroken, UsageError
from thsafe.core.types import Progress, Silent
from thsafe.ledger.check import LogReport, check_log
from thsafe.media.files import write_failure
from thsafe.store import copying, schema, versions
from thsafe.store.engine import connect, open_engine, reading, writing
from thsafe.store.failures import kept, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How a database stands."""

    address: str
    """With no password in it."""
    version: int
    """Of its tables; 0: there are none yet."""
    known: int
    """The version that this program works with."""
    moved_to: str | None
    """Where the log goes on, if it has moved."""
    origin: str
    size: int
    root: str
    """As the head says, hexadecimal; ``thsafe log verify`` recomputes it."""

    @property
    def usable(self) -> bool:
        """Whether this program can work with it, and there is something in it."""
        return self.version == self.known and self.moved_to is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Copied:
    """A copy of a log, recomputed from its leaves."""

    address: str
    origin: str
    size: int
    root: str
    """The same before and after, hexadecimal."""


def standing(url: str) -> Standing:
    """Look at a database without changing it, whatever its version.

    Raises:
        StoreError: it cannot be reached, belongs to another program or to a newer thsafe.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").exists():
        return _empty(shown(address))
    engine = connect(url)
    try:
        with reading(engine) as connection:
            version = versions.version_of(connection, where=shown(engine.url))
            if version == 0:
                return _empty(shown(engine.url))
            head = connection.execute(select(schema.head)).mappings().one()
            return Standing(
                address=shown(engine.url),
                version=version,
                known=schema.SCHEMA_VERSION,
                moved_to=versions.moved_to(connection) if version == schema.SCHEMA_VERSION else None,
                origin=head["origin"],
                size=head["size"],
                root=bytes(head["root"]).hex(),
            )
    finally:
        engine.dispose()


def upgrade(url: str) -> int:
    """Bring the tables up to the version of this program, in one transaction; returns the version they had.

    Raises:
        StoreError: as ``standing``, or the database cannot be written. Nothing was changed then.
    """
    engine = connect(url)
    try:
        with writing(engine) as connection:
            return versions.bring_up(connection, where=shown(engine.url))
    finally:
        engine.dispose()


def backup(url: str, target: Path, *, progress: Progress | None = None) -> Copied:
    """One moment of the log as one SQLite file, while others go on appending; it can be opened as a database.

    Args:
        url: SQLite or PostgreSQL, of any version for SQLite.
        target: the file; replaced whole, private to this user.
        progress: told how far the work is.

    Raises:
        StoreError: a database or the disk refuses.
        LedgerBroken: ``log.copy``: what was copied does not verify. No file is left then.
    """
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    engine = connect(url)
    try:
        # Private from the first byte: it holds the keys of personal fields.
        os.close(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        if engine.dialect.name == "sqlite":
            copying.copy_sqlite(engine, temporary)
        else:
            with reading(engine) as source:
                versions.is_ready(source, where=shown(engine.url))
                _copy(source, f"sqlite:///{temporary}", progress or Silent())
        copied = _look_through(temporary)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as problem:
        raise write_failure(target, problem.errno, 0) from problem
    finally:
        engine.dispose()
        for name in ("", "-wal", "-shm", "-journal"):
            Path(f"{temporary}{name}").unlink(missing_ok=True)
    return Copied(address=str(target), origin=copied.origin, size=copied.size, root=copied.root)


def migrate(url: str, to: str, *, progress: Progress | None = None) -> Copied:
    """Move a log into an empty database; from then on nothing can be appended to the old one.

    The old one is closed to all writers while rows are copied and recomputed; it is given up only after the new one
    is safely there. What is in it stays as it is.

    Args:
        url: where the log is.
        to: where it is going.
        progress: told how far the work is.

    Raises:
        UsageError: ``db.same``: both are the same.
        StoreError: ``store.not-empty``: there is a log at ``to``; or a database refuses. The log stays where it was.
        LedgerBroken: ``log.copy``: the log does not verify, before or after. It stays where it was.
    """
    progress = progress or Silent()
    if make_url(url) == make_url(to):
        raise UsageError("The log is there already.", code="db.same", found=shown(make_url(to)), next_step="nothing")
    source_engine, moved_to = open_engine(url), shown(make_url(to))
    try:
        with writing(source_engine) as source:
            before = _verified(source)
            after = _copy(source, to, progress)
            if (before.origin, before.size, before.root) != (after.origin, after.size, after.root):
                raise _not_the_same(f"{before.size} entries, root {before.root}; copied {after.size}, {after.root}")
            versions.close_for(source, kept(make_url(to)))
    finally:
        source_engine.dispose()
    return Copied(address=moved_to, origin=after.origin, size=after.size, root=after.root)


def _copy(source: Connection, to: str, progress: Progress) -> LogReport:
    """Fill an empty database and recompute its log, in one transaction."""
    engine = open_engine(to)
    try:
        with writing(engine) as target:
            copying.copy_all(source, target, progress)
            progress.start("verifying", None)
            return _verified(target)
    finally:
        engine.dispose()


def _look_through(path: Path) -> Standing | LogReport:
    """The log in a finished copy; one of an older version is not recomputed by this program."""
    found = standing(f"sqlite:///{path}")
    if found.version != schema.SCHEMA_VERSION:
        return found
    engine: Engine = connect(f"sqlite:///{path}")
    try:
        with reading(engine) as connection:
            return _verified(connection)
    finally:
        engine.dispose()


def _verified(connection: Connection) -> LogReport:
    origin = connection.execute(select(schema.head.c.origin)).scalar_one()
    report = check_log(connection, origin=origin, verifier=None, witnessed=())
    if not report.ok:
        raise _not_the_same(f"{report.problems[0].code}: {report.problems[0].message}")
    return report


def _not_the_same(found: str) -> LedgerBroken:
    return LedgerBroken(
        "The log does not verify, so it is not copied.",
        code="log.copy",
        found=found,
        next_step="run: thsafe log verify; then restore the database from a backup",
        log="the log stays where it is, unchanged",
    )


def _empty(address: str) -> Standing:
    return Standing(address=address, version=0, known=schema.SCHEMA_VERSION, moved_to=None, origin="", size=0, root="")
