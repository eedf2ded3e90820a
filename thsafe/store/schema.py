"""The tables, as queries see them (SQLAlchemy Core); ``migrations`` alone makes and changes them.

``log_*`` belong to ``thsafe.ledger``; ``output`` to ``thsafe.store.outputs``; ``batch*`` to
``thsafe.store.batches``; ``thsafe_schema`` tells which version of
all this a database holds. Digests are kept as raw 32 bytes where the tree needs them and as hexadecimal text where a
person searches for them. Not here: queries.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
    func,
)

SCHEMA_VERSION = 4

# SQLite stores a table under its key only where the column is declared exactly INTEGER.
_Position = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

schema = Table(
    "thsafe_schema",
    metadata,
    Column("version", Integer, primary_key=True),
    Column("made_at", Text, nullable=False),
    Column("moved_to", Text),
)
"""One row. ``moved_to`` is the address of the database that continues this log; no secrets."""

head = Table(
    "log_head",
    metadata,
    Column("one", SmallInteger, primary_key=True),
    Column("origin", Text, nullable=False),
    Column("size", _Position, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("last_at", Text, nullable=False),
)
"""One row: the state of the tree after the last entry. ``frontier`` is the peaks, largest first, 32 bytes each."""

entry = Table(
    "log_entry",
    metadata,
    Column("position", _Position, primary_key=True, autoincrement=False),
    Column("leaf_hash", LargeBinary, nullable=False),
    Column("at", Text, nullable=False),
    Column("type", String(64), nullable=False),
    Column("job", String(64)),
    Column("sha256", String(64)),
    Column("leaf", LargeBinary, nullable=False),
    Index("log_entry_type", "type", "position"),
    Index("log_entry_job", "job"),
    Index("log_entry_sha256", "sha256"),
)
"""``leaf`` is the canonical JSON that the tree hashes; the other columns only find it."""

node = Table(
    "log_node",
    metadata,
    Column("number", _Position, primary_key=True, autoincrement=False),
    Column("hash", LargeBinary, nullable=False),
)
"""Roots of complete subtrees of two leaves and more, by their in-order number (``thsafe.ledger.merkle.number``)."""

checkpoint = Table(
    "log_checkpoint",
    metadata,
    Column("size", _Position, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("note", Text, nullable=False),
)

stage = Table(
    "log_stage",
    metadata,
    Column("number", _Position, Identity(), primary_key=True),
    Column("event", Text, nullable=False),
    Column("uses", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("staged_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("answer", Text),
)
"""Events that wait for their place in the log (``thsafe.store.stage``); PostgreSQL alone uses it."""

consent_use = Table(
    "consent_use",
    metadata,
    Column("consent", String(255), primary_key=True),
    Column("position", _Position, ForeignKey("log_entry.position"), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""One row per use of a consent, written in the transaction of the entry that used it."""

subject_key = Table(
    "subject_key",
    metadata,
    Column("subject", String(255), primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

personal = Table(
    "personal",
    metadata,
    Column("position", _Position, ForeignKey("log_entry.position"), primary_key=True, autoincrement=False),
    Column("subject", String(255), ForeignKey("subject_key.subject"), nullable=False, index=True),
    Column("salt", LargeBinary, nullable=False),
    Column("nonce", LargeBinary, nullable=False),
    Column("ciphertext", LargeBinary, nullable=False),
)
"""Personal fields of an entry, under the subject's own key; the leaf holds only a salted digest of the ciphertext."""

output = Table(
    "output",
    metadata,
    Column("manifest_id", String(255), primary_key=True),
    Column("watermark_id", String(64), nullable=False, unique=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("essence_hash", String(128), index=True),
    Column("fingerprint", Text),
    Column("manifest", LargeBinary, nullable=False),
    Column("media_type", String(127), nullable=False),
    Column("created_at", Text, nullable=False, index=True),
    Column("ledger_index", _Position, ForeignKey("log_entry.position"), nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("duration", Float, nullable=False),
    Column("engine", String(127), nullable=False),
    Column("task", String(64), nullable=False),
    Column("thumbnail", LargeBinary),
)

batch = Table(
    "batch",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("settings", Text, nullable=False),
    Column("origin", String(64), nullable=False, index=True),
    Column("sources", Text, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("planned_at", Text),
    Column("finished_at", Text),
    Column("cancelled_at", Text),
    Column("driver", Text),
    Column("driver_at", Float),
)
"""One batch. ``origin`` is a digest of kind, settings and sources; ``driver`` is who runs it, seen ``driver_at``."""

batch_item = Table(
    "batch_item",
    metadata,
    Column("batch", String(32), ForeignKey("batch.id"), primary_key=True),
    Column("number", _Position, primary_key=True, autoincrement=False),
    Column("name", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("task", Text),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("key", String(64), index=True),
    Column("error", Text),
    Column("seconds", Float),
    Column("at", Text),
    Index("batch_item_name", "batch", "name", unique=True),
    Index("batch_item_state", "batch", "state", "number"),
    sqlite_with_rowid=False,
)
"""One file or job of a batch. ``name`` is a digest of source and task: paths are too long to be indexed."""

batch_result = Table(
    "batch_result",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("sha256", String(64), nullable=False, index=True),
    Column("verdict", String(32), nullable=False),
    Column("report", Text, nullable=False),
    Column("at", Text, nullable=False),
    Column("position", _Position, ForeignKey("log_entry.position")),
)
"""What came of one content under one set of checks and models, whichever batches asked; ``position`` in the log."""

original = Table(
    "original",
    metadata,
    Column("number", _Position, Identity(), primary_key=True),
    Column("sha256", String(64), nullable=False, unique=True),
    Column("path", Text, nullable=False),
    Column("size_bytes", _Position, nullable=False, index=True),
    Column("duration", Float),
    Column("prints", Text, nullable=False),
    Column("added_at", Text, nullable=False),
)
"""Footage of one's own (``thsafe.store.originals``): places and fingerprints, never the footage."""

LOOK_WIDTHS = (24, 24, 24, 23, 23, 23, 23, 23, 23, 23, 23)
"""Bits of the parts that a look of 256 bits is cut into."""


def look_part(place: int) -> str:
    """The column of a part."""
    return f"part{place}"


look = Table(
    "look",
    metadata,
    Column("id", _Position, Identity(), primary_key=True),
    Column("kind", SmallInteger, nullable=False),
    Column("owner", _Position, nullable=False),
    Column("bits", LargeBinary, nullable=False),
    *(Column(look_part(place), Integer, nullable=False) for place in range(len(LOOK_WIDTHS))),
    Index("look_owner", "kind", "owner"),
    *(Index(f"look_{look_part(place)}", look_part(place), "kind") for place in range(len(LOOK_WIDTHS))),
)
"""What known pictures look like, each part of the bits in a column of its own (``thsafe.store.looks``)."""
