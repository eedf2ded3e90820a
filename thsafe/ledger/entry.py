"""One line of the log: as it is drafted, as it is hashed, as it is kept. Knows no database connection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from sqlalchemy import RowMapping

from thsafe.core.canonical import canonical_bytes
from thsafe.core.errors import LedgerBroken
from thsafe.core.types import Json
from thsafe.ledger import merkle
from thsafe.store.outputs import OutputRecord, digests_of

LEAF_VERSION = 1
RESERVED = frozenset({"v", "seq", "ts", "uses", "manifest_digest", "record", "personal"})
"""Fields of a leaf that only the log itself writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the log as it stands."""

    index: int
    leaf_hash: str
    """RFC 9162 leaf hash, hexadecimal."""
    at: str
    """RFC 3339, UTC, milliseconds."""
    event: Mapping[str, Json]
    """All fields of the leaf, those the log added included."""
    leaf: bytes
    """The canonical JSON that was hashed."""

    @property
    def type(self) -> str:
        """The event's type, such as ``intent``."""
        return str(self.event["type"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An event on its way into the log, with the rows that belong to it."""

    event: Mapping[str, Json]
    at: str | None = None
    """The clock of a writer that staged it, RFC 3339; otherwise it is read when it is the event's turn."""
    uses: Mapping[str, int | None] = field(default_factory=dict)
    output: OutputRecord | None = None
    personal: Mapping[str, Json] | None = None
    subject: str | None = None


def check_event(event: Mapping[str, Json]) -> None:
    """Refuse what cannot become a leaf.

    Raises:
        ValueError: the event has no type or sets a field of the log's own.
    """
    kind = event.get("type")
    if not isinstance(kind, str) or not kind:
        raise ValueError("an event has a type")
    if taken := sorted(RESERVED & set(event)):
        raise ValueError(f"the log itself writes {', '.join(taken)}")


def entry_of(draft: Draft, *, index: int, at: str, uses: Mapping[str, int], sealed: str | None) -> Entry:
    """Write the leaf of an event.

    Raises:
        ValueError: the event has no type, sets a reserved field or cannot be written as JSON.
    """
    check_event(draft.event)
    fields: dict[str, Json] = {**draft.event, "v": LEAF_VERSION, "seq": index, "ts": at}
    if uses:
        fields["uses"] = dict(uses)
    if draft.output is not None:
        fields["manifest_digest"] = sha256(draft.output.manifest).hexdigest()
        fields["record"] = digests_of(draft.output)
    if sealed is not None:
        fields["personal"] = sealed
    return entry_of_leaf(canonical_bytes(fields))


def entry_of_leaf(leaf: bytes) -> Entry:
    """The entry that a leaf of this log is."""
    event = json.loads(leaf)
    leaf_hash = merkle.leaf_hash(leaf).hex()
    return Entry(index=event["seq"], leaf_hash=leaf_hash, at=event["ts"], event=event, leaf=leaf)


def row_of(entry: Entry) -> dict[str, object]:
    """The columns of ``log_entry``."""
    return {
        "position": entry.index,
        "leaf_hash": bytes.fromhex(entry.leaf_hash),
        "at": entry.at,
        "type": entry.type,
        "job": entry.event.get("job"),
        "sha256": entry.event.get("sha256"),
        "leaf": entry.leaf,
    }


def entry_from(row: RowMapping) -> Entry:
    """Read what ``row_of`` wrote.

    Raises:
        LedgerBroken: ``log.entry``: somebody else wrote it, or changed it.
    """
    leaf = row["leaf"]
    try:
        event = json.loads(leaf)
    except ValueError:
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise LedgerBroken(
            f"Entry {row['position']} of the log cannot be read.",
            code="log.entry",
            found=f"no event: {leaf[:40]!r}",
            next_step="run: thsafe log verify; then restore the database from a backup",
        )
    return Entry(index=row["position"], leaf_hash=row["leaf_hash"].hex(), at=row["at"], event=event, leaf=leaf)
