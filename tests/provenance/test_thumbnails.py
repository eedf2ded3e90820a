"""Small pictures of the inputs, from the manifest to the page; those that are no pictures are left out."""

import dataclasses

from thsafe.media.image import encode_jpeg
from thsafe.provenance.isolated import read_credentials_isolated
from thsafe.provenance.manifest import Ingredient
from thsafe.provenance.sign import sign
from thsafe.report.view import _input_pictures

from .conftest import facts, picture


def test_from_the_manifest_to_the_page(clip, ring, trust, tmp_path):
    still = encode_jpeg(picture(3))
    (tmp_path / "still.jpg").write_bytes(still)
    given = Ingredient(
        path=tmp_path / "still.jpg",
        relationship="inputTo",
        title="portrait",
        media_type="image/jpeg",
        thumbnail_jpeg=still,
    )
    sign(clip, tmp_path / "x.mp4", facts=facts(), ingredients=(given,), ring=ring, timestamp="off")
    found = read_credentials_isolated(tmp_path / "x.mp4", trust=trust)
    assert [item.title for item in found.thumbnails] == ["portrait"]
    ((title, data),) = _input_pictures(found)
    assert title == "portrait"
    assert data.startswith("data:image/jpeg;base64,")

    hostile = dataclasses.replace(found.thumbnails[0], data="PHN2ZyBvbmxvYWQ9ImFsZXJ0KDEpIi8+")
    assert _input_pictures(dataclasses.replace(found, thumbnails=(hostile,))) == ()
