"""Fakes made by ourselves: each family changes the face and nothing beside it, twins fit, and a stopped run goes on."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from detectors.faceforensics.degrade import QUALITIES, Fate
from detectors.faceforensics.listing import read_list
from detectors.faceforensics.selfmade import corpus, families, maker
from detectors.faceforensics.selfmade.camera import Camera, filmed
from detectors.faceforensics.selfmade.families import Shot
from detectors.faceforensics.selfmade.shapes import alignment, five_points, similarity
from thsafe.core.errors import InputError
from thsafe.media.faces import find_faces
from thsafe.media.roundtrip import through_h264
from thsafe.registry import draw_person


@pytest.fixture(scope="module")
def shots() -> tuple[Shot, Shot]:
    found = []
    for name in ("ada", "kofi"):
        picture = draw_person(name, 256)
        found.append(Shot(picture=picture, marks=find_faces(picture, max_faces=1)[0].landmarks[:, :2]))
    return found[0], found[1]


@pytest.mark.parametrize("name", ["face_swap", "gradient_swap", "self_blend", "mouth_paste", "up_sampled"])
def test_a_family_changes_the_face_and_little_else(shots, name) -> None:
    shot, donor = shots
    arguments = (shot,) if name in {"self_blend", "up_sampled"} else (shot, donor)
    changes = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        made = getattr(families, name)(*arguments, random)
        assert made.shape == shot.picture.shape
        assert made.dtype == np.uint8
        assert np.array_equal(made, getattr(families, name)(*arguments, np.random.default_rng(seed)))
        changes.append(np.abs(made.astype(int) - shot.picture).mean(axis=2))
    low, high = shot.marks[:468].min(axis=0).astype(int), shot.marks[:468].max(axis=0).astype(int)
    inside = np.mean([change[low[1] : high[1], low[0] : high[0]].mean() for change in changes])
    assert inside > 0.5
    if name in {"face_swap", "gradient_swap"}:
        assert max(change[:10].max() for change in changes) <= 2


def test_five_points_land_on_the_template(shots) -> None:
    points = five_points(shots[0].marks)
    matrix = alignment(points, 112, 1.0)
    there = points @ matrix[:, :2].T + matrix[:, 2]
    # least squares: the template's own centre is met
    assert there.mean(axis=0) == pytest.approx((56.03, 71.91), abs=0.1)
    turned = points @ np.array([[0, 1], [-1, 0]]) * 2 + 7
    back = similarity(turned, points)
    assert turned @ back[:, :2].T + back[:, 2] == pytest.approx(points, abs=1e-6)


@pytest.mark.parametrize("quality", QUALITIES)
def test_conditions_do_the_same_to_both_of_a_pair(shots, quality) -> None:
    crop = cv2.resize(shots[0].picture, (256, 256))
    fate = Fate.fixed(quality, crop=256, margin=1.7, wanted=1.3, face=128.0)
    first, second = fate.befall(crop, 128), fate.befall(crop.copy(), 128)
    assert first.shape == (128, 128, 3)
    assert np.array_equal(first, second)


def test_compression_costs_what_its_factor_says(shots) -> None:
    frames = [shots[0].picture] * 3
    errors = [np.abs(through_h264(frames, crf=crf)[-1].astype(int) - frames[0]).mean() for crf in (10, 23, 40)]
    assert errors[0] < errors[1] < errors[2]
    assert len(through_h264(frames, crf=23)) == 3


@pytest.fixture(scope="module")
def pictures(tmp_path_factory, shots) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(3):
        cv2.imwrite(str(folder / f"p{number}.png"), np.roll(shots[number % 2].picture, number, axis=1))
    cv2.imwrite(str(folder / "nobody.png"), np.full((200, 200, 3), 120, np.uint8))
    return folder


def test_people_are_split_before_anything_is_made(pictures) -> None:
    found = corpus.find_sources([pictures], [])
    assert [source.split for source in found if not source.drawn] == ["train", "train", "test", "train"]
    drawn = [source for source in found if source.drawn]
    assert {source.split for source in drawn} == {"train", "val", "test"}
    with pytest.raises(InputError) as caught:
        corpus.find_sources([pictures / "none"], [])
    assert caught.value.code == "corpus.folder"


@pytest.fixture
def short_clips(monkeypatch) -> None:
    """Clips and films of a few frames: what is made of each is the same."""
    monkeypatch.setattr(maker, "LENGTH", 2)
    monkeypatch.setattr(maker, "_FILM_FRAMES", 6)
    monkeypatch.setattr(maker, "_SIDES", (256,))


@pytest.mark.usefixtures("short_clips")
def test_a_corpus_is_made_listed_and_gone_on_with(pictures, tmp_path) -> None:
    sources = corpus.find_sources([pictures], [], cast=False)
    path = corpus.make_corpus(tmp_path, sources, effort=0.01)
    train, test = read_list(path, "train"), read_list(path, "test")
    assert {sample.method for sample in test if sample.label} == set(corpus.METHODS)
    assert not {sample.method for sample in train} & set(corpus.ANEW)
    # nobody of the test split is seen in training, and a picture without a face is left out
    assert not {s.identities for s in train} & {s.identities for s in test}
    assert {s.identities[0] for s in train} == {"picture-p0", "picture-p2"}
    assert {len([s for s in test if s.video == video]) for video in {s.video for s in test}} == {maker.LENGTH}
    for sample in (*train, *test):
        assert sample.path.is_file()
        assert (sample.twin is not None) == bool(sample.label)
        if sample.twin is not None:
            genuine, made = cv2.imread(str(sample.twin)), cv2.imread(str(sample.path))
            assert genuine.shape == made.shape
            assert genuine.shape[0] == genuine.shape[1]
    before = json.loads(path.read_text())
    (tmp_path / "people" / "picture-p0.json").unlink(missing_ok=True)
    corpus.make_corpus(tmp_path, sources, effort=0.01)
    assert json.loads(path.read_text()) == before


@pytest.mark.usefixtures("short_clips")
def test_the_background_of_a_fake_is_its_twin_s(pictures, tmp_path) -> None:
    """Only what was made differs: a window that moved, or other noise, would tell them apart."""
    (source,) = [item for item in corpus.find_sources([pictures], [], cast=False) if item.split == "test"]
    path = corpus.make_corpus(tmp_path, [source], effort=0.01)
    laid = {"face-swap", "mouth-paste", "reenactment"}
    for sample in read_list(path, "test"):
        if sample.method in laid and sample.twin is not None:
            gap = np.abs(cv2.imread(str(sample.path)).astype(int) - cv2.imread(str(sample.twin)))
            assert gap[:6].max() <= 2


def test_a_camera_moves_smoothly_and_hisses_anew(shots) -> None:
    shot = shots[0]
    for seed in range(6):
        camera = Camera.drawn(np.random.default_rng(seed), shot.marks, count=8, face=(60.0, 70.0))
        frames = filmed(shot.picture, shot.marks, camera)
        assert len(frames) == 8
        steps = np.diff([frame.marks[1] for frame in frames], axis=0)
        assert np.abs(steps).max() < 4
        first = frames[0].picture.astype(int) - camera.look(shot.picture, 0)
        second = frames[1].picture.astype(int) - camera.look(shot.picture, 1)
        assert (np.abs(first).max() > 0) == (camera.noise > 0)
        if camera.noise > 1:
            assert abs(np.corrcoef(first.ravel(), second.ravel())[0, 1]) < 0.1
