"""What a face does in one picture: pose, expression and key points, by a ConvNeXt V2.

Woo et al., "ConvNeXt V2" (CVPR 2023), tiny; Guo et al., "LivePortrait" (2024). Written from the papers and from the
names and shapes of the published weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.facevid.rotation import degrees, matrices

POINTS: Final = 21
SIDE: Final = 256
"""Pixels of the picture that the network sees."""
_LOWEST: Final = -97.5
_DEPTHS, _WIDTHS = (3, 3, 9, 3), (96, 192, 384, 768)
_EPSILON: Final = 1e-6


class _ChannelNorm(nn.Module):
    """Layer norm over the channels of (n, c, h, w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = functional.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, _EPSILON)
        return x.permute(0, 3, 1, 2)


class _ResponseNorm(nn.Module):
    """Global response normalisation (ConvNeXt V2, equation 3) of (n, h, w, c)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.empty(1, 1, 1, channels))

    def forward(self, x: Tensor) -> Tensor:
        strength = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True)
        found: Tensor = self.gamma * (x * (strength / (strength.mean(dim=-1, keepdim=True) + _EPSILON))) + self.beta + x
        return found


class _Block(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=_EPSILON)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = _ResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.pwconv2(self.grn(functional.gelu(self.pwconv1(y))))
        found: Tensor = x + y.permute(0, 3, 1, 2)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """What n faces do."""

    pitch: Tensor
    """(n,) degrees, as the next two."""
    yaw: Tensor
    roll: Tensor
    shift: Tensor
    """(n, 3): where the head is, 1 being half the picture."""
    expression: Tensor
    """(n, 21, 3): what is added to the canonical points."""
    scale: Tensor
    """(n, 1)."""
    points: Tensor
    """(n, 21, 3): the face's own canonical points."""

    def turn(self) -> Tensor:
        """The head's rotation (n, 3, 3), for points as rows."""
        pitch, yaw, roll = (torch.deg2rad(angle) for angle in (self.pitch, self.yaw, self.roll))
        about_x, about_y, about_z = matrices(pitch, yaw, roll)
        return (about_z @ about_y @ about_x).transpose(1, 2)

    def placed(self) -> Tensor:
        """Where the key points are in the picture, (n, 21, 3)."""
        return placed(self.points, self.turn(), self.expression, self.scale, self.shift)


def placed(points: Tensor, turn: Tensor, expression: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Canonical points turned, deformed, scaled and moved across the picture (LivePortrait, equation 2)."""
    across = torch.cat((shift[:, :2], torch.zeros_like(shift[:, 2:])), dim=1)  # depth is not moved
    return scale[:, None] * (points @ turn + expression) + across[:, None]


class _Detector(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.downsample_layers = nn.ModuleList(
            [nn.Sequential(nn.Conv2d(3, _WIDTHS[0], 4, 4), _ChannelNorm(_WIDTHS[0]))]
        )
        for a, b in pairwise(_WIDTHS):
            self.downsample_layers.append(nn.Sequential(_ChannelNorm(a), nn.Conv2d(a, b, 2, 2)))
        self.stages = nn.ModuleList(
            nn.Sequential(*(_Block(width) for _ in range(depth))) for depth, width in zip(_DEPTHS, _WIDTHS, strict=True)
        )
        self.norm = nn.LayerNorm(_WIDTHS[-1], eps=_EPSILON)
        self.fc_kp = nn.Linear(_WIDTHS[-1], 3 * POINTS)
        self.fc_scale = nn.Linear(_WIDTHS[-1], 1)
        self.fc_pitch = nn.Linear(_WIDTHS[-1], 66)
        self.fc_yaw = nn.Linear(_WIDTHS[-1], 66)
        self.fc_roll = nn.Linear(_WIDTHS[-1], 66)
        self.fc_t = nn.Linear(_WIDTHS[-1], 3)
        self.fc_exp = nn.Linear(_WIDTHS[-1], 3 * POINTS)

    def forward(self, x: Tensor) -> Tensor:
        for down, stage in zip(self.downsample_layers, self.stages, strict=True):
            x = stage(down(x))
        found: Tensor = self.norm(x.mean(dim=(2, 3)))
        return found


class MotionExtractor(nn.Module):
    """Pose, expression and canonical points of the face in a picture."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = _Detector()

    def forward(self, picture: Tensor) -> Movement:
        """The movement.

        Args:
            picture: float (n, 3, 256, 256), RGB in [0, 1].
        """
        net = self.detector
        x = net(picture)
        return Movement(
            pitch=degrees(net.fc_pitch(x), _LOWEST),
            yaw=degrees(net.fc_yaw(x), _LOWEST),
            roll=degrees(net.fc_roll(x), _LOWEST),
            shift=net.fc_t(x),
            expression=net.fc_exp(x).reshape(-1, POINTS, 3),
            scale=net.fc_scale(x),
            points=net.fc_kp(x).reshape(-1, POINTS, 3),
        )
