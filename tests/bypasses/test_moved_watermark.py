"""The watermark of a published video is put onto another one, so that its credentials would speak for that."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr, split_planes
from thsafe.watermark.picture import PictureMarker

SIZE = (640, 512)


def test_onto_another_video(scene, judged, tmp_path):
    random = np.random.default_rng(9)
    picture = cv2.resize(random.integers(0, 255, (6, 8, 3), dtype=np.uint8), SIZE, interpolation=cv2.INTER_CUBIC)
    key = next(iter(scene.installation.watermark_keys().values()))
    marker = PictureMarker(key, scene.output.watermark_id, width=SIZE[0], height=SIZE[1], face_box=None)
    target = tmp_path / "other.mp4"
    with Mp4Writer(
        target, width=SIZE[0], height=SIZE[1], fps=Fraction(25), sample_rate=0, channels=1, metadata={}
    ) as writer:
        for number in range(30):
            planes = i420_from_bgr(np.roll(picture, number, axis=1).copy())
            marker.apply(split_planes(planes))
            writer.write_picture(planes)
    verdict, credentials, recovery, report = judged(target)
    assert report.finding("watermark").detail["mark_id"] == scene.output.watermark_id
    assert (verdict, credentials, recovery) == ("tampered", "NONE", "RECOVERED-CONFLICT")
    assert "different video" in report.sentence
