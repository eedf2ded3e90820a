"""Which of the vendor's jobs this installation started, and for which inputs: only those may be gone on with.

Without it an id would be a way to have any video of the account published under somebody's consent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generators.did.answers import is_id
from generators.did.client import KINDS
from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import UsageError
from thsafe.core.types import Json, Request
from thsafe.home import Home
from thsafe.media.files import write_whole

_SCHEMA: Final = "thsafe.did-job/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """One job at the vendor's."""

    kind: str
    name: str
    """Its id."""
    ordered: str
    """Digest of what was ordered; see :func:`digest_of`."""


def digest_of(request: Request) -> str:
    """What was ordered: task, inputs and parameters, but not whether it is an old job that is gone on with."""
    params = {name: value for name, value in request.params.items() if name not in {"resume", "declared"}}
    return canonical_digest(
        {"task": str(request.task), "inputs": [ref.facts() for ref in request.inputs], "params": params}
    )


def note(started: Started, home: Home) -> None:
    """Keep a job's id; raises StoreError where that is impossible."""
    home.prepare()
    folder = _folder(home)
    folder.mkdir(mode=0o700, exist_ok=True)
    content = {"schema": _SCHEMA, "kind": started.kind, "id": started.name, "ordered": started.ordered}
    write_whole(folder / f"{started.name}.json", json.dumps(content).encode())


def find(name: str, request: Request, home: Home) -> Started:
    """The job with this id, if it was started for this very order.

    Raises:
        UsageError: ``did.resume``.
    """
    content = _read(_folder(home) / f"{name}.json") if is_id(name) else {}
    if content.get("schema") != _SCHEMA or content.get("kind") not in KINDS or content.get("id") != name:
        raise _refused(name, "this installation has not started it")
    if content.get("ordered") != digest_of(request):
        raise _refused(name, "it was started for another picture, other words or other options")
    return Started(kind=content["kind"], name=name, ordered=content["ordered"])


def _folder(home: Home) -> Path:
    return home.path / "did"


def _read(path: Path) -> Mapping[str, Json]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _refused(name: str, why: str) -> UsageError:
    return UsageError(
        "This job of D-ID's cannot be gone on with.",
        code="did.resume",
        found=f"{name[:100]}: {why}",
        rule="only what this installation ordered, with the same inputs and options",
        next_step="give the same inputs and options, or leave --resume out",
    )
