"""SadTalker through the whole path: weights or checkout, consent, render, marks, manifest, log."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import save_file

from generators.facevid.appearance import Appearance
from generators.facevid.spade import Decoder
from generators.facevid.warping import Warping
from generators.sadtalker import engine as sadtalker
from generators.sadtalker.coefficients import Reconstruction
from generators.sadtalker.keypoints import KeyPoints, Mapping
from generators.sadtalker.listening import Expression, HeadPose
from thsafe import SadTalker
from thsafe.cli.main import run
from thsafe.core.errors import ConsentRefused, MissingError
from thsafe.home import Home
from thsafe.models import find_card
from thsafe.registry import draw_person

SMALL = 128
"""Pixels: the networks are convolutional, so a quarter of the pixels costs a quarter of the time."""


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def weights(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Both files as the authors lay them out, every tensor computed from its name."""
    rules = shared_data.parent / "specs" / "sadtalker"
    if not (rules / "detinit.py").is_file():
        pytest.skip("no rule for weights")
    found = importlib.util.spec_from_file_location("computed_weights", Path(__file__).with_name("computed_weights.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    main = {}
    for make, prefix in (
        (Expression, "audio2exp."),
        (HeadPose, "audio2pose."),
        (partial(Reconstruction), "face_3drecon."),
        (KeyPoints, "kp_extractor."),
        (Appearance, "generator."),
        (partial(Warping, 15), "generator."),
        (Decoder, "generator.decoder."),
    ):
        gain = 0.6 if prefix == "face_3drecon." else 1.0
        main |= {prefix + name: tensor for name, tensor in module.computed(rules, make, prefix, gain=gain).items()}
    folder = tmp_path_factory.mktemp("weights")
    save_file(main, folder / "main.safetensors")
    mapping = module.computed(rules, partial(Mapping, 73), "mapping.")
    torch.save({"mapping": mapping, "optimizer": {"state": {0: {"step": 3}}}}, folder / "mapping.pth.tar")
    return folder / "main.safetensors", folder / "mapping.pth.tar"


@pytest.fixture
def portrait(tmp_path: Path) -> Path:
    path = tmp_path / "drawn.png"
    cv2.imwrite(str(path), draw_person("ada", 384))
    return path


@pytest.fixture
def voice(tmp_path: Path) -> Path:
    path = tmp_path / "voice.wav"
    times = np.arange(round(0.12 * 44100)) / 44100
    tone = 0.3 * np.sin(2 * np.pi * 200 * times)
    soundfile.write(path, np.stack((tone, tone), axis=1), 44100)
    return path


def install(home: Path, **files: Path) -> None:
    """Weights of another content than the cards pin cannot be pulled; the tests lay them where pull would."""
    for name, path in files.items():
        card = find_card(name.replace("_", "-"))
        folder = Home(home).models / card.name
        folder.mkdir(parents=True)
        (folder / card.file).symlink_to(path)
        (folder / "receipt.json").write_text(json.dumps({"sha256": "0" * 64, "accepted": ""}))


def test_a_portrait_speaks_and_everything_can_be_asked_about_it(
    weights, home, portrait, voice, tmp_path, capsys, monkeypatch
) -> None:
    out = tmp_path / "out.mp4"
    job = {"source_image": portrait, "audio_file": voice, "output_path": out, "mode": "full", "still": True}
    assert run(["keys", "new"]) == 0
    with pytest.raises(MissingError) as missing:
        SadTalker().animate(**job)
    assert "thsafe models pull sadtalker-256" in missing.value.next_step
    install(home, sadtalker_256=weights[0], sadtalker_mapping_full=weights[1])
    with pytest.raises(ConsentRefused):
        SadTalker().animate(**job)
    assert not out.exists()
    assert run(["consent", "new", "--self", "--portrait", str(portrait)]) == 0
    full = sadtalker._manner
    monkeypatch.setattr(sadtalker, "_manner", lambda request: dataclasses.replace(full(request), size=SMALL))
    made = SadTalker().animate(**job)
    assert made.duration == pytest.approx(0.12, abs=0.03)
    assert made.decision.obligations.labels
    capsys.readouterr()

    assert run(["verify", str(out), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["verdict"] == "disclosed"
    found = {item["check"]: item for item in report["evidence"]}
    assert found["log"]["code"] == "IDENTICAL"

    from thsafe.installation import Installation
    from thsafe.provenance.read import read_credentials

    installation = Installation.open(Home(home))
    manifest = json.dumps(dict(read_credentials(out, trust=installation.trust()).raw))
    for words in ("SadTalker 0.0.2", "compositeWithTrainedAlgorithmicMedia", "inputTo"):
        assert words in manifest, words
    assert "drawn" not in manifest
    intent = [entry for entry in installation.ledger.entries() if entry.type == "intent"][-1]
    assert intent.event["weights"]["model"] == "sadtalker-256+sadtalker-mapping-full"
    assert len(intent.event["weights"]["sha256"]) == 64
