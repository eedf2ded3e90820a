"""A box that every player ignores and no hash covers is used to carry something along."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(("size", "reported"), [(100, False), (8192, True)])
def test_reported_from_a_few_kilobytes_on(scene, judged, attacks, tmp_path, size, reported):
    attacks.append_free_box(scene.path, tmp_path / "x.mp4", bytes(size))
    verdict, credentials, _, report = judged(tmp_path / "x.mp4")
    assert (verdict, credentials) == ("disclosed", "INTACT-DEVELOPMENT")
    assert ("large enough to hide" in report.finding("credentials").summary) is reported
