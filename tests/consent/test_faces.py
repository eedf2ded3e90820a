"""Faces compared in memory: real face finder, a network with weights of chance, pictures of nobody."""

from __future__ import annotations

import dataclasses
import hashlib

import cv2
import numpy as np
import pytest

from thsafe.consent.faces import CARD, ENOUGH, FacenetMatcher
from thsafe.consent.match import EXACT, match_media
from thsafe.core.errors import ConsentRefused, InputError
from thsafe.core.types import MediaKind
from thsafe.models.card import find_card


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The network's own architecture with weights of chance: it compares, but knows nobody."""
    import torch

    from thsafe._torch_compat import prepare_torchvision

    prepare_torchvision()
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(5)
    path = tmp_path_factory.mktemp("weights") / "facenet.pt"
    torch.save(InceptionResnetV1(pretrained=None).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def faces(shared_data, tmp_path_factory):
    """``me``: the approved picture; ``again``: the same, smaller and coded anew; ``two``: with a second face."""
    folder = tmp_path_factory.mktemp("faces")
    source = shared_data / "synthetic_people"
    me, other = (cv2.resize(cv2.imread(str(source / name)), (512, 512)) for name in ("woman_0033.jpg", "man_0001.jpg"))
    pictures = {
        "me": me,
        "again": cv2.resize(me, (400, 400), interpolation=cv2.INTER_AREA),
        "two": np.hstack([me, other]),
        "none": np.full((300, 300, 3), 90, np.uint8),
    }
    for name, picture in pictures.items():
        cv2.imwrite(str(folder / f"{name}.png"), picture)
    return folder


@pytest.fixture
def matcher(world, weights):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    card = dataclasses.replace(find_card(CARD), sha256=digest, file="facenet.pt", smallest_bytes=1000)
    place = world.home.models / card.name / card.file
    place.parent.mkdir(parents=True)
    place.write_bytes(weights.read_bytes())
    return FacenetMatcher(world.home, card)


def asked(world, record, path, matcher):
    return match_media(world.ref(path), record, matcher)


def test_the_card_names_where_from_and_which_bytes():
    card = find_card(CARD)
    assert card.url.startswith("https://")
    assert len(card.sha256) == 64
    assert ENOUGH >= 0.6


def test_without_weights_there_is_no_matcher(world):
    assert FacenetMatcher.installed(world.home) is None


def test_one_face_is_compared_and_the_log_says_how(world, faces, matcher):
    record = world.own_consent(portrait=faces / "me.png")
    found = asked(world, record, faces / "me.png", matcher)
    assert (found.matches, found.method, found.score) == (True, EXACT, None)
    found = asked(world, record, faces / "again.png", matcher)
    assert found.matches
    assert found.method == matcher.name == f"{CARD}:{matcher.card.sha256[:16]}"
    assert found.score > ENOUGH
    gate = world.new_gate(face_matcher=matcher)
    request = world.request(inputs=(world.ref(faces / "again.png"),))
    gate.ask(request, [record])
    (noted,) = world.last_event()["consents"]
    assert (noted["match"], noted["enough"]) == (matcher.name, "0.700")
    assert float(noted["score"]) > ENOUGH
    # one number for the whole comparison, and nothing of the face
    assert set(noted) == {"id", "digest", "assurance", "match", "score", "enough", "input"}


def test_a_face_alone_never_finds_a_consent_by_itself(world, faces, matcher):
    world.own_consent(portrait=faces / "me.png")
    with pytest.raises(ConsentRefused) as caught:
        world.new_gate(face_matcher=matcher).ask(world.request(inputs=(world.ref(faces / "again.png"),)))
    assert caught.value.code == "consent.missing"


@pytest.mark.parametrize("name", ["two", "none"])
def test_a_second_face_or_none_is_refused(world, faces, matcher, name):
    record = world.own_consent(portrait=faces / "me.png")
    found = asked(world, record, faces / f"{name}.png", matcher)
    assert (found.matches, found.score) == (False, 0.0)
    with pytest.raises(ConsentRefused) as caught:
        world.new_gate(face_matcher=matcher).ask(world.request(inputs=(world.ref(faces / f"{name}.png"),)), [record])
    assert caught.value.code == "consent.subject-match"
    assert "similarity 0.00, 0.70 is wanted" in caught.value.found


def test_below_the_threshold_is_no_match(world, faces, matcher):
    record = world.own_consent(portrait=faces / "me.png")
    found = asked(world, record, faces / "again.png", dataclasses.replace(matcher, enough=1.01))
    assert not found.matches
    assert found.score > ENOUGH


def test_who_forbids_it_is_never_measured(world, faces, matcher):
    record = world.own_consent(portrait=faces / "me.png")
    forbidden = dataclasses.replace(record, terms=dataclasses.replace(record.terms, biometric={"use": "none"}))
    found = asked(world, forbidden, faces / "again.png", matcher)
    assert (found.matches, found.method) == (False, EXACT)


def test_an_approved_picture_that_moved_or_changed_is_not_compared_with(world, faces, matcher, tmp_path):
    mine = tmp_path / "mine.png"
    mine.write_bytes((faces / "me.png").read_bytes())
    record = world.own_consent(portrait=mine)
    assert asked(world, record, faces / "again.png", matcher).matches
    mine.write_bytes((faces / "two.png").read_bytes())
    assert asked(world, record, faces / "again.png", matcher).method == EXACT
    mine.unlink()
    assert not asked(world, record, faces / "again.png", matcher).matches


def test_exchanged_weights_are_not_used(world, faces, matcher):
    record = world.own_consent(portrait=faces / "me.png")
    with (world.home.models / matcher.card.name / matcher.card.file).open("ab") as opened:
        opened.write(b"x")
    with pytest.raises(InputError) as caught:
        asked(world, record, faces / "again.png", matcher)
    assert caught.value.code == "model.digest"


def test_sound_and_words_have_no_face(world, matcher):
    record = world.own_consent()
    voice = world.ref(world.file("v.wav", b"sound"), kind=MediaKind.AUDIO)
    assert matcher.same_person(voice, record) is None


def test_nothing_of_a_face_is_kept(world, faces, matcher):
    before = {path for path in world.folder.rglob("*") if path.is_file()}
    record = world.own_consent(portrait=faces / "me.png")
    world.new_gate(face_matcher=matcher).ask(world.request(inputs=(world.ref(faces / "again.png"),)), [record])
    made = {path for path in world.folder.rglob("*") if path.is_file()} - before
    kept = [path for path in made if "log" not in path.name and path.suffix != ".db" and "-wal" not in path.name]
    assert all(path.stat().st_size < 10_000 for path in kept)
    assert not any(b"embedding" in path.read_bytes() for path in made)
