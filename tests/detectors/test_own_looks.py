"""What the detector that comes along looks at: noise that stays or travels, one window a stretch, people told apart."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detectors.faceforensics.cooccurrence import FEATURES
from detectors.faceforensics.degrade import ClipFate
from detectors.faceforensics.own import stretches as cutting
from detectors.faceforensics.own.people import put_together
from detectors.faceforensics.own.quality import bin_of
from detectors.faceforensics.own.stretches import LEAST_FACE, MOST_FACE, Stretch, find_stretches, measured
from detectors.faceforensics.own.temporal import NAMES, REGIONS, STILL, region_masks, temporal
from detectors.faceforensics.selfmade.camera import Camera, filmed
from thsafe.media.faces import FaceFinder, find_faces
from thsafe.registry import draw_person


@pytest.fixture(scope="module")
def drawing():
    picture = draw_person("ada", 384)
    return picture, find_faces(picture, max_faces=1)[0].landmarks


@pytest.fixture(scope="module")
def finder():
    with FaceFinder() as found:
        yield found


def camera(drawing, *, noise, seed=1, count=4):
    plain = Camera.drawn(np.random.default_rng(seed), drawing[1], count=count, face=(110.0, 120.0))
    return Camera(path=plain.path, side=plain.side, gain=np.ones(3), curve=1.0, noise=noise, grain=0.0, seed=seed)


def told(frames, marks):
    return dict(zip(NAMES, temporal(frames, marks), strict=True))


def test_noise_of_a_camera_does_not_agree_and_noise_of_a_picture_travels(drawing) -> None:
    picture, marks = drawing
    shots = filmed(picture, marks, camera(drawing, noise=4.0))
    fresh = told([shot.picture for shot in shots], shots[2].marks)
    hiss = np.clip(picture + np.random.default_rng(2).normal(0, 4, picture.shape), 0, 255).astype(np.uint8)
    carried_shots = filmed(hiss, marks, camera(drawing, noise=0.0))
    carried = told([shot.picture for shot in carried_shots], carried_shots[2].marks)
    for region in ("skin", "lower", "outside"):
        # what is drawn agrees in both; what hisses, in one only
        assert fresh[f"{region}.agree-aligned"] < carried[f"{region}.agree-aligned"]
        assert fresh[f"{region}.left-over"] > carried[f"{region}.left-over"] + 0.2


def test_frames_that_are_the_same_are_said_to_be(drawing) -> None:
    picture, marks = drawing
    same = told([picture, picture, picture], marks)
    assert all(same[f"{region}.unchanged"] == 1 for region in REGIONS)
    assert all(same[f"{region}.agree"] > 0.9 for region in ("skin", "outside"))
    alone = temporal([picture], marks)
    assert (alone[STILL:] == 0).all()
    assert np.isfinite(alone).all()


def test_the_regions_of_a_face_do_not_overlap_where_it_matters(drawing) -> None:
    picture, marks = drawing
    masks = region_masks(marks, picture.shape[:2])
    assert set(masks) == set(REGIONS)
    assert not (masks["mouth"] & masks["lips"]).any()
    assert not (masks["outside"] & masks["skin"]).any()
    assert not (masks["edge"] & masks["outside"]).any()
    assert all(mask.sum() > 20 for mask in masks.values())


def test_a_blank_picture_gives_numbers_too(drawing) -> None:
    blank = np.full_like(drawing[0], 90)
    assert np.isfinite(temporal([blank, blank], drawing[1])).all()


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.4])
def test_a_stretch_is_cut_in_the_file_s_own_pixels(drawing, finder, scale) -> None:
    frame = cv2.resize(drawing[0], None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    (stretch,) = find_stretches([(1.0, frame), (1.04, frame), (1.08, frame)], finder)
    shown = stretch.frames[0].shape[0] / cutting.MARGIN
    assert shown == pytest.approx(min(stretch.face, MOST_FACE), abs=2)
    assert len(stretch.frames) == 3
    assert stretch.seconds == 1.04
    left, top, right, bottom = (int(value) for value in stretch.window)
    inside = left >= 0 and top >= 0 and right <= frame.shape[1] and bottom <= frame.shape[0]
    if inside and stretch.face <= MOST_FACE:
        assert np.array_equal(stretch.frames[0], frame[top:bottom, left:right])
    again = find_faces(np.ascontiguousarray(stretch.frames[1]), max_faces=1)[0].landmarks[:, :2]
    assert np.abs(again - stretch.marks).mean() < 0.04 * stretch.frames[0].shape[0]


def test_a_face_at_the_border_is_mirrored_beyond_it(drawing, finder) -> None:
    x0, _, x1, y1 = find_faces(drawing[0], max_faces=1)[0].box
    frame = np.ascontiguousarray(drawing[0][: int(y1) + 2, int(x0) - 4 : int(x1) + 4])
    (stretch,) = find_stretches([(0.0, frame)], finder)
    assert stretch.frames[0].shape[0] == stretch.frames[0].shape[1]


def test_what_is_measured_has_one_form_for_films_and_photographs(drawing, finder) -> None:
    (stretch,) = find_stretches([(number / 25, drawing[0]) for number in range(6)], finder)
    (photo,) = find_stretches([(0.0, drawing[0])], finder)
    film, still = measured(stretch), measured(photo)
    assert film["traces"].shape == still["traces"].shape == (FEATURES,)
    assert film["temporal"].shape == still["temporal"].shape == (len(NAMES),)
    assert np.allclose(film["temporal"][:STILL], still["temporal"][:STILL])


def test_fates_are_shared_and_leave_faces_large_enough() -> None:
    frames = [np.random.default_rng(number).integers(0, 255, (160, 160, 3), np.uint8) for number in range(4)]
    for seed in range(12):
        fate = ClipFate.drawn(np.random.default_rng(seed), face=94.0, least=LEAST_FACE)
        first, second = fate.befall(frames), fate.befall([frame.copy() for frame in frames])
        assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
        assert 94.0 * fate.scale >= LEAST_FACE - 1e-9
        assert len(first) == 4
    assert ClipFate.fixed("half-size", face=100.0, least=LEAST_FACE).scale == 0.64


def look(left, top, side, hue):
    frame = np.full((80, 80, 3), 128, np.uint8)
    frame[10:70, 10:70] = cv2.cvtColor(np.full((1, 1, 3), (hue, 200, 180), np.uint8), cv2.COLOR_HSV2BGR)[0, 0]
    noise = np.random.default_rng(hue + left).integers(0, 12, frame.shape)
    return Stretch(
        frames=[(frame + noise).clip(0, 255).astype(np.uint8)],
        marks=np.zeros((478, 2), np.float32),
        window=(left, top, left + side, top + side),
        face=side / 1.7,
    )


def test_people_are_followed_by_place_and_by_colour() -> None:
    looks = [
        [look(0, 0, 170, 10), look(400, 0, 160, 100)],
        [look(410, 5, 160, 100), look(20, 5, 170, 10)],
        [look(30, 0, 170, 10)],
        [look(390, 0, 165, 100), look(25, 0, 170, 10)],
    ]
    first, second = put_together(looks)
    assert len(first.stretches) == 4
    assert all(stretch.window[0] < 100 for stretch in first.stretches)
    assert len(second.stretches) == 3
    assert second.size == pytest.approx(160 / 1.7)


def test_somebody_else_in_another_place_is_somebody_else() -> None:
    assert len(put_together([[look(0, 0, 170, 10)], [look(900, 500, 170, 100)]])) == 2
    assert put_together([[], []]) == ()


def test_a_small_face_has_its_own_bin() -> None:
    assert [bin_of(face, moving=True) for face in (64.0, 95.9, 96.0, 300.0)] == ["film/small"] * 2 + ["film/large"] * 2
    assert bin_of(80.0, moving=False) == "photo/small"
