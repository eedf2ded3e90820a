"""Tracks, crops and pastes, without any network."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from generators.wav2lip import paste
from generators.wav2lip.detection import Box, FaceFinder
from generators.wav2lip.tracking import authors_smoothing, survey

pytestmark = pytest.mark.usefixtures("one_thread")


class _Stage:
    """Pictures with coloured squares for faces; finding them is exact, and counted."""

    def __init__(self, plan: list[list[Box]], *, grounds: list[int] | None = None) -> None:
        self.plan = plan
        self.grounds = grounds or [100] * len(plan)
        self.looked: list[int] = []

    def frames(self):
        for index, ground in enumerate(self.grounds):
            frame = np.full((240, 320, 3), ground, np.uint8)
            frame[0, 0] = index % 256, index // 256, 0
            yield frame

    def find(self, frame: np.ndarray) -> tuple[Box, ...]:
        index = int(frame[0, 0, 0]) + 256 * int(frame[0, 0, 1])
        self.looked.append(index)
        return tuple(self.plan[index])


def _face(x: float, y: float = 60, size: float = 60) -> Box:
    return (x, y, x + size, y + 1.2 * size)


def test_a_steady_face_is_looked_at_once_in_eight_pictures() -> None:
    stage = _Stage([[_face(50 + 0.5 * n)] for n in range(80)])
    found = survey(stage.frames(), stage.find)
    assert (found.pictures, found.scenes, len(found.tracks)) == (80, 1, 1)
    assert found.looks <= 12
    chosen = found.choose(None)
    assert sorted(chosen) == list(range(80))
    assert all(abs(chosen[n][0] - (50 + 0.5 * n)) < 1.2 for n in range(80))


def test_a_quick_face_is_looked_at_in_every_picture() -> None:
    stage = _Stage([[_face(10 + 6 * n)] for n in range(40)])
    found = survey(stage.frames(), stage.find)
    assert found.looks == 40
    assert len(found.tracks) == 1


def test_two_people_keep_their_numbers_when_the_order_of_finding_changes() -> None:
    left, right = _face(30), _face(200, size=70)
    stage = _Stage([[left, right] if n % 16 < 8 else [right, left] for n in range(64)])
    found = survey(stage.frames(), stage.find)
    assert found.most_faces == 2
    assert {box[0] for box in found.choose(1).values()} == {30}
    assert {box[0] for box in found.choose(2).values()} == {200}
    assert found.choose(None) == found.choose(2), "the largest"
    assert found.choose(3) == {}


def test_a_face_that_goes_and_comes_back_is_one_track_with_a_hole() -> None:
    stage = _Stage([[] if 20 <= n < 30 else [_face(80)] for n in range(60)])
    found = survey(stage.frames(), stage.find)
    assert len(found.tracks) == 1
    assert set(range(60)) - set(found.choose(None)) == set(range(20, 30))


def test_a_cut_begins_new_tracks_and_no_box_crosses_it() -> None:
    plan = [[_face(30)]] * 21 + [[_face(180)]] * 21
    stage = _Stage(plan, grounds=[40] * 21 + [180] * 21)
    found = survey(stage.frames(), stage.find)
    assert found.scenes == 2
    chosen = found.choose(None)
    assert [chosen[n][0] for n in (19, 20, 21, 22)] == [30, 30, 180, 180]


def test_a_flicker_is_no_face() -> None:
    stage = _Stage([[_face(30), _face(250, 10, 20)] if n == 16 else [_face(30)] for n in range(60)])
    assert len(survey(stage.frames(), stage.find).tracks) == 1


def test_no_pictures_and_no_faces() -> None:
    assert survey([], lambda _: ()).choose(None) == {}
    stage = _Stage([[]] * 20)
    assert survey(stage.frames(), stage.find).most_faces == 0


def test_the_authors_smoothing(shared_data) -> None:
    file = shared_data.parent / "specs" / "wav2lip" / "rules_fixture.json"
    if not file.is_file():
        pytest.skip("no recorded rules")
    recorded = json.loads(file.read_text())["smooth"]
    for given, wanted in (("input", "output"), ("short_input", "short_output")):
        assert authors_smoothing(np.array(recorded[given])).tolist() == recorded[wanted]


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder()


def test_the_finder_survives_every_picture(finder) -> None:
    random = np.random.default_rng(1)
    for shape in ((10, 10, 3), (40, 40, 3), (41, 900, 3), (120, 160, 3)):
        assert finder.find(random.integers(0, 256, shape).astype(np.uint8)) == ()
        assert finder.find(np.zeros(shape, np.uint8)) == ()


@pytest.mark.parametrize("turn", [None, "tall"])
def test_a_persons_face_is_found_in_pictures_of_any_shape(finder, shared_data, turn) -> None:
    from thsafe.media.decode import VideoReader

    with VideoReader(shared_data / "grid" / "bbaf2n.mpg") as reader:
        _, frame = next(iter(reader.iter_bgr()))
    if turn:
        frame = cv2.copyMakeBorder(frame, 200, 700, 1, 0, cv2.BORDER_CONSTANT)
    (box,) = finder.find(frame)
    x0, y0, x1, y1 = box
    down = 200 if turn else 0
    assert (80 < x0 < 130, 180 < x1 < 230) == (True, True)
    assert (85 < y0 - down < 130, 220 < y1 - down < 275) == (True, True)


def test_the_paste_touches_only_the_lower_face_and_fades() -> None:
    frame = np.full((240, 320, 3), 120, np.uint8)
    crop = paste.corners((100, 60, 180, 160), 320, 240)
    assert crop == (60, 166, 100, 180)
    before = paste.cut(frame, crop)
    face = before.copy()
    face[48:] = 200
    out = paste.paste(frame, face, crop, before)
    changed = np.argwhere((out != frame).any(axis=2))
    assert changed[:, 0].min() > 60 + 0.4 * 106
    assert changed[:, 0].max() < 166
    assert (out[140, 140] == 200).all()
    steps = np.abs(np.diff(out[140, 95:185, 0].astype(int)))
    assert steps.max() < 25, "no edge"
    assert (paste.paste_hard(frame, face, crop)[165, 101] == 200).all()


def test_a_tint_of_the_network_is_taken_out() -> None:
    frame = np.random.default_rng(2).integers(90, 150, (240, 320, 3)).astype(np.uint8)
    crop = (60, 166, 100, 180)
    before = paste.cut(frame, crop)
    out = paste.paste(frame, (before + np.array([8, 0, 5])).astype(np.uint8), crop, before)
    assert np.abs(out.astype(float) - frame)[150:160, 120:160].mean() < np.abs(frame - 120.0).mean()
    assert abs(float(out[150:160, 120:160, 0].mean()) - float(frame[150:160, 120:160, 0].mean())) < 1.5


@pytest.mark.parametrize("box", [(300, 10, 360, 80), (-50, -50, 40, 40), (5, 5, 9, 60)])
def test_crops_stay_inside_the_picture(box: Box) -> None:
    crop = paste.corners(box, 320, 240)
    if box == (5, 5, 9, 60):
        assert crop is None
        return
    top, bottom, left, right = crop
    assert 0 <= top < bottom <= 240
    assert 0 <= left < right <= 320


def _talkers(shared_data, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pictures of two people of GRID."""
    from thsafe.media.decode import VideoReader

    films = []
    for name in ("bbaf2n", "lrwp9a"):
        with VideoReader(shared_data / "grid" / f"{name}.mpg") as reader:
            films.append([frame for _, (_, frame) in zip(range(count), reader.iter_bgr(), strict=False)])
    return list(zip(*films, strict=True))


def test_two_real_people_a_cut_to_a_tiny_face_and_nobody(finder, shared_data) -> None:
    pairs = _talkers(shared_data, 12)
    together = [np.hstack(pair) for pair in pairs]
    height, width = together[0].shape[:2]

    def alone(frame: np.ndarray, side: int) -> np.ndarray:
        """The first person, far away before a wall."""
        far = cv2.resize(frame, (side * 5 // 4, side), interpolation=cv2.INTER_AREA)
        scene = np.full((height, width, 3), 170, np.uint8)
        scene[40 : 40 + far.shape[0], 300 : 300 + far.shape[1]] = far
        return scene

    film = [*together, *(alone(pair[0], 60) for pair in pairs), *[np.full((height, width, 3), 20, np.uint8)] * 8]
    found = survey(film, finder.find)
    assert (found.pictures, found.scenes, found.most_faces) == (32, 3, 2)
    first, second = found.choose(1), found.choose(2)
    assert set(second) == set(range(12)), "in the second scene there is no second face"
    assert all(box[2] < width / 2 for index, box in first.items() if index < 12)
    assert all(box[0] > width / 2 for box in second.values())
    tiny = [first[index] for index in range(12, 24) if index in first]
    assert len(tiny) in {0, 12}, "a face of some 30 pixels is followed or left alone, not now and then"
    assert all(box[0] >= 300 and box[2] <= 380 for box in tiny)
    assert not set(first) & set(range(24, 32))


def test_half_a_face_is_the_same_face(finder, shared_data) -> None:
    """The half that a hand, a microphone or the dark leaves."""
    ((frame, _),) = _talkers(shared_data, 1)
    half = frame.copy()
    half[95:260, 155:215] = 30
    found = survey([*[frame] * 8, *[half] * 8, *[frame] * 8], finder.find)
    assert len(found.tracks) == 1
    assert set(found.choose(None)) == set(range(24))
    lefts = [box[0] for box in found.choose(None).values()]
    assert max(lefts) - min(lefts) < 20, "the box stays where the face is"
