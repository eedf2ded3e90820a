"""SadTalker's networks against what the authors' code does with the same weights and inputs."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from generators.arithmetic import Arithmetic
from generators.facevid.appearance import Appearance
from generators.facevid.spade import Decoder
from generators.facevid.warping import Warping
from generators.facevid.weights import blank, filled, shapes
from generators.sadtalker.coefficients import Reconstruction
from generators.sadtalker.keypoints import KeyPoints, Mapping, placed
from generators.sadtalker.listening import Expression, HeadPose
from generators.sadtalker.networks import LEAST
from thsafe.core.errors import EngineError, InputError

EXACT = 1e-3

PARTS: dict[str, tuple[Callable[[], Any], str, str]] = {
    "expression": (Expression, "audio2exp", ""),
    "pose": (HeadPose, "audio2pose", ""),
    "reconstruction": (Reconstruction, "face_3drecon", ""),
    "key points": (KeyPoints, "kp_extractor", ""),
    "mapping": (Mapping, "mapping", ""),
    "mapping, full": (partial(Mapping, 73), "mapping_full_coeff73", ""),
    "appearance": (Appearance, "generator", ""),
    "warping": (partial(Warping, 15, least=LEAST), "generator", ""),
    "decoder": (Decoder, "generator", "decoder."),
}
"""What makes each network, its table, and what its names begin with there."""


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True, scope="module")
def _inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def spec(shared_data: Path) -> Path:
    folder = shared_data.parent / "specs" / "sadtalker"
    if not folder.is_dir():
        pytest.skip("no recorded outputs of the authors' code")
    return folder


@pytest.fixture(scope="session")
def recorded(spec: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in np.load(spec / "parity_sadtalker.npz").items()}


def computed_weights() -> Any:
    found = importlib.util.spec_from_file_location("computed_weights", Path(__file__).with_name("computed_weights.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def computed(spec: Path, part: str, *, gain: float = 1.0) -> Any:
    make, table, start = PARTS[part]
    return filled(make, computed_weights().computed(spec, make, f"{table}.{start}", gain=gain), title=part)


def _apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.reshape(expected.shape) - expected).abs().max())


def _enlarged(picture: torch.Tensor, side: int) -> torch.Tensor:
    return functional.interpolate(picture, size=(side, side), mode="nearest")


def test_the_names_and_shapes_are_those_of_the_published_weights(spec) -> None:
    tables = json.loads((spec / "spec.json").read_text())
    used: dict[str, set[str]] = {}
    for make, table, start in PARTS.values():
        listed = {name: tuple(shape) for name, shape, _ in tables[table]["state_dict"]}
        mine = {start + name: shape for name, shape in shapes(blank(make)).items()}
        assert mine.items() <= listed.items()
        used.setdefault(table, set()).update(mine)
    unused = {
        table: {".".join(name.split(".")[:2]) for name, _, _ in tables[table]["state_dict"] if name not in names}
        for table, names in used.items()
    }
    # what only training needs: the encoder of the auto-encoder, and the discriminator
    assert unused.pop("audio2pose") == {"netD_motion.seq", "netG.encoder"}
    assert not any(unused.values())


def test_expression(spec, recorded) -> None:
    found = computed(spec, "expression")(recorded["a2e_mel"], recorded["a2e_ref"][0], recorded["a2e_ratio"][0])
    assert _apart(found, recorded["a2e_out"]) < EXACT


def test_head_pose(spec, recorded) -> None:
    found = computed(spec, "pose")(recorded["a2p_z"], recorded["a2p_emb"], recorded["a2p_ref"], 3)
    assert _apart(found, recorded["a2p_motion"]) < EXACT


def test_coefficients(spec, recorded) -> None:
    found = computed(spec, "reconstruction", gain=0.6)(_enlarged(recorded["rec_small"], 224))
    assert _apart(found, recorded["rec_out"]) < EXACT


def test_mapping_and_where_the_key_points_go(spec, recorded) -> None:
    turn = computed(spec, "mapping")(recorded["map_in"])
    for name, found in (
        ("yaw", turn.yaw),
        ("pitch", turn.pitch),
        ("roll", turn.roll),
        ("t", turn.shift),
        ("exp", turn.deformation),
    ):
        assert _apart(found, recorded[f"map_{name}"]) < EXACT, name
    moved = placed(recorded["kp_canonical"], turn)
    assert _apart(moved, torch.cat((recorded["kp_source"], recorded["kp_driving"]))) < EXACT
    still = placed(recorded["kp_canonical"], turn, torch.full((2, 3), torch.nan))
    assert torch.equal(still, moved)


def test_key_points(spec, recorded) -> None:
    assert _apart(computed(spec, "key points")(_enlarged(recorded["src_small"], 256)), recorded["kp_canonical"]) < EXACT


def test_the_picture(spec, recorded) -> None:
    volume = computed(spec, "appearance")(_enlarged(recorded["src_small"], 256))
    features, occlusion = computed(spec, "warping")(volume, recorded["kp_source"], recorded["kp_driving"])
    assert _apart(occlusion, recorded["occ"]) < EXACT
    picture = computed(spec, "decoder")(features)
    assert _apart(functional.avg_pool2d(picture, 8), recorded["gen_pool8"]) < EXACT
    assert _apart(picture[..., 96:128, 96:128], recorded["gen_crop"]) < EXACT


def test_other_weights_are_told_apart() -> None:
    tensors = {name: torch.zeros(shape) for name, shape in shapes(blank(Mapping)).items() if "fc_yaw" not in name}
    tensors["fc_t.bias"] = torch.zeros(4)
    with pytest.raises(InputError) as caught:
        filled(Mapping, tensors, title="the mapping")
    assert caught.value.code == "model.other-network"
    assert "2 tensors missing, 1 of another shape" in caught.value.found


def test_damaged_weights_and_too_little_memory_are_said() -> None:
    tensors = {name: torch.zeros(shape) for name, shape in shapes(blank(Mapping)).items()}
    tensors["fc_t.bias"][1] = torch.nan
    with pytest.raises(InputError) as caught:
        filled(Mapping, tensors, title="the mapping")
    assert caught.value.code == "model.not-finite"
    for problem in (torch.OutOfMemoryError("CUDA out of memory."), RuntimeError("can't allocate memory: 1 TB")):
        with pytest.raises(EngineError) as said, Arithmetic().running():
            raise problem
        assert said.value.code == "engine.memory"
    with pytest.raises(RuntimeError, match="shape"), Arithmetic().running():
        raise RuntimeError("shape")


def test_numbers_and_compiler_reach_the_network(monkeypatch) -> None:
    layer = torch.nn.Conv2d(3, 4, 3)
    picture = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    exact = layer(picture)
    quick = Arithmetic(precision="bfloat16").ready(layer)(picture)
    assert quick.dtype is torch.bfloat16
    assert 0 < (quick - exact).abs().max() < 0.05
    assert Arithmetic().ready(layer) is layer
    seen = []
    monkeypatch.setattr(torch, "compile", lambda network, *, dynamic: seen.append((network, dynamic)) or network)
    Arithmetic(compiled=True).ready(layer)
    assert seen == [(layer, False)]
    assert str(Arithmetic(precision="bfloat16", compiled=True)).startswith("cpu bfloat16 compiled torch")
    with pytest.raises(EngineError) as said, Arithmetic(compiled=True).running():
        raise RuntimeError("InvalidCxxCompiler: No working C++ compiler found")
    assert said.value.code == "engine.compiler"


def test_half_the_bits_move_the_decoders_picture_a_little() -> None:
    decoder = filled(Decoder, computed_weights().quick(Decoder), title="the decoder")
    features = torch.rand(1, 256, 8, 8, generator=torch.Generator().manual_seed(2))
    with Arithmetic().running():
        exact = decoder(features)
        quick = Arithmetic(precision="bfloat16").ready(decoder)(features).float()
    apart = 255 * (exact - quick).abs()
    assert 0 < apart.mean() < 4
    assert (apart < 8).float().mean() > 0.95, "these weights are wild: a few pixels jump"
