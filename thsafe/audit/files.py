"""The population: which files exist, and which of the log's outputs they are. Orphans on both sides show here."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
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
            for path in _files(folder):
                try:
                    paths = population.by_digest.setdefault(hash_file(path), [])
                except InputError:
                    population.unreadable.append(path)
                    continue
                if path not in paths:
                    paths.append(path)
        return population

    def find(self, record: OutputRecord) -> tuple[FileState, Path | None]:
        """Where an output's file is: among these, else where it was published."""
        for path in self.by_digest.get(record.sha256, ()):
            return FileState.INTACT, path
        path = Path(record.path)
        if not path.is_file():
            return FileState.MISSING, None
        try:
            same = hash_file(path) == record.sha256
        except InputError:
            return FileState.MISSING, None
        return (FileState.INTACT if same else FileState.CHANGED), path

    def strangers(self, known: set[str]) -> Iterator[tuple[str, Path]]:
        """(SHA-256, path) of every file that is no logged output, each content once."""
        for digest, paths in sorted(self.by_digest.items(), key=lambda item: item[1][0]):
            if digest not in known:
                yield digest, paths[0]


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            path = Path(root, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path
