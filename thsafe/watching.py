"""A folder whose files are verified as they arrive, and then moved or tagged by verdict.

A file is taken up once it is complete: unchanged for a while and not open for writing by a process that can be seen.
Its report is written first and the file moved last, in one step that never replaces another file; whatever is killed in
between is done again. Nothing is ever deleted.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import InputError, StoreError, ThsafeError, UsageError
from thsafe.media.files import rename_new, write_failure, write_whole
from thsafe.report.data import report_as_json

if TYPE_CHECKING:
    from thsafe.core.types import Json
    from thsafe.sandbox import Sandbox

TAG = ".thsafe.json"
"""Ending of the report beside a file."""
UNREADABLE = "unreadable"
"""The folder, or the tag, of what is no media or cannot be examined."""
_UNFINISHED = frozenset({".part", ".partial", ".crdownload", ".download", ".tmp", ".filepart", ".swp"})
_LATER = frozenset({"sandbox.gone", "sandbox.cancelled", "sandbox.unavailable"})
"""Failures that say nothing about the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handled:
    """One file that was dealt with."""

    file: str
    """Its name in the watched folder."""
    outcome: str
    """A verdict, or ``unreadable``."""
    place: Path
    """Where the file is now."""
    sentence: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a file's status was: enough to notice any writing."""

    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> _Seen | None:
        """None for what is no ordinary file: links are not followed."""
        try:
            found = path.lstat()
        except OSError:
            return None
        return cls(found.st_ino, found.st_size, found.st_mtime_ns) if stat.S_ISREG(found.st_mode) else None


@dataclass(slots=True)
class Watch:
    """One watched folder."""

    folder: Path
    sandbox: Sandbox
    target: Path | None = None
    """Where files are moved, into one folder for each verdict; None: they stay, with a report beside them."""
    settle: float = 2.0
    """Seconds that a file must have been left alone."""
    detectors: bool = False
    _waiting: dict[Path, tuple[_Seen, float]] = field(default_factory=dict)

    def check(self) -> None:
        """Make sure that the folders are there and can be used.

        Raises:
            UsageError: ``watch.folder``, or ``watch.target`` where files would be moved into the watched folder itself.
            StoreError: ``store.unwritable``.
        """
        if not self.folder.is_dir():
            raise UsageError(
                f"There is no folder {self.folder}.", code="watch.folder", next_step=f"mkdir -p {self.folder}"
            )
        place = self.target or self.folder
        if self.target is not None:
            if self.target.resolve() == self.folder.resolve():
                raise UsageError(
                    "Files cannot be moved into the folder that is watched.",
                    code="watch.target",
                    next_step=f"--move {self.folder / 'verified'}",
                )
            try:
                self.target.mkdir(parents=True, exist_ok=True)
            except OSError as problem:
                raise write_failure(self.target, problem.errno, 0) from problem
        if not os.access(place, os.W_OK):
            raise StoreError(
                f"{place} cannot be written to.", code="store.unwritable", next_step="choose a folder that you may use"
            )

    def handle_ready(self) -> Iterator[Handled]:
        """Deal with every file that is complete by now, the oldest first."""
        for path in self._ready():
            handled = self._handle(path)
            if handled is not None:
                yield handled

    @property
    def idle(self) -> bool:
        """Whether no file is waiting to be complete."""
        return not self._waiting

    def _ready(self) -> list[Path]:
        now = time.monotonic()
        present: dict[Path, tuple[_Seen, float]] = {}
        for entry in sorted(self.folder.iterdir()):
            seen = _Seen.of(entry)
            if seen is None or _is_passed_over(entry.name) or (self.target is None and _is_tagged(entry, seen)):
                continue
            before = self._waiting.get(entry)
            present[entry] = before if before is not None and before[0] == seen else (seen, now)
        self._waiting = present
        due = [path for path, (seen, since) in present.items() if seen.size and now - since >= self.settle]
        return sorted((path for path in due if not _is_open(path)), key=lambda path: present[path][0].changed)

    def _handle(self, path: Path) -> Handled | None:
        seen = self._waiting.pop(path)[0]
        with tempfile.TemporaryDirectory(prefix="thsafe-watch-") as work:
            try:
                view = self.sandbox.examine(path, name=path.name, folder=Path(work), detectors=self.detectors).view
            except ThsafeError as problem:
                if problem.code in _LATER:
                    raise
                outcome, sentence = UNREADABLE, problem.message
                told: dict[str, Json] = problem.as_dict()
            else:
                outcome, sentence = str(view.report.verdict), view.report.sentence
                told = report_as_json(view.report)
        if _Seen.of(path) != seen:
            return None  # it was written to, or taken away, while it was examined: it has to settle again
        told |= {"outcome": outcome, "examined": {"size": seen.size, "changed": seen.changed}}
        place = self._place(path, outcome, told)
        return Handled(file=path.name, outcome=outcome, place=place, sentence=sentence)

    def _place(self, path: Path, outcome: str, told: dict[str, Json]) -> Path:
        """Write the report, then move the file, if it is to be moved."""
        data = json.dumps(told, ensure_ascii=False, indent=2).encode()
        if self.target is None:
            write_whole(_tag_of(path), data)
            return path
        folder = self.target / outcome
        try:
            folder.mkdir(exist_ok=True)
        except OSError as problem:
            raise write_failure(folder, problem.errno, 0) from problem
        return _move(path, folder, data)


def _is_passed_over(name: str) -> bool:
    return name.startswith(".") or name.endswith(TAG) or Path(name).suffix.lower() in _UNFINISHED


def _tag_of(path: Path) -> Path:
    return path.with_name(path.name + TAG)


def _is_tagged(path: Path, seen: _Seen) -> bool:
    return bool(_examined(_tag_of(path)) == {"size": seen.size, "changed": seen.changed})


def _examined(tag: Path) -> Json:
    """Which state of a file a report is about; None where that cannot be told."""
    try:
        return json.loads(tag.read_bytes())["examined"]
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _is_open(path: Path) -> bool:
    """Whether some process of this user (of anyone, for root) has the file open for writing."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return True
    try:
        # SIGURG is ignored by default, SIGIO would end this process.
        fcntl.fcntl(handle, fcntl.F_SETSIG, signal.SIGURG)
        # A lease for reading is refused while anyone has the file open for writing (fcntl(2)); only its owner may ask.
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as problem:
        return problem.errno == errno.EAGAIN
    finally:
        os.close(handle)
    return False


def _move(path: Path, folder: Path, report: bytes) -> Path:
    """The file into the folder under a name that is free, its report beside it; never over another file."""
    examined = json.loads(report)["examined"]
    for place in _names(folder, path):
        if place.exists() or (_tag_of(place).exists() and _examined(_tag_of(place)) != examined):
            continue  # taken, or the report of a file that someone has taken away
        try:
            write_whole(_tag_of(place), report)
            _rename(path, place)
        except FileExistsError:
            continue
        except OSError as problem:
            raise write_failure(place, problem.errno, path.stat().st_size) from problem
        return place
    raise InputError("No name is free for the file.", code="watch.names", found=path.name)


def _names(folder: Path, path: Path) -> Iterator[Path]:
    yield folder / path.name
    for number in range(2, 10_000):
        yield folder / f"{path.stem}-{number}{path.suffix}"


def _rename(source: Path, target: Path) -> None:
    """Move without replacing; over file systems by a copy that is complete before the original goes."""
    try:
        rename_new(source, target)
    except FileExistsError:
        raise
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        _copy(source, target)
        source.unlink()


def _copy(source: Path, target: Path) -> None:
    temp = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with source.open("rb") as original, temp.open("xb") as copy:
            shutil.copyfileobj(original, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        shutil.copystat(source, temp)
        rename_new(temp, target)
    finally:
        temp.unlink(missing_ok=True)
