"""The watermark is worn away; what is left is what the pictures look like, which proves nothing by itself."""

from __future__ import annotations

import pytest

from thsafe.watermark.reading import MarkReading


@pytest.mark.parametrize(
    ("state", "verdict"), [("absent", "inconclusive"), ("present", "recovered")], ids=["gone", "unreadable"]
)
def test_a_possible_match_is_said_to_be_one(scene, judged, attacks, tmp_path, monkeypatch, state, verdict):
    reading = MarkReading(state=state, key_name="k", confidence=9.0, frames_read=48, reason="worn away")
    monkeypatch.setattr("thsafe.watermark.reader.read_pictures", lambda *_, **__: reading)
    attacks.reencode(scene.path, tmp_path / "x.mp4", crf=34)
    found, credentials, recovery, report = judged(tmp_path / "x.mp4")
    assert (found, credentials, recovery) == (verdict, "NONE", "POSSIBLE-MATCH")
    assert "Possible match" in report.sentence
    assert report.finding("recovery").detail["manifest"] == scene.output.manifest_id
