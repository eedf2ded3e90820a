"""Forgetting a person in batches: the words of jobs go, what happened to them stays.

A job is the person's where the log says that one of its attempts used one of their consents, where it names such a
consent or a file that one approves, or where it asks for the same, of the same files, as such a job.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.batch.assignment import ATTEMPTS, job_id
from thsafe.core.errors import ThsafeError
from thsafe.store.batches import ERASED, Batches, Item

if TYPE_CHECKING:
    from thsafe.consent.record import ConsentRecord
    from thsafe.installation import Installation


def forget_jobs(installation: Installation, records: Sequence[ConsentRecord]) -> int:
    """Forget the words of all jobs, in whatever batch and state, that were about the person of these consents.

    Returns:
        How many jobs those were; one that was forgotten before is not counted again.

    Raises:
        StoreError: the database refuses; may be repeated.
    """
    batches = Batches.open(installation.home.database_url)
    try:
        theirs = _Theirs(
            jobs=installation.ledger.jobs_under([record.id for record in records]),
            consents=frozenset(record.id for record in records),
            media=frozenset(reference.sha256 for record in records for reference in record.terms.references),
        )
        found: defaultdict[str, set[int]] = defaultdict(set)
        keys = set()
        for batch, item in _with_words(batches):
            if theirs.has(batch, item):
                found[batch].add(item.number)
                keys.add(item.key)
        keys.discard(None)
        for batch, item in _with_words(batches) if keys else ():
            if item.key in keys:
                found[batch].add(item.number)
        for batch, numbers in found.items():
            batches.erase_words(batch, sorted(numbers))
        return sum(len(numbers) for numbers in found.values())
    finally:
        batches.close()


def _with_words(batches: Batches) -> Iterator[tuple[str, Item]]:
    for batch in batches.all():
        if batch.kind == "generate":
            yield from ((batch.id, item) for item in batches.items(batch.id) if item.task not in (None, ERASED))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Theirs:
    """What makes a job the person's."""

    jobs: frozenset[str]
    consents: frozenset[str]
    media: frozenset[str]
    _seen: dict[Path, bool] = field(default_factory=dict)
    """Files that were looked at: lists name the same picture over and over."""

    def has(self, batch: str, item: Item) -> bool:
        attempts = range(1, max(ATTEMPTS, item.attempts) + 1)
        if any(job_id(batch, item.number, attempt) in self.jobs for attempt in attempts):
            return True
        task = item.task or {}
        given = {**task["options"], **task["arguments"]}
        return any(self._names(Path(path), self._is_consent) for path in given.get("consent") or ()) or any(
            self._names(Path(given[name]), self._is_media)
            for name in task["files"]
            if name != "consent" and isinstance(given.get(name), str)
        )

    def _names(self, path: Path, is_theirs: Callable[[Path], bool]) -> bool:
        if path not in self._seen:
            try:
                self._seen[path] = is_theirs(path)
            except (OSError, ThsafeError):  # it is gone, or is none
                self._seen[path] = False
        return self._seen[path]

    def _is_consent(self, path: Path) -> bool:
        from thsafe.consent.store import read_record

        return read_record(path).id in self.consents

    def _is_media(self, path: Path) -> bool:
        from thsafe.media.digest import hash_file

        return hash_file(path) in self.media
