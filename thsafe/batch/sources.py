"""What a batch is about: files in folders, names in lists, addresses; and each of them brought to where it is read.

A source is a text: a path, an ``https://`` address, or an address of an object store (``s3://bucket/key``). Paths
that are no valid text are kept in a form of their own.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import quote, unquote_to_bytes

from thsafe.core.errors import InputError, UsageError
from thsafe.remote import RemoteRules, fetch, is_address

_RAW = "file-bytes:"


def list_sources(given: Sequence[str], *, recursive: bool, match: Sequence[str], rules: RemoteRules) -> Iterator[str]:
    """Every source, one after another, nothing read yet.

    Args:
        given: files, folders, addresses, or ``@LIST`` for a file with one of these a line (``@-``: standard input).
        recursive: whether folders are entered; with an object store, whether everything below a prefix is meant.
        match: patterns of names, of which one must fit inside folders; none: all fit.
        rules: which addresses may be asked.

    Raises:
        UsageError: ``batch.folder``: a folder without ``recursive``; or an address that may not be asked.
        InputError: ``input.missing``.
    """
    for item in given:
        if item.startswith("@"):
            yield from list_sources(list(_lines(item[1:])), recursive=recursive, match=match, rules=rules)
        elif is_address(item):
            yield from _addresses(item, recursive=recursive, match=match, rules=rules)
        elif item.startswith(_RAW):
            yield item
        elif (path := Path(item)).is_dir():
            if not recursive:
                raise UsageError(
                    f"{item} is a folder.", code="batch.folder", next_step=f"thsafe batch verify {item} -r"
                )
            yield from _below(path.absolute(), match)
        elif path.exists():
            yield source_of(path.absolute())
        else:
            raise InputError(f"There is no file {item}.", code="input.missing", found=item)


def source_of(path: Path) -> str:
    """A path as a source."""
    text = str(path)
    try:
        text.encode()
    except UnicodeEncodeError:
        return _RAW + quote(os.fsencode(path))
    return text


def path_of(source: str) -> Path:
    """The path that a source is."""
    return Path(os.fsdecode(unquote_to_bytes(source.removeprefix(_RAW))) if source.startswith(_RAW) else source)


@contextmanager
def brought(source: str, rules: RemoteRules) -> Iterator[tuple[Path, str]]:
    """The file of a source and its own name; what was fetched is gone afterwards.

    Raises:
        InputError, UsageError, StoreError: as ``thsafe.remote.fetch``.
    """
    if not is_address(source):
        path = path_of(source)
        yield path, path.name
        return
    with tempfile.TemporaryDirectory(prefix="thsafe-batch-") as folder:
        place = Path(folder) / "file"
        if source.partition("://")[0].lower() in {"http", "https"}:
            name = fetch(source, place, rules=rules).name
        else:
            from thsafe.batch.objects import fetch_object

            name = fetch_object(source, place, rules)
        yield place, name


def _addresses(item: str, *, recursive: bool, match: Sequence[str], rules: RemoteRules) -> Iterator[str]:
    from thsafe.remote import check_address

    if item.partition("://")[0].lower() in {"http", "https"}:
        check_address(item, rules)
        yield item
        return
    from thsafe.batch.objects import list_objects

    yield from list_objects(item, recursive=recursive, match=match, rules=rules)


def _lines(name: str) -> Iterator[str]:
    try:
        with nullcontext(sys.stdin) if name == "-" else Path(name).open(errors="surrogateescape") as source:
            for line in source:
                if text := line.strip("\r\n"):
                    yield text
    except OSError as problem:
        raise InputError(
            f"The list {name} cannot be read.", code="input.unreadable", found=problem.strerror or str(problem)
        ) from problem


def _below(folder: Path, match: Sequence[str]) -> Iterator[str]:
    """Plain files below a folder in a fixed order; hidden ones and links are left alone."""
    with os.scandir(folder) as found:
        entries = sorted(found, key=lambda entry: entry.name)
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            yield from _below(Path(entry.path), match)
        elif entry.is_file(follow_symlinks=False) and fits(entry.name, match):
            yield source_of(Path(entry.path))


def fits(name: str, match: Sequence[str]) -> bool:
    """Whether a name is among those that are wanted."""
    return not match or any(fnmatch(name.lower(), pattern.lower()) for pattern in match)
