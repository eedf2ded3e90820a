"""An earlier file in the history was changed after it was signed, and a sound signature put on top."""

from __future__ import annotations

from thsafe.core.types import Task
from thsafe.provenance.manifest import Ingredient
from thsafe.provenance.sign import sign


def test_the_last_signature_does_not_heal_it(scene, judged, attacks, tmp_path):
    attacks.flip_byte(scene.path, tmp_path / "broken.mp4", scene.path.read_bytes().index(b"mdat") + 5000)
    assert judged(tmp_path / "broken.mp4")[:2] == ("tampered", "BROKEN")
    parent = Ingredient(path=tmp_path / "broken.mp4", relationship="parentOf", title="footage", media_type="video/mp4")
    facts = scene.facts(task=Task.LIPSYNC, digital_source_type="compositeWithTrainedAlgorithmicMedia")
    sign(tmp_path / "broken.mp4", tmp_path / "child.mp4", facts=facts, ingredients=(parent,), ring=scene.stranger)
    verdict, credentials, _, report = judged(tmp_path / "child.mp4")
    assert (verdict, credentials) == ("tampered", "INTACT-UNKNOWN-SIGNER")
    assert report.finding("credentials").detail["history_broken"] is True
    assert "earlier step" in report.sentence
