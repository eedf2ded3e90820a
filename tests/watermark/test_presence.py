"""The public presence mark: anyone reads it, anyone can forge it or take it out, and the private mark is none the worse."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from thsafe.core.errors import UsageError
from thsafe.core.types import Status
from thsafe.media.planes import bgr_from_i420, i420_from_bgr, split_planes
from thsafe.watermark import PictureMarker, read_pictures, read_presence
from thsafe.watermark.carriers import PLANES, PUBLIC_KEY, SIDE, carriers
from thsafe.watermark.describe import presence_evidence
from thsafe.watermark.presence import SEARCHED_Z, UNCHANGED_Z
from thsafe.watermark.residual import accumulate, planes_of
from thsafe.watermark.spectrum import fold, move, sync_z, whiten

KEY = bytes(range(32))
MARK = "0123456789abcdef"


def picture(seed=1, width=640, height=512):
    """A wall, soft shapes and some texture; BGR."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.integers(40, 220, (5, 6, 3), dtype=np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    grain = cv2.GaussianBlur(rng.normal(0, 25, soft.shape).astype(np.float32), (0, 0), 1.5)
    grain[:, : width // 2] = 0
    return np.clip(soft + grain, 0, 255).astype(np.uint8)


def marked(frame):
    height, width = frame.shape[:2]
    i420 = i420_from_bgr(frame)
    PictureMarker(KEY, MARK, width=width, height=height).apply(split_planes(i420))
    return bgr_from_i420(i420)


def jpeg(frame, grade=75):
    written, coded = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, grade])
    assert written
    return cv2.imdecode(coded, cv2.IMREAD_COLOR)


def public_pattern(width, height):
    """What anyone can compute: the public carriers of U and V, rms 1, over a picture whose shorter side is 512."""
    patterns = []
    for plane in ("u", "v"):
        part = carriers(PUBLIC_KEY, plane)
        spectrum = np.zeros((SIDE, SIDE // 2 + 1), dtype=complex)
        spectrum[part.row, part.column] = part.phase * part.radius**-2.0
        tile = np.fft.irfft2(spectrum, s=(SIDE, SIDE))
        patterns.append(np.tile(tile / tile.std(), (1, 3))[: height // 2, : width // 2])
    return patterns


def with_pattern(frame, amplitude):
    i420 = i420_from_bgr(frame)
    planes = split_planes(i420)
    for plane, pattern in zip((planes.u, planes.v), public_pattern(frame.shape[1], frame.shape[0]), strict=True):
        plane[...] = np.clip(np.rint(plane + amplitude * pattern), 0, 255).astype(np.uint8)
    return bgr_from_i420(i420)


@pytest.fixture(scope="module")
def published():
    return marked(picture())


def test_it_is_seen_without_a_key_of_the_installation(published):
    reading = read_presence([jpeg(published)], search=False)
    assert (reading.state, reading.mark_id, reading.key_name) == ("present", None, "public")
    assert reading.geometry.unchanged
    assert reading.false_alarm < 1e-7


@pytest.mark.parametrize(
    ("change", "scale"),
    [
        (lambda frame: frame[60:480, 90:600], 512 / 420),
        (lambda frame: np.ascontiguousarray(frame[:, ::-1]), 1.0),
        (lambda frame: cv2.copyMakeBorder(frame, 80, 80, 0, 0, cv2.BORDER_CONSTANT), 512 / 640),
        (lambda frame: np.ascontiguousarray(np.rot90(frame)), 1.0),
    ],
    ids=["cropped", "mirrored", "framed", "turned"],
)
def test_it_is_found_under_common_changes(published, change, scale):
    reading = read_presence([jpeg(change(published), 85)])
    assert reading.state == "present", reading
    assert reading.confidence >= UNCHANGED_Z
    assert reading.geometry.scale_x == pytest.approx(scale, rel=0.02)


def test_nothing_is_found_where_nothing_is():
    reading = read_presence([picture(3), picture(4)])
    assert (reading.state, reading.frames_read) == ("absent", 2)
    assert read_presence([]).state == "not-evaluated"


def test_its_statistic_is_standard_normal_without_a_mark():
    """Unmarked pictures at many places each: what the false-alarm figure is reckoned from."""
    rng = np.random.default_rng(5)
    heard = []
    for seed in range(5):
        evidence = accumulate([planes_of(picture(seed + 10))])
        spectra = [whiten(fold(plane)) for plane in evidence.planes]
        for _ in range(80):
            dx, dy = rng.uniform(0, SIDE, 2)
            heard.append(sync_z([move(spectrum, dx, dy) for spectrum in spectra], PUBLIC_KEY))
    assert abs(np.mean(heard)) < 0.2
    assert 0.85 < np.std(heard) < 1.15
    assert max(heard) < UNCHANGED_Z < SEARCHED_Z


@pytest.mark.parametrize("plane", PLANES)
def test_no_private_carrier_lies_on_a_public_one(plane):
    public = carriers(PUBLIC_KEY, plane)
    places = set(zip(public.row.tolist(), public.column.tolist(), strict=True))
    for key in (KEY, bytes(32)):
        private = carriers(key, plane)
        assert not places & set(zip(private.row.tolist(), private.column.tolist(), strict=True))
    assert public.sync.all()
    assert len(places) == pytest.approx(len(private.row) / 15, rel=0.02)


def test_taking_it_out_leaves_the_id(published):
    """Anyone can do it; the private mark must not notice."""
    without = with_pattern(published, -0.5)
    assert read_presence([without]).confidence < read_presence([published]).confidence / 2
    assert read_pictures([without], {"current": KEY}, search=False).mark_id == MARK


def test_putting_it_into_a_recording_is_a_hint_and_no_mark_of_ours():
    forged = with_pattern(picture(7), 1.0)
    seen = read_presence([forged])
    found = presence_evidence(seen)
    assert (seen.state, found.status, found.code) == ("present", Status.FOUND, "PRESENT")
    assert "anyone can also forge" in found.summary
    assert found.strength is None
    assert read_pictures([forged], {"current": KEY}, search=False).state == "absent"


def test_ids_are_not_marked_with_the_published_key():
    with pytest.raises(UsageError) as caught:
        PictureMarker(PUBLIC_KEY, MARK, width=64, height=64)
    assert caught.value.code == "watermark.public-key"
