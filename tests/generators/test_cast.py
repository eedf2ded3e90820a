"""The drawn cast: the same every time, seen as one face each where it was drawn, nobody like anybody else."""

from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from generators.embedded import cast
from generators.embedded.cast import CAST, Drawn, draw, save
from generators.embedded.cast.geometry import LOWER_INNER, UPPER_INNER, mean_face, shape
from generators.embedded.pose import CHANNELS, Pose
from generators.embedded.puppet import Puppet, frame_portrait
from generators.embedded.quality import agreement, look_at
from thsafe.media import faces
from thsafe.media.decode import VideoReader
from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr

SIZE = 320
MOUTH = (61, 291, 0, 17, 13, 14, 37, 267, 84, 314)
EYES = (33, 160, 159, 158, 133, 145, 153, 144, 263, 386, 374, 468, 473)
BROWS = (70, 63, 105, 66, 107, 300, 293, 334, 296, 336)


@pytest.fixture(scope="module")
def everyone() -> dict[str, Drawn]:
    return {name: cast.draw(person, size=SIZE) for name, person in CAST.items()}


def eye_distance(drawn: Drawn) -> float:
    return float(np.linalg.norm(drawn.landmarks[263, :2] - drawn.landmarks[33, :2]))


def test_the_cast_has_at_least_eight_and_ada() -> None:
    assert len(CAST) >= 8
    assert "ada" in CAST
    assert all(name == person.name for name, person in CAST.items())


def test_a_drawing_is_the_same_every_time(everyone: dict[str, Drawn]) -> None:
    again = draw(CAST["ada"], size=SIZE)
    assert np.array_equal(again.picture, everyone["ada"].picture)
    assert np.array_equal(again.landmarks, everyone["ada"].landmarks)


@pytest.mark.parametrize("name", sorted(CAST))
def test_the_finder_sees_one_face_where_it_was_drawn(name: str, everyone: dict[str, Drawn]) -> None:
    drawn = everyone[name]
    seen = faces.find_faces(drawn.picture)
    assert len(seen) == 1
    off = np.linalg.norm(seen[0].landmarks[:, :2] - drawn.landmarks[:, :2], axis=1) / eye_distance(drawn)
    assert off.mean() < 0.035
    assert off[list(MOUTH)].mean() < 0.03
    assert off[list(EYES)].mean() < 0.03


def test_the_cast_lies_where_it_was_drawn_within_three_hundredths(everyone: dict[str, Drawn]) -> None:
    off = []
    for drawn in everyone.values():
        seen = faces.find_faces(drawn.picture)[0].landmarks
        off.append(np.linalg.norm(seen[:, :2] - drawn.landmarks[:, :2], axis=1).mean() / eye_distance(drawn))
    assert np.mean(off) < 0.03


@pytest.mark.parametrize("name", sorted(CAST))
def test_an_older_finder_sees_the_face_too(name: str, everyone: dict[str, Drawn]) -> None:
    cascade = cv2.CascadeClassifier(cv2.data.haarcascades + "haarcascade_frontalface_default.xml")
    drawn = everyone[name]
    found = cascade.detectMultiScale(cv2.cvtColor(drawn.picture, cv2.COLOR_BGR2GRAY), 1.05, 4)
    nose = drawn.landmarks[1, :2]
    assert any(x < nose[0] < x + w and y < nose[1] < y + h for x, y, w, h in found)


@pytest.mark.parametrize("name", sorted(CAST))
def test_the_framing_leaves_room_and_the_mouth_is_closed(name: str, everyone: dict[str, Drawn]) -> None:
    drawn = everyone[name]
    points, unit = drawn.landmarks, eye_distance(drawn)
    assert drawn.picture.shape == (SIZE, SIZE, 3)
    assert drawn.picture.dtype == np.uint8
    assert points.shape == (478, 3)
    assert points.dtype == np.float32
    assert 0.30 <= np.ptp(points[:468, 0]) / SIZE <= 0.38
    gap = points[list(LOWER_INNER), 1] - points[list(UPPER_INNER), 1]
    assert 0 <= gap.max() <= 0.01 * unit
    # Nothing of the hair in the topmost 0.4 eye distances: rows there vary as smoothly as the room does.
    top = cv2.cvtColor(drawn.picture[: int(0.4 * unit)], cv2.COLOR_BGR2GRAY).astype(np.float32)
    assert np.abs(np.diff(cv2.GaussianBlur(top, (0, 0), 2), axis=1)).max() < 6


def test_the_line_between_the_lips_is_the_darkest_way_from_corner_to_corner(everyone: dict[str, Drawn]) -> None:
    for name in ("ada", "kofi", "greta"):
        drawn = everyone[name]
        gray = cv2.cvtColor(drawn.picture, cv2.COLOR_BGR2GRAY).astype(np.float32)
        unit = eye_distance(drawn)
        inner = (drawn.landmarks[list(UPPER_INNER), :2] + drawn.landmarks[list(LOWER_INNER), :2]) / 2
        for x, y in inner[1:-1]:
            reach = int(0.06 * unit) + 1
            column = gray[round(float(y)) - reach : round(float(y)) + reach + 1, round(float(x))]
            assert abs(int(column.argmin()) - reach) <= max(1.5, 0.02 * unit), name


def test_no_two_look_alike(everyone: dict[str, Drawn]) -> None:
    for a, b in itertools.combinations(everyone.values(), 2):
        pixels = np.abs(a.picture.astype(np.int16) - b.picture).mean()
        places = np.linalg.norm(a.landmarks[:, :2] - b.landmarks[:, :2], axis=1).mean() / eye_distance(a)
        assert pixels > 8
        assert places > 0.008


def test_every_shape_keeps_the_order_of_its_parts() -> None:
    for person in CAST.values():
        points = shape(person)
        brow, eye, nose, lips, chin = (float(points[k, 1]) for k in (105, 159, 2, 0, 152))
        assert brow < eye < nose < lips < chin
        assert np.allclose(points[[33, 61, 234], 0], -points[[263, 291, 454], 0], atol=2e-3)


def test_the_geometry_is_a_symmetric_mean_and_nothing_more() -> None:
    stored = Path(draw.__code__.co_filename).with_name("mean_face.npz")
    assert stored.stat().st_size < 40_000
    with np.load(stored) as data:
        assert data.files == ["mean"]
    assert np.linalg.norm(mean_face()[263] - mean_face()[33]) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("name", CAST)
def test_what_is_asked_is_seen_in_the_encoded_film(name: str, everyone: dict[str, Drawn], tmp_path: Path) -> None:
    """The bars of ``benchmarks/quality.py`` in small, for everybody; glasses and beards among them."""
    drawn = everyone[name]
    framed = frame_portrait(drawn.picture, drawn.landmarks, short_side=256, matte=drawn.matte)
    puppet = Puppet(framed.picture, framed.landmarks, matte=framed.matte)
    times = np.arange(36) / 12
    shut = (times % 1.0) < 0.17
    jaw = np.where(shut, 0.0, 0.03 + 0.055 * (1 - np.cos(2 * np.pi * 1.5 * times)))
    blink = np.maximum(0.0, np.sin(2 * np.pi * times / 1.5)) ** 8
    yaw = 9 * np.sin(2 * np.pi * times / 3)
    path = tmp_path / "x.mp4"
    with Mp4Writer(path, width=256, height=256, fps=Fraction(12)) as writer:
        for opening, press, lids, turned in zip(jaw, 0.035 * shut, blink, yaw, strict=True):
            expression = np.zeros(len(CHANNELS), np.float32)
            expression[[CHANNELS.index("jaw"), CHANNELS.index("press")]] = opening, press
            pose = Pose(expression=expression, blink_left=lids, blink_right=lids, yaw=float(turned))
            writer.write_picture(i420_from_bgr(puppet.render(pose)))
    with VideoReader(path) as reader:
        seen = look_at(frame for _, frame in reader.iter_bgr())
    assert seen.missed == 0
    r, slope = agreement(jaw, seen.opening)
    assert r >= 0.9
    assert 0.75 <= slope <= 1.25
    assert float(np.median(seen.opening[shut])) <= 0.02
    assert agreement(-blink, seen.eyes)[0] >= 0.85
    assert agreement(yaw, seen.yaw)[0] >= 0.95
    assert float(np.sqrt(np.mean(seen.drift**2))) <= 0.02
    assert float(seen.likeness.min()) >= 0.88
    assert 0 < float(seen.flicker.mean()) < 12


def test_saving_writes_the_picture_drawn(tmp_path: Path, everyone: dict[str, Drawn]) -> None:
    save(CAST["ada"], tmp_path / "ada.png", size=SIZE)
    assert np.array_equal(cv2.imread(str(tmp_path / "ada.png")), everyone["ada"].picture)
    assert [path.name for path in tmp_path.iterdir()] == ["ada.png"]
