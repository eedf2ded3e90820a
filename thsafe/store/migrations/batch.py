"""Version 3: batches, their items, and results by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    """``batch``, ``batch_item`` and ``batch_result``, empty."""
    place = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "batch",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("settings", sa.Text, nullable=False),
        sa.Column("origin", sa.String(64), nullable=False),
        sa.Column("sources", sa.Text, nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("planned_at", sa.Text),
        sa.Column("finished_at", sa.Text),
        sa.Column("cancelled_at", sa.Text),
        sa.Column("driver", sa.Text),
        sa.Column("driver_at", sa.Float),
    )
    op.create_index("ix_batch_origin", "batch", ["origin"])
    op.create_table(
        "batch_item",
        sa.Column("batch", sa.String(32), sa.ForeignKey("batch.id"), primary_key=True),
        sa.Column("number", place, primary_key=True, autoincrement=False),
        sa.Column("name", sa.LargeBinary, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("task", sa.Text),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("key", sa.String(64)),
        sa.Column("error", sa.Text),
        sa.Column("seconds", sa.Float),
        sa.Column("at", sa.Text),
        sqlite_with_rowid=False,
    )
    op.create_index("batch_item_name", "batch_item", ["batch", "name"], unique=True)
    op.create_index("batch_item_state", "batch_item", ["batch", "state", "number"])
    op.create_index("ix_batch_item_key", "batch_item", ["key"])
    op.create_table(
        "batch_result",
        sa.Column("key", sa.String(64), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("verdict", sa.String(32), nullable=False),
        sa.Column("report", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("position", place, sa.ForeignKey("log_entry.position")),
    )
    op.create_index("ix_batch_result_sha256", "batch_result", ["sha256"])
