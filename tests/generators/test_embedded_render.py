"""The puppet: what it draws is what was asked for, seen again by the face finder."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.embedded.pose import CHANNELS, MAX_YAW, Pose
from generators.embedded.puppet import Puppet, frame_portrait
from generators.embedded.quality import agreement, look_at

VISEMES = {
    "PP": {"press": 0.035},
    "FF": {"jaw": 0.012, "ftuck": 0.030, "uraise": 0.022},
    "AA": {"jaw": 0.165, "wide": 0.006, "uraise": 0.022, "ldrop": 0.010},
    "OO": {"jaw": 0.125, "pucker": 0.075, "uraise": 0.005},
    "UU": {"jaw": 0.060, "pucker": 0.105},
    "IH": {"jaw": 0.050, "wide": 0.050, "uraise": 0.015, "ldrop": 0.015},
    "smile": {"smile": 0.07},
}


def pose(channels: dict[str, float] | None = None, **rest: float) -> Pose:
    vector = np.zeros(len(CHANNELS), np.float32)
    for name, value in (channels or {}).items():
        vector[CHANNELS.index(name)] = value
    return Pose(expression=vector, **rest)


@pytest.fixture(scope="module")
def drawn():
    from generators.embedded import cast

    return cast.draw(cast.CAST["ada"], size=640)


@pytest.fixture(scope="module")
def framed(drawn):
    return frame_portrait(drawn.picture, drawn.landmarks, short_side=384)


@pytest.fixture(scope="module")
def puppet(framed):
    return Puppet(framed.picture, framed.landmarks)


def test_the_neutral_pose_is_the_picture(puppet, framed):
    frame = puppet.render(Pose.neutral())
    assert frame.shape == framed.picture.shape
    assert frame.dtype == np.uint8
    difference = np.abs(frame.astype(int) - framed.picture).max(axis=-1)
    assert (difference > 0).sum() < 200
    assert difference.max() <= 12


def test_frames_depend_on_the_pose_alone(puppet, framed):
    wanted = pose(VISEMES["AA"], yaw=9, pitch=-4, roll=6, blink_left=0.4, gaze_x=0.03, breath=0.006)
    first = puppet.render(wanted)
    kept = first.copy()
    between = puppet.render(pose(VISEMES["UU"], yaw=-9, blink_left=1.0, blink_right=1.0))
    assert np.array_equal(puppet.render(wanted), kept)
    assert np.array_equal(first, kept)  # a later frame does not write into an earlier one
    assert not np.array_equal(between, kept)
    assert np.array_equal(Puppet(framed.picture, framed.landmarks).render(wanted), kept)


def test_the_source_is_left_as_it_was(framed):
    before = framed.picture.copy()
    Puppet(framed.picture, framed.landmarks).render(pose(VISEMES["AA"], blink_left=1.0, gaze_x=0.04))
    assert np.array_equal(framed.picture, before)


def test_the_mouth_opens_as_asked(puppet):
    jaw = 0.08 * (1 - np.cos(np.arange(24) * 2 * np.pi / 12))
    seen = look_at(puppet.render(pose({"jaw": value})) for value in jaw)
    r, slope = agreement(jaw, seen.opening)
    assert seen.missed == 0
    assert r >= 0.9
    assert 0.8 <= slope <= 1.25
    assert float(np.sqrt(np.mean(seen.drift**2))) <= 0.02


def test_lips_meet_for_p_and_f_and_part_for_vowels(puppet):
    names = ["PP", "FF", "AA", "IH", "OO"]
    seen = look_at((puppet.render(pose(VISEMES[name])) for name in names), apart=True)
    opening = dict(zip(names, seen.opening, strict=True))
    assert opening["PP"] <= 0.02
    assert opening["FF"] <= 0.035
    assert min(opening["AA"], opening["IH"], opening["OO"]) >= 0.04
    assert opening["AA"] > opening["IH"] + 0.05


def test_lips_spread_and_round(puppet):
    width = np.linspace(-0.09, 0.05, 12)
    poses = [pose({"pucker": -value} if value < 0 else {"wide": value}) for value in width]
    seen = look_at(puppet.render(item) for item in poses)
    r, slope = agreement(2 * width, seen.width)
    assert r >= 0.95
    assert 0.5 <= slope <= 1.3


def test_eyes_close(puppet):
    blink = np.clip(np.sin(np.arange(16) * 2 * np.pi / 8), 0, 1)
    seen = look_at(puppet.render(pose(blink_left=value, blink_right=value)) for value in blink)
    r, _ = agreement(blink, -seen.eyes)
    assert r >= 0.9


def test_one_eye_closes_alone(puppet, framed):
    frame = puppet.render(pose(blink_left=1.0))
    changed = np.abs(frame.astype(int) - framed.picture).max(axis=-1) > 12
    columns = np.nonzero(changed.any(axis=0))[0]
    nose = framed.landmarks[168, 0]
    # the person's left eye lies at the picture's right
    assert columns.size > 10
    assert columns.min() > nose


@pytest.mark.parametrize(
    ("axis", "most", "low", "high"), [("yaw", 12, 0.7, 1.3), ("pitch", 8, 0.5, 1.3), ("roll", 10, 0.8, 1.2)]
)
def test_the_head_turns_as_asked(puppet, axis, most, low, high):
    angle = most * np.sin(np.arange(16) * 2 * np.pi / 16)
    seen = look_at(puppet.render(pose(**{axis: value})) for value in angle)
    r, slope = agreement(angle, getattr(seen, axis))
    assert seen.missed == 0
    assert r >= 0.95
    assert low <= slope <= high


def test_positive_angles_turn_right_and_down_and_clockwise(puppet, framed):
    def dark(frame: np.ndarray) -> np.ndarray:
        from thsafe.media.faces import find_faces

        return find_faces(frame, max_faces=1)[0].landmarks

    rest = dark(puppet.render(Pose.neutral()))
    assert dark(puppet.render(pose(yaw=10)))[1, 0] > rest[1, 0] + 3
    assert dark(puppet.render(pose(pitch=8)))[1, 1] > rest[1, 1] + 3
    rolled = dark(puppet.render(pose(roll=10)))
    assert rolled[263, 1] - rolled[33, 1] > rest[263, 1] - rest[33, 1] + 5


def test_the_background_stays_when_the_head_turns(puppet, framed):
    frame = puppet.render(pose(yaw=12, roll=8))
    corner = np.abs(frame[:60, :60].astype(int) - framed.picture[:60, :60])
    assert corner.max() <= 3


def test_without_a_matte_the_picture_bends_as_one_sheet(framed, monkeypatch):
    """The border stays where it is, and nothing folds over."""
    monkeypatch.setattr("thsafe.media.faces.person_matte", lambda frame: None)
    sheet = Puppet(framed.picture, framed.landmarks)
    rest = np.abs(sheet.render(Pose.neutral()).astype(int) - framed.picture).max(axis=-1)
    assert (rest > 0).sum() < 200
    turned = pose(VISEMES["AA"], yaw=15, pitch=8, roll=-12)
    frame = sheet.render(turned)
    for edge in (np.s_[:2], np.s_[:, :2], np.s_[:, -2:]):
        assert np.abs(frame[edge].astype(int) - framed.picture[edge]).mean() < 2.0
    cell = sheet._lattice.cell
    forward = sheet._head.forward(turned.clamped())
    for axis in (0, 1):
        assert (1.0 + np.diff(forward[..., 1 - axis], axis=axis) / cell).min() > 0.0


@pytest.mark.parametrize("short_side", [128, 720])
def test_small_and_large_frames(drawn, short_side):
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=short_side)
    puppet = Puppet(framed.picture, framed.landmarks)
    frame = puppet.render(pose(VISEMES["AA"], yaw=8, blink_left=1.0, gaze_y=0.03))
    assert frame.shape == (short_side, short_side, 3)
    assert np.abs(puppet.render(Pose.neutral()).astype(int) - framed.picture).max() <= 16


@pytest.mark.parametrize("name", sorted(VISEMES))
def test_maps_do_not_tear(puppet, name):
    wanted = pose(VISEMES[name], yaw=10, pitch=5, roll=-8).clamped()
    skull = puppet._head.backward(wanted)
    fields = puppet._compose(skull, puppet._with_closure(wanted.expression))
    cell = puppet._lattice.cell
    for field in fields:
        assert np.isfinite(field).all()
        for axis in (0, 1):
            # source positions may crowd but must stay in order: steps between nodes below 4 cells, hardly any folded
            step = 1.0 - np.diff(field[..., 1 - axis], axis=axis) / cell
            assert step.max() < 4.0
            assert (step < -0.2).mean() < 0.002


def test_the_inverse_is_one(puppet):
    import cv2

    for name in ("AA", "UU", "smile"):
        expression = pose(VISEMES[name]).expression
        part = puppet._expression
        for forward, back in zip(part.forward(expression), part.backward(expression), strict=True):
            rows, columns = back.shape[:2]
            grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).astype(np.float32)
            again = cv2.remap(
                forward, grid - back / part.lattice.cell, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
            )
            residual = np.abs(again - back)
            assert np.percentile(residual, 99) < 0.5, name


def test_sizes_are_even_and_chosen(drawn):
    odd = np.ascontiguousarray(drawn.picture[:481, :479])
    frame = Puppet(odd, drawn.landmarks).render(Pose.neutral())
    assert frame.shape == (480, 478, 3)
    small = Puppet(drawn.picture, drawn.landmarks, size=(256, 320))
    assert small.render(pose(VISEMES["AA"])).shape == (256, 320, 3)


def test_where_the_face_is(puppet, framed):
    x0, _, x1, y1 = puppet.face_box
    height, width = framed.picture.shape[:2]
    marks = framed.landmarks[:468, :2]
    assert x0 * width == pytest.approx(marks[:, 0].min(), abs=1)
    assert y1 * height == pytest.approx(marks[:, 1].max(), abs=1)
    assert 0.25 <= x1 - x0 <= 0.45
    assert puppet.eye_distance == pytest.approx(
        np.hypot(*(framed.landmarks[263, :2] - framed.landmarks[33, :2])), rel=1e-5
    )


@settings(max_examples=12, deadline=None)
@given(
    vector=st.lists(st.floats(-5, 5), min_size=12, max_size=12),
    yaw=st.floats(allow_nan=True, allow_infinity=True),
    roll=st.floats(-400, 400),
    blink=st.floats(-2, 3),
)
def test_no_pose_breaks_the_puppet(puppet, vector, yaw, roll, blink):
    wild = Pose(expression=np.array(vector, np.float32), yaw=yaw, roll=roll, blink_left=blink, gaze_x=roll, breath=roll)
    frame = puppet.render(wild)
    assert frame.shape == (puppet._height, puppet._width, 3)
    assert frame.std() > 10
    tame = wild.clamped()
    assert abs(tame.yaw) <= MAX_YAW
    assert np.array_equal(frame, puppet.render(tame))


def test_clamping_keeps_what_is_in_range():
    item = pose({"jaw": 0.1, "tongue": 0.5}, yaw=3.0, blink_left=0.5)
    same = item.clamped()
    assert np.array_equal(same.expression, item.expression)
    for field in dataclasses.fields(Pose):
        if field.name != "expression":
            assert getattr(same, field.name) == getattr(item, field.name)
    assert item.channel("jaw") == pytest.approx(0.1)


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["synthetic_people/man_0252.jpg", "synthetic_people/woman_0284.jpg", "portraits/painting_b.jpg"]
)
def test_photographs_and_paintings(shared_data, name):
    import cv2

    from thsafe.media.faces import find_faces

    picture = cv2.imread(str(shared_data / name))
    framed = frame_portrait(picture, find_faces(picture)[0])
    puppet = Puppet(framed.picture, framed.landmarks)
    rest = np.abs(puppet.render(Pose.neutral()).astype(int) - framed.picture).max(axis=-1)
    assert (rest > 0).mean() < 0.002
    jaw = 0.03 + 0.065 * (1 - np.cos(np.arange(16) * 2 * np.pi / 8))
    gap = puppet._seam.gap / 2
    seen = look_at(puppet.render(pose({"jaw": value})) for value in jaw)
    r, slope = agreement(np.cbrt(gap**3 + jaw**3), seen.opening)
    assert r >= 0.9
    assert 0.7 <= slope <= 1.3
    shut = look_at([puppet.render(pose(VISEMES["PP"]))], apart=True)
    assert shut.opening[0] <= 0.02
