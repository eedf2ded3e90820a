"""GenD's published layout is read, with either head; other files are refused in words. No real weights are at hand."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from detectors.faceforensics.gend import load_gend
from thsafe._torch_compat import prepare_torchvision
from thsafe.core.errors import InputError

NAME = "vit_pe_core_tiny_patch16_384"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Random weights of the smallest encoder of that family, under the names of the authors' file."""
    prepare_torchvision()
    import timm

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("gend")
    net = timm.create_model(NAME, pretrained=False, num_classes=0)
    state = {f"feature_extractor.backbone.{key}": value.contiguous() for key, value in net.state_dict().items()}
    state |= {
        "model.linear.weight": torch.randn(2, net.num_features) * 5,
        "model.linear.bias": torch.tensor([0.0, 1.0]),
    }
    save_file(state, folder / "model.safetensors")
    for head in ("linear", "LinearNorm"):
        (folder / f"{head}.json").write_text(json.dumps({"backbone": NAME, "head": head, "model_type": "GenD"}))
    return folder


def test_both_heads_score_and_differ(published) -> None:
    faces = np.random.default_rng(0).random((2, 3, 256, 256), np.float32)
    linear, unit = (
        load_gend([published / "model.safetensors", published / f"{head}.json"]).score(faces)
        for head in ("linear", "LinearNorm")
    )
    assert len(linear) == len(unit) == 2
    assert all(0 <= value <= 1 for value in (*linear, *unit))
    assert linear != unit


def test_the_second_output_is_the_manipulation(published) -> None:
    faces = np.zeros((1, 3, 256, 256), np.float32)
    found = load_gend([published / "model.safetensors", published / "LinearNorm.json"])
    with torch.no_grad():
        found._head.weight.zero_()
    assert found.score(faces) == pytest.approx([1 / (1 + np.exp(-1))], abs=1e-6)


@pytest.mark.parametrize(
    "config", ["", "{}", "[]", '{"backbone": "openai/clip", "head": "linear"}', '{"backbone": "vit_pe_core_x", "head": "x"}', '{"backbone": 3, "head": "linear"}', '{"backbone": "vit_pe_core_../../x", "head": "linear"}']
)  # fmt: skip
def test_other_configurations_are_refused(published, tmp_path, config) -> None:
    path = tmp_path / "config.json"
    path.write_text(config)
    with pytest.raises(InputError) as caught:
        load_gend([published / "model.safetensors", path])
    assert caught.value.code == "model.not-weights"


def test_other_weights_are_refused(published, tmp_path) -> None:
    for content in (b"", b"<html>", (published / "model.safetensors").read_bytes()[:5000]):
        path = tmp_path / "model.safetensors"
        path.write_bytes(content)
        with pytest.raises(InputError) as caught:
            load_gend([path, published / "linear.json"])
        assert caught.value.code == "model.not-weights"
