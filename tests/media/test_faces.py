"""Finding faces, following them, and cutting out the person."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from thsafe.media.faces import LANDMARK_COUNT, FaceFinder, FaceTracker, find_faces, person_matte


@pytest.fixture(scope="module")
def drawn():
    from generators.embedded import cast

    return cast.draw(cast.CAST["ada"], size=512)


def _beside(*pictures: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.hstack(pictures))


def test_a_drawn_face_is_found_where_it_was_drawn(drawn):
    (face,) = find_faces(drawn.picture)
    assert face.landmarks.shape == (LANDMARK_COUNT, 3)
    assert face.landmarks.dtype == np.float32
    assert 0.5 <= face.score <= 1.0
    unit = np.hypot(*(drawn.landmarks[263, :2] - drawn.landmarks[33, :2]))
    eyes = [33, 133, 362, 263, 61, 291]
    error = np.linalg.norm(face.landmarks[eyes, :2] - drawn.landmarks[eyes, :2], axis=1).mean() / unit
    assert error < 0.08
    x0, y0, x1, y1 = face.box
    assert x0 == pytest.approx(face.landmarks[:, 0].min())
    assert y1 == pytest.approx(face.landmarks[:, 1].max())
    assert x0 < x1
    assert y0 < y1


def test_a_picture_without_a_face_has_none():
    noise = np.random.default_rng(3).integers(0, 255, (240, 320, 3), dtype=np.uint8)
    assert find_faces(noise) == ()
    assert find_faces(np.zeros((8, 8, 3), np.uint8)) == ()


def test_two_faces_are_found_largest_first(drawn):
    import cv2

    small = np.full_like(drawn.picture, 128)
    small[100:420, 100:420] = cv2.resize(drawn.picture, (320, 320), interpolation=cv2.INTER_AREA)
    found = find_faces(_beside(small, drawn.picture))
    assert len(found) == 2
    widths = [face.box[2] - face.box[0] for face in found]
    assert widths[0] > 1.2 * widths[1]
    assert found[0].box[0] > 512 > found[1].box[2]
    assert len(find_faces(_beside(small, drawn.picture), max_faces=1)) == 1


def test_a_small_face_in_a_large_picture_is_found(drawn):
    import cv2

    wide = np.full((900, 1600, 3), 120, np.uint8)
    wide[300:420, 1200:1320] = cv2.resize(drawn.picture, (120, 120), interpolation=cv2.INTER_AREA)
    (face,) = find_faces(wide)
    assert 1200 < face.box[0] < face.box[2] < 1320
    assert 300 < face.box[1] < face.box[3] < 420


def test_the_tracker_follows_a_moving_face(drawn):
    with FaceTracker() as tracker:
        seen = [tracker.next(np.roll(drawn.picture, shift, axis=1)) for shift in range(0, 30, 5)]
    assert all(len(faces) == 1 for faces in seen)
    noses = [faces[0].landmarks[1, 0] for faces in seen]
    assert np.diff(noses) == pytest.approx(np.full(5, 5.0), abs=2.0)


def test_the_tracker_takes_up_a_face_its_own_detector_misses(drawn):
    import cv2

    wide = np.full((900, 1600, 3), 120, np.uint8)
    wide[300:420, 1200:1320] = cv2.resize(drawn.picture, (120, 120), interpolation=cv2.INTER_AREA)
    with FaceTracker() as tracker:
        seen = [tracker.next(np.roll(wide, 3 * n, axis=1)) for n in range(4)]
    assert all(len(faces) == 1 for faces in seen)


def test_a_warm_finder_finds_what_a_cold_one_finds(drawn):
    pictures = [drawn.picture, np.zeros((240, 320, 3), np.uint8), np.roll(drawn.picture, 20, axis=1), drawn.picture]
    with FaceFinder() as finder:
        warm = [finder.find(picture) for picture in pictures]
    for found, picture in zip(warm, pictures, strict=True):
        cold = find_faces(picture)
        assert [face.box for face in found] == [face.box for face in cold]
        assert all(np.array_equal(a.landmarks, b.landmarks) for a, b in zip(found, cold, strict=True))


def test_the_tracker_sees_nothing_where_nothing_is():
    with FaceTracker() as tracker:
        assert tracker.next(np.zeros((240, 320, 3), np.uint8)) == ()


def test_the_matte_holds_the_person_and_leaves_the_background(drawn):
    matte = person_matte(drawn.picture)
    assert matte is not None
    assert matte.shape == drawn.picture.shape[:2]
    assert matte.dtype == np.float32
    assert matte[:20, :20].max() < 0.2
    x, y = drawn.landmarks[1, :2].astype(int)
    assert matte[y, x] > 0.9


def test_an_empty_wall_has_no_matte():
    assert person_matte(np.full((128, 128, 3), 90, np.uint8)) is None


def test_mediapipe_writes_nothing_and_stderr_comes_back():
    code = (
        "import os, numpy as np\n"
        "from thsafe.media.faces import find_faces, FaceFinder, FaceTracker, person_matte\n"
        "frame = np.zeros((128, 128, 3), np.uint8)\n"
        "find_faces(frame); person_matte(frame)\n"
        "with FaceTracker() as tracker: tracker.next(frame)\n"
        "with FaceFinder() as finder: finder.find(frame); finder.find(frame)\n"
        "os.write(2, b'still here')\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, check=True, timeout=120)
    assert done.stdout == b""
    assert done.stderr == b"still here"
