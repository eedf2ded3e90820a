"""Version 1: the log, its checkpoints, uses, personal fields and the published files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations


def upgrade(op: Operations) -> None:
    """All tables, empty."""
    # SQLite stores a table under its key only where the column is declared exactly INTEGER.
    place = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "thsafe_schema",
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("made_at", sa.Text, nullable=False),
    )
    op.create_table(
        "log_head",
        sa.Column("one", sa.SmallInteger, primary_key=True),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("size", place, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("frontier", sa.LargeBinary, nullable=False),
        sa.Column("last_at", sa.Text, nullable=False),
    )
    op.create_table(
        "log_entry",
        sa.Column("position", place, primary_key=True, autoincrement=False),
        sa.Column("leaf_hash", sa.LargeBinary, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("job", sa.String(64)),
        sa.Column("sha256", sa.String(64)),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
    )
    op.create_index("log_entry_type", "log_entry", ["type", "position"])
    op.create_index("log_entry_job", "log_entry", ["job"])
    op.create_index("log_entry_sha256", "log_entry", ["sha256"])
    op.create_table(
        "log_node",
        sa.Column("number", place, primary_key=True, autoincrement=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "log_checkpoint",
        sa.Column("size", place, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
    )
    op.create_table(
        "consent_use",
        sa.Column("consent", sa.String(255), primary_key=True),
        sa.Column("position", place, sa.ForeignKey("log_entry.position"), primary_key=True, autoincrement=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "subject_key",
        sa.Column("subject", sa.String(255), primary_key=True),
        sa.Column("key", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "personal",
        sa.Column("position", place, sa.ForeignKey("log_entry.position"), primary_key=True, autoincrement=False),
        sa.Column("subject", sa.String(255), sa.ForeignKey("subject_key.subject"), nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("nonce", sa.LargeBinary, nullable=False),
        sa.Column("ciphertext", sa.LargeBinary, nullable=False),
    )
    op.create_index("ix_personal_subject", "personal", ["subject"])
    op.create_table(
        "output",
        sa.Column("manifest_id", sa.String(255), primary_key=True),
        sa.Column("watermark_id", sa.String(64), nullable=False, unique=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("essence_hash", sa.String(128)),
        sa.Column("fingerprint", sa.Text),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("media_type", sa.String(127), nullable=False),
        sa.Column("created_at", sa.Text, nullable=False),
        sa.Column("ledger_index", place, sa.ForeignKey("log_entry.position"), nullable=False, unique=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("duration", sa.Float, nullable=False),
        sa.Column("engine", sa.String(127), nullable=False),
        sa.Column("task", sa.String(64), nullable=False),
        sa.Column("thumbnail", sa.LargeBinary),
    )
    for column in ("sha256", "essence_hash", "created_at"):
        op.create_index(f"ix_output_{column}", "output", [column])
