"""Whose countersignature this installation trusts: a list of DIDs in ``consents/collectors.json``."""

from __future__ import annotations

from pathlib import Path

from thsafe.consent.files import malformed, read_object, write_json
from thsafe.home import Home
from thsafe.keys.did import public_key_from_did


def trusted_collectors(home: Home) -> frozenset[str]:
    """DIDs of trusted collectors; none where there is no list.

    Raises:
        InputError: ``consent.malformed`` when the list is damaged: trust is never guessed.
    """
    path = _path(home)
    if not path.is_file():
        return frozenset()
    listed = read_object(path, "list of collectors").get("collectors")
    if not isinstance(listed, list) or not all(isinstance(item, str) for item in listed):
        raise malformed("list of collectors", f"{path.name} has no list of DIDs under 'collectors'")
    return frozenset(listed)


def trust_collector(home: Home, did: str) -> None:
    """Add a collector; raises ValueError for anything but an Ed25519 did:key."""
    public_key_from_did(did)
    write_json(_path(home), {"collectors": sorted({did, *trusted_collectors(home)})})


def _path(home: Home) -> Path:
    return home.consents / "collectors.json"
