"""Actors of a Ray cluster: each opens the installation of its node once, keeps its models, and serves many items.

Ray places actors by processors and shares of graphics cards, and tells when one is gone. The driver's rows are the only
record: nothing is kept in Ray. Every node needs thsafe, the same home and the same database (docs/howto/scale.md).
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from thsafe.batch.assignment import Assignment, Work
from thsafe.batch.executors import Answer, Staff
from thsafe.batch.work import work_of
from thsafe.core.errors import MissingError, StoreError, ThsafeError, UsageError, error_from_dict
from thsafe.core.types import Json

if TYPE_CHECKING:
    from types import ModuleType

_DEPTH = 2
"""Items given to an actor at once, so that it does not wait for the next."""
_START_SECONDS = 300.0
_MOST_LOST_NODES = 5
"""After so many nodes have gone with one item in hand, the item is blamed."""


class Desk:
    """What an actor is: the work behind a channel of values."""

    def __init__(self) -> None:
        self._work: Work | None = None

    def begin(self, brief: Mapping[str, Json]) -> Mapping[str, Json]:
        """Open everything; a failure is an answer, since Ray would wrap it."""
        try:
            self._work = work_of(brief)
        except ThsafeError as problem:
            return {"problem": problem.as_dict()}
        return {"ready": os.uname().nodename}

    def do(self, item: Mapping[str, Json]) -> Mapping[str, Json]:
        """One item."""
        assert self._work is not None
        return self._work.do(Assignment(**item), lambda _key: None)


@dataclass(slots=True, eq=False)
class _Actor:
    handle: Any
    opening: Any
    """The answer to ``begin`` that is awaited; None once it is there."""
    queue: deque[tuple[Any, Assignment]] = field(default_factory=deque)
    """(reference of the answer, item), the one in hand first."""
    since: float = field(default_factory=time.monotonic)
    late: bool = False


class RayExecutor:
    """Keeps a number of actors going."""

    survives = True

    def __init__(self, brief: Mapping[str, Json], staff: Staff) -> None:
        self._ray = _ray()
        self._brief = brief
        self._staff = staff
        self._seconds = float(brief["settings"]["seconds"])
        self._depth = 1 if brief["kind"] == "generate" else _DEPTH
        self._again: deque[Assignment] = deque()
        self._lost: dict[int, int] = {}
        self._heard = time.monotonic()
        self._ours = not self._ray.is_initialized()
        if self._ours:
            self._join()
        self._kind = self._ray.remote(
            num_cpus=staff.cpus, num_gpus=staff.gpus, max_restarts=0, max_concurrency=1, scheduling_strategy="SPREAD"
        )(Desk)
        self._actors = [self._hire() for _ in range(staff.workers)]

    def room(self) -> int:
        """Places of actors that are ready."""
        ready = [actor for actor in self._actors if actor.opening is None]
        return sum(self._depth - len(actor.queue) for actor in ready) - len(self._again)

    def submit(self, item: Assignment) -> None:
        """Give it to whoever has least to do."""
        ready = [actor for actor in self._actors if actor.opening is None and not actor.late]
        if not ready:
            self._again.append(item)
            return
        actor = min(ready, key=lambda actor: len(actor.queue))
        if not actor.queue:
            actor.since = time.monotonic()
        actor.queue.append((actor.handle.do.remote(asdict(item)), item))

    def wait(self, seconds: float) -> list[Answer]:
        """Answers, and what became of actors that died or took too long."""
        while self._again and any(
            a.opening is None and not a.late and len(a.queue) < self._depth for a in self._actors
        ):
            self.submit(self._again.popleft())
        awaited = {actor.opening or actor.queue[0][0]: actor for actor in self._actors if actor.opening or actor.queue}
        if not awaited:
            time.sleep(min(seconds, 0.05))
            return []
        references = list(awaited)
        ready, _ = self._ray.wait(references, num_returns=1, timeout=seconds)
        if ready and len(references) > 1:
            ready, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
        answers: list[Answer] = []
        for reference in ready:
            answers += self._hear(awaited[reference], reference)
        self._end_the_late()
        self._check_someone_works()
        return answers

    def close(self) -> None:
        """End the actors; leave a cluster that was there before as it was."""
        for actor in self._actors:
            self._ray.kill(actor.handle)
        self._actors.clear()
        self._again.clear()
        if self._ours:
            self._ray.shutdown()

    def _join(self) -> None:
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        options: dict[str, Any] = {"log_to_driver": False, "include_dashboard": False, "logging_level": "error"}
        if self._staff.address is None:
            # A cluster of this machine, for this batch alone; exactly as large as its actors.
            options |= {"num_cpus": max(1, round(self._staff.workers * self._staff.cpus + 0.5))}
        else:
            options = {"address": self._staff.address, "log_to_driver": False, "logging_level": "error"}
        try:
            self._ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as problem:
            raise StoreError(
                "The Ray cluster cannot be reached.",
                code="ray.unreachable",
                found=str(problem)[:500],
                next_step="look at it: ray status; give the same RAY_AUTH_MODE and token as its nodes have",
            ) from problem

    def _hire(self) -> _Actor:
        handle = self._kind.remote()
        return _Actor(handle=handle, opening=handle.begin.remote(dict(self._brief)))

    def _hear(self, actor: _Actor, reference: Any) -> list[Answer]:
        try:
            told = self._ray.get(reference)
        except self._ray.exceptions.RayActorError as problem:
            return self._bury(actor, problem)
        except self._ray.exceptions.RayError as problem:
            _, item = actor.queue.popleft()
            return [Answer(number=item.number, result=None, reason=f"Ray lost it: {type(problem).__name__}")]
        self._heard = actor.since = time.monotonic()
        if actor.opening is not None:
            if "problem" in told:
                raise error_from_dict(told["problem"])
            actor.opening = None
            return []
        _, item = actor.queue.popleft()
        self._lost.pop(item.number, None)
        return [Answer(number=item.number, result=told)]

    def _bury(self, actor: _Actor, problem: Exception) -> list[Answer]:
        self._actors.remove(actor)
        self._actors.append(self._hire())
        if not actor.queue:
            return []
        _, first = actor.queue.popleft()
        self._again.extend(item for _, item in actor.queue)
        if actor.late:
            reason = f"it took longer than {self._seconds:g} seconds"
        else:
            reason = "its worker ended without an answer"
            node = "node" in str(problem) and "died" in str(problem)
            if node and self._lost.get(first.number, 0) < _MOST_LOST_NODES:
                self._lost[first.number] = self._lost.get(first.number, 0) + 1
                return [Answer(number=first.number, result=None, reason="its node is gone", blameless=True)]
        return [Answer(number=first.number, result=None, reason=reason)]

    def _end_the_late(self) -> None:
        now = time.monotonic()
        for actor in self._actors:
            if actor.opening is None and actor.queue and not actor.late and now - actor.since > self._seconds:
                actor.late = True
                self._ray.kill(actor.handle)

    def _check_someone_works(self) -> None:
        if any(actor.opening is None for actor in self._actors):
            self._heard = max(self._heard, time.monotonic() - _START_SECONDS / 2)
        elif time.monotonic() - self._heard > _START_SECONDS:
            raise UsageError(
                "The cluster has no room for a single worker.",
                code="ray.room",
                found=f"it has {self._ray.cluster_resources()}",
                rule=f"each takes {self._staff.cpus:g} processors and {self._staff.gpus:g} graphics cards",
                next_step="add nodes, or ask for less: --cpus, --gpus",
            )


def _ray() -> ModuleType:
    try:
        import ray
    except ImportError as problem:
        raise MissingError(
            "Ray is not installed.",
            code="ray.missing",
            found=str(problem),
            next_step="pip install 'thsafe[ray]', or --executor local",
        ) from problem
    module: ModuleType = ray
    return module
