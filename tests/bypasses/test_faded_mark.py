"""The watermark is worn away; what is left is what the pictures look like, which proves nothing by itself."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("state", "verdict"), [("absent", "inconclusive"), ("present", "recovered")], ids=["gone", "unreadable"]
)
def test_a_possible_match_is_said_to_be_one(scene, judged, faded, state, verdict):
    found, credentials, recovery, report = judged(faded[state])
    assert report.finding("watermark").detail["state"] == state
    assert (found, credentials, recovery) == (verdict, "NONE", "POSSIBLE-MATCH")
    assert "Possible match" in report.sentence
    assert report.finding("recovery").detail["manifest"] == scene.output.manifest_id
