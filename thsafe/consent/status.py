"""Withdrawal and suspension: W3C Bitstring Status List v1.0, signed by its keeper, valid for at most 24 hours."""

from __future__ import annotations

import base64
import gzip
import hashlib
import secrets
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.consent import proof
from thsafe.consent.files import malformed, parse_object, read_bytes, read_object, write_json
from thsafe.consent.record import StatusEntry
from thsafe.core.clock import from_text
from thsafe.core.errors import InputError
from thsafe.core.types import Json
from thsafe.keys.did import did_from_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

BITS: Final = 131_072
"""The least length that keeps a holder in the crowd (Bitstring Status List §6.1)."""
VALIDITY: Final = timedelta(hours=24)
PURPOSES: Final = ("revocation", "suspension")
_CONTEXT: Final = "https://www.w3.org/ns/credentials/v2"
_PREFIX: Final = "urn:thsafe:status:"
_WHAT: Final = "status list"
_RENEW_BEFORE: Final = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusList:
    """A parsed list."""

    id: str
    keeper: str
    purpose: str
    valid_from: datetime
    valid_until: datetime
    bits: bytes
    signed: bool
    """Whether the keeper named in it has signed it."""

    def is_set(self, index: int) -> bool:
        """Bit ``index``, the left-most first (§2.2); an index beyond the list counts as set: unknown is not "no"."""
        if not 0 <= index < len(self.bits) * 8:
            return True
        return bool(self.bits[index // 8] >> (7 - index % 8) & 1)

    def fresh(self, now: datetime) -> bool:
        """Whether it may still be relied on: in its window, and the window is a short one."""
        return self.valid_from <= now < self.valid_until and self.valid_until - self.valid_from <= VALIDITY


def list_id(keeper: str, purpose: str) -> str:
    """The name of a keeper's list; the keeper's key is part of it, so another's list cannot stand in."""
    return f"{_PREFIX}{keeper.removeprefix('did:key:')}:{purpose}"


def new_entries(keeper: str, taken: Collection[int] = ()) -> tuple[StatusEntry, ...]:
    """A free random place in the keeper's two lists (random: §6.2, so that order tells nothing)."""
    while (index := secrets.randbelow(BITS)) in taken:
        pass
    return tuple(StatusEntry(purpose=name, index=index, list_id=list_id(keeper, name)) for name in PURPOSES)


def bits_of(marked: Collection[int]) -> bytes:
    """A list of ``BITS`` bits with these set, the left-most first."""
    bits = bytearray(BITS // 8)
    for index in marked:
        bits[index // 8] |= 1 << (7 - index % 8)
    return bytes(bits)


def make_list(key: Ed25519PrivateKey, purpose: str, bits: bytes, *, now: datetime) -> dict[str, Json]:
    """A signed list of these bits, valid from now for ``VALIDITY``."""
    keeper = did_from_public_key(key.public_key())
    name = list_id(keeper, purpose)
    packed = base64.urlsafe_b64encode(gzip.compress(bits, mtime=0)).rstrip(b"=").decode()
    # Whole seconds, as they are written; the start is rounded down so that the list is valid at once.
    start = now.astimezone(UTC).replace(microsecond=0)
    document: dict[str, Json] = {
        "@context": [_CONTEXT],
        "id": name,
        "type": ["VerifiableCredential", "BitstringStatusListCredential"],
        "issuer": keeper,
        "validFrom": start.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "validUntil": (start + VALIDITY).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "credentialSubject": {
            "id": f"{name}#list",
            "type": "BitstringStatusList",
            "statusPurpose": purpose,
            "encodedList": f"u{packed}",
        },
    }
    return proof.sign(document, key, created=now)


def parse_list(document: Mapping[str, Json]) -> StatusList:
    """Read a list.

    Raises:
        InputError: ``consent.malformed``.
    """
    try:
        return _parse(document)
    except (KeyError, TypeError, ValueError, AttributeError, zlib.error, OSError, EOFError) as problem:
        raise malformed(_WHAT, f"{type(problem).__name__}: {problem}") from problem


def _parse(document: Mapping[str, Json]) -> StatusList:
    if document["type"] != ["VerifiableCredential", "BitstringStatusListCredential"]:
        raise ValueError("not a BitstringStatusListCredential")
    body = document["credentialSubject"]
    keeper, purpose, name = document["issuer"], body["statusPurpose"], document["id"]
    if purpose not in PURPOSES or name != list_id(keeper, purpose):
        raise ValueError("the list's name does not follow from its keeper and purpose")
    return StatusList(
        id=name,
        keeper=keeper,
        purpose=purpose,
        valid_from=from_text(document["validFrom"]),
        valid_until=from_text(document["validUntil"]),
        bits=_unpack(body["encodedList"]),
        signed=any(item.signer == keeper and item.purpose == proof.ASSERTION for item in proof.verified(document)),
    )


def _unpack(text: str) -> bytes:
    if not text.startswith("u") or len(text) > 200_000:
        raise ValueError("encodedList is not multibase base64url of a bounded size")
    packed = base64.b64decode(text[1:] + "=" * (-(len(text) - 1) % 4), altchars=b"-_", validate=True)
    # A list of 131,072 bits is 16 KiB; the bound stops a small file that unpacks to gigabytes.
    limit = 4 * BITS // 8
    unpacker = zlib.decompressobj(wbits=31)
    bits = unpacker.decompress(packed, limit + 1)
    if not BITS // 8 <= len(bits) <= limit or not unpacker.eof:
        raise ValueError(f"encodedList is not a whole list of {BITS} to {4 * BITS} bits")
    return bits


def _either(one: bytes, other: bytes) -> bytes:
    return (int.from_bytes(one, "big") | int.from_bytes(other, "big")).to_bytes(len(one), "big")


@lru_cache(maxsize=32)
def _load(data: bytes) -> StatusList:
    """Parse and verify by content: the file is read each time, its signature is checked once for the same bytes."""
    return parse_list(parse_object(data, _WHAT, "status list"))


@dataclass(frozen=True, slots=True)
class StatusFolder:
    """The lists that this installation keeps or has fetched, one file each."""

    folder: Path

    def path(self, name: str) -> Path:
        """Where a list lies; its name is hashed, so that it cannot lead elsewhere."""
        return self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"

    def read(self, name: str) -> StatusList | None:
        """The list, or None where it is absent or cannot be read: both mean "unavailable"."""
        try:
            found = _load(read_bytes(self.path(name), _WHAT))
        except InputError:
            return None
        return found if found.id == name else None

    def document(self, name: str) -> dict[str, Json] | None:
        """The list as it was signed, to be sent on; None where it is absent or cannot be read."""
        return None if self.read(name) is None else read_object(self.path(name), _WHAT)

    def put(self, document: Mapping[str, Json]) -> StatusList:
        """Keep a list that was fetched or sent.

        Raises:
            InputError: ``consent.malformed``, ``status.signature``, or ``status.older`` when a newer one is here.
        """
        found = parse_list(document)
        if not found.signed:
            raise InputError(
                "The status list is not signed by its keeper.",
                code="status.signature",
                found=found.id,
                rule="policies/10-consent.cedar @id status.signature",
                next_step="fetch it again from the collector",
            )
        have = self.read(found.id)
        if have is not None and have.signed and have.valid_from > found.valid_from:
            raise InputError(
                "A newer status list is already here.",
                code="status.older",
                found=f"{found.valid_from.isoformat()}, have {have.valid_from.isoformat()}",
                next_step="fetch the current list from the collector",
            )
        write_json(self.path(found.id), dict(document))
        return found

    def renew(self, key: Ed25519PrivateKey, marked: Mapping[str, Collection[int]], *, now: datetime) -> None:
        """Sign this keeper's own lists anew where they end soon or lack a bit that must be set.

        Args:
            key: the keeper's key.
            marked: for each purpose, the bits that signed withdrawals on this machine ask for. Revocation bits that
                the old list already has stay set: a withdrawal cannot be undone by losing a file.
            now: the time.
        """
        keeper = did_from_public_key(key.public_key())
        for purpose in PURPOSES:
            bits = bits_of(marked.get(purpose, ()))
            have = self.read(list_id(keeper, purpose))
            if have is not None and have.signed and len(have.bits) == len(bits):
                if purpose == "revocation":
                    bits = _either(have.bits, bits)
                if bits == have.bits and have.fresh(now) and have.fresh(now + _RENEW_BEFORE):
                    continue
            write_json(self.path(list_id(keeper, purpose)), make_list(key, purpose, bits, now=now))
