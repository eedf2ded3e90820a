"""Wav2Lip's network, mel and timing against what the authors' code does."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
from fractions import Fraction
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from generators.arithmetic import Arithmetic
from generators.wav2lip import mel, network, timing
from thsafe.core.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def spec(shared_data: Path) -> Path:
    folder = shared_data.parent / "specs" / "wav2lip"
    if not folder.is_dir():
        pytest.skip("no recorded outputs of the authors' code")
    return folder


@pytest.fixture(scope="session")
def weights(spec: Path) -> dict[str, torch.Tensor]:
    """Every tensor computed from its name, the same on both sides."""
    rule = _module(spec / "detinit.py").rule
    return {name: rule(name, shape, None) for name, shape in network.shapes().items()}


def test_the_names_and_shapes_are_those_of_the_published_weights(spec) -> None:
    listed = json.loads((spec / "spec.json").read_text())["wav2lip"]["state_dict"]
    assert list(network.shapes().items()) == [(name, tuple(shape)) for name, shape, _ in listed]


def test_the_computed_weights_are_those_of_the_recording(spec, weights) -> None:
    digest = hashlib.sha256()
    for name in sorted(weights):
        digest.update(name.encode())
        digest.update(weights[name].numpy().tobytes())
    assert digest.hexdigest() == json.loads((spec / "detinit_check.json").read_text())["wav2lip_weights_sha256"]


def test_the_network_gives_what_the_authors_gives(spec, weights, recorded_faces) -> None:
    out = network.Network(weights)(*recorded_faces)
    assert np.abs(out.numpy() - np.load(spec / "parity_wav2lip.npz")["expected"]).max() < 1e-4


@pytest.fixture(scope="module")
def recorded_faces(spec) -> tuple[torch.Tensor, torch.Tensor]:
    recorded = np.load(spec / "parity_wav2lip.npz")
    masked = recorded["face_u8"].copy()
    masked[:, 48:] = 0
    faces = np.concatenate((masked, recorded["face_u8"]), 3).astype(np.float32) / 255
    return torch.from_numpy(recorded["mel"]), torch.from_numpy(faces.transpose(0, 3, 1, 2))


def test_bfloat16_stays_within_two_grey_levels(spec, weights, recorded_faces) -> None:
    quick = network.Network(weights, arithmetic=Arithmetic(precision="bfloat16"))(*recorded_faces)
    apart = 255 * np.abs(quick.numpy() - np.load(spec / "parity_wav2lip.npz")["expected"])
    assert apart.max() <= network.MOST_APART
    assert apart.mean() <= network.MEAN_APART
    assert apart.max() > 0.05, "it was computed in bfloat16"


@pytest.mark.parametrize("in_hardware", [True, False])
def test_bfloat16_is_chosen_where_it_is_fast_and_exact_enough(weights, monkeypatch, in_hardware: bool) -> None:
    monkeypatch.setattr(network, "_in_hardware", lambda _: in_hardware)
    assert network.suited(weights) == ("bfloat16" if in_hardware else "float32")
    monkeypatch.setattr(network, "MOST_APART", 1e-3)
    assert network.suited(weights) == "float32"


def test_a_compiled_network_sees_few_sizes_of_batch_and_gives_the_same(weights, recorded_faces, monkeypatch) -> None:
    sizes = []

    def compiler(run, *, dynamic: bool):
        assert not dynamic

        def watched(mel: torch.Tensor, faces: torch.Tensor) -> torch.Tensor:
            assert not torch.is_inference_mode_enabled()
            sizes.append(len(faces))
            return run(mel, faces)

        return watched

    monkeypatch.setattr(torch, "compile", compiler)
    mel_, faces = (x[:1].repeat(3, 1, 1, 1) for x in recorded_faces)
    compiled = network.Network(weights, arithmetic=Arithmetic(compiled=True))
    found = compiled(mel_, faces)
    assert len(found) == 3
    assert torch.allclose(found, network.Network(weights)(mel_, faces), atol=1e-5)
    for count in (1, 2, 4):
        assert len(compiled(mel_.repeat(2, 1, 1, 1)[:count], faces.repeat(2, 1, 1, 1)[:count])) == count
    assert sizes == [4, 1, 2, 4]


def test_other_weights_are_told_apart() -> None:
    tensors = {name: torch.zeros(shape) for name, shape in network.shapes().items() if "decoder" not in name}
    tensors["output_block.1.bias"] = torch.zeros(4)
    with pytest.raises(InputError) as caught:
        network.Network(tensors)
    assert caught.value.code == "model.other-network"
    assert "1 of another shape" in caught.value.found


def test_the_mel_is_that_of_the_pinned_libraries(spec) -> None:
    signal = _module(spec / "test_signal.py").test_signal()
    assert np.abs(mel.mel(signal).T - np.load(spec / "parity_mel.npz")["mel"]).max() < 1e-5


@given(st.integers(1, 5000), st.lists(st.integers(1, 900), max_size=8))
def test_the_mel_does_not_depend_on_the_blocks(length: int, cuts: list[int]) -> None:
    samples = np.random.default_rng(length).uniform(-1, 1, length).astype(np.float32)
    places = np.cumsum(cuts)
    parts = np.split(samples, places[places < length]) if cuts else [samples]
    whole = mel.mel(samples)
    assert whole.shape == (1 + length // 200, 80)
    assert np.allclose(np.concatenate(list(mel.mel_blocks(parts))), whole, atol=1e-6)


def test_digital_silence_is_the_floor() -> None:
    assert np.all(mel.mel(np.zeros(1600, np.float32)) == -4)


def test_the_authors_chunks(spec) -> None:
    for row in json.loads((spec / "rules_fixture.json").read_text())["mel_chunks"]:
        starts = timing.authors_starts(row["mel_frames"], row["fps"])
        assert (len(starts), starts[:5], starts[-3:]) == (row["chunks"], row["first5"], row["last3"]), row
        exact = timing.output_frames(
            Fraction(str(row["seconds"])), 1000, Fraction(str(row["fps"])), timing.SyncMode.LOOP
        )
        assert exact == row["ideal"], row


@given(st.integers(1, 200), st.integers(1, 60), st.sampled_from(timing.SyncMode))
def test_every_output_picture_has_one_of_the_video(count: int, pictures: int, mode: timing.SyncMode) -> None:
    order = list(timing.picture_order(count, pictures, mode))
    assert len(order) == count
    assert all(0 <= index < pictures for index in order)
    assert order[0] == 0
    if mode is timing.SyncMode.BOUNCE:
        assert all(abs(a - b) <= 1 for a, b in itertools.pairwise(order))
    if mode in {timing.SyncMode.REMAP, timing.SyncMode.CUT_OFF, timing.SyncMode.SILENCE}:
        assert order == sorted(order)


def test_the_modes_lengths() -> None:
    lengths = {mode: timing.output_frames(Fraction(4), 75, Fraction(25), mode) for mode in timing.SyncMode}
    assert lengths == {"loop": 100, "bounce": 100, "cut_off": 75, "silence": 100, "remap": 100}
    assert timing.output_frames(Fraction(2), 75, Fraction(25), timing.SyncMode.SILENCE) == 75


def test_the_offset_moves_the_lips_after_the_sound() -> None:
    assert [timing.mel_start(10, Fraction(25), offset) for offset in (-1, 0, 1)] == [35, 32, 28]
