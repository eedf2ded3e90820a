"""Private files, written whole or not at all, and JSON read under limits."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from pathlib import Path
from typing import Final

from thsafe.core.errors import InputError, StoreError
from thsafe.core.types import Json

MAX_BYTES: Final = 256 * 1024
"""A consent is about 2 kB and a presentation 3 kB; what is larger is something else."""


def write_private(path: Path, data: bytes) -> None:
    """Replace a file atomically; it and new folders above it are for this user alone.

    Raises:
        StoreError: the disk refuses.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as problem:
        raise StoreError(
            f"{path.name} cannot be written.",
            code="store.write",
            found=str(problem),
            next_step="make room or give write permission, then try again",
        ) from problem


def write_json(path: Path, value: Json) -> None:
    """Write a JSON value as a person would read it."""
    write_private(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


def read_object(path: Path, what: str) -> dict[str, Json]:
    """Read one JSON object of a bounded size, without duplicate names.

    Raises:
        InputError: ``consent.unreadable`` or ``consent.malformed``.
    """
    return parse_object(read_bytes(path, what), what, path.name)


def read_bytes(path: Path, what: str) -> bytes:
    """Read a file up to one byte beyond the limit; raises InputError ``consent.unreadable``."""
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as problem:
        raise InputError(
            f"The {what} cannot be read.",
            code="consent.unreadable",
            found=f"{path.name}: {problem.strerror}",
            next_step="check the path and its permissions",
        ) from problem


def parse_object(data: bytes, what: str, name: str) -> dict[str, Json]:
    """Parse one JSON object; two names alike could show a person one thing and a program another."""
    try:
        return _decode(data)
    except (ValueError, RecursionError) as problem:
        raise malformed(what, f"{name}: {problem}") from problem


def _decode(data: bytes) -> dict[str, Json]:
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    value = json.loads(data, object_pairs_hook=_unique, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  the file is wrong, not the call
    return value


def _unique(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return found


def malformed(what: str, found: str) -> InputError:
    """The error for a document that is not what it should be."""
    return InputError(
        f"The {what} cannot be understood.",
        code="consent.malformed",
        found=found[:300],
        rule="docs/explanation/consent.md names the fields",
        next_step="ask whoever sent it for the original file",
    )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in chunks.

    Raises:
        InputError: ``input.unreadable``.
    """
    whole = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                whole.update(chunk)
    except OSError as problem:
        raise InputError(
            f"{path.name} cannot be read.",
            code="input.unreadable",
            found=str(problem.strerror),
            next_step="check the path and its permissions",
        ) from problem
    return whole.hexdigest()


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")
