"""What was published: the manifest store behind recovery, one row per output.

A stripped copy of an output leads back to its manifest through the watermark, the essence hash or the file's own hash.
Rows are inserted by ``Ledger.append(…, output=record)`` alone, in the transaction of the log entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from hashlib import sha256

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, insert, select, update

from thsafe.core.canonical import canonical_digest
from thsafe.core.looks import Look, Stored
from thsafe.store import looks
from thsafe.store.engine import reading
from thsafe.store.looks import Realm
from thsafe.store.schema import output


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputRecord:
    """One published file and all that finds it again; digests in lower-case hexadecimal."""

    manifest_id: str
    """Label of the active C2PA manifest, ``urn:c2pa:…``."""
    watermark_id: str
    """The 64 bits in picture and sound, 16 hexadecimal digits."""
    sha256: str
    """Of the finished file."""
    essence_hash: str | None
    """Over the encoded packets: survives a change of container."""
    fingerprint: str | None
    """What it looks and sounds like (``thsafe.provenance.prints``); their form belongs to the checks that compare."""
    manifest: bytes
    """The signed C2PA manifest store (JUMBF); empty once its person was erased."""
    media_type: str
    created_at: str
    """RFC 3339, UTC."""
    ledger_index: int
    """Index of the "output" entry; set by the log, whatever the caller gave."""
    path: str
    """Where the file was put; only a hint for the audit, files move."""
    duration: float
    """Seconds."""
    engine: str
    task: str
    thumbnail: bytes | None = None
    """A small PNG or JPEG for reports; deleted when its subject is erased."""


_FACTS = ("essence_hash", "media_type", "created_at", "engine", "task")


def digests_of(record: OutputRecord) -> dict[str, str | None]:
    """What a log entry holds of the row that belongs to it, so that nobody can change the one without the other.

    Thumbnail and fingerprint have digests of their own: they may be erased. The path is no fact: files move.
    """
    facts = {name: getattr(record, name) for name in _FACTS} | {"duration": repr(float(record.duration))}
    return {
        "facts": canonical_digest(facts),
        "fingerprint": None if record.fingerprint is None else sha256(record.fingerprint.encode()).hexdigest(),
        "thumbnail": None if record.thumbnail is None else sha256(record.thumbnail).hexdigest(),
    }


class Outputs:
    """Look-ups over the published files."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def by_sha256(self, digest: str) -> OutputRecord | None:
        """The newest output with exactly these bytes."""
        return self._first(output.c.sha256 == digest)

    def by_watermark(self, watermark_id: str) -> OutputRecord | None:
        """The output that carries this watermark id."""
        return self._first(output.c.watermark_id == watermark_id)

    def by_manifest(self, manifest_id: str) -> OutputRecord | None:
        """The output whose active manifest has this label."""
        return self._first(output.c.manifest_id == manifest_id)

    def by_essence(self, essence_hash: str) -> OutputRecord | None:
        """The newest output with the same encoded pictures and sound, whatever its container says."""
        return self._first(output.c.essence_hash == essence_hash)

    def all(self) -> Iterator[OutputRecord]:
        """Every output in the order of the log; one database moment, streamed."""
        query = select(output).order_by(output.c.ledger_index)
        with reading(self._engine) as connection:
            for row in connection.execution_options(yield_per=200).execute(query).mappings():
                yield record_of(row)

    def fingerprints(self) -> Iterator[tuple[str, str]]:
        """(manifest id, fingerprint) of every output that has one, the newest first; streamed."""
        query = (
            select(output.c.manifest_id, output.c.fingerprint)
            .where(output.c.fingerprint.is_not(None))
            .order_by(output.c.ledger_index.desc())
        )
        with reading(self._engine) as connection:
            for row in connection.execution_options(yield_per=500).execute(query):
                yield str(row.manifest_id), str(row.fingerprint)

    def near(self, asked: Sequence[Look], *, away: int, whole_only: bool) -> list[Stored]:
        """Looks of outputs that may be near, owned by their position in the log; see ``thsafe.store.looks.near``."""
        with reading(self._engine) as connection:
            return list(looks.near(connection, Realm.OUTPUT, asked, away=away, whole_only=whole_only))

    def pictures(self, owners: Sequence[int]) -> Mapping[int, tuple[str, str]]:
        """Position in the log -> (manifest id, fingerprint of the picture)."""
        from thsafe.provenance.prints import Prints

        query = select(output.c.ledger_index, output.c.manifest_id, output.c.fingerprint).where(
            output.c.ledger_index.in_(list(owners))
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        found = {place: (name, Prints.of_text(text).picture) for place, name, text in rows}
        return {place: (name, picture) for place, (name, picture) in found.items() if picture is not None}

    def _first(self, condition: ColumnElement[bool]) -> OutputRecord | None:
        query = select(output).where(condition).order_by(output.c.ledger_index.desc()).limit(1)
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else record_of(row)


def insert_output(connection: Connection, record: OutputRecord) -> None:
    """Write the row, and what it is found by, inside the caller's transaction."""
    connection.execute(insert(output).values({field.name: getattr(record, field.name) for field in fields(record)}))
    if record.fingerprint is not None:
        from thsafe.provenance.views import looks_of_prints

        looks.insert_looks(connection, Realm.OUTPUT, record.ledger_index, looks_of_prints(record.fingerprint))


def forget_outputs(connection: Connection, positions: list[int]) -> tuple[list[int], int]:
    """Delete what shows the person in the outputs at these log positions: thumbnails, stored manifests, fingerprints.

    A manifest holds small pictures of its inputs. Digests and ids stay, so that the log still speaks of the files.

    Returns:
        Positions whose manifest went, and how many thumbnails did.
    """
    these = output.c.ledger_index.in_(positions)
    with_manifest = select(output.c.ledger_index).where(these, output.c.manifest != b"").order_by(output.c.ledger_index)
    erased = list(connection.execute(with_manifest).scalars())
    pictures = connection.execute(update(output).where(these, output.c.thumbnail.is_not(None)).values(thumbnail=None))
    connection.execute(update(output).where(these).values(manifest=b"", fingerprint=None))
    looks.forget_looks(connection, Realm.OUTPUT, positions)
    return erased, pictures.rowcount


def record_of(row: RowMapping) -> OutputRecord:
    """A row of the table."""
    return OutputRecord(**row)
