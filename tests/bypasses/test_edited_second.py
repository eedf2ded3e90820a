"""One second of a published video is painted over and encoded again, so that the credentials are gone as well."""

from __future__ import annotations


def test_the_second_is_named(scene, judged, attacks, tmp_path):
    attacks.edit_frames(scene.path, tmp_path / "x.mp4", start=1.0, end=2.0, box=(0.0, 0.0, 0.6, 1.0))
    verdict, credentials, recovery, report = judged(tmp_path / "x.mp4")
    assert (verdict, credentials, recovery) == ("recovered", "NONE", "RECOVERED-SIMILAR")
    finding = report.finding("recovery")
    assert finding.interval == (1.0, 1.92)
    assert "At 0:01-0:02 the picture differs" in finding.summary


def test_the_page_shows_it_and_the_manifest_found_again(scene, attacks, tmp_path):
    from thsafe.report.html import render_html
    from thsafe.verification import examine

    attacks.edit_frames(scene.path, tmp_path / "x.mp4", start=1.0, end=2.0, box=(0.0, 0.0, 0.6, 1.0))
    examination, report = examine(tmp_path / "x.mp4", home=scene.home, record=False)
    page = render_html(report, examination)
    assert 'class="differs"' in page
    assert "Manifest found again" in page
    assert "RECOVERED-SIMILAR" in page.split("Manifest found again")[1].split("</pre>")[0]
