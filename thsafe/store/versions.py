"""Which tables a database has: made, checked and brought up to date here, inside the caller's transaction.

Versions are whole numbers in ``thsafe_schema``. A database is only ever used by a program that knows exactly its
version: a newer one might mean what this program cannot see, an older one is brought up by ``thsafe db upgrade``.
"""

from __future__ import annotations

import secrets
from hashlib import sha256

from sqlalchemy import Connection, insert, inspect, select, text, update

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import StoreError
from thsafe.store import schema

MOVED = "thsafe_log_has_moved"
"""What a database answers to whoever appends to a log that has moved."""


def version_of(connection: Connection, *, where: str) -> int:
    """The version of the tables that are there; 0 for an empty database.

    Raises:
        StoreError: ``store.foreign``: it belongs to another program; ``store.newer-schema``: to a newer thsafe.
    """
    names = set(inspect(connection).get_table_names())
    if schema.schema.name not in names:
        if taken := sorted(names & set(schema.metadata.tables)):
            raise StoreError(
                f"The database belongs to another program: {where}",
                code="store.foreign",
                found=f"tables {', '.join(taken)} without {schema.schema.name}",
                next_step="set THSAFE_DB to a database of its own",
            )
        return 0
    version = int(connection.execute(select(schema.schema.c.version)).scalar_one())
    if version > schema.SCHEMA_VERSION:
        raise StoreError(
            f"The database was written by a newer thsafe: {where}",
            code="store.newer-schema",
            found=f"schema version {version}; this program knows {schema.SCHEMA_VERSION}",
            next_step="upgrade: pip install --upgrade thsafe",
        )
    return version


def is_ready(connection: Connection, *, where: str) -> bool:
    """Are our tables there, as this program knows them?

    Raises:
        StoreError: ``store.older-schema``: they must be brought up to date first; ``store.moved``: another database
            continues this log; or as ``version_of``.
    """
    version = version_of(connection, where=where)
    if 0 < version < schema.SCHEMA_VERSION:
        raise StoreError(
            f"The database was written by an older thsafe: {where}",
            code="store.older-schema",
            found=f"schema version {version}; this program works with {schema.SCHEMA_VERSION}",
            next_step="thsafe db backup BEFORE.db, then: thsafe db upgrade",
            log="nothing was changed",
        )
    if version == schema.SCHEMA_VERSION:
        to = moved_to(connection)
        if to is not None:
            raise StoreError(
                f"The log has moved on from this database: {where}",
                code="store.moved",
                found=f"it goes on in {to}",
                next_step=f"export THSAFE_DB={to}",
                log="nothing was changed; what was here is still here, to be looked at or kept",
            )
    return version == schema.SCHEMA_VERSION


def moved_to(connection: Connection) -> str | None:
    """Address of the database that continues this log; None where it is this one."""
    address: str | None = connection.execute(select(schema.schema.c.moved_to)).scalar_one()
    return address


def create(connection: Connection) -> None:
    """All tables, the empty tree and the log's name."""
    _step_up(connection, 0)
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


def bring_up(connection: Connection, *, where: str) -> int:
    """Run the steps that an older database lacks; returns the version that it had (0: it was empty, and is filled).

    Raises:
        StoreError: as ``version_of``.
    """
    version = version_of(connection, where=where)
    if version == 0:
        create(connection)
    elif version < schema.SCHEMA_VERSION:
        _step_up(connection, version)
        connection.execute(update(schema.schema).values(version=schema.SCHEMA_VERSION))
    return version


def close_for(connection: Connection, to: str) -> None:
    """Let nothing more be appended here, by programs that have the database open either, since the log goes on there.

    Args:
        connection: of ``writing``.
        to: address of the other database, with no password in it.
    """
    connection.execute(update(schema.schema).values(moved_to=to))
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"ALTER TABLE log_entry ADD CONSTRAINT {MOVED} CHECK (false) NOT VALID"))
    else:
        connection.execute(
            text(f"CREATE TRIGGER {MOVED} BEFORE INSERT ON log_entry BEGIN SELECT RAISE(ABORT, '{MOVED}'); END")
        )


def _step_up(connection: Connection, version: int) -> None:
    # Loaded only here: a database is made once, and opened with every command.
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    from thsafe.store.migrations import STEPS

    operations = Operations(MigrationContext.configure(connection))
    for number in range(version + 1, schema.SCHEMA_VERSION + 1):
        STEPS[number](operations)
