"""``did:key`` names for Ed25519 keys, both ways.

A did:key (W3C CCG, did:key Method v0.9 §3.1) is ``did:key:`` + multibase base58btc (``z``) of the multicodec prefix
0xed 0x01 and the 32 raw key bytes. Shared by the gate, consents and ``thsafe keys list``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_ED25519_PREFIX = b"\xed\x01"
_SCHEME = "did:key:z"


def base58_encode(data: bytes) -> str:
    """Base58btc without checksum; leading zero bytes become leading ``1``."""
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, rest = divmod(number, 58)
        digits = _ALPHABET[rest] + digits
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + digits


def base58_decode(text: str) -> bytes:
    """The inverse of :func:`base58_encode`; raises ValueError for a character outside the alphabet."""
    number = 0
    for character in text:
        place = _ALPHABET.find(character)
        if place < 0:
            raise ValueError(f"{character!r} is not a base58btc character")
        number = number * 58 + place
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")


def did_from_public_key(key: Ed25519PublicKey) -> str:
    """The did:key of an Ed25519 public key."""
    return _SCHEME + base58_encode(_ED25519_PREFIX + key.public_bytes_raw())


@lru_cache(maxsize=256)
def public_key_from_did(did: str) -> Ed25519PublicKey:
    """The key that a did:key names.

    Raises:
        ValueError: not a did:key, not Ed25519, or not its one canonical spelling.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not did.startswith(_SCHEME):
        raise ValueError(f"{did[:40]!r} is not a did:key with base58btc")
    # 34 bytes are 46 or 47 digits; a longer text is refused before the quadratic arithmetic below.
    if len(did) > len(_SCHEME) + 60:
        raise ValueError("the did:key is too long for an Ed25519 key")
    data = base58_decode(did.removeprefix(_SCHEME))
    if not data.startswith(_ED25519_PREFIX) or len(data) != 34:
        raise ValueError(f"{did[:40]!r} is not the did:key of an Ed25519 key")
    return Ed25519PublicKey.from_public_bytes(data[2:])
