"""Verifying the log: everything is recomputed from the leaves and compared.

What each comparison finds (and what only a witness can find) is measured in the tests of the attacks: a head that does
not follow from its entries is ``HEAD-MISMATCH``; a checkpoint that the entries contradict is ``INCONSISTENT``; a
checkpoint larger than the log is ``ROLLBACK``. An insider who holds the log key and rewrites everything leaves no
trace here: only checkpoints that were given away show it. Memory does not grow with the log but for open intents.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from hashlib import sha256

from sqlalchemy import Connection, RowMapping, Select, Table, func, select

from thsafe.core.errors import LedgerBroken
from thsafe.core.types import Json
from thsafe.ledger.merkle import Frontier, leaf_hash, number
from thsafe.ledger.note import Checkpoint, Verifier, parse_checkpoint, verify_checkpoint
from thsafe.ledger.personal import digest_of
from thsafe.store import schema
from thsafe.store.outputs import digests_of, record_of

_PAGE = 500
_CLOSING = frozenset({"output", "failed", "refusal", "live"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that does not fit."""

    code: str
    """``HEAD-MISMATCH``, ``INCONSISTENT``, ``ROLLBACK``, ``CHECKPOINT``, ``ENTRY``, ``NODE``, ``TIME``, ``USES``,
    ``OUTPUT`` or ``PERSONAL``."""
    message: str
    index: int | None = None
    """The entry or tree size it is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIntent:
    """A job that was allowed and neither finished nor failed: still running, or killed."""

    index: int
    job: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReport:
    """What verifying the whole log came to."""

    problems: tuple[Problem, ...]
    size: int
    root: str
    """Recomputed from the leaves, hexadecimal."""
    origin: str
    open_intents: tuple[OpenIntent, ...]
    counts: Mapping[str, int]
    """Entries per type."""
    first_at: str
    last_at: str
    checkpoints: int
    witnessed: int
    """How many outside checkpoints were compared; with none, a rewrite by an insider would not be noticed."""

    @property
    def ok(self) -> bool:
        """Does everything fit?"""
        return not self.problems


def check_log(
    connection: Connection, *, origin: str, verifier: Verifier | None, witnessed: Sequence[Checkpoint]
) -> LogReport:
    """Read the whole log once, in one database moment."""
    head = connection.execute(select(schema.head)).mappings().one()
    notes = connection.execute(select(schema.checkpoint.c.note).order_by(schema.checkpoint.c.size)).scalars().all()
    claims = [("the log itself", note) for note in notes] + [("a witness", item.note) for item in witnessed]
    problems: list[Problem] = []
    due: dict[int, list[tuple[str, str]]] = {}
    for source, note in claims:
        try:
            item = _read_claim(note, origin, verifier)
        except LedgerBroken as problem:
            # What this log did not sign says nothing about it, except that it lies here.
            problems.append(_problem("CHECKPOINT", None, f"a checkpoint kept by {source}: {problem.found}"))
        else:
            due.setdefault(item.size, []).append((source, item.root))

    frontier = Frontier()
    next_position, nodes_differ = 0, False
    first_at = last_at = ""
    counts: dict[str, int] = {}
    intents: dict[str, OpenIntent] = {}
    bare: set[int] = set()
    erased: set[int] = set()
    problems += _compare_roots(due.pop(0, []), frontier)
    for page in _pages(connection):
        made: dict[int, bytes] = {}
        bare |= page.bare
        for row in page.rows:
            position, at = row["position"], row["at"]
            if position != next_position:
                problems.append(
                    _problem("ENTRY", next_position, f"entries {next_position} to {position - 1} are missing")
                )
            next_position = position + 1
            event, faults = _check_entry(row)
            problems += [_problem("ENTRY", position, f"entry {position}: {fault}") for fault in faults]
            problems += page.check(position, event)
            if at < last_at:
                problems.append(_problem("TIME", position, f"entry {position} is older than the one before it"))
            first_at, last_at = first_at or at, at
            kind, job = str(event.get("type", "")), event.get("job")
            counts[kind] = counts.get(kind, 0) + 1
            if kind == "erase":
                erased.update(place for place in event.get("manifests") or () if isinstance(place, int))
            if isinstance(job, str) and kind == "intent":
                intents[job] = OpenIntent(index=position, job=job, at=at)
            elif isinstance(job, str) and kind in _CLOSING:
                intents.pop(job, None)
            frontier, completed = frontier.append(leaf_hash(row["leaf"]))
            made.update((number(node), value) for node, value in completed)
            if frontier.size in due:
                problems += _compare_roots(due.pop(frontier.size), frontier)
        nodes_differ = nodes_differ or made != _stored_nodes(connection, list(made))

    problems += [
        _problem("OUTPUT", place, f"entry {place}: its manifest is gone from the store, and no erasure took it")
        for place in sorted(bare - erased)
    ]
    problems += _check_head(head, frontier, last_at)
    if nodes_differ or _count(connection, schema.node) != frontier.size - frontier.size.bit_count():
        problems.append(_problem("NODE", None, "the stored inner nodes of the tree are not those of its entries"))
    for table in (schema.consent_use.c.position, schema.output.c.ledger_index, schema.personal.c.position):
        if connection.execute(select(func.count()).where(table >= next_position)).scalar_one():
            problems.append(_problem("ENTRY", None, f"table {table.table.name} refers to entries that are not there"))
    for size, late in sorted(due.items()):
        for source, _root in late:
            message = f"{source} saw {size} entries; there are {frontier.size}: the log was cut"
            problems.append(_problem("ROLLBACK", size, message))
    return LogReport(
        problems=tuple(problems),
        size=frontier.size,
        root=frontier.root().hex(),
        origin=origin,
        open_intents=tuple(intents.values()),
        counts=counts,
        first_at=first_at,
        last_at=last_at,
        checkpoints=len(notes),
        witnessed=len(witnessed),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Page:
    """A stretch of entries with the rows of other tables that belong to them."""

    rows: Sequence[RowMapping]
    uses: Mapping[int, set[str]]
    outputs: Mapping[int, dict[str, Json]]
    personal: Mapping[int, str]
    bare: AbstractSet[int]
    """Outputs whose stored manifest is gone."""

    def check(self, position: int, event: Mapping[str, Json]) -> Iterator[Problem]:
        """Do the other tables say what the leaf says?"""
        uses = event.get("uses", {})
        if not isinstance(uses, dict) or self.uses.get(position, set()) != set(uses):
            yield _problem("USES", position, f"entry {position}: the counted uses are not those of the entry")
        if not _fits(self.outputs.get(position), event):
            yield _problem("OUTPUT", position, f"entry {position}: the manifest store does not say what the entry says")
        kept = self.personal.get(position)
        if kept is not None and kept != event.get("personal"):
            yield _problem("PERSONAL", position, f"entry {position}: its personal fields were exchanged")


_BOUND = ("sha256", "manifest_id", "watermark_id", "manifest_digest")
"""What an "output" entry and its row in the store must agree on, beside the digests in its field ``record``."""

_ERASABLE = frozenset({"manifest_digest", "fingerprint", "thumbnail"})


def _fits(row: Mapping[str, Json] | None, event: Mapping[str, Json]) -> bool:
    """Does an output's row say what its entry says?

    What an erasure takes may be gone together with the manifest; that an "erase" entry says so is looked at in the end.
    """
    if row is None or "manifest_digest" not in event:
        return row is None and "manifest_digest" not in event
    record = event.get("record", {})  # entries of early versions hold the manifest's digest alone
    if not isinstance(record, dict):
        return False
    gone = frozenset() if row["manifest_digest"] else {name for name in _ERASABLE if row[name] is None}
    said = {**record, **{name: event.get(name) for name in _BOUND}}
    return all(name in gone or row.get(name) == value for name, value in said.items())


def _row_says(row: RowMapping) -> dict[str, Json]:
    manifest = sha256(row["manifest"]).hexdigest() if row["manifest"] else None
    return {**digests_of(record_of(row)), **{name: row[name] for name in _BOUND[:3]}, "manifest_digest": manifest}


def _pages(connection: Connection) -> Iterator[_Page]:
    start = -1
    while True:
        column = schema.entry.c.position
        query = select(schema.entry).where(column > start).order_by(column).limit(_PAGE)
        rows = connection.execute(query).mappings().all()
        if not rows:
            return
        end = rows[-1]["position"]
        uses: dict[int, set[str]] = {}
        for row in connection.execute(_within(schema.consent_use, "position", start, end)).mappings():
            uses.setdefault(row["position"], set()).add(row["consent"])
        outputs: dict[int, dict[str, Json]] = {}
        for row in connection.execute(_within(schema.output, "ledger_index", start, end)).mappings():
            outputs[row["ledger_index"]] = _row_says(row)
        bare = {place for place, fields in outputs.items() if fields["manifest_digest"] is None}
        kept = connection.execute(_within(schema.personal, "position", start, end)).mappings()
        sealed = {row["position"]: digest_of(row) for row in kept}
        yield _Page(rows=rows, uses=uses, outputs=outputs, personal=sealed, bare=bare)
        start = end


def _within(table: Table, column: str, start: int, end: int) -> Select[tuple[Json, ...]]:
    return select(table).where(table.c[column] > start, table.c[column] <= end)


def _stored_nodes(connection: Connection, numbers: list[int]) -> dict[int, bytes]:
    column = schema.node.c
    query = select(column.number, column.hash).where(column.number.in_(numbers))
    return {row.number: row.hash for row in connection.execute(query)}


def _check_entry(row: RowMapping) -> tuple[dict[str, Json], list[str]]:
    """The event, and in what its row contradicts it."""
    leaf = row["leaf"]
    faults = [] if leaf_hash(leaf) == row["leaf_hash"] else ["it was changed after it was hashed"]
    try:
        event = json.loads(leaf)
    except ValueError:
        return {}, [*faults, "it is not JSON"]
    if not isinstance(event, dict):
        return {}, [*faults, "it is not an event"]
    told = {
        "seq": row["position"], "ts": row["at"], "type": row["type"], "job": row["job"], "sha256": row["sha256"],
    }  # fmt: skip
    faults += [f"its column for {name} says something else" for name in told if event.get(name) != told[name]]
    return event, faults


def _check_head(head: RowMapping, frontier: Frontier, last_at: str) -> Iterator[Problem]:
    told = (head["size"], head["root"], head["frontier"], head["last_at"])
    if told != (frontier.size, frontier.root(), frontier.packed(), last_at):
        message = f"the head claims {head['size']} entries under root {head['root'].hex()[:16]}…; the entries say"
        yield _problem("HEAD-MISMATCH", None, f"{message} {frontier.size} under {frontier.root().hex()[:16]}…")


def _read_claim(note: str, origin: str, verifier: Verifier | None) -> Checkpoint:
    """The checkpoint in a note of this log; without the log's key its signature stays unchecked."""
    if verifier is not None:
        return verify_checkpoint(note, verifier)
    item = parse_checkpoint(note)
    if item.origin != origin:
        raise LedgerBroken("A checkpoint belongs to another log.", code="log.checkpoint-origin", found=item.origin)
    return item


def _compare_roots(claims: Sequence[tuple[str, str]], frontier: Frontier) -> Iterator[Problem]:
    for source, root in claims:
        if root != frontier.root().hex():
            message = f"the first {frontier.size} entries are not those that {source} has a signed checkpoint of"
            yield _problem("INCONSISTENT", frontier.size, message)


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _problem(code: str, index: int | None, message: str) -> Problem:
    return Problem(code=code, index=index, message=message)
