"""What a mark carries: a 64-bit random id and a 32-bit keyed check, in a polar code of 512 bits.

The id is a pointer, never evidence: it says where to look for the signed manifest. Anyone who has one marked video
can copy the pattern onto another, so only the manifest it leads to, and that manifest's fingerprint of the picture,
can tell whether the mark belongs where it was found. The check is an HMAC so that noise is not read as an id (one in
2^32 per candidate) and nobody mints new ids without the key.
"""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
from numpy.typing import NDArray

from thsafe.core.errors import UsageError
from thsafe.watermark import polar

ID_BITS = 64
CHECK_BITS = 32
CODE_BITS = polar.LENGTH


def subkey(key: bytes, label: str) -> bytes:
    """32 bytes for one use of a watermark key: HMAC-SHA256(key, label)."""
    return hmac.new(key, b"thsafe/watermark/1/" + label.encode(), hashlib.sha256).digest()


def keyed_bytes(key: bytes, label: str, count: int) -> NDArray[np.uint8]:
    """``count`` pseudo-random bytes for one use of a key (SHAKE-256): the same on every machine, for ever."""
    return np.frombuffer(hashlib.shake_256(subkey(key, label)).digest(count), dtype=np.uint8)


def keyed_order(key: bytes, label: str, count: int) -> NDArray[np.intp]:
    """A keyed permutation of ``range(count)``."""
    ranks = keyed_bytes(key, label, 8 * count).view("<u8")
    return np.argsort(ranks, kind="stable")


def _check(key: bytes, identifier: bytes) -> bytes:
    return hmac.new(subkey(key, "check"), identifier, hashlib.sha256).digest()[: CHECK_BITS // 8]


def _id_bytes(mark_id: str) -> bytes:
    try:
        identifier = bytes.fromhex(mark_id)
    except ValueError:
        identifier = b""
    if len(identifier) != ID_BITS // 8 or len(mark_id) != ID_BITS // 4:
        raise UsageError(
            "A watermark id is 16 hexadecimal digits.",
            code="watermark.id",
            found=repr(mark_id),
            rule="64-bit id, as thsafe.core.ids.new_watermark_id makes it",
            next_step="call thsafe.core.ids.new_watermark_id()",
        )
    return identifier


def encode(key: bytes, mark_id: str) -> NDArray[np.int8]:
    """The 512 code bits (0 or 1) for an id.

    Raises:
        UsageError: ``watermark.id`` when the id is not 16 hexadecimal digits.
    """
    identifier = _id_bytes(mark_id)
    word = np.frombuffer(identifier + _check(key, identifier), dtype=np.uint8)
    return polar.encode(np.unpackbits(word).astype(np.int8))


def decode(key: bytes, llr: NDArray[np.float64]) -> str | None:
    """The id whose keyed check holds, or None.

    Args:
        key: The watermark key, 32 bytes.
        llr: (512,) log likelihood ratios, positive where 0 is the likelier bit.
    """
    for candidate in polar.decode(llr):
        word = np.packbits(candidate.astype(np.uint8)).tobytes()
        identifier, check = word[: ID_BITS // 8], word[ID_BITS // 8 :]
        if hmac.compare_digest(check, _check(key, identifier)):
            return identifier.hex()
    return None
