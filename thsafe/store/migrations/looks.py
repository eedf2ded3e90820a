"""Version 4: what known pictures look like, so that they are found without reading all of them; and originals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import sqlalchemy as sa

if TYPE_CHECKING:
    from alembic.operations import Operations

_PARTS = 11
_PAGE = 200


def upgrade(op: Operations) -> None:
    """``original`` and ``look``; the looks of everything published so far."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "original",
        sa.Column("number", number, sa.Identity(), primary_key=True),
        sa.Column("sha256", sa.String(64), nullable=False, unique=True),
        sa.Column("path", sa.Text, nullable=False),
        sa.Column("size_bytes", number, nullable=False),
        sa.Column("duration", sa.Float),
        sa.Column("prints", sa.Text, nullable=False),
        sa.Column("added_at", sa.Text, nullable=False),
    )
    op.create_index("ix_original_size_bytes", "original", ["size_bytes"])
    table = op.create_table(
        "look",
        sa.Column("id", number, sa.Identity(), primary_key=True),
        sa.Column("kind", sa.SmallInteger, nullable=False),
        sa.Column("owner", number, nullable=False),
        sa.Column("bits", sa.LargeBinary, nullable=False),
        *(sa.Column(f"part{place}", sa.Integer, nullable=False) for place in range(_PARTS)),
    )
    _fill(op.get_bind(), table)
    # Last: to sort them once is much faster than to keep eleven of them in order.
    op.create_index("look_owner", "look", ["kind", "owner"])
    for place in range(_PARTS):
        op.create_index(f"look_part{place}", "look", [f"part{place}", "kind"])


def _fill(connection: sa.Connection, table: sa.Table) -> None:
    from thsafe.provenance.views import looks_of_prints
    from thsafe.store.looks import Realm, rows_of

    output = sa.table("output", sa.column("ledger_index"), sa.column("fingerprint"))
    position = -1
    while True:
        query = (
            sa.select(output)
            .where(output.c.fingerprint.is_not(None), output.c.ledger_index > position)
            .order_by(output.c.ledger_index)
            .limit(_PAGE)
        )
        known = connection.execute(query).all()
        rows = [row for place, text in known for row in rows_of(Realm.OUTPUT, place, looks_of_prints(text))]
        if rows:
            connection.execute(sa.insert(table), rows)
        if len(known) < _PAGE:
            return
        position = known[-1][0]
