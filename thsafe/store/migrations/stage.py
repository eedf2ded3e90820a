"""Version 2: where PostgreSQL's writers put events for the sequencer, and where a log has moved to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    """``log_stage``, on PostgreSQL unlogged (what is staged was promised to nobody yet); ``thsafe_schema.moved_to``."""
    op.add_column("thsafe_schema", sa.Column("moved_to", sa.Text))
    op.create_table(
        "log_stage",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), sa.Identity(), primary_key=True),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("uses", sa.Text, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("staged_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("answer", sa.Text),
        prefixes=["UNLOGGED"] if op.get_context().dialect.name == "postgresql" else [],
    )
