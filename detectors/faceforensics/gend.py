"""GenD (Yermakov et al., "Deepfake Detection that Generalizes Across Benchmarks", WACV 2026; MIT), as published.

The variant on Perception Encoder, whose network timm has: a vision transformer whose normalisation layers were tuned on
FaceForensics++, and one linear layer, after scaling the feature to length 1 where its ``config.json`` says so. Only the
two published files are read, ``model.safetensors`` and ``config.json``; nothing in them is executed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_BACKBONES: Final = "vit_pe_core_"
_INPUT: Final = (3, 224, 224)
_HEADS: Final = {"linear": False, "LinearNorm": True}
_FAKE: Final = 1


class GenD:
    """The network, in evaluation mode.

    Args:
        weights: ``model.safetensors``.
        config: ``config.json``.

    Raises:
        InputError: ``model.not-weights``: one of them is something else, or another variant.
    """

    def __init__(self, weights: Path, config: Path) -> None:
        from thsafe._torch_compat import prepare_torchvision

        prepare_torchvision()
        import timm
        import torch
        from safetensors.torch import load_file

        name, self._unit = _read(config)
        try:
            found = load_file(weights)
            # the weights bring everything: nothing is fetched
            net = timm.create_model(name, pretrained=False, dynamic_img_size=True, num_classes=0)
            prefix = "feature_extractor.backbone."
            own = {key.removeprefix(prefix): value for key, value in found.items() if key.startswith(prefix)}
            net.load_state_dict({key: value.float() for key, value in own.items()})
            head = torch.nn.Linear(net.num_features, 2)
            head.load_state_dict({key: found[f"model.linear.{key}"].float() for key in ("weight", "bias")})
        except Exception as problem:
            raise _other(weights, f"{type(problem).__name__}: {str(problem)[:120]}") from problem
        settings = timm.data.resolve_model_data_config(net) | {"input_size": _INPUT}
        self._prepare = timm.data.create_transform(**settings, is_training=False)
        self._net, self._head = net.eval(), head.eval()

    def score(self, faces: NDArray[np.float32]) -> list[float]:
        """Chance of a manipulation, for RGB faces (n, 3, side, side) in [0, 1]."""
        import torch
        from PIL import Image

        scores = []
        for face in faces:
            picture = Image.fromarray(np.rint(face.transpose(1, 2, 0) * 255).astype(np.uint8))
            with torch.inference_mode():
                feature = self._net(self._prepare(picture)[None])
                if self._unit:
                    feature = torch.nn.functional.normalize(feature, dim=1)
                scores.append(float(torch.softmax(self._head(feature), dim=1)[0, _FAKE]))
        return scores


def load_gend(paths: Sequence[Path]) -> GenD:
    """From its two files, in the order of its cards."""
    weights, config = paths
    return GenD(weights, config)


def _read(path: Path) -> tuple[str, bool]:
    """The backbone's name, and whether its feature is scaled to length 1."""
    try:
        found: Any = json.loads(path.read_bytes())
        name, head = found["backbone"], found["head"]
        good = isinstance(name, str) and name.startswith(_BACKBONES) and name.replace("_", "").isalnum()
        unit = _HEADS[head]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as problem:
        raise _other(path, f"{type(problem).__name__}: {problem}") from problem
    if not good:
        raise _other(path, f"backbone {name!r}")
    return name, unit


def _other(path: Path, found: str) -> InputError:
    return InputError(
        f"{path.name} is not of GenD on Perception Encoder.",
        code="model.not-weights",
        found=found,
        next_step="get model.safetensors and config.json of GenD_PE_L from the address on its card",
    )
