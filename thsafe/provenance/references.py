"""What a manifest points to outside itself: its entry in the audit log, and the tool that reads its marks.

Both are ``c2pa.external-reference`` assertions (C2PA 2.4 §18.24), gathered, not created, as the clause wants. The log's
is bound by hash: whoever is shown the entry can tell that it is the one meant. Nobody fetches either while verifying.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import Json

if TYPE_CHECKING:
    from thsafe.home import Home
    from thsafe.provenance.read import Credentials

LABEL = "c2pa.external-reference"
AUDIT_LOG = "c2pa.types.audit-log"
DETECTOR = "io.github.thsafe.types.detector"
THIS_SOFTWARE = "pkg:pypi/thsafe"
"""Package URL of this software: its ``verify`` reads the marks. A provider may name a page of its own instead."""
_SCHEMA = "thsafe.signpost/1"
_FILE = "signpost.json"
_WEB_ADDRESS = re.compile(r"https://[^\s/@]+\.[^\s/@]+(/\S*)?")
_LONGEST = 500
_JSON_TYPE = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogReference:
    """An entry of an audit log, named by a manifest."""

    origin: str
    """The log's name, as in its checkpoints."""
    index: int
    leaf_sha256: str
    """Of the entry's canonical JSON, hexadecimal."""


def log_assertion(origin: str, index: int, leaf_sha256: str, size: int) -> dict[str, Json]:
    """The reference to one entry: its address, hash and size; the entry itself holds digests and ids only.

    The address is below ``.alt`` (RFC 9476, names outside the DNS): a log is named at random and need not be on line.
    """
    return {
        "location": {
            "url": f"https://{_host(origin)}/entry/{index}",
            "alg": "sha256",
            "hash": list(bytes.fromhex(leaf_sha256)),
            "dc:format": _JSON_TYPE,
            "size": size,
            "data_types": [{"type": AUDIT_LOG}],
        },
        "description": "Entry of the audit log written before this was made: consent and policy decision, as digests.",
    }


def detector_assertion(address: str) -> dict[str, Json]:
    """The signpost to a tool that reads label, watermark and credentials; free of charge and without an account."""
    return {
        "location": {"url": address, "data_types": [{"type": DETECTOR}]},
        "description": "Detector of this content's marks: thsafe verify.",
    }


def log_reference_of(credentials: Credentials) -> LogReference | None:
    """The log entry that the active manifest names; None where it names none, or not in the way thsafe does."""
    gate = (credentials.gate or {}).get("log")
    for location in _locations(credentials, AUDIT_LOG):
        try:
            digest = base64.b64decode(str(location.get("hash")), validate=True)
        except binascii.Error:
            continue
        if isinstance(gate, Mapping) and isinstance(gate.get("index"), int) and location.get("alg") == "sha256":
            origin, index = str(gate.get("origin")), int(gate["index"])
            if location.get("url") == f"https://{_host(origin)}/entry/{index}":
                return LogReference(origin=origin, index=index, leaf_sha256=digest.hex())
    return None


def signpost_of(credentials: Credentials) -> str:
    """Where the active manifest says that its detector is; empty if it says nothing."""
    return next((str(location["url"]) for location in _locations(credentials, DETECTOR) if location.get("url")), "")


def signpost_of_home(home: Home) -> str:
    """The detector's address that this installation writes into manifests.

    Raises:
        InputError: ``provenance.signpost``: the setting is there and cannot be read. It is never passed over.
    """
    path = home.path / _FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        known, address = found["schema"] == _SCHEMA, str(found["detector"])
    except FileNotFoundError:
        return THIS_SOFTWARE
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as problem:
        raise _damaged(f"{type(problem).__name__}: {problem}") from problem
    if not known or not _is_address(address):
        raise _damaged(address[:80])
    return address


def set_signpost(home: Home, address: str) -> None:
    """Name the page where recipients find the detector: it stands in every manifest from now on.

    Raises:
        UsageError: ``provenance.signpost``: not an https address, or too long.
        StoreError: the home folder cannot be written.
    """
    from thsafe.media.files import write_whole

    if not _is_address(address):
        raise UsageError(
            "The detector's address is not one that people can open.",
            code="provenance.signpost",
            found=address[:80],
            rule=f"https://HOST/… of at most {_LONGEST} characters, or {THIS_SOFTWARE}",
        )
    home.prepare()
    write_whole(home.path / _FILE, (json.dumps({"schema": _SCHEMA, "detector": address}) + "\n").encode())


def _is_address(text: str) -> bool:
    if text == THIS_SOFTWARE:
        return True
    return len(text) <= _LONGEST and text.isprintable() and _WEB_ADDRESS.fullmatch(text) is not None


def _host(origin: str) -> str:
    """``thsafe/NAME`` as a host name: NAME.thsafe.alt."""
    return ".".join(reversed(re.sub(r"[^a-z0-9/.-]", "-", origin.lower()).split("/"))) + ".alt"


def _locations(credentials: Credentials, kind: str) -> list[Json]:
    manifests = credentials.raw.get("manifests") or {}
    found = []
    for item in (manifests.get(credentials.active_label) or {}).get("assertions") or []:
        data = item.get("data")
        location = data.get("location") if isinstance(data, Mapping) else None
        if item.get("label") == LABEL and isinstance(location, Mapping):
            types = location.get("data_types") or []
            if any(isinstance(entry, Mapping) and entry.get("type") == kind for entry in types):
                found.append(dict(location))
    return found


def _damaged(found: str) -> InputError:
    return InputError(
        "The detector's address that was set cannot be read.",
        code="provenance.signpost",
        found=found,
        next_step="set it again: thsafe manifest signpost https://…",
    )
