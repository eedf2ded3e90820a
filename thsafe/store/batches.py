"""Batches as rows: which items there are, how far each is, and what came of every content.

The rows are the checkpoint: whatever is not here has not been done. Only the process that holds a batch (``hold``)
changes its items; whoever lost it finds out with its next write. Results are kept by key, so that no batch does what
another has done.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import UsageError
from thsafe.core.types import Json
from thsafe.store.engine import open_engine, reading, writing
from thsafe.store.schema import batch, batch_item, batch_result

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, RowMapping

WAITING, RUNNING, DONE = "waiting", "running", "done"
FAILED, REFUSED, POISON, CANCELLED = "failed", "refused", "poison", "cancelled"
UNSUCCESSFUL = (FAILED, REFUSED, POISON)
ERASED: Mapping[str, Json] = {"erased": True}
"""What stays of the task of a job whose words were erased (``thsafe erase``)."""
_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One batch, as its row says."""

    id: str
    kind: str
    """``verify`` or ``generate``."""
    settings: Mapping[str, Json]
    sources: tuple[str, ...]
    created_at: str
    planned_at: str | None
    """When the last item was listed; None: listing was interrupted."""
    finished_at: str | None
    cancelled_at: str | None
    driver: Mapping[str, Json] | None
    """Who runs it now (``thsafe.batch.driver``)."""
    driver_at: float | None
    """When that one was last heard of, seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file or job of a batch."""

    number: int
    source: str
    task: Mapping[str, Json] | None
    state: str
    attempts: int
    key: str | None
    error: Mapping[str, Json] | None
    seconds: float | None
    at: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one content."""

    key: str
    sha256: str
    verdict: str
    report: Mapping[str, Json]
    at: str
    position: int | None
    """Its entry in the log; None where there is no log, or the entry is the job's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of an item."""

    number: int
    state: str
    attempts: int
    key: str | None = None
    error: Mapping[str, Json] | None = None
    seconds: float | None = None


class Lost(Exception):
    """Another driver has taken the batch over."""


class Batches:
    """The batches of one database; cheap to open."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Batches:
        """The batches in a database, whose tables are made on first use; errors as ``open_engine``."""
        return cls(open_engine(url))

    def close(self) -> None:
        """Let go of the database connections."""
        self._engine.dispose()

    def writing(self) -> AbstractContextManager[Connection]:
        """One exclusive transaction; errors as ``thsafe.store.engine.writing``."""
        return writing(self._engine)

    # ---- planning

    def create(self, kind: str, settings: Mapping[str, Json], sources: Sequence[str], *, origin: str) -> Batch:
        """A new batch without items."""
        row = {
            "id": secrets.token_hex(6),
            "kind": kind,
            "settings": json.dumps(settings),
            "origin": origin,
            "sources": json.dumps(list(sources)),
            "created_at": _now(),
        }
        with writing(self._engine) as connection:
            connection.execute(insert(batch).values(row))
        return self.get(str(row["id"]))

    def add(self, batch_id: str, rows: Iterable[tuple[str, Mapping[str, Json] | None]]) -> int:
        """List items as (source, task) in one transaction, in order; those that are listed already stay as they are.

        Returns:
            How many were new.
        """
        named = {_name(source, task): (source, task) for source, task in rows}
        if not named:
            return 0
        with writing(self._engine) as connection:
            here = select(batch_item.c.name).where(batch_item.c.batch == batch_id, batch_item.c.name.in_(list(named)))
            known = set(connection.execute(here).scalars())
            most = select(func.max(batch_item.c.number)).where(batch_item.c.batch == batch_id)
            number = connection.execute(most).scalar()
            first = 0 if number is None else int(number) + 1
            new = [
                {
                    "batch": batch_id,
                    "number": first + place,
                    "name": name,
                    "source": source,
                    "task": None if task is None else json.dumps(task),
                    "state": WAITING,
                    "attempts": 0,
                }
                for place, (name, (source, task)) in enumerate(
                    (name, row) for name, row in named.items() if name not in known
                )
            ]
            if new:
                connection.execute(insert(batch_item), new)
        return len(new)

    def planned(self, batch_id: str) -> None:
        """All items are listed."""
        self._set(batch_id, planned_at=_now())

    def unfinished(self, origin: str) -> Batch | None:
        """The newest batch of this origin that is neither finished nor cancelled."""
        query = (
            select(batch)
            .where(batch.c.origin == origin, batch.c.finished_at.is_(None), batch.c.cancelled_at.is_(None))
            .order_by(batch.c.created_at.desc())
            .limit(1)
        )
        with reading(self._engine) as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else _batch(row)

    # ---- looking

    def get(self, batch_id: str) -> Batch:
        """One batch; the beginning of its id is enough.

        Raises:
            UsageError: ``batch.unknown``.
        """
        query = select(batch).where(batch.c.id.startswith(batch_id, autoescape=True)).limit(2)
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        if len(rows) != 1 or not batch_id:
            raise UsageError(
                f"There is no batch {batch_id}." if not rows else f"Several batches begin with {batch_id}.",
                code="batch.unknown",
                found=batch_id,
                next_step="list them: thsafe batch status",
            )
        return _batch(rows[0])

    def all(self) -> tuple[Batch, ...]:
        """Every batch, the newest first."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(batch).order_by(batch.c.created_at.desc())).mappings().all()
        return tuple(_batch(row) for row in rows)

    def counts(self, batch_id: str) -> dict[str, int]:
        """How many items are in each state."""
        query = (
            select(batch_item.c.state, func.count()).where(batch_item.c.batch == batch_id).group_by(batch_item.c.state)
        )
        with reading(self._engine) as connection:
            return {str(state): int(count) for state, count in connection.execute(query)}

    def verdicts(self, batch_id: str) -> dict[str, int]:
        """How many items came to each verdict."""
        query = (
            select(batch_result.c.verdict, func.count())
            .select_from(batch_item.join(batch_result, batch_item.c.key == batch_result.c.key))
            .where(batch_item.c.batch == batch_id, batch_item.c.state == DONE)
            .group_by(batch_result.c.verdict)
        )
        with reading(self._engine) as connection:
            return {str(verdict): int(count) for verdict, count in connection.execute(query)}

    def settled_since(self, batch_id: str, moment: str) -> int:
        """How many items got their state at or after a moment (RFC 3339)."""
        query = (
            select(func.count())
            .select_from(batch_item)
            .where(batch_item.c.batch == batch_id, batch_item.c.at >= moment)
        )
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())

    def items(self, batch_id: str, *states: str) -> Iterator[Item]:
        """Items in these states (none named: in any), in order, page by page: they may change meanwhile."""
        last = -1
        while True:
            page = self.page(batch_id, states, after=last)
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1].number

    def page(self, batch_id: str, states: Sequence[str], *, after: int, most: int = _PAGE) -> list[Item]:
        """At most so many items in these states, whose number is above ``after``."""
        query = select(batch_item).where(batch_item.c.batch == batch_id, batch_item.c.number > after)
        if states:
            query = query.where(batch_item.c.state.in_(states))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(batch_item.c.number).limit(most)).mappings().all()
        return [_item(row) for row in rows]

    def results(self, keys: Iterable[str | None]) -> dict[str, Result]:
        """Those of the keys that have a result."""
        wanted = [key for key in keys if key is not None]
        with reading(self._engine) as connection:
            query = select(batch_result).where(batch_result.c.key.in_(wanted))
            return {row["key"]: _result(row) for row in connection.execute(query).mappings()}

    def known(self, key: str) -> str | None:
        """What is known of a key: ``done``, ``poison`` (a content that no worker survived), or nothing."""
        done = select(batch_result.c.key).where(batch_result.c.key == key)
        poison = select(batch_item.c.key).where(batch_item.c.key == key, batch_item.c.state == POISON).limit(1)
        with reading(self._engine) as connection:
            if connection.execute(done).first() is not None:
                return DONE
            return POISON if connection.execute(poison).first() is not None else None

    # ---- driving

    def hold(self, batch_id: str, driver: Mapping[str, Json], *, instead_of: Mapping[str, Json] | None) -> bool:
        """Become the driver; False where somebody else did meanwhile."""
        values = {"driver": json.dumps(driver), "driver_at": time.time(), "finished_at": None}
        seen = batch.c.driver.is_(None) if instead_of is None else batch.c.driver == json.dumps(instead_of)
        with writing(self._engine) as connection:
            return connection.execute(update(batch).where(batch.c.id == batch_id, seen).values(values)).rowcount == 1

    def release(self, batch_id: str, driver: Mapping[str, Json], *, finished: bool) -> None:
        """Stop driving."""
        values: dict[str, Json] = {"driver": None, "driver_at": None}
        if finished:
            values["finished_at"] = _now()
        mine = update(batch).where(batch.c.id == batch_id, batch.c.driver == json.dumps(driver))
        with writing(self._engine) as connection:
            connection.execute(mine.values(values))

    def go_on(self, batch_id: str) -> None:
        """Take back a cancellation."""
        self._set(batch_id, cancelled_at=None, finished_at=None)

    def cancel(self, batch_id: str) -> int:
        """Ask whoever runs it to stop; items that wait are not done. Returns how many those are."""
        with writing(self._engine) as connection:
            connection.execute(update(batch).where(batch.c.id == batch_id).values(cancelled_at=_now()))
            return _move(connection, batch_id, (WAITING,), CANCELLED)

    def retry(self, batch_id: str, states: Sequence[str]) -> int:
        """Let items of these states wait again, their attempts forgotten. Returns how many."""
        with writing(self._engine) as connection:
            return _move(connection, batch_id, states, WAITING)

    def erase_words(self, batch_id: str, numbers: Sequence[int]) -> None:
        """Forget what these items ask for and what their errors quote; states, digests and results stay."""
        these = update(batch_item).where(batch_item.c.batch == batch_id, batch_item.c.number == bindparam("own"))
        with writing(self._engine) as connection:
            for number in numbers:
                query = select(batch_item.c.error).where(batch_item.c.batch == batch_id, batch_item.c.number == number)
                error = connection.execute(query).scalar_one()
                left = None if error is None else json.dumps(_without_words(json.loads(error)))
                connection.execute(these.values(task=json.dumps(ERASED), error=left), {"own": number})

    def _set(self, batch_id: str, **values: Json) -> None:
        with writing(self._engine) as connection:
            connection.execute(update(batch).where(batch.c.id == batch_id).values(values))


def check_held(connection: Connection, batch_id: str, driver: Mapping[str, Json]) -> bool:
    """Inside a writing transaction: say that the driver lives. Returns False where the batch was cancelled.

    Raises:
        Lost: another has it.
    """
    mine = update(batch).where(batch.c.id == batch_id, batch.c.driver == json.dumps(driver))
    if connection.execute(mine.values(driver_at=time.time())).rowcount != 1:
        raise Lost
    return connection.execute(select(batch.c.cancelled_at).where(batch.c.id == batch_id)).scalar_one() is None


def without_result(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have no result yet."""
    if not keys:
        return set()
    known = connection.execute(select(batch_result.c.key).where(batch_result.c.key.in_(keys))).scalars()
    return set(keys) - set(known)


def keep_results(connection: Connection, results: Sequence[Result], *, replace: bool) -> None:
    """Write results; a key that has one keeps it, unless ``replace``."""
    rows = [
        {
            "key": item.key,
            "sha256": item.sha256,
            "verdict": item.verdict,
            "report": json.dumps(item.report, ensure_ascii=False),
            "at": item.at,
            "position": item.position,
        }
        for item in results
    ]
    if rows:
        add = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement = add(batch_result)
        if replace:
            changed = {name: statement.excluded[name] for name in rows[0] if name != "key"}
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changed), rows)
        else:
            connection.execute(statement.on_conflict_do_nothing(), rows)


def change_items(connection: Connection, batch_id: str, changes: Sequence[Change]) -> None:
    """Write what became of items."""
    rows = [
        {
            "own": item.number,
            "state": item.state,
            "attempts": item.attempts,
            "key": item.key,
            "error": None if item.error is None else json.dumps(item.error, ensure_ascii=False),
            "seconds": item.seconds,
            "at": _now(),
        }
        for item in changes
    ]
    if rows:
        statement = update(batch_item).where(batch_item.c.batch == batch_id, batch_item.c.number == bindparam("own"))
        connection.execute(statement, rows)


def _move(connection: Connection, batch_id: str, states: Sequence[str], to: str) -> int:
    these = update(batch_item).where(batch_item.c.batch == batch_id, batch_item.c.state.in_(states))
    # The key goes too: what was poison under it shall be tried.
    return connection.execute(these.values(state=to, attempts=0, error=None, key=None)).rowcount


def _now() -> str:
    return to_text(system_clock())


def _without_words(error: Mapping[str, Json]) -> dict[str, Json]:
    return {name: error[name] for name in ("error", "exit_code") if name in error} | {"message": "erased"}


def _name(source: str, task: Mapping[str, Json] | None) -> bytes:
    return sha256(json.dumps([source, task], sort_keys=True).encode()).digest()


def _batch(row: RowMapping) -> Batch:
    driver = row["driver"]
    return Batch(
        id=row["id"],
        kind=row["kind"],
        settings=json.loads(row["settings"]),
        sources=tuple(json.loads(row["sources"])),
        created_at=row["created_at"],
        planned_at=row["planned_at"],
        finished_at=row["finished_at"],
        cancelled_at=row["cancelled_at"],
        driver=None if driver is None else json.loads(driver),
        driver_at=row["driver_at"],
    )


def _item(row: RowMapping) -> Item:
    task, error = row["task"], row["error"]
    return Item(
        number=row["number"],
        source=row["source"],
        task=None if task is None else json.loads(task),
        state=row["state"],
        attempts=row["attempts"],
        key=row["key"],
        error=None if error is None else json.loads(error),
        seconds=row["seconds"],
        at=row["at"],
    )


def _result(row: RowMapping) -> Result:
    return Result(**{**row, "report": json.loads(row["report"])})
