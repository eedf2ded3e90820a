"""The audit log: events as leaves of a Merkle tree, kept in the store, signed at checkpoints.

One append is one exclusive transaction: the clock is checked, uses of consents are counted against their limits, the
leaf, the tree's new nodes, the head and (for an output) its manifest row are written, and only when all of that is on
disk does the call return. Entries are never changed; nothing here can. Verifying lives in ``check``, personal fields
in ``personal``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, RowMapping, func, insert, select, update

from thsafe.core.canonical import canonical_bytes
from thsafe.core.clock import Clock, from_text, system_clock, to_text
from thsafe.core.errors import ConsentRefused, LedgerBroken, StoreError
from thsafe.core.types import Json
from thsafe.home import Home
from thsafe.ledger import merkle
from thsafe.ledger import personal as personal_fields
from thsafe.ledger.merkle import Frontier, Node
from thsafe.ledger.note import Checkpoint, Verifier, parse_checkpoint, sign_checkpoint
from thsafe.store import schema
from thsafe.store.engine import open_engine, reading, scrub, writing
from thsafe.store.outputs import OutputRecord, Outputs, forget_thumbnails, insert_output

if TYPE_CHECKING:
    from thsafe.ledger.check import LogReport

LEAF_VERSION = 1
RESERVED = frozenset({"v", "seq", "ts", "uses", "manifest_digest", "personal"})
"""Fields of a leaf that only the log itself writes."""

_SKEW = timedelta(seconds=2)
"""Clocks of several hosts, and one host's under NTP, disagree by this much without anyone having turned them back."""

_SEALING = frozenset({"output", "publish", "erase"})
"""Events that are followed by a signed checkpoint in the same transaction: what leaves the house is sealed at once."""

_CHECKPOINT_EVERY = 100
"""Entries after which a checkpoint is due anyway."""

_PAGE = 500


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
class InclusionProof:
    """What shows that one entry stands in the log of a given size; digests in hexadecimal."""

    index: int
    size: int
    leaf_hash: str
    path: tuple[str, ...]
    root: str

    def holds(self) -> bool:
        """Recompute the root from the leaf (RFC 9162 §2.1.3.2)."""
        path = [bytes.fromhex(item) for item in self.path]
        leaf, root = bytes.fromhex(self.leaf_hash), bytes.fromhex(self.root)
        return merkle.verify_inclusion(leaf, self.index, self.size, path, root)

    def as_dict(self) -> dict[str, Json]:
        """For JSON."""
        return {
            "index": self.index,
            "size": self.size,
            "leaf_hash": self.leaf_hash,
            "path": list(self.path),
            "root": self.root,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    event: Mapping[str, Json]
    uses: Mapping[str, int | None]
    output: OutputRecord | None = None
    personal: Mapping[str, Json] | None = None
    subject: str | None = None


class Ledger:
    """The log of one installation. Cheap to open; safe to use from several threads and processes at once."""

    def __init__(self, engine: Engine, *, key: Ed25519PrivateKey | None, clock: Clock) -> None:
        self._engine = engine
        self._key = key
        self._clock = clock
        self.outputs = Outputs(engine)
        """What was published (``thsafe.store.outputs``)."""
        with reading(engine) as connection:
            self.origin: str = connection.execute(select(schema.head.c.origin)).scalar_one()
            """The log's name, ``thsafe/`` and a random id: no host, no person."""

    @classmethod
    def open(cls, home: Home, *, key: Ed25519PrivateKey | None = None, clock: Clock = system_clock) -> Ledger:
        """Open the log of an installation, making it on first use.

        Args:
            home: whose ``database_url`` says where the log is.
            key: signs checkpoints; without it entries can be appended and proven but no checkpoint is made.
            clock: where the time of entries comes from.

        Raises:
            StoreError: the database cannot be opened.
        """
        url = home.database_url
        if url.startswith("sqlite"):
            home.prepare()
        return cls(open_engine(url), key=key, clock=clock)

    def close(self) -> None:
        """Let go of the database connections."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- writing

    def append(
        self,
        event: Mapping[str, Json],
        *,
        uses: Mapping[str, int | None] | None = None,
        output: OutputRecord | None = None,
        personal: Mapping[str, Json] | None = None,
        subject: str | None = None,
    ) -> Entry:
        """Write one event; it is on disk when this returns.

        Args:
            event: ``type`` and whatever fields that type has, as JSON; digests and ids only, nothing personal.
            uses: consent id -> how many uses it allows in all (None: no limit); each is counted once.
            output: the row of the manifest store that belongs to this entry; its ``ledger_index`` is set here.
            personal: fields to keep readable until ``subject`` is erased; the leaf gets a digest of the ciphertext.
            subject: whose key encrypts ``personal``.

        Raises:
            ConsentRefused: ``consent.uses``: a consent is used up. Nothing was written.
            StoreError: ``log.clock``: the clock was turned back; or the database failed. Nothing was written.
            ValueError: the event has no type, sets a reserved field or cannot be written as JSON.
        """
        draft = _Draft(event=event, uses=uses or {}, output=output, personal=personal, subject=subject)
        with writing(self._engine) as connection:
            return self._append(connection, [draft])[0]

    def append_many(self, events: Iterable[Mapping[str, Json]]) -> tuple[Entry, ...]:
        """Write events in one transaction: all or none. For batches; uses and outputs go one by one."""
        drafts = [_Draft(event=event, uses={}) for event in events]
        if not drafts:
            return ()
        with writing(self._engine) as connection:
            return self._append(connection, drafts)

    def erase(self, subject: str, *, consents: Sequence[str] = ()) -> Entry:
        """Make a subject's personal fields unreadable for good, and log that it was done.

        Key, salts and ciphertexts are deleted; leaves, root and proofs stay as they are. Thumbnails of outputs made
        under ``consents`` go too. The entry names the erased entries, not the subject.
        """
        with writing(self._engine) as connection:
            erased = personal_fields.erase(connection, subject)
            jobs = self._jobs_under(connection, consents)
            of_jobs = select(schema.entry.c.position).where(
                schema.entry.c.type == "output", schema.entry.c.job.in_(jobs)
            )
            thumbnails = forget_thumbnails(connection, list(connection.execute(of_jobs).scalars()))
            event = {"type": "erase", "entries": erased, "thumbnails": thumbnails, "consents": sorted(consents)}
            draft = _Draft(event=event, uses={})
            entry = self._append(connection, [draft])[0]
        scrub(self._engine)
        return entry

    def checkpoint(self) -> Checkpoint:
        """Sign and keep the log's present size and root.

        Raises:
            StoreError: the log was opened without a key.
        """
        with writing(self._engine) as connection:
            row = connection.execute(select(schema.head)).mappings().one()
            return self._seal(connection, size=row["size"], root=row["root"])

    def _append(self, connection: Connection, drafts: Sequence[_Draft]) -> tuple[Entry, ...]:
        head = connection.execute(select(schema.head)).mappings().one()
        frontier = _frontier(head)
        at = self._now(head["last_at"])
        entries: list[Entry] = []
        nodes: list[tuple[Node, bytes]] = []
        sealed_fields: list[personal_fields.Sealed | None] = []
        sealing = False
        for draft in drafts:
            index = frontier.size
            uses = _count_uses(connection, draft.uses)
            sealed = _seal_personal(connection, draft)
            leaf = canonical_bytes(_leaf(draft, index=index, at=at, uses=uses, sealed=sealed))
            hashed = merkle.leaf_hash(leaf)
            entry = Entry(index=index, leaf_hash=hashed.hex(), at=at, event=json.loads(leaf), leaf=leaf)
            sealed_fields.append(sealed)
            frontier, made = frontier.append(hashed)
            nodes += made
            entries.append(entry)
            sealing = sealing or entry.type in _SEALING or frontier.size % _CHECKPOINT_EVERY == 0
        connection.execute(insert(schema.entry), [_row(entry) for entry in entries])
        for draft, entry, sealed in zip(drafts, entries, sealed_fields, strict=True):
            _attach(connection, draft, entry, sealed)
        if nodes:
            rows = [{"number": merkle.number(node), "hash": value} for node, value in nodes]
            connection.execute(insert(schema.node), rows)
        root = frontier.root()
        new_head = {"size": frontier.size, "root": root, "frontier": frontier.packed(), "last_at": at}
        connection.execute(update(schema.head).values(new_head))
        if sealing and self._key is not None:
            self._seal(connection, size=frontier.size, root=root)
        return tuple(entries)

    def _now(self, last_at: str) -> str:
        now = self._clock()
        if not last_at:
            return to_text(now)
        last = from_text(last_at)
        if now < last - _SKEW:
            raise StoreError(
                "The clock was turned back: the log has a later time than the machine.",
                code="log.clock",
                found=f"clock {to_text(now)}, last entry {last_at}",
                rule="entries are in the order of time; consent windows are judged by it",
                next_step="set the clock right: timedatectl set-ntp true",
                log="nothing was written",
            )
        return to_text(max(now, last))

    def _seal(self, connection: Connection, *, size: int, root: bytes) -> Checkpoint:
        stored = connection.execute(select(schema.checkpoint.c.note).where(schema.checkpoint.c.size == size)).scalar()
        if stored is not None:
            return parse_checkpoint(stored)
        if self._key is None:
            raise StoreError(
                "The log was opened without its signing key.",
                code="log.no-key",
                next_step="make the keys of this installation: thsafe keys new",
            )
        checkpoint = sign_checkpoint(self.origin, size, root, self._key)
        row = {"size": size, "at": to_text(self._clock()), "note": checkpoint.note}
        connection.execute(insert(schema.checkpoint).values(row))
        return checkpoint

    def _jobs_under(self, connection: Connection, consents: Sequence[str]) -> list[str]:
        query = (
            select(schema.entry.c.job)
            .join(schema.consent_use, schema.consent_use.c.position == schema.entry.c.position)
            .where(schema.consent_use.c.consent.in_(list(consents)))
        )
        return [job for job in connection.execute(query).scalars() if job is not None]

    # ---- reading

    @property
    def size(self) -> int:
        """How many entries there are."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(schema.head.c.size)).scalar_one())

    @property
    def verifier(self) -> Verifier | None:
        """The public half of the checkpoint key, in the form witnesses are given; None without a key."""
        return None if self._key is None else Verifier.of(self.origin, self._key)

    def last_time(self) -> datetime | None:
        """When the last entry was written; None while the log is empty."""
        with reading(self._engine) as connection:
            last = connection.execute(select(schema.head.c.last_at)).scalar_one()
        return from_text(last) if last else None

    def uses(self, consent_id: str) -> int:
        """How often a consent has been used."""
        with reading(self._engine) as connection:
            return _used(connection, consent_id)

    def entry(self, index: int) -> Entry:
        """One entry.

        Raises:
            StoreError: ``log.no-entry``.
        """
        for entry in self.entries(index, index + 1):
            return entry
        raise StoreError(
            f"The log has no entry {index}.",
            code="log.no-entry",
            found=f"{self.size} entries, counted from 0",
            next_step="list them: thsafe log show",
        )

    def entries(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Entries ``start`` up to but without ``stop``, streamed page by page: appending may go on meanwhile."""
        while True:
            end = start + _PAGE if stop is None else min(start + _PAGE, stop)
            query = (
                select(schema.entry)
                .where(schema.entry.c.position >= start, schema.entry.c.position < end)
                .order_by(schema.entry.c.position)
            )
            with reading(self._engine) as connection:
                rows = connection.execute(query).mappings().all()
            yield from map(_entry, rows)
            if not rows or end == stop:
                return
            start = end

    def find(
        self,
        type: str | None = None,  # noqa: A002 - the field of an event has this name
        *,
        job: str | None = None,
        sha256: str | None = None,
        consent: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> Iterator[Entry]:
        """Entries that match everything given, in order.

        Args:
            type: event type, or a family of them with a dot at the end (``consent.``).
            job: job id.
            sha256: of the file that the event is about.
            consent: id of a consent that the event used.
            since: RFC 3339 in UTC as the log writes it; entries at or after.
            until: entries before.
        """
        column = schema.entry.c
        query = select(schema.entry).order_by(column.position)
        if type is not None:
            query = query.where(
                column.type.startswith(type, autoescape=True) if type.endswith(".") else column.type == type
            )
        if job is not None:
            query = query.where(column.job == job)
        if sha256 is not None:
            query = query.where(column.sha256 == sha256)
        if since is not None:
            query = query.where(column.at >= since)
        if until is not None:
            query = query.where(column.at < until)
        if consent is not None:
            using = select(schema.consent_use.c.position).where(schema.consent_use.c.consent == consent)
            query = query.where(column.position.in_(using))
        position = -1
        while True:
            with reading(self._engine) as connection:
                rows = connection.execute(query.where(column.position > position).limit(_PAGE)).mappings().all()
            yield from map(_entry, rows)
            if len(rows) < _PAGE:
                return
            position = rows[-1]["position"]

    def personal(self, index: int) -> Mapping[str, Json] | None:
        """The personal fields of an entry; None if it has none or its subject was erased."""
        with reading(self._engine) as connection:
            return personal_fields.read(connection, index)

    def checkpoints(self) -> tuple[Checkpoint, ...]:
        """All checkpoints kept here, by size."""
        query = select(schema.checkpoint.c.note).order_by(schema.checkpoint.c.size)
        with reading(self._engine) as connection:
            return tuple(parse_checkpoint(note) for note in connection.execute(query).scalars())

    # ---- proving

    def prove(self, index: int, size: int | None = None) -> InclusionProof:
        """That entry ``index`` stands in the log as it was with ``size`` entries (default: now).

        Raises:
            StoreError: there is no such entry in a log of that size.
            LedgerBroken: the stored tree has holes.
        """
        head, entry = schema.head, schema.entry
        query = select(head.c.size, head.c.root, entry.c.leaf_hash).select_from(
            head.outerjoin(entry, entry.c.position == index)
        )
        with reading(self._engine) as connection:
            present, present_root, leaf = connection.execute(query).one()
            size = present if size is None else size
            if not 0 <= index < size <= present:
                raise StoreError(
                    f"The log has no entry {index} among its first {size}.",
                    code="log.no-entry",
                    found=f"{present} entries, counted from 0",
                    next_step="list them: thsafe log show",
                )
            path = merkle.inclusion_proof(index, size, _NodeReader(connection))
        root = merkle.root_from_inclusion(leaf or b"", index, size, path)
        if root is None or (size == present and root != present_root):
            raise _broken_tree(f"the nodes above entry {index} do not lead to the root")
        return InclusionProof(
            index=index, size=size, leaf_hash=leaf.hex(), path=tuple(item.hex() for item in path), root=root.hex()
        )

    def prove_consistency(self, old: int, new: int | None = None) -> tuple[str, ...]:
        """Hexadecimal hashes that show that the first ``old`` entries have stayed what they were (RFC 9162 §2.1.4)."""
        with reading(self._engine) as connection:
            present = int(connection.execute(select(schema.head.c.size)).scalar_one())
            new = present if new is None else new
            if not 0 <= old <= new <= present:
                raise StoreError(
                    f"The log never had {old} entries before it had {new}.",
                    code="log.no-entry",
                    found=f"{present} entries",
                    next_step="list the checkpoints: thsafe log show --checkpoints",
                )
            return tuple(item.hex() for item in merkle.consistency_proof(old, new, _NodeReader(connection)))

    def verify(self, *, witnessed: Iterable[Checkpoint] = ()) -> LogReport:
        """Recompute everything from the leaves and compare it with what is stored and with what witnesses hold."""
        from thsafe.ledger.check import check_log

        with reading(self._engine) as connection:
            return check_log(connection, origin=self.origin, verifier=self.verifier, witnessed=tuple(witnessed))


class _NodeReader:
    """Fetches stored subtree hashes by (level, place), a whole proof in two queries."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def __call__(self, nodes: Sequence[Node]) -> Mapping[Node, bytes]:
        known: dict[Node, bytes] = {}
        leaves = [place for level, place in nodes if level == 0]
        if leaves:
            column = schema.entry.c
            query = select(column.position, column.leaf_hash).where(column.position.in_(leaves))
            known |= {(0, place): value for place, value in self._connection.execute(query)}
        inner = {merkle.number(node): node for node in nodes if node[0] > 0}
        if inner:
            columns = schema.node.c
            stored = select(columns.number, columns.hash).where(columns.number.in_(list(inner)))
            known |= {inner[number]: value for number, value in self._connection.execute(stored)}
        if missing := [node for node in nodes if node not in known]:
            raise _broken_tree(f"no hash for subtree {missing[0]}")
        return known


def _broken_tree(found: str) -> LedgerBroken:
    return LedgerBroken(
        "The stored tree of the log has holes.",
        code="log.nodes",
        found=found,
        next_step="run: thsafe log verify; then restore the database from a backup",
    )


def _frontier(head: RowMapping) -> Frontier:
    try:
        return Frontier.from_bytes(head["size"], head["frontier"])
    except ValueError as problem:
        raise LedgerBroken(
            "The head of the log contradicts itself; nothing can be appended.",
            code="log.head",
            found=str(problem),
            next_step="run: thsafe log verify; then restore the database from a backup",
        ) from problem


def _leaf(
    draft: _Draft, *, index: int, at: str, uses: Mapping[str, int], sealed: personal_fields.Sealed | None
) -> dict[str, Json]:
    kind = draft.event.get("type")
    if not isinstance(kind, str) or not kind:
        raise ValueError("an event has a type")
    if taken := sorted(RESERVED & set(draft.event)):
        raise ValueError(f"the log itself writes {', '.join(taken)}")
    leaf: dict[str, Json] = {**draft.event, "v": LEAF_VERSION, "seq": index, "ts": at}
    if uses:
        leaf["uses"] = dict(uses)
    if draft.output is not None:
        leaf["manifest_digest"] = sha256(draft.output.manifest).hexdigest()
    if sealed is not None:
        leaf["personal"] = sealed.digest
    return leaf


def _count_uses(connection: Connection, limits: Mapping[str, int | None]) -> dict[str, int]:
    """The number that each use will have; raises ConsentRefused where that exceeds the limit."""
    numbers: dict[str, int] = {}
    for consent, limit in limits.items():
        used = _used(connection, consent)
        if limit is not None and used >= limit:
            raise ConsentRefused(
                "The consent is used up.",
                code="consent.uses",
                found=f"{consent}: {used} of {limit} uses",
                rule="policies/10-consent.cedar @id consent.uses",
                next_step="ask for a new one: thsafe consent request",
                log="nothing was written",
            )
        numbers[consent] = used + 1
    return numbers


def _used(connection: Connection, consent: str) -> int:
    query = select(func.count()).select_from(schema.consent_use).where(schema.consent_use.c.consent == consent)
    return int(connection.execute(query).scalar_one())


def _seal_personal(connection: Connection, draft: _Draft) -> personal_fields.Sealed | None:
    if draft.personal is None:
        return None
    if draft.subject is None:
        raise ValueError("personal fields need a subject: without one they could never be erased")
    return personal_fields.seal(connection, draft.subject, draft.personal)


def _attach(connection: Connection, draft: _Draft, entry: Entry, sealed: personal_fields.Sealed | None) -> None:
    """The rows that refer to an entry, once it is there."""
    if draft.uses:
        rows = [{"consent": consent, "position": entry.index} for consent in draft.uses]
        connection.execute(insert(schema.consent_use), rows)
    if draft.output is not None:
        insert_output(connection, replace(draft.output, ledger_index=entry.index))
    if sealed is not None:
        personal_fields.store(connection, entry.index, sealed)


def _row(entry: Entry) -> dict[str, object]:
    return {
        "position": entry.index,
        "leaf_hash": bytes.fromhex(entry.leaf_hash),
        "at": entry.at,
        "type": entry.type,
        "job": entry.event.get("job"),
        "sha256": entry.event.get("sha256"),
        "leaf": entry.leaf,
    }


def _entry(row: RowMapping) -> Entry:
    leaf = bytes(row["leaf"])
    return Entry(
        index=row["position"],
        leaf_hash=bytes(row["leaf_hash"]).hex(),
        at=row["at"],
        event=json.loads(leaf),
        leaf=leaf,
    )
