"""Footage of one's own, known again by its fingerprints: the index that ``thsafe verify`` looks in.

The index holds places and fingerprints, never the footage. One small file per original, so that adding many can be
stopped and taken up again.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.clock import system_clock, to_text
from thsafe.core.errors import InputError, ThsafeError, UsageError
from thsafe.core.types import MediaKind, Progress
from thsafe.home import Home

if TYPE_CHECKING:
    from thsafe.media.probe import MediaInfo

_FRAMES = 48
_FILMS = ("mp4", "mov", "m4v", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "mxf")
_OTHERS = ("jpg", "jpeg", "png", "webp", "wav", "flac", "mp3", "m4a", "ogg", "opus")
_SUFFIXES = frozenset(f".{name}" for name in (*_FILMS, *_OTHERS))
"""What is taken from a folder; a file named by itself is taken whatever its name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """One entry of the index."""

    sha256: str
    path: str
    """Where it lay when it was added."""
    size_bytes: int
    duration: float | None
    prints: str
    """Text of ``thsafe.provenance.prints``."""
    added_at: str

    def present(self) -> bool:
        """Whether a file of that size lies there still."""
        try:
            return Path(self.path).stat().st_size == self.size_bytes
        except OSError:
            return False


@dataclass(frozen=True, slots=True)
class Originals:
    """The index of one home."""

    home: Home

    def entries(self) -> Iterator[Original]:
        """All entries, in no order that means anything; damaged ones are passed over."""
        if not self.home.originals.is_dir():
            return
        for path in sorted(self.home.originals.glob("*.json")):
            try:
                entry = Original(**json.loads(path.read_text(encoding="utf-8")))
            except (OSError, ValueError, TypeError):
                continue
            yield entry

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
        known = {(entry.path, entry.size_bytes) for entry in self.entries()}
        files = list(_files(place))
        progress.start("originals", len(files))
        new, problems = [], []
        for path in files:
            try:
                if (str(path), path.stat().st_size) not in known:
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
        gone = [entry for entry in self.entries() if Path(entry.path) == root or root in Path(entry.path).parents]
        if not gone:
            raise UsageError(
                "Nothing of that is in the index of originals.",
                code="originals.unknown",
                found=str(place),
                next_step="thsafe originals list",
            )
        for entry in gone:
            (self.home.originals / f"{entry.sha256}.json").unlink(missing_ok=True)
        return len(gone)

    def alike(self, *, picture: str | None, sound: str | None) -> list[Original]:
        """The originals that look like these fingerprints, then those that sound like them; best first."""
        from thsafe.provenance.lookup import search_fingerprint
        from thsafe.provenance.prints import pictures, sounds
        from thsafe.provenance.soundprint import search_soundprint

        entries = {entry.sha256: entry for entry in self.entries()}
        known = [(entry.sha256, entry.prints) for entry in entries.values()]
        found = search_fingerprint(picture, pictures(known)) if picture is not None else ()
        if sound is not None:
            found += search_soundprint(sound, sounds(known))
        return [entries[name] for name in dict.fromkeys(item.manifest_id for item in found)]

    def _add(self, path: Path) -> Original:
        from thsafe.media.digest import hash_file
        from thsafe.media.files import write_whole
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
        self.home.prepare()
        self.home.originals.mkdir(mode=0o700, exist_ok=True)
        target = self.home.originals / f"{entry.sha256}.json"
        write_whole(target, (json.dumps(asdict(entry), ensure_ascii=False) + "\n").encode())
        target.chmod(0o600)
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
