"""Every picture on which facenet-pytorch's MTCNN fails in its own way is simply a picture without a face."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.faceforensics import mtcnn
from detectors.faceforensics.crops import cut_face
from thsafe.registry import draw_person

RANDOM = np.random.default_rng(4)
TABLE = {
    "ten pixels square": np.full((10, 10, 3), 90, np.uint8),
    "one row": np.full((1, 500, 3), 90, np.uint8),
    "a strip that shrinks to nothing": np.full((41, 4000, 3), 90, np.uint8),
    "empty": np.zeros((0, 0, 3), np.uint8),
    "evenly grey": np.full((200, 200, 3), 90, np.uint8),
    "noise": RANDOM.integers(0, 255, (120, 160, 3), np.uint8),
    "grey without channels": np.full((100, 100), 90, np.uint8),
    "one channel": np.full((100, 100, 1), 90, np.uint8),
    "with transparency": np.full((100, 100, 4), 90, np.uint8),
    "two channels": np.full((100, 100, 2), 90, np.uint8),
    "five dimensions": np.zeros((1, 2, 3, 4, 5), np.uint8),
    "not numbers": np.full((100, 100, 3), np.nan),
    "beyond white": np.full((100, 100, 3), 1e9),
}


@pytest.mark.parametrize("name", TABLE)
def test_nothing_but_no_face(name) -> None:
    assert mtcnn.detect(TABLE[name]) == ()


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    return draw_person("ada", 256)


def test_a_face_is_found_in_every_form_of_the_picture(portrait) -> None:
    grey = portrait.mean(axis=2)
    forms = [portrait, np.dstack([portrait, np.full(portrait.shape[:2], 255, np.uint8)]), grey, grey[..., None]]
    for picture in forms:
        (face,) = mtcnn.detect(picture)
        x0, y0, x1, y1 = face.box
        assert 0 <= x0 < x1 <= 256
        assert 0 <= y0 < y1 <= 256
        assert face.points.dtype == np.float64
        assert face.points[0, 0] < face.points[1, 0]
        assert face.score > 0.7


def test_large_pictures_are_measured_in_their_own_pixels(portrait) -> None:
    import cv2

    (small,) = mtcnn.detect(portrait)
    (large,) = mtcnn.detect(cv2.resize(portrait, (1536, 1536), interpolation=cv2.INTER_CUBIC))
    assert np.array(large.box) / 6 == pytest.approx(np.array(small.box), abs=8)


def test_whatever_it_raises_is_no_face(portrait, monkeypatch) -> None:
    class Failing:
        def __init__(self, problem: Exception) -> None:
            self.problem = problem

        def detect(self, *_: object, **__: object) -> None:
            raise self.problem

    for problem in (ValueError("torch.cat(): expected a non-empty list"), RuntimeError("size"), IndexError("0")):
        monkeypatch.setattr(mtcnn, "_network", lambda p=problem: Failing(p))
        assert mtcnn.detect(portrait) == ()


def test_a_missing_score_is_no_face(portrait, monkeypatch) -> None:
    class Odd:
        def detect(self, *_: object, **__: object):
            boxes = np.array([[10, 10, 50, 50], [np.nan, 0, 5, 5], [3, 3, 4, 4]], dtype=object)
            return boxes, np.array([None, 0.9, 0.9], dtype=object), np.zeros((3, 5, 2))

    monkeypatch.setattr(mtcnn, "_network", Odd)
    assert mtcnn.detect(portrait) == ()


@pytest.mark.parametrize("crop", ["dfb-5pt", "landmark-box", "mtcnn"])
def test_crops_hold_the_face(portrait, crop) -> None:
    cut = cut_face(portrait, crop)
    assert cut is not None
    assert cut.picture.shape == (256, 256, 3)
    assert cut.face > 60
    # the middle of the crop is skin, not background
    assert np.abs(cut.picture[120:150, 120:136].mean(axis=(0, 1)) - portrait[2:8, 2:8].mean(axis=(0, 1))).max() > 20
    if crop == "mtcnn":
        assert cut.marks is None
    else:
        assert 100 < cut.marks[1, 0] < 156
    assert cut_face(np.full((300, 300, 3), 99, np.uint8), crop) is None
