"""The fuzz target for consents: a few hundred damaged documents through it, always."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

TARGET = Path(__file__).resolve().parents[2] / "fuzz" / "consent_documents.py"
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@cache
def _target():
    spec = importlib.util.spec_from_file_location("thsafe_fuzz_consent_documents", TARGET)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.prepare()


def _places(value, path=()):
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inside in items:
        yield from _places(inside, (*path, name))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.data())
def test_a_document_with_one_value_exchanged(data):
    one_input, corpus = _target()
    document = json.loads(data.draw(st.sampled_from([item for item in corpus if item.startswith(b"{")])))
    path = data.draw(st.sampled_from([place for place in _places(document) if place]))
    holder = document
    for name in path[:-1]:
        holder = holder[name]
    holder[path[-1]] = data.draw(VALUES)
    one_input(json.dumps(document).encode())


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.data())
def test_bytes_exchanged_and_cut(data):
    one_input, corpus = _target()
    document = bytearray(data.draw(st.sampled_from(corpus)))
    for _ in range(data.draw(st.integers(1, 4))):
        document[data.draw(st.integers(0, len(document) - 1))] = data.draw(st.integers(0, 255))
    one_input(bytes(document[: data.draw(st.integers(0, len(document)))]))


def test_genuine_documents_are_read():
    one_input, corpus = _target()
    for document in corpus:
        one_input(document)
