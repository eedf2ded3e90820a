"""The population: which files exist, and which of the log's outputs they are. Orphans on both sides show here."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from thsafe.audit.model import FileState
from thsafe.core.errors import InputError
from thsafe.media.digest import hash_file
from thsafe.store.outputs import OutputRecord


@dataclass(slots=True)
class Population:
    """All files under the audited folders, by their bytes."""

    by_digest: dict[str, list[Path]] = field(default_factory=dict)
    by_path: dict[Path, str] = field(default_factory=dict)
    """SHA-256 of each file, so that none is read twice."""
    unreadable: list[Path] = field(default_factory=list)

    @classmethod
    def gather(cls, folders: Sequence[Path]) -> Population:
        """Hash every file; hidden ones and links are left out.

        Raises:
            InputError: a folder is not there.
        """
        population = cls()
        for folder in folders:
            if not folder.is_dir():
                raise InputError(
                    f"There is no folder {folder}",
                    code="audit.folder",
                    found="nothing, or a file",
                    next_step="name folders that hold outputs",
                )
            for path in _files(folder, population.unreadable):
                try:
                    digest = hash_file(path)
                except InputError:
                    population.unreadable.append(path)
                    continue
                paths = population.by_digest.setdefault(digest, [])
                population.by_path[path.absolute()] = digest
                if path not in paths:
                    paths.append(path)
        return population

    def find(self, record: OutputRecord, known: Collection[str] = ()) -> tuple[FileState, Path | None]:
        """Where an output's file is: where it was published, else among these.

        Bytes that the log does not know, in the place of a published file, are a change of it even where a good copy
        lies elsewhere: the place is what people see. Those of another output (``known``: SHA-256 of all) are not.
        """
        place = Path(record.path)
        there = self._digest(place)
        copies = self.by_digest.get(record.sha256, ())
        if there is not None and there != record.sha256 and there not in known:
            return FileState.CHANGED, place
        if copies:
            return FileState.INTACT, copies[0]
        return (FileState.INTACT, place) if there == record.sha256 else (FileState.MISSING, None)

    def _digest(self, place: Path) -> str | None:
        """What lies at a place; None for nothing that can be read."""
        if place in self.by_path:
            return self.by_path[place]
        try:
            return hash_file(place) if place.is_file() else None
        except (InputError, OSError):
            return None

    def strangers(self, known: Collection[str]) -> Iterator[tuple[str, Path]]:
        """(SHA-256, path) of every file that is no logged output, each content once."""
        for digest, paths in sorted(self.by_digest.items(), key=lambda item: item[1][0]):
            if digest not in known:
                yield digest, paths[0]


def _files(folder: Path, unreadable: list[Path]) -> Iterator[Path]:
    # A folder that cannot be looked into must not pass for an empty one.
    for root, folders, names in os.walk(folder, onerror=lambda problem: unreadable.append(Path(problem.filename))):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path
