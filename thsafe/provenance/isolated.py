"""Reading credentials of an untrusted file in a process of its own, with limits on time and memory.

The manifest parser is native code that meets bytes from strangers; crafted files have made it run out of memory. The
child gets the file's name and the trust lists, and answers in JSON, which cannot carry anything but values.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from thsafe.core.errors import InputError
from thsafe.core.types import Json
from thsafe.provenance.ladder import Ladder
from thsafe.provenance.read import Action, Codes, Credentials, IngredientNode, SignerFacts, read_credentials
from thsafe.provenance.trust import Trust, TrustKind, TrustList
from thsafe.provenance.unprotected import ByteRange

_MAX_ANSWER = 64 << 20
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH")


def read_credentials_isolated(
    path: Path,
    *,
    trust: Trust,
    manifest_bytes: bytes | None = None,
    media_type: str | None = None,
    seconds: float = 60,
    megabytes: int = 2048,
) -> Credentials:
    """As :func:`read_credentials`, in a child process that is killed past its limits; then ``NOT_EVALUATED``.

    Args:
        path: the file.
        trust: the lists to go by.
        manifest_bytes: a manifest store to hold against the file instead of its own.
        media_type: the file's kind, if known.
        seconds: wall-clock limit.
        megabytes: limit on address space; a signed file of 1 GB needs about 600 MB.

    Raises:
        InputError: the file does not exist or cannot be opened.
    """
    if not path.is_file():
        raise InputError("The file does not exist.", code="input.missing", found=path.name)
    task = {
        "path": str(path.absolute()),
        "lists": [[item.name, str(item.kind), item.pem.decode("latin-1")] for item in trust.lists],
        "manifest": None if manifest_bytes is None else base64.b64encode(manifest_bytes).decode(),
        "media_type": media_type,
    }
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "thsafe.provenance.isolated", str(megabytes), str(max(1, round(seconds)))],
            input=json.dumps(task).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            env=environment,
        )
    except subprocess.TimeoutExpired:
        return _not_evaluated(f"reading took longer than {seconds:g} seconds")
    if done.returncode != 0 or len(done.stdout) > _MAX_ANSWER:
        return _not_evaluated(f"the reader stopped with status {done.returncode}: it met a limit or crashed")
    try:
        return credentials_from_json(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        return _not_evaluated(f"the reader's answer cannot be understood: {type(problem).__name__}")


def credentials_to_json(found: Credentials) -> dict[str, Json]:
    """A JSON value that :func:`credentials_from_json` turns back into the same credentials."""
    return dataclasses.asdict(found)


def credentials_from_json(value: Mapping[str, Json]) -> Credentials:
    """Credentials from their JSON value; raises KeyError, TypeError or ValueError for anything else."""
    rest = dict(value)
    signer, codes = rest.pop("signer"), rest.pop("codes")
    return Credentials(
        state=Ladder(rest.pop("state")),
        reasons=tuple(rest.pop("reasons")),
        signer=None if signer is None else SignerFacts(**signer),
        actions=tuple(Action(**{**item, "regions": tuple(item["regions"])}) for item in rest.pop("actions")),
        digital_source_types=tuple(rest.pop("digital_source_types")),
        ingredients=tuple(_ingredient(item) for item in rest.pop("ingredients")),
        codes=Codes(**{name: tuple(items) for name, items in codes.items()}),
        unprotected=tuple(ByteRange(**item) for item in rest.pop("unprotected")),
        **rest,
    )


def _ingredient(value: Mapping[str, Json]) -> IngredientNode:
    lists = {"failures": tuple(value["failures"]), "children": tuple(_ingredient(item) for item in value["children"])}
    return IngredientNode(**{**value, **lists})


def _not_evaluated(reason: str) -> Credentials:
    return Credentials(state=Ladder.NOT_EVALUATED, reasons=(reason,))


def _main() -> None:
    limit, seconds = int(sys.argv[1]) << 20, int(sys.argv[2])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    task = json.load(sys.stdin)
    lists = tuple(
        TrustList(name=name, kind=TrustKind(kind), pem=pem.encode("latin-1")) for name, kind, pem in task["lists"]
    )
    manifest = None if task["manifest"] is None else base64.b64decode(task["manifest"])
    found = read_credentials(
        Path(task["path"]), trust=Trust(lists), manifest_bytes=manifest, media_type=task["media_type"]
    )
    json.dump(credentials_to_json(found), sys.stdout)


if __name__ == "__main__":
    _main()
