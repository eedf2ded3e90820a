"""What the readers share: folders and small files of others, read with care."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from thsafe.core.errors import InputError

_MOST_TEXT: Final = 64 << 20
"""Bytes of a list."""


def below(folder: Path, *endings: str) -> list[Path]:
    """Files directly in a folder with one of the endings, by name; nothing where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in endings and path.is_file())


def folders(place: Path, *, named: Collection[str] | None = None) -> list[Path]:
    """Folders directly in a folder, by name; those of ``named`` only, if given."""
    if not place.is_dir():
        return []
    return sorted(path for path in place.iterdir() if path.is_dir() and (named is None or path.name in named))


def lines(path: Path) -> Iterator[str]:
    """The lines of a small text file, without spaces around; none where it is not there.

    Raises:
        InputError: ``data.unreadable``: too large or not UTF-8.
    """
    if not path.is_file():
        return
    try:
        with path.open("rb") as source:
            text = source.read(_MOST_TEXT).decode("utf-8-sig")
    except (OSError, ValueError) as problem:
        raise InputError(
            f"{path.name} cannot be read.",
            code="data.unreadable",
            found=str(problem),
            rule="UTF-8 text; at most 64 MB are read",
            next_step="get the file again from the data set's authors",
        ) from problem
    yield from (line.strip() for line in text.splitlines())


def relative(path: Path, root: Path) -> str:
    """The path below the root, with ``/``."""
    return path.relative_to(root).as_posix()


def place_of(path: Path | None, root: Path) -> str | None:
    """The same, or None for none."""
    return None if path is None else relative(path, root)


def no_layout(root: Path, title: str, wanted: str) -> InputError:
    """The error for a folder that is something else."""
    return InputError(
        f"This is not how {title} is handed out.",
        code="data.layout",
        found=f"{root}: " + (", ".join(sorted(path.name for path in root.iterdir())[:6]) or "nothing in it"),
        rule=wanted,
        next_step="give the folder that holds this; thsafe data sets shows every layout",
    )
