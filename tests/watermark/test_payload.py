from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thsafe.core.errors import UsageError
from thsafe.watermark import payload, polar

KEY = bytes(range(32))
ids = st.binary(min_size=8, max_size=8).map(bytes.hex)


def noisy(code, es_db, seed):
    symbol = 10 ** (es_db / 20)
    heard = symbol * (1 - 2 * code.astype(float)) + np.random.default_rng(seed).standard_normal(code.size)
    return 2 * symbol * heard


@given(ids, st.binary(min_size=32, max_size=32), st.integers(0, 2**32))
@settings(max_examples=60, deadline=None)
def test_every_id_comes_back_through_noise(mark_id, key, seed):
    assert payload.decode(key, noisy(payload.encode(key, mark_id), 0.0, seed)) == mark_id


def test_half_the_words_come_back_at_minus_five_decibels():
    rng = np.random.default_rng(7)
    good = 0
    for trial in range(60):
        mark_id = rng.bytes(8).hex()
        good += payload.decode(KEY, noisy(payload.encode(KEY, mark_id), -5.0, trial)) == mark_id
    assert good >= 20


def test_a_wrong_key_never_decodes():
    rng = np.random.default_rng(3)
    llr = noisy(payload.encode(KEY, "0123456789abcdef"), 3.0, 0)
    assert payload.decode(KEY, llr) == "0123456789abcdef"
    assert not [k for k in (rng.bytes(32) for _ in range(1000)) if payload.decode(k, llr) is not None]


def test_noise_never_decodes():
    rng = np.random.default_rng(4)
    assert not [n for n in range(1000) if payload.decode(KEY, rng.standard_normal(512)) is not None]


def test_the_code_is_fixed_for_ever():
    """Marks in published files must stay readable: a change here breaks every one of them."""
    code = payload.encode(KEY, "0123456789abcdef")
    assert code.dtype == np.int8
    assert set(np.unique(code)) == {0, 1}
    assert np.packbits(code.astype(np.uint8))[:8].tobytes().hex() == FIRST_CODE_BYTES


FIRST_CODE_BYTES = "e5b8c2594bc48234"


def test_ids_do_not_collide_in_code():
    rng = np.random.default_rng(5)
    words = {payload.encode(KEY, rng.bytes(8).hex()).tobytes() for _ in range(500)}
    assert len(words) == 500


@pytest.mark.parametrize("bad", ["", "0123", "g" * 16, "01 23 45 67 89 abcdef", "0" * 17])
def test_a_malformed_id_is_refused(bad):
    with pytest.raises(UsageError) as caught:
        payload.encode(KEY, bad)
    assert caught.value.code == "watermark.id"


def test_the_transform_is_its_own_inverse():
    word = np.random.default_rng(1).integers(0, 2, (3, 512)).astype(np.int8)
    assert (polar.transform(polar.transform(word)) == word).all()


def test_uses_of_a_key_are_independent():
    assert payload.subkey(KEY, "a") != payload.subkey(KEY, "b")
    assert (payload.keyed_order(KEY, "a", 100) != payload.keyed_order(KEY, "b", 100)).any()
    assert sorted(payload.keyed_order(KEY, "a", 100)) == list(range(100))
