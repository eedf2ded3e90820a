"""The phone network: right on speech it never heard, the same in pieces as in one, silent in silence, and quick."""

from __future__ import annotations

import time
import tomllib
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from generators.embedded import listen
from generators.embedded.listen import RATE, log_mel, survey
from generators.embedded.phonenet import Network, features, forward, shapes, shipped_weights
from generators.embedded.visemes import VISEMES, Viseme

pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
from generators.embedded.training import phones

FRESH = {
    "en-us": "The baker's boy brought fresh bread for everybody this morning.",
    "en-us+f3": "We watched the fishermen pull their boats up the beach.",
    "de": "Am Sonntag besuchen wir meine Großmutter in Hamburg.",
}


def test_it_is_right_on_fresh_sentences() -> None:
    right = total = closures = closed = 0
    for voice, text in FRESH.items():
        sound, labels = phones.spoken(text, voice=voice, rate=180)
        found = forward(shipped_weights(), features(log_mel(sound), survey([sound]))).argmax(axis=1)
        true = labels.argmax(axis=1)
        right += (found == true).sum()
        total += len(true)
        closures += (true == Viseme.PP).sum()
        closed += ((true == Viseme.PP) & (found == true)).sum()
    assert right / total > 0.70
    assert closed / closures > 0.65


def test_in_pieces_it_hears_what_it_hears_at_once() -> None:
    sound, _ = phones.spoken(" ".join(phones.SENTENCES["en-us"] for _ in range(4)), voice="en-us")
    assert len(sound) > 19 * RATE
    found = survey([sound])
    whole = Network().posteriors(sound, found)
    pieces = np.concatenate(list(listen.listen(np.array_split(sound, 37), found, listener=Network())))
    assert np.abs(pieces - whole).max() < 1e-4
    assert np.array_equal(Network().posteriors(sound, found), whole)


def test_silence_is_silence_and_nothing_is_nothing() -> None:
    sound, _ = phones.spoken(FRESH["en-us"], voice="en-us")
    quiet = np.zeros(RATE, np.float32)
    padded = np.concatenate([quiet, sound, quiet])
    table = Network().posteriors(padded, survey([padded]))
    assert np.allclose(table.sum(axis=1), 1.0, atol=1e-5)
    assert table[:95, Viseme.SIL].min() > 0.99
    assert table[-95:, Viseme.SIL].min() > 0.99
    assert Network().posteriors(padded[:80], survey([padded])).shape == (1, VISEMES)


def test_it_costs_little() -> None:
    sound, _ = phones.spoken(phones.SENTENCES["en-us"], voice="en-us")
    sound = np.concatenate([sound] * 3)
    found, network = survey([sound]), Network()
    network.posteriors(sound, found)
    before = time.process_time()
    network.posteriors(sound, found)
    assert (time.process_time() - before) / (len(sound) / RATE) < 0.04  # half of it measured; this machine may be busy


def test_the_card_tells_the_truth_of_the_file() -> None:
    import hashlib

    folder = resources.files("generators.embedded") / "weights"
    packed = (folder / "phones.safetensors").read_bytes()
    card = tomllib.loads((folder / "phones.toml").read_text(encoding="utf-8"))
    assert card["sha256"] == hashlib.sha256(packed).hexdigest()
    assert len(packed) < 300_000
    weights = shipped_weights()
    assert {name: array.shape for name, array in weights.items()} == shapes()
    assert card["parameters"] == sum(array.size for array in weights.values())
    measured = phones.measure(weights)
    assert measured["accuracy"] == pytest.approx(card["accuracy"], abs=0.01)
    assert card["accuracy"] > 0.7


def test_training_makes_what_the_package_reads(tmp_path: Path) -> None:
    report = phones.train(tmp_path, effort=phones.Effort(utterances=12, epochs=2))
    assert 0 < report["accuracy"] < 0.6  # a dozen utterances teach little
    from safetensors.numpy import load

    assert {n: a.shape for n, a in load((tmp_path / "phones.safetensors").read_bytes()).items()} == shapes()
    card = tomllib.loads((tmp_path / "phones.toml").read_text(encoding="utf-8"))
    assert set(card["voices"]) == set(phones.SENTENCES)


def test_torch_and_numpy_agree() -> None:
    import torch

    torch.manual_seed(0)
    network = phones._network()
    heard = np.random.default_rng(0).normal(size=(120, 80)).astype(np.float32)
    network.train()
    for _ in range(3):  # so that the normalisations hold something
        network(torch.from_numpy(heard).T[None])
    network.eval()
    with torch.no_grad():
        expected = torch.softmax(network(torch.from_numpy(heard).T[None])[0].T, dim=1).numpy()
    assert np.abs(forward(phones._exported(network), heard) - expected).max() < 1e-5


def test_only_own_models_can_be_trained(tmp_path: Path) -> None:
    from thsafe.cli.models import models
    from thsafe.core.errors import UsageError

    answer = CliRunner().invoke(models, ["train", "wav2lip-gan", "-o", str(tmp_path)])
    assert isinstance(answer.exception, UsageError)
    assert answer.exception.code == "model.untrainable"
