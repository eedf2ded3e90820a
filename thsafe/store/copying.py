"""All rows of one database in another, of either kind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import cast

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select
from sqlalchemy.exc import DBAPIError

from thsafe.core.errors import StoreError
from thsafe.core.types import Progress
from thsafe.store import schema
from thsafe.store.failures import shown, translated

_TABLES = (
    schema.entry,
    schema.node,
    schema.checkpoint,
    schema.consent_use,
    schema.subject_key,
    schema.personal,
    schema.output,
    schema.batch,
    schema.batch_item,
    schema.batch_result,
    schema.original,
    schema.look,
)
"""In the order of their references. Who waits on the stage is told that the log has moved."""

_PAGE = 500


def copy_all(source: Connection, target: Connection, progress: Progress) -> dict[str, int]:
    """Copy every row into tables that hold none yet; returns how many went into each.

    Raises:
        StoreError: ``store.not-empty``: the target has a log already.
    """
    if any(_count(target, table) for table in _TABLES):
        raise StoreError(
            f"There is a log in this database already: {shown(target.engine.url)}",
            code="store.not-empty",
            found=f"{_count(target, schema.entry)} entries",
            next_step="name an empty database; createdb NAME",
            log="nothing was written",
        )
    target.execute(delete(schema.head))
    counts: dict[str, int] = {}
    for table in (schema.head, *_TABLES):
        progress.start(table.name, _count(source, table))
        rows = source.execute(select(table).execution_options(yield_per=_PAGE)).mappings()
        for page in rows.partitions():
            target.execute(insert(table), [dict(row) for row in page])
            progress.advance(len(page))
        counts[table.name] = _count(target, table)
        _count_on(target, table)
    return counts


def copy_sqlite(engine: Engine, target: Path) -> None:
    """One moment of a SQLite database as one file, made by SQLite itself while others go on writing.

    Raises:
        StoreError: the database or the disk refuses.
    """
    with translated(engine), engine.connect() as connection:
        driver = cast("sqlite3.Connection", connection.connection.dbapi_connection)
        try:
            with closing(sqlite3.connect(target)) as copy:
                driver.backup(copy, pages=1000)
                # The copy is one file, not three.
                copy.execute("PRAGMA journal_mode=DELETE")
        except sqlite3.OperationalError as problem:
            raise DBAPIError(None, None, problem) from problem


def _count_on(connection: Connection, table: Table) -> None:
    """PostgreSQL numbers new rows from one, whatever numbers were copied, if it is not told."""
    column = table.autoincrement_column
    if connection.dialect.name == "postgresql" and column is not None and column.identity is not None:
        sequence = func.pg_get_serial_sequence(table.name, column.name)
        connection.execute(select(func.setval(sequence, func.coalesce(func.max(column), 1))))


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())
