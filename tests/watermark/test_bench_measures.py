"""What the watermark benchmark measures with, and its page."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def load(name):
    spec = importlib.util.spec_from_file_location(name, BENCHMARKS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("one", "two", "expected"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1, 2), (50, 0, 0), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
    ],
)
def test_ciede2000_gives_the_published_values(one, two, expected):
    """Sharma, Wu, Dalal 2005, table 1."""
    difference = load("watermark_quality").lab_difference(np.array(one, dtype=float), np.array(two, dtype=float))
    assert float(difference) == pytest.approx(expected, abs=1e-4)


def test_ssim_is_one_for_equal_pictures_and_falls_with_noise():
    ssim = load("watermark_quality").ssim
    picture = np.random.default_rng(0).uniform(0, 255, (64, 64))
    assert ssim(picture, picture) == pytest.approx(1)
    noise = np.random.default_rng(1).normal(0, 40, picture.shape)
    assert ssim(picture, picture + noise) < 0.95


def test_the_page_shows_curves_and_failures():
    pages = load("watermark_page")
    rows = [
        {"size": "512x512", "clip": "<a>", "method": "thsafe", "attack": f"x264 CRF {crf}", "exact": crf < 40}
        for crf in (28, 36, 40)
    ]
    found = pages.page([{**rows[0], "attack": "quality"}, *rows], {"machine": "2 cores"})
    assert "<polyline" in found
    assert "x264, 512x512" in found
    assert "&lt;a&gt;" in found
    assert "<a>" not in found
    head, lines = pages.summary(rows)
    assert head == ["attack", "thsafe 512x512"]
    assert lines[-1] == ["x264 CRF 40", "0/1"]


def test_every_attack_gives_a_picture_and_leaves_the_clip_alone():
    attacks = load("watermark_attacks").ATTACKS
    frame = np.random.default_rng(2).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    before = frame.copy()
    changed = {name: change(frame) for name, (change, _, _) in attacks.items()}
    assert (frame == before).all()
    assert all(after.dtype == np.uint8 and after.ndim == 3 and min(after.shape[:2]) >= 16 for after in changed.values())
    assert len({after.tobytes() for after in changed.values()}) > 20


def test_a_still_drifts_and_a_name_shows_no_folders(tmp_path):
    clips = load("watermark_clips")
    path = tmp_path / "still.png"
    cv2.imwrite(str(path), np.random.default_rng(3).integers(0, 256, (90, 120, 3), dtype=np.uint8))
    frames = clips.load(str(path), 64, 48, 10)
    assert [frame.shape for frame in frames] == [(48, 64, 3)] * 10
    assert (frames[0] != frames[9]).any()
    assert [clips.title(name) for name in ("cast:ada", "play:/a/b.jpg", "/a/c.mpg")] == [
        "cast:ada",
        "play:b.jpg",
        "c.mpg",
    ]
