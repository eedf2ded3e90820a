"""Appending inside one exclusive transaction: clock, counts, leaf, tree, head, checkpoint; all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection, func, insert, select

from thsafe.core.clock import Clock, to_text
from thsafe.core.errors import ConsentRefused, LedgerBroken, StoreError
from thsafe.ledger import merkle, personal
from thsafe.ledger.entry import Draft, Entry, entry_of, row_of
from thsafe.ledger.merkle import Frontier
from thsafe.ledger.note import Checkpoint, parse_checkpoint, sign_checkpoint
from thsafe.store import schema
from thsafe.store.growth import Growth, Row, grow, read_head
from thsafe.store.outputs import insert_output

_SKEW = timedelta(seconds=2)
"""Clocks of several hosts, and one host's under NTP, disagree by this much without anyone having turned them back."""

_SEALING = frozenset({"output", "publish", "erase"})
"""Events that are followed by a signed checkpoint in the same transaction: what leaves the house is sealed at once."""

_CHECKPOINT_EVERY = 100
"""Entries after which a checkpoint is due anyway."""

Refusal = ConsentRefused | TypeError | ValueError
"""Why a draft cannot be written: a consent is used up, or it is no event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of drafts."""

    answers: tuple[Entry | Refusal, ...]
    """One for each draft."""
    growth: Growth | None
    """What is to be written; nothing where all were refused."""
    sealed: tuple[personal.Sealed | None, ...]
    """Personal fields, for each entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Writer:
    """Writes to one log; ``connection`` is always one that ``writing`` opened."""

    origin: str
    key: Ed25519PrivateKey | None
    clock: Clock

    def append(self, connection: Connection, drafts: Sequence[Draft]) -> tuple[Entry, ...]:
        """Write drafts in order, all or none; errors as ``Ledger.append``."""
        head = read_head(connection)
        # Read now: it may have taken long until the database was ours.
        check_clock(self.clock(), str(head["last_at"]))
        plan = self.plan(connection, drafts, head=head)
        entries = []
        for answer in plan.answers:
            if isinstance(answer, Exception):
                raise answer
            entries.append(answer)
        if plan.growth is not None:
            grow(connection, plan.growth)
        for draft, entry, sealed in zip(drafts, entries, plan.sealed, strict=True):
            if draft.output is not None:
                insert_output(connection, replace(draft.output, ledger_index=entry.index))
            if sealed is not None:
                personal.store(connection, entry.index, sealed)
        return tuple(entries)

    def plan(self, connection: Connection, drafts: Sequence[Draft], *, head: Row) -> Plan:
        """Place the drafts that can be written, in order; those that cannot get the error as their answer.

        Their clocks were looked at before.

        Raises:
            LedgerBroken: ``log.head``: nothing can be appended at all.
        """
        frontier, last_at, now = _frontier(head), str(head["last_at"]), to_text(self.clock())
        counts: dict[str, int] = {}
        answers: list[Entry | Refusal] = []
        seals: list[personal.Sealed | None] = []
        entries: list[Row] = []
        nodes: list[Row] = []
        used_up: list[Row] = []
        sealing = False
        for draft in drafts:
            # In text the order of times is that of the alphabet; within the tolerance time stands still.
            at = max(draft.at or now, last_at)
            try:
                uses = _count_uses(connection, draft.uses, counts)
                sealed = _seal_personal(connection, draft)
                digest = sealed.digest if sealed else None
                entry = entry_of(draft, index=frontier.size, at=at, uses=uses, sealed=digest)
            except (ConsentRefused, TypeError, ValueError) as refusal:
                answers.append(refusal)
                continue
            counts |= uses
            last_at = at
            frontier, made = frontier.append(bytes.fromhex(entry.leaf_hash))
            nodes += [{"number": merkle.number(node), "hash": value} for node, value in made]
            entries.append(row_of(entry))
            used_up += [{"consent": consent, "position": entry.index} for consent in draft.uses]
            answers.append(entry)
            seals.append(sealed)
            sealing = sealing or entry.type in _SEALING or frontier.size % _CHECKPOINT_EVERY == 0
        if not entries:
            return Plan(answers=tuple(answers), growth=None, sealed=())
        root = frontier.root()
        new_head = {"size": frontier.size, "root": root, "frontier": frontier.packed(), "last_at": last_at}
        checkpoint = self._signed(frontier.size, root, self.key) if sealing and self.key is not None else None
        growth = Growth(entries=entries, nodes=nodes, uses=used_up, checkpoint=checkpoint, head=new_head)
        return Plan(answers=tuple(answers), growth=growth, sealed=tuple(seals))

    def seal(self, connection: Connection, *, size: int, root: bytes) -> Checkpoint:
        """Sign and keep a state of the log, or give back the checkpoint that it has already."""
        stored = connection.execute(select(schema.checkpoint.c.note).where(schema.checkpoint.c.size == size)).scalar()
        if stored is not None:
            return parse_checkpoint(stored)
        if self.key is None:
            raise StoreError(
                "The log was opened without its signing key.",
                code="log.no-key",
                next_step="make the keys of this installation: thsafe keys new",
            )
        row = self._signed(size, root, self.key)
        connection.execute(insert(schema.checkpoint).values(row))
        return parse_checkpoint(row["note"])

    def _signed(self, size: int, root: bytes, key: Ed25519PrivateKey) -> Row:
        note = sign_checkpoint(self.origin, size, root, key).note
        return {"size": size, "at": to_text(self.clock()), "note": note}


def latest_for(now: datetime) -> str:
    """The latest time that the log may have for a writer whose clock says ``now``."""
    return to_text(now + _SKEW)


def check_clock(now: datetime, last_at: str) -> None:
    """Refuse a clock that was turned back.

    Raises:
        StoreError: ``log.clock``.
    """
    if last_at > latest_for(now):
        raise StoreError(
            "The clock was turned back: the log has a later time than the machine.",
            code="log.clock",
            found=f"clock {to_text(now)}, last entry {last_at}",
            rule="entries are in the order of time; consent windows are judged by it",
            next_step="set the clock right: timedatectl set-ntp true",
            log="nothing was written",
        )


def _frontier(head: Row) -> Frontier:
    try:
        return Frontier.from_bytes(head["size"], head["frontier"])
    except ValueError as problem:
        raise LedgerBroken(
            "The head of the log contradicts itself; nothing can be appended.",
            code="log.head",
            found=str(problem),
            next_step="run: thsafe log verify; then restore the database from a backup",
        ) from problem


def _count_uses(connection: Connection, limits: Mapping[str, int | None], counted: Mapping[str, int]) -> dict[str, int]:
    """The number that each use will have; raises ConsentRefused where that exceeds the limit.

    ``counted`` are the uses so far of consents that this transaction has used already.
    """
    numbers: dict[str, int] = {}
    for consent, limit in limits.items():
        count = counted[consent] if consent in counted else used(connection, consent)
        if limit is not None and count >= limit:
            raise ConsentRefused(
                "The consent is used up.",
                code="consent.uses",
                found=f"{consent}: {count} of {limit} uses",
                rule="policies/10-consent.cedar @id consent.uses",
                next_step="ask for a new one: thsafe consent request",
                log="nothing was written",
            )
        numbers[consent] = count + 1
    return numbers


def used(connection: Connection, consent: str) -> int:
    """How often a consent has been used."""
    query = select(func.count()).select_from(schema.consent_use).where(schema.consent_use.c.consent == consent)
    return int(connection.execute(query).scalar_one())


def _seal_personal(connection: Connection, draft: Draft) -> personal.Sealed | None:
    if draft.personal is None:
        return None
    if draft.subject is None:
        raise ValueError("personal fields need a subject: without one they could never be erased")
    return personal.seal(connection, draft.subject, draft.personal)
