"""Listing what a batch is to do. A batch that was asked for before and is not finished is gone on with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.batch.settings import VerifySettings
from thsafe.batch.sources import list_sources
from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import UsageError
from thsafe.core.types import Json, Progress, Silent
from thsafe.home import Home
from thsafe.store.batches import Batch, Batches

if TYPE_CHECKING:
    from collections.abc import Iterator

_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A batch whose items are listed."""

    batch: Batch
    new: int
    """Items that were listed now."""
    total: int
    resumed: bool
    """Whether the batch was begun before."""


def plan_verification(
    given: Sequence[str],
    *,
    settings: VerifySettings | None = None,
    recursive: bool = False,
    match: Sequence[str] = (),
    home: Home | None = None,
    progress: Progress | None = None,
) -> Planned:
    """List files to verify; nothing of them is read yet.

    Args:
        given: as ``thsafe.batch.sources.list_sources``.
        settings: what is asked about each.
        recursive: whether folders are entered.
        match: patterns of names inside folders.
        home: where database, log and trust lists are.
        progress: told how many are listed.

    Raises:
        UsageError, InputError: a source cannot be used (``batch.empty``: there is none). No batch is made then.
        StoreError: the database refuses.
    """
    asked = settings or VerifySettings()
    place = home or Home.default()
    sources = [item if item.startswith("@") or "://" in item else str(Path(item).absolute()) for item in given]
    found = list_sources(sources, recursive=recursive, match=match, rules=asked.rules)
    origin = canonical_digest(
        {"kind": "verify", "settings": asked.as_json(), "sources": [*sources], "match": [*match], "deep": recursive}
    )
    rows: Iterator[tuple[str, Mapping[str, Json] | None]] = ((source, None) for source in found)
    return _plan("verify", asked.as_json(), sources, origin, rows, place, progress or Silent())


def plan_generation(
    jobs: Path, *, output: Path | None = None, home: Home | None = None, progress: Progress | None = None
) -> Planned:
    """List the jobs of a CSV or JSONL file; each is checked for form, none is asked of the gate yet.

    Args:
        jobs: one job a line (``thsafe.batch.jobs``).
        output: folder of outputs that are named by a relative path; the folder of ``jobs`` if None.
        home: where keys, database and log are.
        progress: told how many are listed.

    Raises:
        InputError: ``jobs.form`` and its like: a line is no job. No batch is made then.
        StoreError: the database refuses.
    """
    from thsafe.batch.jobs import read_jobs

    folder = (output or jobs.parent).absolute()
    settings: dict[str, Json] = {"folder": str(folder), "seconds": 24 * 3600.0}
    # Read twice: a fault in the last line must not leave half a batch.
    total = sum(1 for _ in read_jobs(jobs, folder))
    if total == 0:
        raise _empty(str(jobs))
    origin = canonical_digest({"kind": "generate", "settings": settings, "sources": [str(jobs.absolute())]})
    rows = ((f"{jobs.name}:{job.line}", job.task) for job in read_jobs(jobs, folder))
    return _plan(
        "generate", settings, [str(jobs.absolute())], origin, rows, home or Home.default(), progress or Silent()
    )


def _plan(
    kind: str,
    settings: Mapping[str, Json],
    sources: Sequence[str],
    origin: str,
    rows: Iterable[tuple[str, Mapping[str, Json] | None]],
    home: Home,
    progress: Progress,
) -> Planned:
    remaining = iter(rows)
    # The first page is asked for before a batch is made: most mistakes show here.
    page = list(islice(remaining, _PAGE))
    if not page:
        raise _empty(", ".join(sources))
    if home.database_url.startswith("sqlite"):
        home.prepare()
    batches = Batches.open(home.database_url)
    try:
        batch = batches.unfinished(origin)
        resumed = batch is not None
        batch = batch or batches.create(kind, settings, sources, origin=origin)
        progress.start("listing", None)
        new = 0
        while page:
            new += batches.add(batch.id, page)
            progress.advance(len(page))
            page = list(islice(remaining, _PAGE))
        batches.planned(batch.id)
        total = sum(batches.counts(batch.id).values())
        return Planned(batch=batches.get(batch.id), new=new, total=total, resumed=resumed)
    finally:
        batches.close()


def _empty(found: str) -> UsageError:
    return UsageError(
        "There is nothing to do.",
        code="batch.empty",
        found=found,
        next_step="name files, or a folder with -r; hidden files and links are left alone",
    )
