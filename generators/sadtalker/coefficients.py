"""From a picture of a face to the coefficients of a 3-D face model: a ResNet-50 with seven heads.

Deng et al., "Accurate 3D Face Reconstruction with Weakly-Supervised Learning" (CVPRW 2019). Only expression, angles and
translation are used here; the face model itself (BFM) is needed for none of it.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE: Final = 224
"""Pixels of the picture that the network sees."""
HEADS: Final = (80, 64, 80, 3, 27, 2, 1)
"""Identity, expression, texture, angles, light, translation across, translation in depth."""
EXPRESSION: Final = slice(80, 144)
ANGLES: Final = slice(224, 227)
TRANSLATION: Final = slice(254, 257)


class _Bottleneck(nn.Module):
    """He et al. (CVPR 2016), with the stride in the middle convolution."""

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inputs != 4 * width:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, 4 * width, 1, stride=stride, bias=False), nn.BatchNorm2d(4 * width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu(self.bn1(self.conv1(x)))
        y = functional.relu(self.bn2(self.conv2(y)))
        found: Tensor = functional.relu(self.bn3(self.conv3(y)) + self.downsample(x))
        return found


class _ResNet50(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        inputs = 64
        for number, (blocks, width) in enumerate(((3, 64), (4, 128), (6, 256), (3, 512)), start=1):
            layer = nn.Sequential()
            for block in range(blocks):
                layer.append(_Bottleneck(inputs, width, 2 if number > 1 and block == 0 else 1))
                inputs = 4 * width
            self.add_module(f"layer{number}", layer)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.max_pool2d(functional.relu(self.bn1(self.conv1(x))), 3, stride=2, padding=1)
        for number in range(1, 5):
            x = self.get_submodule(f"layer{number}")(x)
        return functional.adaptive_avg_pool2d(x, 1)


class Reconstruction(nn.Module):
    """257 coefficients of the face in a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = _ResNet50()
        self.final_layers = nn.ModuleList(nn.Conv2d(2048, size, 1) for size in HEADS)

    def forward(self, picture: Tensor) -> Tensor:
        """(n, 257), in the order of :data:`HEADS`.

        Args:
            picture: float (n, 3, 224, 224), RGB in [0, 1], aligned by five points.
        """
        x = self.backbone(picture)
        return torch.cat([head(x).flatten(1) for head in self.final_layers], dim=1)
