"""Our credentials are stripped and the marked picture is signed as a camera's, with a certificate anyone can make."""

from __future__ import annotations

import pytest

from thsafe.core.types import Status, Task, Verdict
from thsafe.provenance.manifest import Ingredient
from thsafe.provenance.sign import sign
from thsafe.verification import verify


@pytest.fixture
def stripped(scene, attacks, tmp_path):
    path = tmp_path / "stripped.mp4"
    attacks.remux(scene.path, path)
    return path


def clash(report):
    finding = report.finding("recovery")
    assert finding.code == "MARK-CLASH"
    assert finding.status is Status.CONFLICT
    assert report.finding("credentials").code == "INTACT-UNKNOWN-SIGNER"
    assert report.verdict is Verdict.TAMPERED
    assert "contradicts" in report.sentence
    return finding.summary


def test_as_a_cameras(scene, stripped, tmp_path):
    sign(stripped, tmp_path / "theirs.mp4", facts=scene.facts(), ring=scene.stranger)
    assert "signed anew" in clash(verify(tmp_path / "theirs.mp4", home=scene.home))


def test_re_encoded_first(scene, attacks, tmp_path):
    attacks.reencode(scene.path, tmp_path / "plain.mp4", crf=18)
    sign(tmp_path / "plain.mp4", tmp_path / "theirs.mp4", facts=scene.facts(), ring=scene.stranger)
    assert "signed anew" in clash(verify(tmp_path / "theirs.mp4", home=scene.home))


def test_with_our_watermarks_id_and_label_copied(scene, stripped, tmp_path):
    copied = scene.facts(watermark_id=scene.output.watermark_id, label=scene.output.manifest_id)
    sign(stripped, tmp_path / "theirs.mp4", facts=copied, ring=scene.stranger)
    clash(verify(tmp_path / "theirs.mp4", home=scene.home))


def test_where_the_manifest_is_not_stored(scene, stripped, tmp_path, monkeypatch):
    """Another machine with the same watermark keys: the mark alone contradicts a claim that does not name it."""
    monkeypatch.setattr("thsafe.store.outputs.Outputs.by_watermark", lambda *_: None)
    sign(stripped, tmp_path / "theirs.mp4", facts=scene.facts(), ring=scene.stranger)
    assert "named by no manifest" in clash(verify(tmp_path / "theirs.mp4", home=scene.home))
    copied = scene.facts(watermark_id=scene.output.watermark_id)
    sign(stripped, tmp_path / "copied.mp4", facts=copied, ring=scene.stranger)
    assert "tells of no generation" in clash(verify(tmp_path / "copied.mp4", home=scene.home))


def test_with_a_watermark_that_cannot_be_read(scene, faded, tmp_path):
    sign(faded["present"], tmp_path / "theirs.mp4", facts=scene.facts(), ring=scene.stranger)
    report = verify(tmp_path / "theirs.mp4", home=scene.home)
    assert report.finding("watermark").code == "PRESENT-UNREADABLE"
    assert "speaks of" in clash(report)


def test_with_the_encoded_content_alone(scene, stripped, tmp_path, monkeypatch):
    from thsafe.watermark.reading import MarkReading

    nothing = MarkReading(state="absent", frames_read=48, reason="none")
    monkeypatch.setattr("thsafe.watermark.reader.read_pictures", lambda *_, **__: nothing)
    sign(stripped, tmp_path / "theirs.mp4", facts=scene.facts(), ring=scene.stranger)
    assert "bit for bit" in clash(verify(tmp_path / "theirs.mp4", home=scene.home))


def test_a_history_that_is_kept_is_no_attack(scene, tmp_path):
    parent = Ingredient(path=scene.path, relationship="parentOf", title="footage", media_type="video/mp4")
    honest = scene.facts(task=Task.LIPSYNC, digital_source_type="compositeWithTrainedAlgorithmicMedia")
    sign(scene.path, tmp_path / "child.mp4", facts=honest, ingredients=(parent,), ring=scene.stranger)
    report = verify(tmp_path / "child.mp4", home=scene.home)
    assert report.verdict is Verdict.DISCLOSED
    assert report.finding("recovery").code == "NOT-NEEDED"


def test_our_own_file_is_no_attack(scene):
    report = verify(scene.path, home=scene.home)
    assert report.verdict is Verdict.DISCLOSED
    assert report.finding("recovery").code == "NOT-NEEDED"
