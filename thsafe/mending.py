"""What ``thsafe doctor --fix`` mends by itself: what loses nothing, needs no network and decides nothing for anybody.

Packages, weights and trust lists are left to the commands that the findings name.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

from thsafe.core.clock import system_clock
from thsafe.core.errors import StoreError
from thsafe.home import Home


def mend(home: Home | None = None) -> tuple[str, ...]:
    """Mend what can be mended; returns a sentence for each thing that was done.

    Makes development keys where there are none, closes key files that others can read, and brings an older database
    up to this version after copying it.

    Raises:
        StoreError: a file cannot be changed or the database cannot be copied; nothing is half done.
        SigningError: the keys that are there are damaged.
    """
    home = home or Home.default()
    return (*_keys(home), *_modes(home), *_database(home))


def _keys(home: Home) -> Iterator[str]:
    from thsafe.keys import KeyRing

    if not home.keys.exists():
        KeyRing.create(home)
        yield f"made development keys in {home.keys}"


def _modes(home: Home) -> Iterator[str]:
    for path in (home.path, home.keys, *sorted(home.keys.glob("*"))):
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            _close(path, mode)
            yield f"closed {path.name} to others: {mode:04o} is now {mode & 0o700:04o}"


def _close(path: Path, mode: int) -> None:
    try:
        path.chmod(mode & 0o700)
    except OSError as problem:
        raise StoreError(
            f"{path} is open to others, and cannot be closed.",
            code="store.mode",
            found=problem.strerror or str(problem),
            next_step=f"as its owner: chmod go-rwx '{path}'",
        ) from problem


def _database(home: Home) -> Iterator[str]:
    from thsafe.ledger.transfer import backup, standing, upgrade

    found = standing(home.database_url)
    if not 0 < found.version < found.known:
        return
    copy = home.path / f"before-{found.known}-{system_clock():%Y%m%dT%H%M%SZ}.db"
    backup(home.database_url, copy)
    upgrade(home.database_url)
    yield f"brought the database from version {found.version} to {found.known}; the old one is kept as {copy.name}"
