"""Detectors in a report: only when asked, only when installed, beside the rest and deciding nothing."""

from __future__ import annotations

import json

from thsafe.cli.main import run
from thsafe.media.image import write_png
from thsafe.registry import draw_person


def test_without_pulled_weights_our_own_looks_and_the_next_step_is_named(home, tmp_path, capsys) -> None:
    picture = tmp_path / "face.png"
    write_png(picture, draw_person("kofi", 256))
    assert run(["verify", str(picture), "--detectors", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert [item["check"] for item in report["evidence"] if item["check"].startswith("detector.")] == ["detector.small"]
    assert any("thsafe models pull mesoinception-f2f" in limit for limit in report["limits"])


def test_a_pulled_detector_is_evidence_and_no_verdict(home, tmp_path, capsys, shared_data) -> None:
    weights = shared_data / "weights" / "mesonet" / "MesoInception_F2F.h5"
    assert run(["models", "pull", "mesoinception-f2f", "--file", str(weights)]) == 0
    picture = tmp_path / "face.png"
    write_png(picture, draw_person("kofi", 384))
    capsys.readouterr()
    assert run(["verify", str(picture), "--detectors", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    found = {item["check"]: item for item in report["evidence"]}
    assert found["detector.mesoinception-f2f"]["code"] == "EXPERIMENTAL"
    assert found["detector.mesoinception-f2f"]["strength"] is None
    assert report["verdict"] == "inconclusive"
    assert any("near chance" in limit for limit in report["limits"])
    assert run(["verify", str(picture), "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert [item["check"] for item in plain["evidence"] if item["check"].startswith("detector.")] == ["detector.small"]


def test_a_changed_weight_file_is_not_taken(home, tmp_path, capsys, shared_data) -> None:
    weights = bytearray((shared_data / "weights" / "mesonet" / "MesoInception_F2F.h5").read_bytes())
    weights[-1] ^= 1
    changed = tmp_path / "MesoInception_F2F.h5"
    changed.write_bytes(weights)
    assert run(["models", "pull", "mesoinception-f2f", "--file", str(changed)]) == 30
    assert capsys.readouterr().err.startswith("error[model.digest]")
