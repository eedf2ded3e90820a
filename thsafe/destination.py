"""Where an output will stand, and the private folder beside it where it is made.

The folder is on the same file system, so that the last step is one atomic rename; it is locked while its process
lives, so that the next job can tell a crashed neighbour from a working one and clear it away.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from thsafe.core.errors import StoreError, UsageError
from thsafe.media.files import rename_new

_PREFIX = ".thsafe-"
_NEW = ".new"
_BORN = 60
"""Seconds after which a folder that is still without its lock belongs to nobody."""
MEDIA_TYPES = {
    ".mp4": "video/mp4",
    ".mov": "video/quicktime",
    ".m4a": "audio/mp4",
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
}
"""Kinds of file that thsafe writes and signs, by the ending of their name."""
_FILM = frozenset({".mp4"})


@dataclass(frozen=True, slots=True)
class Destination:
    """A checked output path: right kind, folder writable, nothing overwritten by accident."""

    path: Path
    force: bool

    @classmethod
    def claim(cls, path: Path, *, force: bool = False, kinds: Collection[str] = _FILM) -> Destination:
        """Check the path before any work is done.

        Args:
            path: where the output will stand.
            force: replace what stands there.
            kinds: endings of names, of ``MEDIA_TYPES``, that are accepted.

        Raises:
            UsageError: ``output.name``, ``output.kind``, ``output.folder`` or ``output.exists``.
            StoreError: ``output.unwritable``.
        """
        try:
            os.fsencode(path.absolute()).decode()
        except UnicodeDecodeError:
            raise UsageError(
                "The name of the output is not UTF-8, so it could not be kept in the log's tables.",
                code="output.name",
                found=ascii(str(path.absolute())),
                next_step="choose another name or folder",
            ) from None
        if path.suffix.lower() not in kinds:
            first = next(kind for kind in MEDIA_TYPES if kind in kinds)
            raise UsageError(
                f"The output {path.name} must be one of: {', '.join(kind for kind in MEDIA_TYPES if kind in kinds)}.",
                code="output.kind",
                found=path.suffix or "no extension",
                rule="content credentials are embedded in these; WebM, Matroska and Ogg cannot carry them",
                next_step=f"use -o {path.with_suffix(first)}; to change a file's kind: ffmpeg -i IN OUT{first}",
            )
        folder = path.parent
        if not folder.is_dir():
            raise UsageError(
                f"The folder for the output does not exist: {folder}",
                code="output.folder",
                found=str(path),
                next_step=f"mkdir -p {folder}",
            )
        if path.is_dir():
            raise UsageError(f"{path} is a folder.", code="output.folder", next_step="name a file, such as out.mp4")
        if path.exists() and not force:
            raise UsageError(
                f"{path} exists already.",
                code="output.exists",
                found=f"{path.stat().st_size} bytes",
                next_step="choose another name, or add --force to replace it",
                log="nothing was written",
            )
        if not os.access(folder, os.W_OK):
            raise StoreError(
                f"The folder {folder} cannot be written to.",
                code="output.unwritable",
                next_step="choose a folder that you may write to",
            )
        return cls(path, force)

    @property
    def media_type(self) -> str:
        """The IANA media type of the output."""
        return MEDIA_TYPES[self.path.suffix.lower()]

    @staticmethod
    def workshop_of(path: Path, job_id: str) -> Path:
        """The private folder of a job whose output will stand at ``path``."""
        return path.parent / f"{_PREFIX}{job_id}"

    @contextmanager
    def workshop(self, job_id: str) -> Iterator[Path]:
        """A private folder (mode 0700) beside the output; gone afterwards, whatever happens."""
        folder = self.workshop_of(self.path, job_id)
        # It gets its name with the lock held: a neighbour that clears up must not take it for a dead one's.
        new = folder.with_name(f"{_NEW}{folder.name}")
        try:
            new.mkdir(mode=0o700)
            lock = os.open(new / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            new.rename(folder)
        except OSError as problem:
            raise StoreError(
                f"No working folder can be made in {self.path.parent}.",
                code="output.unwritable",
                found=str(problem),
                next_step="free some space or choose another folder",
            ) from problem
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def place(self, finished: Path) -> None:
        """Move the finished file to its name in one step and make the move durable."""
        try:
            if self.force:
                finished.replace(self.path)
            else:
                rename_new(finished, self.path)
            folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileExistsError as problem:
            raise UsageError(
                f"{self.path} appeared while the video was made.",
                code="output.exists",
                next_step="choose another name, or add --force to replace it",
            ) from problem
        except OSError as problem:
            raise StoreError(
                f"The finished video cannot be moved to {self.path}.", code="output.unwritable", found=str(problem)
            ) from problem

    def clear_interrupted(self, interrupted: Callable[[str], None]) -> None:
        """Remove the folders of jobs in this place whose process has died; report each job id."""
        for folder in self.path.parent.glob(f"{_PREFIX}*"):
            if folder.is_dir() and not _is_locked(folder / "lock"):
                interrupted(folder.name.removeprefix(_PREFIX))
                shutil.rmtree(folder, ignore_errors=True)
        for folder in self.path.parent.glob(f"{_NEW}{_PREFIX}*"):
            with suppress(OSError):
                if time.time() - folder.stat().st_mtime > _BORN:
                    shutil.rmtree(folder)


def _is_locked(lock: Path) -> bool:
    try:
        handle = os.open(lock, os.O_RDWR)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(handle)
    return False
