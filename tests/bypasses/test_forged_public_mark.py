"""The published key is used by someone else: to label a real recording as generated, and from another installation."""

from __future__ import annotations

import cv2
import numpy as np

from thsafe.home import Home
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.verification import verify
from thsafe.watermark.picture import PictureMarker


def test_a_mark_of_strangers_is_a_hint_and_never_a_verdict(scene, tmp_path):
    """What a forger adds and what another installation writes look the same here, so neither may decide anything."""
    rng = np.random.default_rng(2)
    photo = cv2.resize(rng.integers(30, 220, (6, 8, 3), dtype=np.uint8), (640, 512), interpolation=cv2.INTER_CUBIC)
    planes = i420_from_bgr(photo)
    PictureMarker(b"\x07" * 32, "0123456789abcdef", width=640, height=512).apply(split_planes(planes))
    cv2.imwrite(str(tmp_path / "photo.png"), bgr_from_i420(planes))
    for home in (scene.home, Home(tmp_path / "nobody")):
        report = verify(tmp_path / "photo.png", home=home, detectors=False)
        assert str(report.verdict) == "inconclusive"
        assert report.finding("public-mark").code == "PRESENT"
        assert "anyone can also forge" in report.sentence
        assert any("published key" in limit for limit in report.limits)
        assert report.finding("watermark").code != "ID"
