"""LivePortrait's networks against what the authors' code does with the same weights and inputs."""

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

from generators.facevid.appearance import Appearance
from generators.facevid.spade import Decoder
from generators.facevid.warping import Warping
from generators.facevid.weights import blank, filled, shapes
from generators.liveportrait.motion import POINTS, MotionExtractor
from generators.liveportrait.retargeting import Eyes, Lips, Stitching

EXACT = 1e-3

PARTS: dict[str, tuple[Callable[[], Any], str]] = {
    "appearance_feature_extractor": (Appearance, "appearance_feature_extractor."),
    "motion_extractor": (MotionExtractor, "motion_extractor."),
    "warping_module": (partial(Warping, POINTS), "warping_module."),
    "spade_generator": (partial(Decoder, upscale=2), "spade_generator."),
    "stitching_retargeting_module/stitching": (Stitching, "stitching."),
    "stitching_retargeting_module/lip": (Lips, "lip."),
    "stitching_retargeting_module/eye": (Eyes, "eye."),
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(autouse=True, scope="module")
def _inference():
    with torch.inference_mode():
        yield


@pytest.fixture(scope="session")
def spec(shared_data: Path) -> Path:
    folder = shared_data.parent / "specs" / "liveportrait"
    if not folder.is_dir():
        pytest.skip("no recorded outputs of the authors' code")
    return folder


@pytest.fixture(scope="session")
def recorded(spec: Path) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(value) for name, value in np.load(spec / "parity_liveportrait.npz").items()}


def computed(spec: Path, part: str) -> Any:
    found = importlib.util.spec_from_file_location("computed_weights", Path(__file__).with_name("computed_weights.py"))
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    make, prefix = PARTS[part]
    return filled(make, module.computed(spec, make, prefix), title=part)


def _apart(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found.reshape(expected.shape) - expected).abs().max())


def _picture(recorded: dict[str, torch.Tensor]) -> torch.Tensor:
    return functional.interpolate(recorded["src_small"], size=(256, 256), mode="nearest")


@pytest.mark.parametrize("part", PARTS)
def test_the_names_and_shapes_are_those_of_the_published_weights(spec, part: str) -> None:
    listed = json.loads((spec / "spec.json").read_text())[part]["state_dict"]
    assert shapes(blank(PARTS[part][0])) == {name: tuple(shape) for name, shape, _ in listed}


def test_movement(spec, recorded) -> None:
    net = computed(spec, "motion_extractor")
    seen = net.detector(_picture(recorded))
    for name in ("pitch", "yaw", "roll", "t", "exp", "scale", "kp"):
        found = getattr(net.detector, f"fc_{name}")(seen)
        assert _apart(found, recorded[f"m_{name}"]) < EXACT, name
    movement = net(_picture(recorded))
    classes = torch.softmax(recorded["m_yaw"], dim=1) @ torch.arange(66.0)
    assert float(movement.yaw) == pytest.approx(float(classes) * 3 - 97.5, abs=0.05)
    turn = movement.turn()
    assert torch.allclose(turn @ turn.transpose(1, 2), torch.eye(3), atol=1e-5)
    expected = movement.scale[:, None] * (movement.points @ turn + movement.expression)
    expected[..., :2] += movement.shift[:, None, :2]
    assert torch.allclose(movement.placed(), expected, atol=1e-5)


def test_the_picture(spec, recorded) -> None:
    volume = computed(spec, "appearance_feature_extractor")(_picture(recorded))
    assert _apart(volume.mean(dim=(2, 3, 4)), recorded["feat_mean_c"]) < EXACT
    assert _apart(volume[:, :, 8, ::8, ::8], recorded["feat_slice"]) < EXACT
    features, occlusion = computed(spec, "warping_module")(volume, recorded["kp_source"], recorded["kp_driving"])
    assert _apart(occlusion, recorded["occlusion"]) < EXACT
    assert _apart(features.mean(dim=(2, 3)), recorded["warp_mean_c"]) < EXACT
    picture = computed(spec, "spade_generator")(features)
    assert picture.shape == (1, 3, 512, 512)
    assert _apart(functional.avg_pool2d(picture, 16), recorded["gen_pool16"]) < EXACT
    assert _apart(picture[..., 240:272, 240:272], recorded["gen_crop"]) < EXACT


def test_stitching_and_lips(spec, recorded) -> None:
    source, driving = recorded["kp_source"], recorded["kp_driving"]
    stitching = computed(spec, "stitching_retargeting_module/stitching")
    change = stitching(torch.cat((source.flatten(1), driving.flatten(1)), dim=1))
    assert _apart(change, recorded["stitch"]) < EXACT
    mended = driving + recorded["stitch"][:, :63].reshape(driving.shape)
    mended[..., :2] += recorded["stitch"][:, None, 63:]
    assert _apart(stitching.mended(source, driving), mended) < EXACT
    lips = computed(spec, "stitching_retargeting_module/lip")
    assert _apart(lips.change(source, torch.tensor([[0.2, 0.5]])), recorded["lip"]) < EXACT
    eyes = computed(spec, "stitching_retargeting_module/eye")
    assert eyes.change(source, torch.tensor([[0.3, 0.3, 0.1]])).shape == source.shape
