"""Canonical JSON (RFC 8785): the only bytes that thsafe signs or hashes for JSON values.

Numbers follow ECMAScript's ``Number::toString`` (RFC 8785 §3.2.2.3), object names are sorted by UTF-16 code units
(§3.2.3). Not here: parsing, schemas, signatures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from json.encoder import encode_basestring as _encode_text

_MAX_SAFE_INTEGER = 2**53 - 1


def canonical_bytes(value: object) -> bytes:
    """Encode a JSON value as RFC 8785 bytes.

    Raises:
        TypeError: the value holds something that JSON has no form for.
        ValueError: a number is not finite or an integer exceeds 2**53 - 1, or a string holds a lone surrogate.
    """
    return _encode(value).encode("utf-8")


def canonical_digest(value: object) -> str:
    """SHA-256 of the canonical bytes, in lower-case hexadecimal."""
    return hashlib.sha256(canonical_bytes(value)).hexdigest()


def _encode(value: object) -> str:
    # Nearly all values are names and texts: they skip the longer way through the patterns.
    if type(value) is str:
        return _encode_text(value)
    if type(value) is dict:
        return _encode_object(value)
    if type(value) is list:
        return _encode_items(value)
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return _encode_text(value)
        case int():
            if abs(value) > _MAX_SAFE_INTEGER:
                raise ValueError(f"integer {value} cannot be carried exactly by JSON; write it as a string")
            return str(value)
        case float():
            return _encode_float(value)
        case Mapping():
            return _encode_object(value)
        case Sequence() if not isinstance(value, (bytes, bytearray, memoryview)):
            return _encode_items(value)
    raise TypeError(f"JSON has no form for {type(value).__name__}")


def _encode_object(value: Mapping[object, object]) -> str:
    names = []
    for name in value:
        if not isinstance(name, str):
            raise TypeError(f"JSON object names are strings, not {type(name).__name__}")
        names.append(name)
    if all(map(str.isascii, names)):
        names.sort()  # the same order as by UTF-16 code units, sooner
    else:
        names.sort(key=lambda name: name.encode("utf-16-be"))
    parts = []
    for name in names:
        inner = value[name]
        parts.append(f"{_encode_text(name)}:{_encode_text(inner) if type(inner) is str else _encode(inner)}")
    return "{" + ",".join(parts) + "}"


def _encode_items(value: Sequence[object]) -> str:
    return "[" + ",".join([_encode_text(item) if type(item) is str else _encode(item) for item in value]) + "]"


def _encode_float(number: float) -> str:
    if not math.isfinite(number):
        raise ValueError(f"JSON cannot carry {number}")
    if number == 0:
        return "0"
    # repr() gives the shortest digits that read back exactly, as ECMAScript asks; only the layout differs.
    mantissa, _, exponent = repr(abs(number)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = (whole + fraction).lstrip("0")
    point -= len(whole + fraction) - len(digits)
    digits = digits.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        text = digits + "0" * (point - count)
    elif 0 < point <= 21:
        text = digits[:point] + "." + digits[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + digits
    else:
        sign = "+" if point > 0 else "-"
        text = digits[0] + ("." + digits[1:] if count > 1 else "") + f"e{sign}{abs(point - 1)}"
    return ("-" if number < 0 else "") + text
