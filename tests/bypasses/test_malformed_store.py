"""The manifest store is crafted to crash or confuse its reader."""

from __future__ import annotations

import random

import pytest

from thsafe.provenance.unprotected import top_level_boxes

JUMB = b"jumb"


@pytest.fixture(scope="module")
def store(scene):
    box = next(item for item in top_level_boxes(scene.path) if item.name == "uuid")
    data = scene.path.read_bytes()
    return data, data.index(JUMB, box.start), box.end


def damaged(kind, data, start, end, number):
    chance = random.Random(number)
    changed = bytearray(data)
    if kind == "noise":
        for _ in range(20):
            changed[chance.randrange(start, end)] = chance.randrange(256)
    elif kind == "lengths":
        places = [at for at in range(start, end - 4) if data[at : at + 4] == JUMB]
        for at in chance.sample(places, 3):
            changed[at - 4 : at] = chance.choice([b"\xff\xff\xff\xff", b"\0\0\0\x01", b"\0\0\0\0", b"\x7f\0\0\0"])
    else:
        # Not in the padding, which is zeros already and which no signature covers.
        filled = [at for at in range(start, end - 600, 97) if sum(map(bool, data[at : at + 500])) > 300]
        at = chance.choice(filled)
        changed[at : at + 500] = bytes(500)
    return bytes(changed)


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("kind", ["noise", "lengths", "zeros"])
def test_never_passes_and_never_stops_the_report(store, judged, tmp_path, kind, number):
    (tmp_path / "x.mp4").write_bytes(damaged(kind, *store, number))
    verdict, credentials, _, report = judged(tmp_path / "x.mp4")
    found = report.finding("credentials")
    if credentials.startswith("INTACT"):
        # No signature covers the time stamp's token: without it the rest holds, and the loss is said.
        assert "the time stamp proves nothing" in found.summary
        assert found.detail["time_stamped"] is False
    else:
        assert verdict == "tampered" or credentials in {"NONE", "NOT-EVALUATED"}
    assert report.finding("watermark").code == "ID"
