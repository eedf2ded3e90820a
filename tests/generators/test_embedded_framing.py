"""From a picture to a bust, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from generators.embedded.landmarks import FaceFrame, eye_openness, head_angles
from generators.embedded.puppet import frame_portrait, load_portrait
from generators.embedded.seam import find_seam
from thsafe.core.errors import InputError


@pytest.fixture(scope="module")
def drawn():
    from generators.embedded import cast

    return cast.draw(cast.CAST["kofi"], size=640)


def _saved(folder, picture):
    import cv2

    path = folder / "portrait.png"
    assert cv2.imwrite(str(path), picture)
    return path


def test_the_face_takes_about_a_third(drawn):
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=256)
    assert framed.picture.shape == (256, 256, 3)
    wide = np.ptp(framed.landmarks[:468, 0]) / 256
    assert 0.28 <= wide <= 0.42
    assert framed.landmarks[10, 1] > 20  # the hair has room


def test_landmarks_follow_the_picture(drawn):
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=384)
    before, after = FaceFrame.of(drawn.landmarks), FaceFrame.of(framed.landmarks)
    assert after.points == pytest.approx(before.points, abs=2e-3)
    x, y = framed.landmarks[4, :2]
    sx, sy = drawn.landmarks[4, :2]
    here = framed.picture[int(y) - 2 : int(y) + 3, int(x) - 2 : int(x) + 3].mean(axis=(0, 1))
    there = drawn.picture[int(sy) - 2 : int(sy) + 3, int(sx) - 2 : int(sx) + 3].mean(axis=(0, 1))
    assert here == pytest.approx(there, abs=12)


def test_the_source_aspect_is_kept_within_limits(drawn):
    wide = np.pad(drawn.picture, ((0, 0), (400, 400), (0, 0)), mode="reflect")
    marks = drawn.landmarks + np.array([400, 0, 0], np.float32)
    framed = frame_portrait(wide, marks, short_side=256, aspect="source")
    height, width = framed.picture.shape[:2]
    assert height == 256
    assert width % 2 == 0
    assert 256 < width <= 456
    assert frame_portrait(wide, marks, short_side=256).picture.shape == (256, 256, 3)


def test_letterbox_bars_are_cropped(drawn):
    boxed = np.pad(drawn.picture, ((0, 0), (160, 160), (0, 0)))
    marks = drawn.landmarks + np.array([160, 0, 0], np.float32)
    framed = frame_portrait(boxed, marks, short_side=256, aspect="source")
    assert framed.picture[:, :3].max() > 20
    assert framed.picture[:, -3:].max() > 20


def test_a_plain_backdrop_is_no_bar(drawn):
    one_side = np.pad(drawn.picture, ((0, 0), (0, 200), (0, 0)))
    framed = frame_portrait(one_side, drawn.landmarks, short_side=256)
    assert framed.picture.shape == (256, 256, 3)


def test_no_face(tmp_path):
    path = _saved(tmp_path, np.full((256, 256, 3), 90, np.uint8))
    with pytest.raises(InputError) as caught:
        load_portrait(path)
    _explained(caught.value, "portrait.no-face")


def test_two_faces(tmp_path, drawn):
    path = _saved(tmp_path, np.hstack([drawn.picture, drawn.picture[:, ::-1]]))
    with pytest.raises(InputError, match="2 faces") as caught:
        load_portrait(path)
    _explained(caught.value, "portrait.two-faces")
    assert "crop" in caught.value.next_step


def test_too_small(tmp_path, drawn):
    import cv2

    tiny = np.full((480, 480, 3), 140, np.uint8)
    tiny[100:220, 100:220] = cv2.resize(drawn.picture, (120, 120), interpolation=cv2.INTER_AREA)
    with pytest.raises(InputError) as caught:
        load_portrait(_saved(tmp_path, tiny))
    _explained(caught.value, "portrait.too-small")


def test_turned_away(drawn):
    angle = np.radians(30)
    marks = drawn.landmarks.astype(np.float64)
    middle = marks.mean(axis=0)
    depth = 0.72  # what the finder reports of true depth
    x, z = marks[:, 0] - middle[0], (marks[:, 2] - middle[2]) / depth
    marks[:, 0] = middle[0] + np.cos(angle) * x - np.sin(angle) * z
    marks[:, 2] = middle[2] + (np.sin(angle) * x + np.cos(angle) * z) * depth
    with pytest.raises(InputError) as caught:
        frame_portrait(drawn.picture, marks.astype(np.float32))
    _explained(caught.value, "portrait.turned")


def test_a_good_portrait_loads(tmp_path, drawn):
    framed = load_portrait(_saved(tmp_path, drawn.picture), short_side=256)
    assert framed.picture.shape == (256, 256, 3)
    assert framed.landmarks.shape == (478, 3)


def test_a_frontal_face_is_not_turned(drawn):
    angles = head_angles(drawn.landmarks)
    assert abs(angles.yaw) < 3
    assert abs(angles.roll) < 3


def test_the_face_frame_turns_back_and_forth(drawn):
    face = FaceFrame.of(drawn.landmarks)
    pixels = drawn.landmarks[:, :2].astype(np.float64)
    again = face.turn_to_pixels(face.to_face(pixels)) + face.origin
    assert again == pytest.approx(pixels, abs=1e-6)
    assert face.points[263, 0] - face.points[33, 0] == pytest.approx(1.0)
    right, left = eye_openness(drawn.landmarks)
    assert right == pytest.approx(left, abs=0.05)
    assert 0.15 < right < 0.6


def test_the_seam_moves_onto_the_dark_line(drawn):
    """A black line drawn a little below the landmarks is where the lips are cut."""
    import cv2

    face = FaceFrame.of(drawn.landmarks)
    picture = np.full_like(drawn.picture, 150)
    x = np.linspace(-0.9 * face.half_mouth, 0.9 * face.half_mouth, 30)
    guess = find_seam(picture, face)
    line = np.stack([x, guess.upper_at(x) + 0.02], axis=1)
    pixels = np.rint(face.turn_to_pixels(line) + face.origin).astype(np.int32)
    cv2.polylines(picture, [pixels], isClosed=False, color=(10, 10, 10), thickness=2)
    seam = find_seam(picture, face)
    middle = np.abs(x) < 0.6 * face.half_mouth
    assert not seam.is_open
    assert seam.upper_at(x[middle]) == pytest.approx(line[middle, 1], abs=0.008)


def _explained(error: InputError, code: str) -> None:
    assert error.code == code
    assert error.found
    assert error.rule
    assert error.next_step
