"""The watermark of a published video is put onto another one, so that its credentials would speak for that."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from thsafe.media.decode import VideoReader
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


def test_lifted_without_the_key(scene, judged, tmp_path):
    """Kutter et al. 2000: average what a smoothing filter takes out of the published frames, add it to another film."""
    with VideoReader(scene.path) as video:
        frames = [split_planes(i420_from_bgr(frame)) for _, frame in video.iter_bgr()]
    height, width = frames[0].y.shape
    lifted = []
    for plane in zip(*frames, strict=True):
        rest = [one - cv2.GaussianBlur(one.astype(np.float32), (0, 0), 4.0) for one in plane]
        lifted.append(np.clip(np.mean(rest, axis=0), -3.0, 3.0))
    random = np.random.default_rng(10)
    picture = cv2.resize(
        random.integers(40, 220, (5, 6, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_CUBIC
    )
    target = tmp_path / "other.mp4"
    with Mp4Writer(
        target, width=width, height=height, fps=Fraction(25), sample_rate=0, channels=1, metadata={}
    ) as writer:
        for number in range(30):
            i420 = i420_from_bgr(np.roll(picture, number, axis=1).copy())
            for plane, mark in zip(split_planes(i420), lifted, strict=True):
                plane[...] = np.clip(np.rint(plane + 2.0 * mark), 0, 255).astype(np.uint8)
            writer.write_picture(i420)
    verdict, credentials, recovery, report = judged(target)
    assert report.finding("watermark").detail["mark_id"] == scene.output.watermark_id
    assert (verdict, credentials, recovery) == ("tampered", "NONE", "RECOVERED-CONFLICT")
