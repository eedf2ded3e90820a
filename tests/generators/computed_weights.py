"""Weights that are computed from the tensors' names, the same here and where the authors' code was run."""

from __future__ import annotations

import importlib.util
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from generators.facevid.weights import blank, shapes


def computed(folder: Path, make: Callable[[], Any], prefix: str, *, gain: float = 1.0) -> dict[str, torch.Tensor]:
    """Every tensor of a network, by name; ``prefix`` stands before each name where the rule hashes it."""
    found = importlib.util.spec_from_file_location("detinit", folder / "detinit.py")
    assert found is not None
    assert found.loader is not None
    rules = importlib.util.module_from_spec(found)
    found.loader.exec_module(rules)
    named = shapes(blank(make))
    tensors = {}
    for name, shape in named.items():
        last = name.rpartition(".")[2]
        if last in {"weight_u", "weight_v"}:
            continue
        if last == "weight_orig":
            tensors |= _spectral(name, rules.draw(prefix + name, shape), math.prod(shape[1:]))
        elif last in {"gamma", "beta", "classbias"}:
            size = {"gamma": 0.2, "beta": 0.1, "classbias": 0.5}[last]
            tensors[name] = torch.from_numpy((size * rules.draw(prefix + name, shape)).astype(np.float32))
        elif name == "down.weight":
            tensors[name] = _gaussian().expand(shape).clone()
        else:
            tensors[name] = rules.rule(prefix + name, shape, None, gain)
    return {name: tensors[name] for name in named}


def quick(make: Callable[[], Any]) -> dict[str, torch.Tensor]:
    """The same idea where nothing is compared: drawn by torch from a seed per name, in half the bytes."""
    tensors = {}
    for name, shape in shapes(blank(make)).items():
        chance = torch.Generator().manual_seed(zlib.crc32(name.encode()))
        last = name.rpartition(".")[2]
        if last == "num_batches_tracked":
            tensors[name] = torch.tensor(1)
            continue
        draw = torch.rand(shape, generator=chance)
        if last in {"weight_u", "weight_v"}:
            tensors[name] = draw / draw.norm()
        elif last == "running_var" or (last == "weight" and len(shape) == 1):
            tensors[name] = 0.8 + 0.4 * draw
        elif len(shape) > 1:
            tensors[name] = (2 * draw - 1) * math.sqrt(3 / math.prod(shape[1:]))
        else:
            tensors[name] = 0.2 * draw - 0.1
    return {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}


def _spectral(name: str, draw: np.ndarray, fan: int) -> dict[str, torch.Tensor]:
    """The weight with its singular vectors after twenty power iterations from ones, in float64."""
    weight = (draw * math.sqrt(3 / fan)).astype(np.float32)
    flat = weight.reshape(len(weight), -1).astype(np.float64)
    left = np.ones(len(flat)) / math.sqrt(len(flat))
    for _ in range(20):
        right = flat.T @ left
        right /= np.linalg.norm(right)
        left = flat @ right
        left /= np.linalg.norm(left)
    stem = name.removesuffix("orig")
    return {
        name: torch.from_numpy(weight),
        stem + "u": torch.from_numpy(left.astype(np.float32)),
        stem + "v": torch.from_numpy(right.astype(np.float32)),
    }


def _gaussian() -> torch.Tensor:
    """13 x 13, standard deviation 1.5 pixels."""
    line = torch.exp(-((torch.arange(13) - 6.0) ** 2) / (2 * 1.5**2))
    square = line[:, None] * line[None]
    return square / square.sum()
