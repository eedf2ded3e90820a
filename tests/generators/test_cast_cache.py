"""A drawn person is kept, sealed, and drawn again whenever the kept one is not certainly theirs."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from generators.embedded import cast
from generators.embedded.cast import cache
from generators.embedded.cast.cache import framed_person
from thsafe.home import Home
from thsafe.keys import KeyRing

drawn_once = functools.cache(cast.draw)


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of those drawn so far."""
    names: list[str] = []

    def draw(person: cast.Person, *, size: int) -> cast.Drawn:
        names.append(person.name)
        return drawn_once(person, size=size)

    monkeypatch.setattr(cache, "DRAWN_SIZE", 256)
    monkeypatch.setattr(cast, "draw", draw)
    return names


@pytest.fixture
def place(home: Path) -> Home:
    found = Home(home)
    found.prepare()
    KeyRing.create(found)
    return found


def test_the_second_time_nothing_is_drawn_and_every_pixel_is_the_same(drawings: list[str], place: Home) -> None:
    first = framed_person("ada", short_side=128, home=place)
    second = framed_person("ada", short_side=128, home=place)
    assert drawings == ["ada"]
    assert np.array_equal(first.picture, second.picture)
    assert np.array_equal(first.landmarks, second.landmarks)
    assert first.matte is not None
    assert second.matte is not None
    assert np.array_equal(first.matte, second.matte)
    framed_person("ada", short_side=160, home=place)
    assert drawings == ["ada", "ada"]


def test_a_matte_holds_the_person_and_leaves_the_room(drawings: list[str]) -> None:
    framed = framed_person("ada", short_side=128)
    assert framed.matte is not None
    marks = np.rint(framed.landmarks[:468, :2]).astype(int)
    assert framed.matte[marks[:, 1], marks[:, 0]].min() > 0.9
    assert framed.matte[:8].max() == 0
    assert 0.2 < framed.matte.mean() < 0.7
    assert drawings == ["ada"]


@pytest.mark.parametrize("damage", ["cut", "bit", "empty", "another's"])
def test_a_damaged_or_foreign_drawing_is_drawn_again(drawings: list[str], place: Home, damage: str) -> None:
    framed_person("ada", short_side=128, home=place)
    (kept,) = place.cache.iterdir()
    data = bytearray(kept.read_bytes())
    if damage == "cut":
        data = data[: len(data) // 2]
    elif damage == "bit":
        data[len(data) // 2] ^= 1
    elif damage == "empty":
        data = bytearray()
    else:
        framed_person("kofi", short_side=128, home=place)
        (other,) = (file for file in place.cache.iterdir() if file != kept)
        data = bytearray(other.read_bytes())
        drawings.remove("kofi")
    kept.write_bytes(bytes(data))
    framed_person("ada", short_side=128, home=place)
    assert drawings == ["ada", "ada"]
    framed_person("ada", short_side=128, home=place)
    assert drawings == ["ada", "ada"]


def test_a_seal_of_another_installation_does_not_count(drawings: list[str], place: Home, tmp_path: Path) -> None:
    framed_person("ada", short_side=128, home=place)
    other = Home(tmp_path / "other")
    other.prepare()
    KeyRing.create(other)
    other.cache.mkdir()
    for file in place.cache.iterdir():
        (other.cache / file.name).write_bytes(file.read_bytes())
    framed_person("ada", short_side=128, home=other)
    assert drawings == ["ada", "ada"]


def test_a_cache_that_cannot_be_written_is_no_error(drawings: list[str], place: Home) -> None:
    place.cache.write_text("a file where the folder should be")
    framed_person("ada", short_side=128, home=place)
    assert drawings == ["ada"]


def test_old_drawings_go(drawings: list[str], place: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "KEPT", 2)
    for side in (128, 130, 132):
        framed_person("ada", short_side=side, home=place)
    assert len(list(place.cache.iterdir())) == 2
    assert drawings == ["ada"] * 3
