"""Running a batch: one driver, who alone writes rows and log, a group at a time.

Answers of workers are gathered, and each group is one transaction: entries in the log, results, items. What is in no
group has not happened; a rerun does exactly that. Memory holds the items in flight and one group, however long the
batch.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from thsafe.batch.anchors import log_of
from thsafe.batch.assignment import ATTEMPTS, LATER, Assignment, job_id
from thsafe.batch.driver import HEARTBEAT, held
from thsafe.batch.executors import Answer, Executor, Staff, open_executor
from thsafe.batch.settings import VerifySettings, checks_digest, models_digest
from thsafe.core.errors import StoreError, UsageError
from thsafe.core.types import Json, Progress, Silent
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.store import batches as rows
from thsafe.store.batches import Batches, Change, Item, Lost, Result

_T = TypeVar("_T")

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    Append = Callable[[Sequence[Mapping[str, Json]]], Sequence[int]]

GROUP = 500
"""Answers in one transaction at most."""
GROUP_SECONDS = 2.0
_WITHOUT_DATABASE = 120.0
"""Seconds that a driver waits for a database that is being restarted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How a batch stands after a run."""

    id: str
    total: int
    counts: Mapping[str, int]
    """State -> items (``thsafe.store.batches``)."""
    verdicts: Mapping[str, int]
    """Verdict -> items that are done."""
    done_now: int
    """Items that were settled by this run."""
    known_before: int
    """Of these, items whose content had been dealt with by an earlier batch."""
    seconds: float
    cancelled: bool

    @property
    def unsuccessful(self) -> int:
        """Items that failed, were refused or are poison."""
        return sum(self.counts.get(state, 0) for state in rows.UNSUCCESSFUL)


def run_batch(
    batch_id: str,
    *,
    home: Home | None = None,
    executor: str = "local",
    staff: Staff | None = None,
    progress: Progress | None = None,
    opened: Callable[[str, Mapping[str, Json], Staff], Executor] = open_executor,
) -> Summary:
    """Do everything of a batch that waits.

    Args:
        batch_id: as ``plan`` gave it.
        home: where database, log and trust lists are.
        executor: ``local``, ``serial`` or ``ray``.
        staff: how many workers of it.
        progress: told each item.
        opened: makes the executor; for tests.

    Raises:
        UsageError: ``batch.unknown``, ``batch.running`` or ``batch.cancelled``.
        StoreError: database or disk refuse, or ``batch.lost``: another driver took over. What was written stays; a
            rerun does the rest.
    """
    place = home or Home.default()
    batches = Batches.open(place.database_url)
    try:
        batch = batches.get(batch_id)
        if batch.cancelled_at is not None:
            raise UsageError(
                f"Batch {batch.id} was cancelled.",
                code="batch.cancelled",
                found=f"at {batch.cancelled_at}",
                next_step=f"take it up again: thsafe batch retry {batch.id} --cancelled",
            )
        installation = Installation.open_or_none(place)
        with ExitStack() as stack:
            if installation is not None:
                stack.callback(installation.ledger.close)
            driver = stack.enter_context(held(batches, batch))
            run = _Run(
                batches=batches,
                batch=batch.id,
                kind=batch.kind,
                driver=driver,
                installation=installation,
                progress=progress or Silent(),
            )
            working = opened(
                executor, _brief(batch.kind, batch.settings, place, installation), staff or Staff(workers=1)
            )
            try:
                cancelled = not run.through(working)
            except KeyboardInterrupt:
                run.write()  # what was answered until now is done
                raise
            finally:
                working.close()
            if not cancelled:
                batches.release(batch.id, driver, finished=True)
        counts = batches.counts(batch.id)
        return Summary(
            id=batch.id,
            total=sum(counts.values()),
            counts=counts,
            verdicts=batches.verdicts(batch.id),
            done_now=run.settled,
            known_before=run.known,
            seconds=round(time.monotonic() - run.began, 3),
            cancelled=cancelled,
        )
    finally:
        batches.close()


def _brief(kind: str, settings: Mapping[str, Json], home: Home, installation: Installation | None) -> dict[str, Json]:
    """What a worker has to know; no secrets, since it travels through clusters."""
    brief: dict[str, Json] = {
        "kind": kind,
        "home": str(home.path.absolute()),
        "log": log_of(installation),
        "settings": dict(settings),
    }
    if kind == "verify":
        asked = VerifySettings.from_json(settings)
        brief |= {"checks": checks_digest(asked, home), "models": models_digest(asked, home)}
    return brief


@dataclass(slots=True, kw_only=True)
class _Run:
    """One run of one driver."""

    batches: Batches
    batch: str
    kind: str
    driver: Mapping[str, Json]
    installation: Installation | None
    progress: Progress
    settled: int = 0
    known: int = 0
    began: float = field(default_factory=time.monotonic)
    _in_flight: dict[int, Item] = field(default_factory=dict)
    _attempts: dict[int, int] = field(default_factory=dict)
    """Of items that did not get through at once."""
    _again: deque[Item] = field(default_factory=deque)
    _group: list[tuple[Change, Result | None]] = field(default_factory=list)
    _written: float = field(default_factory=time.monotonic)

    def through(self, executor: Executor) -> bool:
        """Until nothing waits; False where the batch was cancelled meanwhile."""
        self._recover()
        counts = self.batches.counts(self.batch)
        self.progress.start("batch", counts.get(rows.WAITING, 0))
        waiting = self._waiting()
        upcoming: Item | None = next(waiting, None)
        while upcoming is not None or self._in_flight or self._again:
            while executor.room() > 0 and (self._again or upcoming is not None):
                if self._again:
                    item = self._again.popleft()
                else:
                    assert upcoming is not None
                    item, upcoming = upcoming, next(waiting, None)
                self._give(executor, item, durable=not executor.survives or self.kind == "generate")
            for answer in executor.wait(0.5):
                self._take(answer)
            if not self._write_if_due():
                return False
        return self.write()

    def _waiting(self) -> Iterator[Item]:
        """Items that wait, page by page; what this run settles lies behind it."""
        last = -1
        while page := self.batches.page(self.batch, (rows.WAITING,), after=last):
            yield from page
            last = page[-1].number

    def _recover(self) -> None:
        """What a dead driver had given away durably: done if the log says so, else waiting again, or poison."""
        for item in list(self.batches.items(self.batch, rows.RUNNING)):
            found = self._finished(item, item.attempts)
            if found is not None:
                self._settle(item, rows.DONE, result=found)
            elif item.attempts >= ATTEMPTS:
                self._settle(item, rows.POISON, error=_poison(item, "the process that did it ended with it"))
            else:
                self._group.append((Change(number=item.number, state=rows.WAITING, attempts=item.attempts), None))
        if self._group:
            self.write()

    def _finished(self, item: Item, attempt: int) -> Result | None:
        """What a generation brought whose process died."""
        if self.kind != "generate" or self.installation is None:
            return None
        from thsafe.batch.generating import finished_before

        return finished_before(item, self._job(item, attempt), self.installation)

    def _give(self, executor: Executor, item: Item, *, durable: bool) -> None:
        attempt = self._attempts.get(item.number, item.attempts) + 1
        if durable:
            change = Change(number=item.number, state=rows.RUNNING, attempts=attempt)
            self._group.append((change, None))
            self.write()
            self._attempts[item.number] = attempt
        self._in_flight[item.number] = item
        executor.submit(
            Assignment(number=item.number, source=item.source, task=item.task, job=self._job(item, attempt))
        )

    def _job(self, item: Item, attempt: int) -> str:
        return job_id(self.batch, item.number, attempt)

    def _take(self, answer: Answer) -> None:
        item = self._in_flight.pop(answer.number, None)
        if item is None:
            return
        if answer.result is None:
            self._mourn(item, answer)
            return
        told = answer.result
        state, key, seconds = told["state"], told.get("key"), told.get("seconds")
        if state == LATER:
            self._postpone(item, told["error"])
        elif state == rows.POISON:
            self._settle(
                item, rows.POISON, key=key, error=_poison(item, "known from an earlier batch"), seconds=seconds
            )
            self.known += 1
        elif state == rows.DONE and told.get("known"):
            self._settle(item, rows.DONE, key=key, seconds=seconds)
            self.known += 1
        elif state == rows.DONE:
            result = Result(
                key=told["key"],
                sha256=told["sha256"],
                verdict=told["verdict"],
                report=told["report"],
                at=str(told["report"].get("at", "")),
                position=told.get("position"),
            )
            self._settle(item, rows.DONE, result=result, seconds=seconds)
        else:
            self._settle(item, state, key=key, error=told["error"], seconds=seconds)

    def _mourn(self, item: Item, answer: Answer) -> None:
        """A worker died: the item goes to another one, unless too many have died of it."""
        if answer.blameless:
            self._again.append(item)
            return
        durable = self._attempts.get(item.number, item.attempts)
        attempts = durable if item.number in self._attempts and self.kind == "generate" else durable + 1
        self._attempts[item.number] = attempts
        found = self._finished(item, attempts)
        if found is not None:
            self._settle(item, rows.DONE, result=found)
        elif attempts >= ATTEMPTS:
            self._settle(item, rows.POISON, key=answer.key, error=_poison(item, answer.reason))
        else:
            self._again.append(item)

    def _postpone(self, item: Item, error: Mapping[str, Json]) -> None:
        """Database or network failed under the worker; the item is tried again once the database answers."""
        self._patiently(lambda: self.batches.counts(self.batch))
        attempts = self._attempts.get(item.number, item.attempts) + 1
        self._attempts[item.number] = attempts
        if attempts >= ATTEMPTS:
            self._settle(item, rows.FAILED, error=error)
        else:
            self._again.append(item)

    def _settle(
        self,
        item: Item,
        state: str,
        *,
        key: str | None = None,
        result: Result | None = None,
        error: Mapping[str, Json] | None = None,
        seconds: float | None = None,
    ) -> None:
        attempts = max(1, self._attempts.pop(item.number, item.attempts))
        key = key or (result.key if result else None)
        change = Change(number=item.number, state=state, attempts=attempts, key=key, error=error, seconds=seconds)
        self._group.append((change, result))
        self.settled += 1
        self.progress.advance()

    def _write_if_due(self) -> bool:
        since = time.monotonic() - self._written
        due = len(self._group) >= GROUP or (self._group and since >= GROUP_SECONDS) or since >= HEARTBEAT
        return self.write() if due else True

    def write(self) -> bool:
        """One group, whole or not at all; False where the batch was cancelled."""
        group, self._group = self._group, []
        try:
            going_on: bool = self._patiently(lambda: self._commit(group))
        except Lost as problem:
            raise StoreError(
                f"Batch {self.batch} was taken over by another process.",
                code="batch.lost",
                found=f"this one was silent for more than a minute; {len(group)} answers were not written",
                rule="one driver a batch",
                next_step=f"watch it: thsafe batch status {self.batch}",
                log="nothing was written twice",
            ) from problem
        self._written = time.monotonic()
        return going_on

    def _commit(self, group: Sequence[tuple[Change, Result | None]]) -> bool:
        with self._transaction() as (connection, append):
            going_on = rows.check_held(connection, self.batch, self.driver)
            found = {result.key: result for _, result in group if result is not None}
            # A generation is made again where its file is gone: the new one counts.
            again = self.kind == "generate"
            fresh = set(found) if again else rows.without_result(connection, list(found))
            new = [result for key, result in found.items() if key in fresh]
            unlogged = [result for result in new if result.position is None]
            places = dict(
                zip((item.key for item in unlogged), append([self._event(item) for item in unlogged]), strict=True)
            )
            rows.keep_results(connection, [_placed(item, places.get(item.key)) for item in new], replace=again)
            rows.change_items(connection, self.batch, [change for change, _ in group])
        return going_on

    def _event(self, result: Result) -> dict[str, Json]:
        return {"type": "verify", "sha256": result.sha256, "verdict": result.verdict, "batch": self.batch}

    @contextmanager
    def _transaction(self) -> Iterator[tuple[Connection, Append]]:
        if self.installation is None:  # nothing was set up here: there is no log to write
            with self.batches.writing() as connection:
                yield connection, lambda events: [None for _ in events]  # type: ignore[misc]
            return
        with self.installation.ledger.group() as group:
            yield group.connection, lambda events: [entry.index for entry in group.append(events)]

    def _patiently(self, call: Callable[[], _T]) -> _T:
        """Try again while the database is being restarted."""
        started = time.monotonic()
        while True:
            try:
                return call()
            except StoreError as problem:
                if problem.code != "store.unavailable" or time.monotonic() - started > _WITHOUT_DATABASE:
                    raise
                self.progress.note("the database does not answer; waiting for it")
                time.sleep(min(5.0, 0.2 + (time.monotonic() - started) / 4))


def _placed(result: Result, position: int | None) -> Result:
    from dataclasses import replace

    return result if position is None else replace(result, position=position)


def _poison(item: Item, reason: str) -> dict[str, Json]:
    return {
        "error": "batch.poison",
        "message": "No worker survived this item.",
        "found": f"{reason}; tried {ATTEMPTS} times",
        "rule": f"an item that ends its worker {ATTEMPTS} times is set aside; the rest goes on",
        "next": "look at it alone: thsafe verify FILE; then: thsafe batch retry BATCH --poison",
        "log": "nothing was written",
        "exit_code": 30,
    } | ({} if item.task is None else {"next": "look at the job alone; then: thsafe batch retry BATCH --poison"})
