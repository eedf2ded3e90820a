"""What one transaction adds to the log: entries, nodes of the tree, and the new head.

PostgreSQL takes all of it in one statement, said to the driver itself: it is said while every other writer waits, and
what SQLAlchemy does around three statements takes longer than the server needs for them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from thsafe.store import schema
from thsafe.store.driver import driver_of

_HEAD = select(schema.head)
_SET_HEAD = update(schema.head)
_ADD_ENTRIES = insert(schema.entry)
_ADD_NODES = insert(schema.node)

_HEAD_COLUMNS: Final = ("size", "root", "frontier", "last_at")
READ_HEAD: Final = f"SELECT {', '.join(_HEAD_COLUMNS)} FROM log_head"  # noqa: S608 - names of columns
_GROW = """
WITH entries AS (
    INSERT INTO log_entry (position, leaf_hash, at, type, job, sha256, leaf)
    SELECT position, decode(leaf_hash, 'hex'), at, type, job, sha256, decode(leaf, 'hex')
    FROM json_to_recordset(%(entries)s::json)
    AS given(position bigint, leaf_hash text, at text, type text, job text, sha256 text, leaf text)
), nodes AS (
    INSERT INTO log_node (number, hash)
    SELECT number, decode(hash, 'hex') FROM json_to_recordset(%(nodes)s::json) AS given(number bigint, hash text)
)
UPDATE log_head SET size = %(size)s, root = %(root)s, frontier = %(frontier)s, last_at = %(last_at)s
"""

Row = Mapping[str, Any]


def read_head(connection: Connection) -> Row:
    """Size, root, frontier and time of the log, in the caller's transaction."""
    if connection.dialect.name != "postgresql":
        return dict(connection.execute(_HEAD).mappings().one())
    with driver_of(connection) as driver:
        return head_of(driver.execute(READ_HEAD, prepare=True).fetchone())


def head_of(row: Sequence[Any] | None) -> Row:
    """What ``READ_HEAD`` gave, by the names of its columns."""
    if row is None:
        raise LookupError("the log has no head")
    return dict(zip(_HEAD_COLUMNS, row, strict=True))


def grow(connection: Connection, entries: Sequence[Row], nodes: Sequence[Row], head: Row) -> None:
    """Add rows of ``schema.entry`` and ``schema.node``, and set the head, in the caller's transaction."""
    if connection.dialect.name == "postgresql":
        given = {**head, "entries": _as_json(entries), "nodes": _as_json(nodes)}
        with driver_of(connection) as driver:
            driver.execute(_GROW, given, prepare=True)
        return
    connection.execute(_ADD_ENTRIES, entries)
    if nodes:
        connection.execute(_ADD_NODES, nodes)
    connection.execute(_SET_HEAD, head)


def _as_json(rows: Iterable[Row]) -> str:
    return json.dumps(
        [{name: value.hex() if isinstance(value, bytes) else value for name, value in row.items()} for row in rows]
    )
