"""Key points: where they are in the portrait, and where a head with other coefficients has them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.facevid.layers import DownBlock2d, UpBlock3d, coordinates
from generators.facevid.rotation import degrees, matrices

POINTS: Final = 15
WINDOW: Final = 27
"""Pictures whose coefficients are seen for one."""
_WIDTHS: Final = (64, 128, 256, 512, 1024)
_DEPTH: Final = 16
_LOWEST: Final = -99.0
_PI: Final = 3.14
"""As the weights were trained with."""
_SHARPNESS: Final = 0.1


class _Predictor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.down_blocks = nn.Sequential()
        for number, (a, b) in enumerate(zip((3, *_WIDTHS), _WIDTHS, strict=False)):
            self.down_blocks.add_module(f"down{number}", DownBlock2d(a, b))
        self.conv = nn.Conv2d(_WIDTHS[-1], _WIDTHS[-1] * _DEPTH, 1)
        self.up_blocks = nn.Sequential()
        widths = (*reversed(_WIDTHS), 32)
        for number, (a, b) in enumerate(pairwise(widths)):
            self.up_blocks.add_module(f"up{number}", UpBlock3d(a, b))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(self.down_blocks(x))
        found: Tensor = self.up_blocks(x.reshape(len(x), _WIDTHS[-1], _DEPTH, *x.shape[2:]))
        return found


class _Down(nn.Module):
    """A quarter of the size, blurred first so that nothing folds over."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.empty(3, 1, 13, 13))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = functional.conv2d(x, self.weight, padding=6, groups=3)[:, :, ::4, ::4]
        return found


class KeyPoints(nn.Module):
    """15 key points of a face as it would be turned to the camera at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.predictor = _Predictor()
        self.kp = nn.Conv3d(32, POINTS, 3, padding=1)
        self.down = _Down()

    def forward(self, picture: Tensor) -> Tensor:
        """(n, 15, 3) in [-1, 1].

        Args:
            picture: float (n, 3, h, w), RGB in [0, 1]; h and w are multiples of 128.
        """
        heat = self.kp(self.predictor(self.down(picture)))
        shares = torch.softmax(heat.flatten(2) / _SHARPNESS, dim=2).reshape(heat.shape)
        depth, height, width = heat.shape[2:]
        return torch.einsum("npdhw,dhwc->npc", shares, coordinates(depth, height, width, heat))


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """How a head is turned, moved and deformed; one row per picture."""

    yaw: Tensor
    """(n, 66) classes."""
    pitch: Tensor
    roll: Tensor
    shift: Tensor
    """(n, 3)."""
    deformation: Tensor
    """(n, 15, 3)."""


class Mapping(nn.Module):
    """From 27 pictures of coefficients to the turn in the middle one; 70 coefficients, or 73 with the crop's place."""

    def __init__(self, coefficients: int = 70) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv1d(coefficients, 1024, 7))
        for number in range(3):
            layer = nn.Sequential(nn.LeakyReLU(0.1), nn.Conv1d(1024, 1024, 3, dilation=3))
            self.add_module(f"encoder{number}", layer)
        self.fc_roll = nn.Linear(1024, 66)
        self.fc_pitch = nn.Linear(1024, 66)
        self.fc_yaw = nn.Linear(1024, 66)
        self.fc_t = nn.Linear(1024, 3)
        self.fc_exp = nn.Linear(1024, 3 * POINTS)

    def forward(self, window: Tensor) -> Turn:
        """The turn.

        Args:
            window: (n, 70 or 73, 27).
        """
        x = self.first(window)
        for number in range(3):
            x = self.get_submodule(f"encoder{number}")(x) + x[:, :, 3:-3]
        x = x.mean(dim=2)
        return Turn(
            yaw=self.fc_yaw(x),
            pitch=self.fc_pitch(x),
            roll=self.fc_roll(x),
            shift=self.fc_t(x),
            deformation=self.fc_exp(x).reshape(-1, POINTS, 3),
        )


def placed(canonical: Tensor, turn: Turn, angles: Tensor | None = None) -> Tensor:
    """Where the key points are once the head is turned: (n, 15, 3).

    Args:
        canonical: (1, 15, 3) or (n, 15, 3), of :class:`KeyPoints`.
        turn: of n pictures.
        angles: (n, 3) yaw, pitch and roll in degrees instead of the turn's own; NaN keeps the turn's.
    """
    found = torch.stack([degrees(classes, _LOWEST) for classes in (turn.yaw, turn.pitch, turn.roll)], dim=-1)
    if angles is not None:
        found = torch.where(torch.isnan(angles), found, angles)
    yaw, pitch, roll = (found / 180 * _PI).unbind(dim=-1)
    about_x, about_y, about_z = matrices(pitch, yaw, roll)
    turned = canonical @ (about_x @ about_y @ about_z).transpose(1, 2)
    across = torch.zeros_like(turn.shift)
    across[:, 1] = turn.shift[:, 1]  # the weights were trained with height alone
    return turned + across[:, None] + turn.deformation
