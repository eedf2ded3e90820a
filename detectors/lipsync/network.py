"""SyncNet: five pictures of a mouth and 0.2 s of sound, each as a point of a space; what belongs together is near.

Chung and Zisserman, "Out of time: automated lip sync in the wild" (ACCV 2016 workshops), in the second version that the
authors published. Written from the names and shapes of their weights. All layers of the picture's side but the first
see one moment only, so a whole stretch is computed at once and gives the same as its windows of five one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import nn

from thsafe.core.errors import InputError

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""

SIDE: Final = 224
"""Pixels of a face's side."""
LIP_STEPS, SOUND_STEPS = 5, 20
"""Pictures at 25 a second and MFCC frames at 100 a second that one point stands for."""
DIMENSION: Final = 1024


class SyncNet:
    """The network with its weights.

    Args:
        weights: tensors by name, as published.
        device: ``cpu``, ``cuda``.

    Raises:
        InputError: ``model.other-network``: names or shapes are not SyncNet's.
    """

    def __init__(self, weights: Mapping[str, Tensor], *, device: str = "cpu") -> None:
        self.device = device
        network = _blank()
        wanted = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
        given = {name: tuple(tensor.shape) for name, tensor in weights.items()}
        if given != wanted:
            odd = sorted(name for name in wanted.keys() | given.keys() if wanted.get(name) != given.get(name))
            raise InputError(
                "These are not the weights of SyncNet v2.",
                code="model.other-network",
                found=f"{len(given)} tensors; {odd[0]} is {given.get(odd[0], 'missing')}",
                rule=f"{len(wanted)} tensors; {odd[0]} is {wanted.get(odd[0], 'not among them')}",
                next_step="thsafe models pull syncnet-v2",
            )
        network.load_state_dict(dict(weights), assign=False)
        self._network = network.to(device).eval()

    def lips(self, faces: Tensor) -> Tensor:
        """Points of a stretch of faces.

        Args:
            faces: uint8 or float (n, 224, 224, 3) in BGR, 0 to 255, n >= 5.

        Returns:
            float32 (n - 4, 1024), for pictures v to v + 4.
        """
        with torch.inference_mode():
            stretch = faces.to(self.device, torch.float32).permute(3, 0, 1, 2)[None]
            seen = self._network["netcnnlip"](stretch)[0, :, :, 0, 0].T
            return self._network["netfclip"](seen).cpu()

    def sounds(self, windows: Tensor) -> Tensor:
        """Points (n, 1024) of n windows of MFCC, float (n, 20, 13)."""
        with torch.inference_mode():
            heard = windows.to(self.device, torch.float32).permute(0, 2, 1)[:, None]
            return self._network["netfcaud"](self._network["netcnnaud"](heard).flatten(1)).cpu()


def shapes() -> dict[str, tuple[int, ...]]:
    """Name and shape of each tensor of the weights."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in _blank().state_dict().items()}


def _blank() -> Any:
    """The layers; their places in the sequences are the names of the published weights."""
    return nn.ModuleDict(
        {
            "netcnnaud": nn.Sequential(
                *_heard(1, 64, 3, padding=1),
                nn.MaxPool2d((1, 1), (1, 1)),
                *_heard(64, 192, 3, padding=1),
                nn.MaxPool2d(3, (1, 2)),
                *_heard(192, 384, 3, padding=1),
                *_heard(384, 256, 3, padding=1),
                *_heard(256, 256, 3, padding=1),
                nn.MaxPool2d(3, 2),
                *_heard(256, 512, (5, 4)),
            ),
            "netfcaud": _points(),
            "netfclip": _points(),
            "netcnnlip": nn.Sequential(
                *_seen(3, 96, (5, 7, 7), stride=2),
                nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
                *_seen(96, 256, (1, 5, 5), stride=2, padding=1),
                nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
                *_seen(256, 256, (1, 3, 3), padding=1),
                *_seen(256, 256, (1, 3, 3), padding=1),
                *_seen(256, 256, (1, 3, 3), padding=1),
                nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
                *_seen(256, 512, (1, 6, 6)),
            ),
        }
    )


def _heard(inputs: int, outputs: int, kernel: int | tuple[int, int], *, padding: int = 0) -> tuple[Any, ...]:
    return nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()


def _seen(
    inputs: int, outputs: int, kernel: tuple[int, int, int], *, stride: int = 1, padding: int = 0
) -> tuple[Any, ...]:
    layer = nn.Conv3d(inputs, outputs, kernel, stride=(1, stride, stride), padding=(0, padding, padding))
    return layer, nn.BatchNorm3d(outputs), nn.ReLU()


def _points() -> Any:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, DIMENSION))
