"""The building blocks of face-vid2vid, in two and three dimensions.

Wang, Mallya, Liu, "One-Shot Free-View Neural Talking-Head Synthesis for Video Conferencing" (CVPR 2021). Written from
the paper and from the names and shapes of published weights; attribute names are those of the weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class SameBlock2d(nn.Module):
    """Convolution, norm and rectifier at one size; ``leak`` is the rectifier's slope below zero (0 for plain ReLU)."""

    def __init__(self, inputs: int, outputs: int, *, leak: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)
        self._leak = leak

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h, w)."""
        found: Tensor = functional.leaky_relu(self.norm(self.conv(x)), self._leak)
        return found


class DownBlock2d(nn.Module):
    """As :class:`SameBlock2d`, then half the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h / 2, w / 2)."""
        found: Tensor = functional.avg_pool2d(functional.relu(self.norm(self.conv(x))), 2)
        return found


class DownBlock3d(nn.Module):
    """The same in three dimensions; the depth stays."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, d, h, w) to (n, outputs, d, h / 2, w / 2)."""
        y = functional.relu(self.norm(self.conv(x)))
        pooled = functional.avg_pool2d(y.flatten(1, 2), 2)  # depth as channels: avg_pool3d knows no bfloat16
        return pooled.reshape(*y.shape[:3], *pooled.shape[2:])


class UpBlock3d(nn.Module):
    """Twice the height and width, then convolution, norm, ReLU."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(inputs, outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, d, h, w) to (n, outputs, d, 2 h, 2 w)."""
        found: Tensor = functional.relu(self.norm(self.conv(functional.interpolate(x, scale_factor=(1, 2, 2)))))
        return found


class ResBlock3d(nn.Module):
    """Two convolutions, each behind its norm and ReLU, added to the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(channels)
        self.norm2 = nn.BatchNorm3d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, d, h, w), unchanged in shape."""
        y = self.conv1(functional.relu(self.norm1(x)))
        found: Tensor = x + self.conv2(functional.relu(self.norm2(y)))
        return found


class SpectralConv2d(nn.Module):
    """A convolution whose weight is divided by its largest singular value, as estimated in training.

    Miyato et al., "Spectral Normalization for GANs" (ICLR 2018): W / (uᵀ W v), with u and v kept beside the weight.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, *, bias: bool = True) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.empty(outputs)) if bias else None
        self.weight_orig = nn.Parameter(torch.empty(outputs, inputs, kernel, kernel))
        self.register_buffer("weight_u", torch.empty(outputs))
        self.register_buffer("weight_v", torch.empty(inputs * kernel * kernel))
        self._padding = kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h, w)."""
        # sums of products, since autocast would multiply matrices in half precision
        sigma = ((self.weight_orig.flatten(1) * self.weight_v).sum(dim=1) * self.weight_u).sum()
        found: Tensor = functional.conv2d(x, self.weight_orig / sigma, self.bias, padding=self._padding)
        return found


def coordinates(depth: int, height: int, width: int, like: Tensor) -> Tensor:
    """(depth, height, width, 3): x, y and z of every cell, each from -1 to 1 between the outermost cells' centres."""
    axes = [torch.linspace(-1, 1, size, dtype=like.dtype, device=like.device) for size in (depth, height, width)]
    z, y, x = torch.meshgrid(*axes, indexing="ij")
    return torch.stack((x, y, z), dim=-1)
