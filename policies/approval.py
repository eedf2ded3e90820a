"""``bundle.json``: which files a folder of policies holds, by digest, signed by those who approve them.

The signatures are Ed25519 over the canonical JSON of everything but the signatures. A folder with such a file loads
only if the file is true of it; a folder whose approvers are named elsewhere loads only with all their signatures.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from thsafe.core.canonical import canonical_bytes
from thsafe.core.errors import PolicyRefused
from thsafe.core.types import Json
from thsafe.keys.did import base58_decode, base58_encode, did_from_public_key, public_key_from_did

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

FILE: Final = "bundle.json"
_TYPE: Final = "ThsafePolicyApproval"
_MOST_BYTES: Final = 1 << 20
_MOST_SIGNATURES: Final = 16


def approve(folder: Path, files: Mapping[str, str], key: Ed25519PrivateKey) -> dict[str, Json]:
    """The approval of a folder's files, with this key's signature added.

    Signatures that others gave for the same files stay. Where the files have changed a new version begins and all
    sign anew.

    Args:
        folder: the policies; its ``bundle.json`` is read, not written.
        files: their texts by name.
        key: the approver's.
    """
    digests = _digests(files)
    have = _read(folder) if (folder / FILE).is_file() else {}
    if have.get("files") == digests:
        version, signatures = have["version"], list(have["signatures"])
    else:
        number = have.get("version")
        version, signatures = (number if isinstance(number, int) else 0) + 1, []
    approver = did_from_public_key(key.public_key())
    body: dict[str, Json] = {"type": _TYPE, "version": version, "files": digests}
    mine = {"approver": approver, "signature": base58_encode(key.sign(canonical_bytes(body)))}
    others = [item for item in signatures if item.get("approver") != approver]
    return {**body, "signatures": [*others, mine]}


def check(folder: Path, files: Mapping[str, str], approvers: Collection[str] = ()) -> tuple[str, ...]:
    """Who approved these files; nobody where there is no approval and none is required.

    Args:
        folder: the policies.
        files: their texts by name.
        approvers: DIDs whose signatures are all required.

    Raises:
        PolicyRefused: ``policy.approval``: the approval is damaged, or of other files, or lacks a signature.
    """
    if not (folder / FILE).is_file():
        if approvers:
            _refuse("there is no bundle.json, and approval is required")
        return ()
    document = _read(folder)
    if document.get("files") != _digests(files):
        _refuse("a file was added, removed or changed after approval")
    signers = _signers(document)
    missing = sorted(set(approvers) - set(signers))
    if missing or not signers:
        _refuse("no signature of " + (", ".join(missing) or "anybody"))
    return signers


def _digests(files: Mapping[str, str]) -> dict[str, str]:
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}


def _signers(document: Mapping[str, Json]) -> tuple[str, ...]:
    """Everybody whose signature stands in it; one that does not hold spoils it."""
    from cryptography.exceptions import InvalidSignature

    body = {name: value for name, value in document.items() if name != "signatures"}
    found = []
    try:
        for item in document["signatures"][:_MOST_SIGNATURES]:
            public_key_from_did(item["approver"]).verify(base58_decode(item["signature"][:100]), canonical_bytes(body))
            found.append(str(item["approver"]))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, InvalidSignature) as problem:
        _refuse(f"a signature does not hold ({type(problem).__name__})")
    return tuple(found)


def _read(folder: Path) -> dict[str, Json]:
    try:
        with (folder / FILE).open("rb") as stream:
            document = json.loads(stream.read(_MOST_BYTES))
    except (OSError, ValueError, RecursionError) as problem:
        _refuse(f"bundle.json cannot be read: {problem}"[:200])
    if not isinstance(document, dict) or document.get("type") != _TYPE:
        _refuse("bundle.json is not an approval")
    return document


def _refuse(found: str) -> NoReturn:
    raise PolicyRefused(
        "The policies are not the ones that were approved, so they were not loaded.",
        code="policy.approval",
        found=found,
        rule="bundle.json names every file by digest, signed by every approver",
        next_step="if the change is wanted, approve it: thsafe policy sign; otherwise put the approved files back",
    )
