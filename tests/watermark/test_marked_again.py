"""A picture that carries a mark of ours already is marked again: the new id is read, and not the earlier one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from thsafe.media.image import encode_jpeg
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.watermark import PictureMarker, read_pictures
from thsafe.watermark.carriers import PLANES, carriers, tile
from thsafe.watermark.payload import encode
from thsafe.watermark.picture import LEAST_PSNR

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
KEYS = {"current": KEY}
MARK = "0123456789abcdef"
AGAIN = ["fedcba9876543212", "fedcba9876543213", "fedcba9876543215"]
"""Ids that lose against MARK in both pictures, where neither mark heeds the other."""


def shading(width, height):
    blobs = np.random.default_rng(5).integers(40, 210, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(blobs, (width, height))


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2))


def marker(mark_id, frame, key=KEY):
    height, width = frame.shape[:2]
    return PictureMarker(key, mark_id, width=width, height=height)


def through(one, frame):
    picture = i420_from_bgr(frame)
    one.apply(split_planes(picture))
    return bgr_from_i420(picture)


def read_jpeg(frame, quality=92, keys=KEYS):
    stored = cv2.imdecode(np.frombuffer(encode_jpeg(frame, quality), np.uint8), cv2.IMREAD_COLOR)
    return read_pictures([stored], keys, search=False).mark_id


@pytest.fixture(scope="module", params=[(384, 286), (256, 192)], ids=str)
def first(request):
    """A small picture, plain and with its first mark."""
    plain = shading(*request.param)
    return plain, through(marker(MARK, plain), plain)


def test_the_later_id_is_read_where_two_marks_of_equal_strength_give_the_earlier(first) -> None:
    plain, marked = first
    for mark_id in AGAIN:
        blind = marker(mark_id, plain)
        through(blind, plain)  # its pattern was woven for the picture without a mark
        assert read_jpeg(through(blind, marked)) == MARK
        again = through(marker(mark_id, marked), marked)
        assert read_jpeg(again) == mark_id
        assert read_jpeg(again, quality=75) == mark_id
        assert psnr(again, marked) > LEAST_PSNR - 0.3


def test_a_third_and_a_fourth_mark_are_read_as_well(first) -> None:
    _, marked = first
    for mark_id in AGAIN[:2]:
        marked = through(marker(mark_id, marked), marked)
        assert read_jpeg(marked) == mark_id


def test_a_mark_under_another_key_changes_nothing(first) -> None:
    _, marked = first
    again = through(marker(AGAIN[0], marked, key=OTHER), marked)
    assert read_jpeg(again, keys={"other": OTHER}) == AGAIN[0]
    assert read_jpeg(again) == MARK


def test_each_shot_of_a_joined_film_is_heeded_by_itself(first) -> None:
    plain, marked = first
    dark = (plain * 0.5).astype(np.uint8)
    one = marker(AGAIN[0], plain)
    assert read_jpeg(through(one, dark)) == AGAIN[0]
    assert read_jpeg(through(one, marked)) == AGAIN[0]
    assert np.array_equal(through(one, dark), through(marker(AGAIN[0], dark), dark))


def test_bits_that_differ_get_the_power_and_no_more_is_added() -> None:
    code, other = encode(KEY, MARK), encode(KEY, AGAIN[0])
    for plane in PLANES:
        over = np.fft.rfft2(tile(KEY, plane, code, other))
        plain = np.fft.rfft2(tile(KEY, plane, code))
        part = carriers(KEY, plane)
        ratio = (over / np.where(plain == 0, 1, plain))[part.row, part.column].real
        differs = (code != other)[part.bit] & ~part.sync
        assert ratio[differs] == pytest.approx(1.5, rel=0.05)
        assert ratio[~differs] == pytest.approx(0.5, rel=0.05)
        assert tile(KEY, plane, code, other).std() == pytest.approx(1.0, rel=1e-4)
