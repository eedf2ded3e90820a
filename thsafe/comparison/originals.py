"""Footage of one's own, known again by its fingerprints: the index that ``thsafe verify`` looks in.

The index holds places and fingerprints, never the footage. Each original is kept as soon as it is read, so that adding
many can be stopped and taken up again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import InputError, ThsafeError, UsageError
from thsafe.core.types import MediaKind, Progress
from thsafe.home import Home
from thsafe.store.originals import Original, OriginalRows

if TYPE_CHECKING:
    from thsafe.media.probe import MediaInfo

_FRAMES = 48
_FILMS = ("mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "mxf")
_OTHERS = ("jpg", "jpeg", "png", "webp", "wav", "flac", "mp3", "m4a", "ogg", "opus")
_SUFFIXES = frozenset(f".{name}" for name in (*_FILMS, *_OTHERS))
"""What is taken from a folder; a file named by itself is taken whatever its name."""


class Originals:
    """The index of one home, in its database."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._rows = OriginalRows.open(home)

    def close(self) -> None:
        """Let go of the database."""
        self._rows.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def any(self) -> bool:
        """Is anything in it?"""
        return self._rows.any()

    def entries(self) -> Iterator[Original]:
        """All entries, by path."""
        return self._rows.all()

    def add(self, place: Path, progress: Progress) -> tuple[list[Original], list[tuple[Path, str]]]:
        """Take a file, or everything below a folder, into the index.

        Args:
            place: the file or folder.
            progress: told every file.

        Returns:
            What is new, and (file, why) of what could not be taken.

        Raises:
            InputError: ``input.missing``; or what is wrong with the only file that was named.
            StoreError: the index cannot be written.
        """
        files = list(_files(place))
        progress.start("originals", len(files))
        new, problems = [], []
        for path in files:
            try:
                if not self._rows.known(str(path), path.stat().st_size):
                    new.append(self._add(path))
            except (InputError, OSError) as problem:
                if path == place.absolute():
                    raise
                problems.append((path, problem.message if isinstance(problem, ThsafeError) else str(problem)))
            progress.advance()
        return new, problems

    def forget(self, place: Path) -> int:
        """Take a file, or everything that lay below a folder, out of the index; returns how many there were.

        Raises:
            UsageError: ``originals.unknown``: none of it is in the index.
        """
        root = place.absolute()
        gone = [
            entry.sha256 for entry in self.entries() if Path(entry.path) == root or root in Path(entry.path).parents
        ]
        if not gone:
            raise UsageError(
                "Nothing of that is in the index of originals.",
                code="originals.unknown",
                found=str(place),
                next_step="thsafe originals list",
            )
        self._rows.forget(gone)
        return len(gone)

    def alike(self, *, picture: str | None, sound: str | None) -> list[Original]:
        """The originals that look like these fingerprints, then those that sound like them; best first."""
        from thsafe.provenance.lookup import search_fingerprint
        from thsafe.provenance.prints import sounds
        from thsafe.provenance.soundprint import search_soundprint

        found = search_fingerprint(picture, self._rows) if picture is not None else ()
        if sound is not None:
            found += search_soundprint(sound, sounds(self._rows.fingerprints()))
        names = list(dict.fromkeys(item.manifest_id for item in found))
        entries = self._rows.by_sha256(names)
        return [entries[name] for name in names if name in entries]

    def adopt_files(self) -> int:
        """Take over the index that earlier versions kept as files, and delete those; returns how many there were."""
        count = 0
        for path in sorted((self._home.path / "originals").glob("*.json")):
            try:
                self._rows.add(Original(**json.loads(path.read_text(encoding="utf-8"))))
            except (OSError, ValueError, TypeError):
                continue
            path.unlink()
            count += 1
        return count

    def _add(self, path: Path) -> Original:
        from thsafe.media.digest import hash_file
        from thsafe.media.probe import probe

        info = probe(path)
        entry = Original(
            sha256=hash_file(path),
            path=str(path),
            size_bytes=info.size_bytes,
            duration=info.duration,
            prints=_prints(path, info),
            added_at=to_text(system_clock()),
        )
        self._rows.add(entry)
        return entry


def _files(place: Path) -> Iterator[Path]:
    root = place.absolute()
    if not root.is_dir():
        if not root.exists():
            from thsafe.media import complaints

            raise complaints.missing(place)
        yield root
        return
    for folder, folders, names in os.walk(root):
        folders.sort()
        for name in sorted(names):
            path = Path(folder) / name
            if path.suffix.lower() in _SUFFIXES and path.is_file():
                yield path


def _prints(path: Path, info: MediaInfo) -> str:
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image
    from thsafe.provenance.fingerprint import fingerprint
    from thsafe.provenance.prints import Prints
    from thsafe.provenance.soundprint import soundprint_of

    picture = None
    if info.kind is MediaKind.IMAGE:
        picture = fingerprint([(0.0, read_image(path))])
    elif info.kind is MediaKind.VIDEO:
        with VideoReader(path) as reader:
            picture = fingerprint(reader.sample_bgr(_FRAMES))
    sound = soundprint_of(path) if info.audio_codec is not None else None
    return Prints(picture=picture, sound=sound).text or ""
