"""A file's SHA-256, streamed. Standard library only, so that a look at the log needs nothing heavy."""

from __future__ import annotations

import hashlib
from pathlib import Path

from thsafe.media import complaints


def hash_file(path: Path) -> str:
    """SHA-256 of a file as 64 lower-case hexadecimal digits; raises InputError where it cannot be read."""
    try:
        with path.open("rb") as source:
            return hashlib.file_digest(source, "sha256").hexdigest()
    except FileNotFoundError as problem:
        raise complaints.missing(path) from problem
    except OSError as problem:
        raise complaints.unreadable(path, problem.strerror or str(problem)) from problem
