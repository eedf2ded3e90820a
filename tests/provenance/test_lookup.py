"""Looking pictures up by what they look like, and the seconds in which a copy differs."""

import cv2
import numpy as np
import pytest

from thsafe.core.looks import Stored
from thsafe.provenance.edits import Interval, differing_seconds
from thsafe.provenance.fingerprint import fingerprint
from thsafe.provenance.lookup import search_fingerprint
from thsafe.provenance.views import looks_of

from .conftest import picture


def film(seeds, change=lambda second, image: image):
    return fingerprint((float(second), change(second, picture(seed))) for second, seed in enumerate(seeds))


class Everything:
    """An index that leads to all there is."""

    def __init__(self, texts):
        self.texts = dict(enumerate(texts))

    def near(self, asked, *, away, whole_only):
        return [
            Stored(owner, look.bits, look.whole) for owner, (_, text) in self.texts.items() for look in looks_of(text)
        ]

    def pictures(self, owners):
        return {owner: self.texts[owner] for owner in owners}


FILMS = [(f"urn:{seed}", film([seed, seed + 100, seed + 200])) for seed in range(20)]
KNOWN = Everything(FILMS)


def test_found_among_many():
    found = search_fingerprint(FILMS[7][1], KNOWN)
    assert [item.manifest_id for item in found] == ["urn:7"]
    assert found[0].match.share == 1.0


def test_found_mirrored_and_cropped():
    mirrored = film([3, 103, 203], lambda _, image: np.ascontiguousarray(image[:, ::-1]))
    cropped = film([3, 103, 203], lambda _, image: np.ascontiguousarray(image[12:-12, 16:-16]))
    for suspect in (mirrored, cropped):
        assert [item.manifest_id for item in search_fingerprint(suspect, KNOWN)] == ["urn:3"]


def test_nothing_like_it():
    assert search_fingerprint(film([500, 501]), KNOWN) == ()
    assert search_fingerprint(film([1]), Everything([])) == ()
    flat = fingerprint([(0.0, np.full((64, 64, 3), 90, np.uint8))])
    assert search_fingerprint(flat, KNOWN) == ()


def test_texts_of_other_versions_are_passed_over():
    known = Everything([("urn:old", "AAAA"), *FILMS])
    assert search_fingerprint(FILMS[1][1], known)[0].manifest_id == "urn:1"
    with pytest.raises(ValueError, match="fingerprint"):
        search_fingerprint("AAAA", KNOWN)


def test_of_many_alike_the_nearest_are_compared():
    """Takes of one scene, ever less like the one in hand: the nearest come first, the rest is not compared."""

    def take(number):
        return film([5, 105], lambda _, image: cv2.GaussianBlur(image, (0, 0), 0.1 + number / 4))

    takes = [(f"take:{number}", take(number)) for number in range(30)]
    found = search_fingerprint(takes[0][1], Everything(takes[::-1]))
    assert len(found) == 16
    assert found[0].match.median == 0.0
    assert [item.match.median for item in found] == sorted(item.match.median for item in found)


def test_a_card_that_all_films_begin_with_does_not_hide_the_right_one():
    films = [(f"urn:{seed}", film([900, seed, seed + 100])) for seed in range(40)]
    assert search_fingerprint(films[4][1], Everything(films))[0].manifest_id == "urn:4"


def paint(*seconds):
    def change(second, image):
        if second in seconds:
            image = image.copy()
            image[60:200, 80:240] = (60, 90, 200)
        return image

    return change


def differ(suspect, length=6.0):
    return differing_seconds(film(range(6)), suspect, known_length=6.0, suspect_length=length)


def test_painted_seconds_are_named():
    assert differ(film(range(6))) == ()
    assert differ(film(range(6), paint(2))) == (Interval(start=2.0, end=3.0),)
    assert differ(film(range(6), paint(1, 2, 5))) == (Interval(start=1.0, end=3.0), Interval(start=5.0, end=6.0))
    assert str(Interval(start=61.0, end=62.5)) == "1:01-1:03"


def test_a_cut_says_nothing():
    assert differ(film(range(1, 6)), 5.0) == ()


def test_every_second_darker_is_no_edit():
    assert differ(film(range(6), lambda _, image: (image * 0.7).astype(np.uint8))) == ()
