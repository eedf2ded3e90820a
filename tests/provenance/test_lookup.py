"""Looking pictures up by what they look like, and the seconds in which a copy differs."""

import numpy as np
import pytest

from thsafe.provenance.edits import Interval, differing_seconds
from thsafe.provenance.fingerprint import fingerprint
from thsafe.provenance.lookup import search_fingerprint

from .conftest import picture


def film(seeds, change=lambda second, image: image):
    return fingerprint((float(second), change(second, picture(seed))) for second, seed in enumerate(seeds))


KNOWN = [(f"urn:{seed}", film([seed, seed + 100, seed + 200])) for seed in range(20)]


def test_found_among_many():
    found = search_fingerprint(KNOWN[7][1], KNOWN)
    assert [item.manifest_id for item in found] == ["urn:7"]
    assert found[0].match.share == 1.0


def test_found_mirrored_and_cropped():
    mirrored = film([3, 103, 203], lambda _, image: np.ascontiguousarray(image[:, ::-1]))
    cropped = film([3, 103, 203], lambda _, image: np.ascontiguousarray(image[12:-12, 16:-16]))
    for suspect in (mirrored, cropped):
        assert [item.manifest_id for item in search_fingerprint(suspect, KNOWN)] == ["urn:3"]


def test_nothing_like_it():
    assert search_fingerprint(film([500, 501]), KNOWN) == ()
    assert search_fingerprint(film([1]), []) == ()
    flat = fingerprint([(0.0, np.full((64, 64, 3), 90, np.uint8))])
    assert search_fingerprint(flat, KNOWN) == ()


def test_texts_of_other_versions_are_passed_over():
    assert search_fingerprint(KNOWN[1][1], [("urn:old", "AAAA"), *KNOWN])[0].manifest_id == "urn:1"
    with pytest.raises(ValueError, match="fingerprint"):
        search_fingerprint("AAAA", KNOWN)


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
