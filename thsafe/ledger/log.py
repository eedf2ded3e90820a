"""The audit log: events as leaves of a Merkle tree, kept in the store, signed at checkpoints.

One append is one exclusive transaction: the clock is checked, uses of consents are counted against their limits, the
leaf, the tree's new nodes, the head and (for an output) its manifest row are written, and only when all of that is on
disk does the call return. Entries are never changed; nothing here can. Verifying lives in ``check``, personal fields
in ``personal``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, Engine, RowMapping, func, select

from thsafe.core.clock import Clock, from_text, system_clock
from thsafe.core.errors import LedgerBroken, StoreError
from thsafe.core.types import Json
from thsafe.home import Home
from thsafe.ledger import personal as personal_fields
from thsafe.ledger.entry import Draft, Entry, entry_from
from thsafe.ledger.merkle import Frontier
from thsafe.ledger.note import Checkpoint, Verifier, parse_checkpoint
from thsafe.ledger.proof import InclusionProof, prove, prove_consistency
from thsafe.ledger.sequencer import Sequencer
from thsafe.ledger.write import Writer, used
from thsafe.store import schema
from thsafe.store.engine import open_engine, reading, scrub, writing
from thsafe.store.lines import Lines
from thsafe.store.outputs import OutputRecord, Outputs, forget_outputs

if TYPE_CHECKING:
    from thsafe.ledger.check import LogReport

__all__ = ["Entry", "Group", "InclusionProof", "Ledger"]

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A transaction that is open."""

    connection: Connection
    """For ``thsafe.store``."""
    writer: Writer

    def append(self, events: Iterable[Mapping[str, Json]]) -> tuple[Entry, ...]:
        """Write events in order; errors as ``Ledger.append``, and then nothing of the group is written."""
        drafts = [Draft(event=event) for event in events]
        return self.writer.append(self.connection, drafts) if drafts else ()


class Ledger:
    """The log of one installation. Cheap to open; safe to use from several threads and processes at once."""

    def __init__(self, engine: Engine, *, key: Ed25519PrivateKey | None, clock: Clock) -> None:
        self._engine = engine
        self.outputs = Outputs(engine)
        """What was published (``thsafe.store.outputs``)."""
        with reading(engine) as connection:
            origin = connection.execute(select(schema.head.c.origin)).scalar_one_or_none()
        if origin is None:
            engine.dispose()
            raise _broken("The head of the log is gone.", code="log.head", found="no row in the table log_head")
        self.origin: str = origin
        """The log's name, ``thsafe/`` and a random id: no host, no person."""
        self._writer = Writer(origin=self.origin, key=key, clock=clock)
        # Where writers of many machines meet, events are staged for one of them to write.
        postgresql = engine.dialect.name == "postgresql"
        self._sequencer = Sequencer(lines=Lines(engine=engine), writer=self._writer) if postgresql else None

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
        if self._sequencer is not None:
            self._sequencer.lines.close()
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
        draft = Draft(event=event, uses=uses or {}, output=output, personal=personal, subject=subject)
        if self._sequencer is not None and output is None and personal is None:
            return self._sequencer.append(draft)
        with writing(self._engine) as connection:
            return self._writer.append(connection, [draft])[0]

    def append_many(self, events: Iterable[Mapping[str, Json]]) -> tuple[Entry, ...]:
        """Write events in one transaction: all or none. For batches; uses and outputs go one by one."""
        drafts = [Draft(event=event) for event in events]
        if not drafts:
            return ()
        with writing(self._engine) as connection:
            return self._writer.append(connection, drafts)

    @contextmanager
    def group(self) -> Iterator[Group]:
        """One transaction for many entries and for rows of other tables that belong to them: all of it or nothing.

        Raises:
            StoreError: the database failed; nothing was written.
        """
        with writing(self._engine) as connection:
            yield Group(connection=connection, writer=self._writer)

    def erase(self, subject: str, *, consents: Sequence[str] = (), counts: Mapping[str, int] | None = None) -> Entry:
        """Make a subject's personal fields unreadable for good, and log that it was done.

        Key, salts and ciphertexts are deleted; leaves, root and proofs stay as they are. Thumbnails, stored
        manifests and fingerprints of outputs made under ``consents`` go too. The entry names the erased entries, not
        the subject; ``counts`` says what else went.
        """
        with writing(self._engine) as connection:
            erased = personal_fields.erase(connection, subject)
            jobs = _jobs_under(connection, consents)
            of_jobs = select(schema.entry.c.position).where(
                schema.entry.c.type == "output", schema.entry.c.job.in_(jobs)
            )
            manifests, thumbnails = forget_outputs(connection, list(connection.execute(of_jobs).scalars()))
            event = {
                "type": "erase",
                "entries": erased,
                "manifests": manifests,
                "thumbnails": thumbnails,
                "consents": sorted(consents),
            }
            draft = Draft(event={**(counts or {}), **event})
            entry = self._writer.append(connection, [draft])[0]
        scrub(self._engine)
        return entry

    def checkpoint(self) -> Checkpoint:
        """Sign and keep the log's present size and root.

        Raises:
            LedgerBroken: ``log.head``: the head is not that of the entries; no witness should be given such a thing.
            StoreError: the log was opened without a key.
        """
        with writing(self._engine) as connection:
            row = connection.execute(select(schema.head)).mappings().one()
            _check_head(connection, row)
            return self._writer.seal(connection, size=row["size"], root=row["root"])

    # ---- reading

    @property
    def size(self) -> int:
        """How many entries there are."""
        with reading(self._engine) as connection:
            return int(connection.execute(select(schema.head.c.size)).scalar_one())

    @property
    def verifier(self) -> Verifier | None:
        """The public half of the checkpoint key, in the form witnesses are given; None without a key."""
        key = self._writer.key
        return None if key is None else Verifier.of(self.origin, key)

    def last_time(self) -> datetime | None:
        """When the last entry was written; None while the log is empty."""
        with reading(self._engine) as connection:
            last = connection.execute(select(schema.head.c.last_at)).scalar_one()
        return from_text(last) if last else None

    def uses(self, consent_id: str) -> int:
        """How often a consent has been used."""
        with reading(self._engine) as connection:
            return used(connection, consent_id)

    def jobs_under(self, consents: Sequence[str]) -> frozenset[str]:
        """The ids of the jobs that used any of these consents."""
        with reading(self._engine) as connection:
            return frozenset(_jobs_under(connection, consents))

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

    def entries(
        self, start: int = 0, stop: int | None = None, *, leave_out_unreadable: bool = False
    ) -> Iterator[Entry]:
        """Entries ``start`` up to but without ``stop``, streamed page by page: appending may go on meanwhile.

        Raises:
            LedgerBroken: ``log.entry``: one cannot be read, unless such entries are to be left out.
        """
        while True:
            end = start + _PAGE if stop is None else min(start + _PAGE, stop)
            query = (
                select(schema.entry)
                .where(schema.entry.c.position >= start, schema.entry.c.position < end)
                .order_by(schema.entry.c.position)
            )
            with reading(self._engine) as connection:
                rows = connection.execute(query).mappings().all()
            for row in rows:
                try:
                    found = entry_from(row)
                except LedgerBroken:
                    if leave_out_unreadable:
                        continue
                    raise
                yield found
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
            yield from map(entry_from, rows)
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

    def last_checkpoint(self) -> Checkpoint | None:
        """The checkpoint of the largest size that can be read; None while there is none."""
        query = select(schema.checkpoint.c.note).order_by(schema.checkpoint.c.size.desc())
        with reading(self._engine) as connection:
            for note in connection.execute(query).scalars():
                with suppress(LedgerBroken):
                    return parse_checkpoint(note)
        return None

    # ---- proving

    def prove(self, index: int, size: int | None = None) -> InclusionProof:
        """That entry ``index`` stands in the log as it was with ``size`` entries (default: now).

        Raises:
            StoreError: there is no such entry in a log of that size.
            LedgerBroken: the stored tree has holes.
        """
        with reading(self._engine) as connection:
            return prove(connection, index, size)

    def prove_consistency(self, old: int, new: int | None = None) -> tuple[str, ...]:
        """Hexadecimal hashes that show that the first ``old`` entries have stayed what they were (RFC 9162 §2.1.4).

        Raises:
            StoreError: ``log.no-entry``: the log never had those sizes.
        """
        with reading(self._engine) as connection:
            return prove_consistency(connection, old, new)

    def verify(self, *, witnessed: Iterable[Checkpoint] = ()) -> LogReport:
        """Recompute everything from the leaves and compare it with what is stored and with what witnesses hold.

        Raises:
            LedgerBroken: ``log.unreadable``: the tables hold what no log writes, so that nothing can be compared.
        """
        from thsafe.ledger.check import check_log

        try:
            with reading(self._engine) as connection:
                return check_log(connection, origin=self.origin, verifier=self.verifier, witnessed=tuple(witnessed))
        except (TypeError, ValueError, AttributeError, OverflowError) as problem:
            raise _broken(
                "The tables of the log hold what no log writes.",
                code="log.unreadable",
                found=f"{type(problem).__name__}: {problem}",
            ) from problem


def _check_head(connection: Connection, head: RowMapping) -> None:
    """The head, as far as that is quick to see: its root follows from its peaks, and it ends where the entries end."""
    last = connection.execute(select(func.max(schema.entry.c.position))).scalar()
    size, root = head["size"], head["root"]
    try:
        fits = Frontier.from_bytes(size, head["frontier"]).root() == root
    except ValueError:
        fits = False
    if not fits or size != (0 if last is None else last + 1):
        raise _broken(
            "The head of the log is not that of its entries; it is not signed.",
            code="log.head",
            found=f"it claims {size} entries under root {root.hex()[:16]}…; the last entry is {last}",
        )


def _broken(message: str, *, code: str, found: str) -> LedgerBroken:
    next_step = "run: thsafe log verify; then restore the database from a backup"
    return LedgerBroken(message, code=code, found=found, next_step=next_step)


def _jobs_under(connection: Connection, consents: Sequence[str]) -> list[str]:
    query = (
        select(schema.entry.c.job)
        .join(schema.consent_use, schema.consent_use.c.position == schema.entry.c.position)
        .where(schema.consent_use.c.consent.in_(list(consents)))
    )
    return [job for job in connection.execute(query).scalars() if job is not None]
