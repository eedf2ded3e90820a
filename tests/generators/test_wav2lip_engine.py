"""Wav2Lip through the whole path: weights and licence, consent, render, marks, manifest, log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from thsafe import Wav2Lip
from thsafe.cli.generate import _box
from thsafe.cli.main import run
from thsafe.core.errors import ConsentRefused, EngineError, MissingError, PolicyRefused, ThsafeError, UsageError
from thsafe.core.types import Silent
from thsafe.home import Home
from thsafe.models import find_card
from thsafe.models.fetch import receipt

pytestmark = pytest.mark.usefixtures("one_thread")


def test_a_film_speaks_anew_and_everything_can_be_asked_about_it(
    shared_data, wav2lip_weights, home, tmp_path, capsys
) -> None:
    clip = shared_data / "grid" / "bbaf2n.mpg"
    voice = shared_data.parent / "specs" / "wav2lip" / "e2e" / "bbaf2n_16k.wav"
    out = tmp_path / "out.mp4"
    job = {"video": clip, "audio": voice, "output_path": out}
    assert run(["keys", "new"]) == 0
    with pytest.raises(MissingError):
        Wav2Lip().generate(**job)
    assert run(["models", "pull", "wav2lip-gan", "--file", str(wav2lip_weights), "--accept-noncommercial"]) == 0
    with pytest.raises(ConsentRefused):
        Wav2Lip().generate(**job)
    assert run(["consent", "new", "--self", "--portrait", str(clip)]) == 0
    assert not out.exists()
    made = Wav2Lip().generate(**job)
    assert made.duration == pytest.approx(2.96, abs=0.05)
    assert made.decision.obligations.labels
    capsys.readouterr()

    assert run(["verify", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "disclosed"
    found = {item["check"]: item for item in report["evidence"]}
    assert found["watermark"]["detail"]["mark_id"] == made.watermark_id
    assert found["log"]["code"] == "IDENTICAL"

    from thsafe.installation import Installation
    from thsafe.provenance.read import read_credentials

    installation = Installation.open(Home(home))
    manifest = json.dumps(dict(read_credentials(out, trust=installation.trust()).raw))
    for words in (
        "c2pa.dubbed",
        "parentOf",
        "componentOf",
        "compositeWithTrainedAlgorithmicMedia",
        "Wav2Lip (GAN), weights for non-commercial use only",
    ):
        assert words in manifest, words
    assert "bbaf2n" not in manifest

    intents = [entry for entry in installation.ledger.entries() if entry.type == "intent"]
    assert intents[-1].event["weights"] == {
        "model": "wav2lip-gan",
        "sha256": receipt(find_card("wav2lip-gan"), Home(home))["sha256"],
        "noncommercial_accepted": True,
    }


def _install(home: Path, weights: Path, *, with_receipt: bool) -> None:
    card = find_card("wav2lip-gan")
    folder = Home(home).models / card.name
    folder.mkdir(parents=True)
    (folder / card.file).symlink_to(weights)
    if with_receipt:
        (folder / "receipt.json").write_text(json.dumps({"sha256": "0" * 64, "accepted": card.licence}))


class _Mirror:
    """In the network's place: every face comes back as it was."""

    device, arithmetic = torch.device("cpu"), "none"

    def __call__(self, heard: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
        return faces[:, 3:]


class _Cancelled(Silent):
    """Ctrl-C while the twentieth picture is drawn."""

    def __init__(self) -> None:
        self.stage, self.drawn = "", 0

    def start(self, stage: str, total: int | None) -> None:
        self.stage = stage

    def advance(self, steps: int = 1) -> None:
        self.drawn += self.stage == "rendering"
        if self.drawn == 20:
            raise KeyboardInterrupt


def test_a_cancelled_job_leaves_nothing_behind(shared_data, home, tmp_path, monkeypatch) -> None:
    from thsafe.installation import Installation

    clip, folder = shared_data / "grid" / "bbaf2n.mpg", tmp_path / "out"
    folder.mkdir()
    (tmp_path / "weights").write_bytes(b"x")
    _install(home, tmp_path / "weights", with_receipt=True)
    monkeypatch.setattr(Wav2Lip, "_network", lambda *_, **__: _Mirror())
    assert run(["keys", "new"]) == 0
    assert run(["consent", "new", "--self", "--portrait", str(clip)]) == 0
    voice = shared_data.parent / "specs" / "wav2lip" / "e2e" / "bbaf2n_16k.wav"
    with pytest.raises(KeyboardInterrupt):
        Wav2Lip(progress=_Cancelled()).generate(
            video=clip, audio=voice, output_path=folder / "out.mp4", box=(93, 261, 104, 213)
        )
    assert list(folder.iterdir()) == []
    assert list(Home(home).unfinished.glob("*/*")) == []
    assert [entry.type for entry in Installation.open(Home(home)).ledger.entries()][-2:] == ["intent", "failed"]


def test_weights_without_an_accepted_licence_are_not_used(home, tmp_path) -> None:
    page = tmp_path / "weights"
    page.write_bytes(b"<html>")
    engine = Wav2Lip(home=Home(home))
    with pytest.raises(MissingError):
        engine.require()
    _install(home, page, with_receipt=False)
    with pytest.raises(UsageError) as caught:
        engine.require()
    assert caught.value.code == "model.licence"


def test_a_page_in_the_weights_place_is_said(home, tmp_path) -> None:
    page = tmp_path / "weights"
    page.write_bytes(b"<html>")
    _install(home, page, with_receipt=True)
    engine = Wav2Lip(home=Home(home))
    engine.require()
    with pytest.raises(ThsafeError) as caught:
        engine._network()
    assert caught.value.code == "model.not-weights"


def test_commercial_purposes_are_refused_before_anything(home, tmp_path) -> None:
    (tmp_path / "weights").write_bytes(b"x")
    _install(home, tmp_path / "weights", with_receipt=True)
    with pytest.raises(PolicyRefused) as caught:
        Wav2Lip(home=Home(home), purpose="marketing").require()
    assert caught.value.code == "model.purpose"


def test_a_device_that_is_not_there_is_said(home, wav2lip_weights) -> None:
    _install(home, wav2lip_weights, with_receipt=True)
    with pytest.raises(EngineError) as caught:
        Wav2Lip(home=Home(home), device="cuda:77")._network()
    assert caught.value.code == "engine.device"


@pytest.mark.parametrize("wrong", [{"face": 0}, {"sync_offset": 26}, {"sync_mode": "stretch"}])
def test_arguments_out_of_range_are_said(home, wrong) -> None:
    with pytest.raises(UsageError) as caught:
        Wav2Lip(home=Home(home)).generate(video="v", audio="a", output_path="o", **wrong)
    assert caught.value.code == "engine.parameter"


def test_unknown_weights_and_boxes_are_said() -> None:
    with pytest.raises(UsageError):
        Wav2Lip(model="wav2lip-hd")
    with pytest.raises(UsageError) as caught:
        _box("1,2,3")
    assert caught.value.code == "usage.box"
    assert _box("1,2,30,40") == (1, 2, 30, 40)
