"""The small network that comes with thsafe: plain 3 x 3 convolutions over the picture and its finest residuals."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

SIDE: Final = 128
# Three high-pass kernels of the rich models for steganalysis (Fridrich and Kodovský, TIFS 2012): what is left of a
# pixel when its neighbours have foretold it. Made faces betray themselves there before they do in what is seen.
_RESIDUALS: Final = (
    ((0, 0, 0, 0, 0), (0, -1, 2, -1, 0), (0, 2, -4, 2, 0), (0, -1, 2, -1, 0), (0, 0, 0, 0, 0)),
    ((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (2, -6, 8, -6, 2), (-1, 2, -2, 2, -1)),
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 1, -2, 1, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
)
_SCALES: Final = (4.0, 12.0, 2.0)
_WIDTHS: Final = (32, 64, 128, 256)


class Small(nn.Module):
    """1.9 million parameters. Input (n, 3, 128, 128) RGB in [0, 1]; output (n,) logits, higher for a manipulation."""

    def __init__(self) -> None:
        super().__init__()
        kernels = torch.tensor(_RESIDUALS) / torch.tensor(_SCALES).view(3, 1, 1)
        self.register_buffer("kernels", kernels[:, None].float(), persistent=False)
        stem, *widths = _WIDTHS
        layers: list[nn.Module] = [*_layer(6, stem, stride=2)]
        before = stem
        for width in widths:
            layers += [*_layer(before, width, stride=2), Residual(width)]
            before = width
        self.features = nn.Sequential(*layers)
        self.rest = nn.Dropout(0.3)
        self.head = nn.Linear(2 * before, 1)

    def forward(self, faces: Tensor) -> Tensor:
        """Logits (n,)."""
        grey = faces.mean(1, keepdim=True) * 255
        finest = torch.nn.functional.conv2d(grey, self.kernels, padding=2)
        # beyond a few levels a residual is an edge of the scene and says nothing about how the picture was made
        seen = torch.cat([(faces - 0.5) * 4, torch.tanh(finest / 6)], dim=1)
        found = self.features(seen.contiguous(memory_format=torch.channels_last)).flatten(2)
        # the mean over the face, and its most suspicious place: a seam is small
        pooled = torch.cat([found.mean(2), found.amax(2)], dim=1)
        logits: Tensor = self.head(self.rest(pooled))[:, 0]
        return logits


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(*_layer(width, width), *_layer(width, width)[:2])

    def forward(self, flow: Tensor) -> Tensor:
        """The same shape."""
        return torch.relu(flow + self.body(flow))


def _layer(channels: int, width: int, *, stride: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
