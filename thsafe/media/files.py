"""Writing so that a file is there whole or not at all, and saying why when it cannot be."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from pathlib import Path

from thsafe.core.errors import StoreError

_MOST_NAME = 120
_FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EFBIG))


def write_whole(path: Path, data: bytes) -> None:
    """Write beside the target, fsync, rename.

    Raises:
        StoreError: ``store.disk-full`` or ``store.unwritable``; nothing is left behind.
    """
    temp = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with temp.open("wb") as target:
            target.write(data)
            target.flush()
            os.fsync(target.fileno())
        temp.replace(path)
    except OSError as problem:
        temp.unlink(missing_ok=True)
        raise write_failure(path, problem.errno, len(data)) from problem


def rename_new(source: Path, target: Path) -> None:
    """Rename without replacing: link() fails where the name is taken, rename() would not.

    Raises:
        FileExistsError: the name is taken.
        OSError: as ``os.rename``; ``errno.EXDEV`` where the target is on another file system.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:  # file systems without hard links: a check and a rename is the best there is
        if target.exists():
            raise FileExistsError(target) from None
        source.rename(target)
    else:
        source.unlink()


def write_failure(path: Path, number: int | None, needed: int) -> StoreError:
    """The error for a write that failed with this ``errno`` after, or for, so many bytes."""
    reason = os.strerror(number) if number else "unknown reason"
    if number not in _FULL:
        return StoreError(
            f"{path.name} cannot be written: {reason}.",
            code="store.unwritable",
            found=str(path),
            next_step=f"check the folder: ls -ld {path.parent}; or choose another with -o",
        )
    try:
        free = f"{shutil.disk_usage(path.parent).free} bytes are free in {path.parent}"
    except OSError:
        free = f"{path.parent} does not tell its free space"
    return StoreError(
        f"There is no room to write {path.name}.",
        code="store.disk-full",
        found=f"{reason}: at least {needed} bytes are needed, {free}",
        next_step=f"free some space (df -h {path.parent}) or choose another folder with -o",
        log=f"nothing was left at {path}",
    )


def plain_name(name: str) -> str:
    """What people may see of a file's name: no folders, nothing that moves a cursor or turns text around."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(letter for letter in last if letter.isprintable())
    return shown[:_MOST_NAME].strip() or "file"
