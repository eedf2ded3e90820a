"""How far a batch is, from its rows alone: whoever may read the database can ask."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from thsafe.core.clock import system_clock, to_text
from thsafe.core.types import Json
from thsafe.store import batches as rows

if TYPE_CHECKING:
    from thsafe.store.batches import Batch, Batches

_MINUTE = timedelta(seconds=60)


def standing(batches: Batches, batch: Batch) -> dict[str, Json]:
    """One batch in numbers and words; ``seconds_left`` by the rate of the last minute, where it is running."""
    counts = batches.counts(batch.id)
    total = sum(counts.values())
    left = counts.get(rows.WAITING, 0) + counts.get(rows.RUNNING, 0)
    rate = batches.settled_since(batch.id, to_text(system_clock() - _MINUTE)) / _MINUTE.total_seconds()
    seconds = left / rate if rate and batch.driver else None
    state = _state(batch, left)
    words = f"{state}: {total - left} of {total}"
    if seconds is not None:
        words += f", {rate:.1f}/s, about {timedelta(seconds=round(seconds))} left"
    return {
        "batch": batch.id,
        "kind": batch.kind,
        "state": state,
        "words": words,
        "items": counts,
        "verdicts": batches.verdicts(batch.id),
        "sources": list(batch.sources),
        "settings": dict(batch.settings),
        "driver": None if batch.driver is None else {name: batch.driver[name] for name in ("host", "pid")},
        "rate": round(rate, 3),
        "seconds_left": None if seconds is None else round(seconds),
        "created_at": batch.created_at,
        "finished_at": batch.finished_at,
    }


def _state(batch: Batch, left: int) -> str:
    if batch.cancelled_at is not None:
        return "cancelled"
    if batch.driver is not None:
        return "running"
    if batch.finished_at is not None and not left:
        return "finished"
    return "waiting" if batch.planned_at is not None else "listing was interrupted"
