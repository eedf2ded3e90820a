"""The tables, as queries see them (SQLAlchemy Core); ``migrations`` alone makes and changes them.

``log_*`` belong to ``thsafe.ledger``; ``output`` to ``thsafe.store.outputs``; ``batch*`` to
``thsafe.store.batches``; ``thsafe_schema`` tells which version of
all this a database holds. Digests are kept as raw 32 bytes where the tree needs them and as hexadecimal text where a
person searches for them. Not here: queries.
"""

from __future__ import annotations

from sqlalchemy import Column, DateTime, ForeignKey, Identity, Index, MetaData, Table, func

from thsafe.store.columns import BigNumber, Letters, Number, Octets, Real, SmallNumber, Words

SCHEMA_VERSION = 4

metadata = MetaData()

schema = Table(
    "thsafe_schema",
    metadata,
    Column("version", Number, primary_key=True),
    Column("made_at", Words, nullable=False),
    Column("moved_to", Words),
)
"""One row. ``moved_to`` is the address of the database that continues this log; no secrets."""

head = Table(
    "log_head",
    metadata,
    Column("one", SmallNumber, primary_key=True),
    Column("origin", Words, nullable=False),
    Column("size", BigNumber, nullable=False),
    Column("root", Octets, nullable=False),
    Column("frontier", Octets, nullable=False),
    Column("last_at", Words, nullable=False),
)
"""One row: the state of the tree after the last entry. ``frontier`` is the peaks, largest first, 32 bytes each."""

entry = Table(
    "log_entry",
    metadata,
    Column("position", BigNumber, primary_key=True, autoincrement=False),
    Column("leaf_hash", Octets, nullable=False),
    Column("at", Words, nullable=False),
    Column("type", Letters(64), nullable=False),
    Column("job", Letters(64)),
    Column("sha256", Letters(64)),
    Column("leaf", Octets, nullable=False),
    Index("log_entry_type", "type", "position"),
    Index("log_entry_job", "job"),
    Index("log_entry_sha256", "sha256"),
)
"""``leaf`` is the canonical JSON that the tree hashes; the other columns only find it."""

node = Table(
    "log_node",
    metadata,
    Column("number", BigNumber, primary_key=True, autoincrement=False),
    Column("hash", Octets, nullable=False),
)
"""Roots of complete subtrees of two leaves and more, by their in-order number (``thsafe.ledger.merkle.number``)."""

checkpoint = Table(
    "log_checkpoint",
    metadata,
    Column("size", BigNumber, primary_key=True, autoincrement=False),
    Column("at", Words, nullable=False),
    Column("note", Words, nullable=False),
)

stage = Table(
    "log_stage",
    metadata,
    Column("number", BigNumber, Identity(), primary_key=True),
    Column("event", Words, nullable=False),
    Column("uses", Words, nullable=False),
    Column("at", Words, nullable=False),
    Column("staged_at", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("answer", Words),
)
"""Events that wait for their place in the log (``thsafe.store.stage``); PostgreSQL alone uses it."""

consent_use = Table(
    "consent_use",
    metadata,
    Column("consent", Letters(255), primary_key=True),
    Column("position", BigNumber, ForeignKey("log_entry.position"), primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)
"""One row per use of a consent, written in the transaction of the entry that used it."""

subject_key = Table(
    "subject_key",
    metadata,
    Column("subject", Letters(255), primary_key=True),
    Column("key", Octets, nullable=False),
)

personal = Table(
    "personal",
    metadata,
    Column("position", BigNumber, ForeignKey("log_entry.position"), primary_key=True, autoincrement=False),
    Column("subject", Letters(255), ForeignKey("subject_key.subject"), nullable=False, index=True),
    Column("salt", Octets, nullable=False),
    Column("nonce", Octets, nullable=False),
    Column("ciphertext", Octets, nullable=False),
)
"""Personal fields of an entry, under the subject's own key; the leaf holds only a salted digest of the ciphertext."""

output = Table(
    "output",
    metadata,
    Column("manifest_id", Letters(255), primary_key=True),
    Column("watermark_id", Letters(64), nullable=False, unique=True),
    Column("sha256", Letters(64), nullable=False, index=True),
    Column("essence_hash", Letters(128), index=True),
    Column("fingerprint", Words),
    Column("manifest", Octets, nullable=False),
    Column("media_type", Letters(127), nullable=False),
    Column("created_at", Words, nullable=False, index=True),
    Column("ledger_index", BigNumber, ForeignKey("log_entry.position"), nullable=False, unique=True),
    Column("path", Words, nullable=False),
    Column("duration", Real, nullable=False),
    Column("engine", Letters(127), nullable=False),
    Column("task", Letters(64), nullable=False),
    Column("thumbnail", Octets),
)

batch = Table(
    "batch",
    metadata,
    Column("id", Letters(32), primary_key=True),
    Column("kind", Letters(16), nullable=False),
    Column("settings", Words, nullable=False),
    Column("origin", Letters(64), nullable=False, index=True),
    Column("sources", Words, nullable=False),
    Column("created_at", Words, nullable=False),
    Column("planned_at", Words),
    Column("finished_at", Words),
    Column("cancelled_at", Words),
    Column("driver", Words),
    Column("driver_at", Real),
)
"""One batch. ``origin`` is a digest of kind, settings and sources; ``driver`` is who runs it, seen ``driver_at``."""

batch_item = Table(
    "batch_item",
    metadata,
    Column("batch", Letters(32), ForeignKey("batch.id"), primary_key=True),
    Column("number", BigNumber, primary_key=True, autoincrement=False),
    Column("name", Octets, nullable=False),
    Column("source", Words, nullable=False),
    Column("task", Words),
    Column("state", Letters(16), nullable=False),
    Column("attempts", Number, nullable=False),
    Column("key", Letters(64), index=True),
    Column("error", Words),
    Column("seconds", Real),
    Column("at", Words),
    Index("batch_item_name", "batch", "name", unique=True),
    Index("batch_item_state", "batch", "state", "number"),
    sqlite_with_rowid=False,
)
"""One file or job of a batch. ``name`` is a digest of source and task: paths are too long to be indexed."""

batch_result = Table(
    "batch_result",
    metadata,
    Column("key", Letters(64), primary_key=True),
    Column("sha256", Letters(64), nullable=False, index=True),
    Column("verdict", Letters(32), nullable=False),
    Column("report", Words, nullable=False),
    Column("at", Words, nullable=False),
    Column("position", BigNumber, ForeignKey("log_entry.position")),
)
"""What came of one content under one set of checks and models, whichever batches asked; ``position`` in the log."""

original = Table(
    "original",
    metadata,
    Column("number", BigNumber, Identity(), primary_key=True),
    Column("sha256", Letters(64), nullable=False, unique=True),
    Column("path", Words, nullable=False),
    Column("size_bytes", BigNumber, nullable=False, index=True),
    Column("duration", Real),
    Column("prints", Words, nullable=False),
    Column("added_at", Words, nullable=False),
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
    Column("id", BigNumber, Identity(), primary_key=True),
    Column("kind", SmallNumber, nullable=False),
    Column("owner", BigNumber, nullable=False),
    Column("bits", Octets, nullable=False),
    *(Column(look_part(place), Number, nullable=False) for place in range(len(LOOK_WIDTHS))),
    Index("look_owner", "kind", "owner"),
    *(Index(f"look_{look_part(place)}", look_part(place), "kind") for place in range(len(LOOK_WIDTHS))),
)
"""What known pictures look like, each part of the bits in a column of its own (``thsafe.store.looks``)."""
