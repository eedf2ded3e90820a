"""What one transaction adds to the log: entries, nodes of the tree, uses of consents, a checkpoint, and the new head.

PostgreSQL's sequencer says it in one script (``script_of``), to the driver itself: every other writer waits meanwhile,
and what SQLAlchemy does around five statements takes longer than the server needs for them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from thsafe.store import schema
from thsafe.store.driver import Statement

Row = Mapping[str, Any]

_HEAD = select(schema.head)
_SET_HEAD = update(schema.head)
_ADD_ENTRIES = insert(schema.entry)
_ADD_NODES = insert(schema.node)
_ADD_USES = insert(schema.consent_use)
# Of a size that was sealed before, the checkpoint that others may have seen stays.
_ADD_CHECKPOINT = {
    "sqlite": sqlite.insert(schema.checkpoint).on_conflict_do_nothing(),
    "postgresql": postgresql.insert(schema.checkpoint).on_conflict_do_nothing(),
}

_HEAD_COLUMNS: Final = ("size", "root", "frontier", "last_at")
PREPARE: Final = f"""
PREPARE log_head AS SELECT {", ".join(_HEAD_COLUMNS)} FROM log_head;

PREPARE log_add_entry (bigint, bytea, text, text, text, text, bytea) AS
INSERT INTO log_entry (position, leaf_hash, at, type, job, sha256, leaf) VALUES ($1, $2, $3, $4, $5, $6, $7);

PREPARE log_add_node (bigint, bytea) AS INSERT INTO log_node (number, hash) VALUES ($1, $2);

PREPARE log_add_use (text, bigint) AS INSERT INTO consent_use (consent, position) VALUES ($1, $2);

PREPARE log_add_checkpoint (bigint, text, text) AS
INSERT INTO log_checkpoint (size, at, note) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING;

PREPARE log_set_head (bigint, bytea, bytea, text) AS
UPDATE log_head SET size = $1, root = $2, frontier = $3, last_at = $4;
"""  # noqa: S608 - names of columns
"""For whoever says ``EXECUTE log_head`` or ``script_of`` (``thsafe.store.driver``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """Rows by the names of the columns of ``thsafe.store.schema``, in their order."""

    entries: Sequence[Row]
    nodes: Sequence[Row]
    uses: Sequence[Row]
    checkpoint: Row | None
    head: Row


def read_head(connection: Connection) -> Row:
    """Size, root, frontier and time of the log, in the caller's transaction."""
    return dict(connection.execute(_HEAD).mappings().one())


def head_of(rows: Sequence[Sequence[Any]]) -> Row:
    """What ``EXECUTE log_head`` gave, by the names of its columns."""
    (row,) = rows
    return dict(zip(_HEAD_COLUMNS, row, strict=True))


def grow(connection: Connection, growth: Growth) -> None:
    """Write it, in the caller's transaction."""
    connection.execute(_ADD_ENTRIES, growth.entries)
    if growth.nodes:
        connection.execute(_ADD_NODES, growth.nodes)
    if growth.uses:
        connection.execute(_ADD_USES, growth.uses)
    if growth.checkpoint is not None:
        connection.execute(_ADD_CHECKPOINT[connection.dialect.name], growth.checkpoint)
    connection.execute(_SET_HEAD, growth.head)


def script_of(growth: Growth) -> list[Statement]:
    """The same as PostgreSQL is told it; needs ``PREPARE``."""
    script: list[Statement] = [("EXECUTE log_add_entry", *row.values()) for row in growth.entries]
    script += [("EXECUTE log_add_node", *row.values()) for row in growth.nodes]
    script += [("EXECUTE log_add_use", *row.values()) for row in growth.uses]
    if growth.checkpoint is not None:
        script.append(("EXECUTE log_add_checkpoint", *growth.checkpoint.values()))
    script.append(("EXECUTE log_set_head", *growth.head.values()))
    return script
