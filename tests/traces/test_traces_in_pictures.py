"""Earlier compression of a picture: said where it was, and not where it was not."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from thsafe.registry import draw_person
from thsafe.traces.jpeg import TWICE, grid_of, look_at_picture, quality_of


@pytest.fixture(scope="module")
def face():
    picture = draw_person("mei", 512).astype(np.int16)
    grain = np.random.default_rng(3).normal(0, 3, picture.shape)
    return np.clip(picture + grain, 0, 255).astype(np.uint8)


def _saved(picture, quality):
    target = io.BytesIO()
    Image.fromarray(picture[:, :, ::-1]).save(target, "JPEG", quality=quality)
    return target.getvalue()


def _read(data):
    return np.ascontiguousarray(np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[:, :, ::-1])


def _look(tmp_path, data, name="p.jpg"):
    path = tmp_path / name
    path.write_bytes(data)
    return look_at_picture(path, cv2.cvtColor(_read(data), cv2.COLOR_BGR2GRAY))


@pytest.mark.parametrize("quality", [75, 90])
def test_a_picture_saved_once_shows_nothing(tmp_path, face, quality):
    found = _look(tmp_path, _saved(face, quality))
    assert found.quality == quality
    assert found.twice <= TWICE
    assert (found.earlier_step, found.grid, found.ghost) == (None, None, None)


@pytest.mark.parametrize(("first", "second"), [(60, 85), (75, 92)])
def test_a_picture_saved_better_later_shows_the_first_time(tmp_path, face, first, second):
    found = _look(tmp_path, _saved(_read(_saved(face, first)), second))
    assert found.twice > TWICE
    assert found.earlier_step is not None


def test_a_cut_out_of_a_jpeg_carries_its_grid(tmp_path, face):
    cut = _read(_saved(face, 60))[3:, 5:]
    assert grid_of(cv2.cvtColor(cut, cv2.COLOR_BGR2GRAY), own_at_zero=False) == (3, 5)
    assert grid_of(cv2.cvtColor(face, cv2.COLOR_BGR2GRAY), own_at_zero=False) is None


def test_a_part_from_elsewhere_is_found_where_it_is(tmp_path):
    face = draw_person("ada", 640)
    worse = _read(_saved(face, 60))
    mixed = face.copy()
    mixed[208:368, 208:368] = worse[208:368, 208:368]
    found = _look(tmp_path, _saved(mixed, 92))
    assert found.ghost is not None
    assert abs(found.ghost_quality - 60) <= 5
    assert all(abs(side - true) <= 32 for side, true in zip(found.ghost, (208, 208, 368, 368), strict=True))


def test_the_quality_of_libjpegs_tables():
    for quality in (30, 50, 75, 95):
        tables = Image.open(io.BytesIO(_saved(np.zeros((16, 16, 3), np.uint8), quality))).quantization
        assert abs(quality_of(np.array(tables[0]).reshape(8, 8)) - quality) <= 1


def test_tiny_and_plain_pictures_are_no_trouble(tmp_path):
    for size in ((8, 8), (64, 200), (300, 300)):
        found = _look(tmp_path, _saved(np.full((*size, 3), 128, np.uint8), 80))
        assert found.ghost is None
        assert found.earlier_step is None
