"""Canonical JSON against a maintained implementation and the examples of RFC 8785."""

from __future__ import annotations

import math
import struct

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from thsafe.core.canonical import canonical_bytes, canonical_digest

_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_texts = st.text(st.characters(exclude_categories=["Cs"]))
_values = st.recursive(
    st.none() | st.booleans() | _numbers | _texts,
    lambda inner: st.lists(inner) | st.dictionaries(_texts, inner),
    max_leaves=20,
)


@given(_values)
def test_equals_the_reference_implementation(value: object) -> None:
    assert canonical_bytes(value) == rfc8785.dumps(value)


@given(st.binary(min_size=8, max_size=8))
def test_every_double_is_written_as_ecmascript_writes_it(raw: bytes) -> None:
    (number,) = struct.unpack(">d", raw)
    if math.isfinite(number):
        assert canonical_bytes(number) == rfc8785.dumps(number)


def test_names_are_sorted_by_utf16_units() -> None:
    # RFC 8785 §3.2.3: the emoji's surrogate (D83D) sorts before FB33, though its code point is higher.
    assert canonical_bytes({"\ufb33": 1, "\U0001f600": 2}) == '{"\U0001f600":2,"\ufb33":1}'.encode()


def test_digest_does_not_depend_on_order() -> None:
    assert canonical_digest({"a": 1, "b": [2]}) == canonical_digest({"b": [2], "a": 1})
    assert canonical_digest({"a": 1}) != canonical_digest({"a": 1.5})


@pytest.mark.parametrize("value", [math.nan, math.inf, 2**53, "\ud800"])
def test_values_json_cannot_carry_exactly_are_refused(value: object) -> None:
    with pytest.raises(ValueError):
        canonical_bytes(value)


@pytest.mark.parametrize("value", [b"bytes", {1: 2}, object(), {"set": {1}}])
def test_types_json_does_not_have_are_refused(value: object) -> None:
    with pytest.raises(TypeError):
        canonical_bytes(value)
