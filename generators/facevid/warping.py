"""Moving the volume of features from where its key points are to where they shall be."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from generators.facevid.appearance import CHANNELS, DEPTH
from generators.facevid.layers import DownBlock3d, SameBlock2d, UpBlock3d, coordinates

_COMPRESSED: Final = 4
_WIDTH, _WIDEST, _LEVELS = 32, 1024, 5
_SPREAD: Final = 0.01
"""Variance of the blob that stands for a key point, where the picture is 2 wide."""


class _Encoder(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        widths = [inputs, *(min(_WIDEST, _WIDTH * 2 ** (level + 1)) for level in range(_LEVELS))]
        self.down_blocks = nn.ModuleList(DownBlock3d(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> list[Tensor]:
        kept = [x]
        for block in self.down_blocks:
            kept.append(block(kept[-1]))
        return kept


class _Decoder(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.up_blocks = nn.ModuleList()
        for level in reversed(range(_LEVELS)):
            joined = (1 if level == _LEVELS - 1 else 2) * min(_WIDEST, _WIDTH * 2 ** (level + 1))
            self.up_blocks.append(UpBlock3d(joined, min(_WIDEST, _WIDTH * 2**level)))
        self.outputs = _WIDTH + inputs
        self.conv = nn.Conv3d(self.outputs, self.outputs, 3, padding=1)
        self.norm = nn.BatchNorm3d(self.outputs)

    def forward(self, kept: list[Tensor]) -> Tensor:
        x = kept.pop()
        for block in self.up_blocks:
            x = torch.cat((block(x), kept.pop()), dim=1)
        found: Tensor = functional.relu(self.norm(self.conv(x)))
        return found


class _Hourglass(nn.Module):
    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.encoder = _Encoder(inputs)
        self.decoder = _Decoder(inputs)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.decoder(self.encoder(x))
        return found


class DenseMotion(nn.Module):
    """From key points to where every cell of the volume comes from, and how far it can be seen there.

    Args:
        points: number of key points.
        least: shares of a motion below this count as none; 0 keeps them all.
    """

    def __init__(self, points: int, *, least: float = 0.0) -> None:
        super().__init__()
        inputs = (points + 1) * (_COMPRESSED + 1)
        self.hourglass = _Hourglass(inputs)
        outputs = self.hourglass.decoder.outputs
        self.mask = nn.Conv3d(outputs, points + 1, 7, padding=3)
        self.compress = nn.Conv3d(CHANNELS, _COMPRESSED, 1)
        self.norm = nn.BatchNorm3d(_COMPRESSED)
        self.occlusion = nn.Conv2d(outputs * DEPTH, 1, 7, padding=3)
        self._least = least

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
        """(deformation (n, d, h, w, 3), occlusion (n, 1, h, w)).

        Args:
            volume: (n, 32, 16, h, w).
            source: (n, points, 3), where the key points are in the volume.
            driving: (n, points, 3), where they shall be.
        """
        count, _, depth, height, width = volume.shape
        points = source.shape[1]
        grid = coordinates(depth, height, width, volume)
        shifts = (source - driving)[:, :, None, None, None]
        moved = torch.cat((grid.expand(count, 1, *grid.shape), grid + shifts), dim=1)  # the first stays where it is
        small = functional.relu(self.norm(self.compress(volume)))
        copies = small[:, None].expand(-1, points + 1, -1, -1, -1, -1).flatten(0, 1)
        warped = functional.grid_sample(copies, moved.flatten(0, 1), align_corners=False)
        warped = warped.reshape(count, points + 1, _COMPRESSED, depth, height, width)
        heat = _blobs(grid, driving) - _blobs(grid, source)
        heat = torch.cat((torch.zeros_like(heat[:, :1]), heat), dim=1)
        seen = self.hourglass(torch.cat((heat[:, :, None], warped), dim=2).flatten(1, 2))
        share = torch.softmax(self.mask(seen), dim=1)
        if self._least:
            share = torch.where(share < self._least, torch.zeros_like(share), share)
        deformation = (moved * share[..., None]).sum(dim=1)
        return deformation, torch.sigmoid(self.occlusion(seen.flatten(1, 2)))


class Warping(nn.Module):
    """The moved volume, flattened to a picture of features.

    Args:
        points: number of key points.
        least: as for :class:`DenseMotion`.
    """

    def __init__(self, points: int, *, least: float = 0.0) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotion(points, least=least)
        self.third = SameBlock2d(CHANNELS * DEPTH, 256, leak=0.01)
        self.fourth = nn.Conv2d(256, 256, 1)

    def forward(self, volume: Tensor, source: Tensor, driving: Tensor) -> tuple[Tensor, Tensor]:
        """(features (n, 256, h, w), occlusion (n, 1, h, w)); arguments as for :class:`DenseMotion`."""
        deformation, occlusion = self.dense_motion_network(volume, source, driving)
        x = functional.grid_sample(volume, deformation, align_corners=False)
        x = self.fourth(self.third(x.flatten(1, 2)))
        return x * occlusion, occlusion


def _blobs(grid: Tensor, points: Tensor) -> Tensor:
    """(n, points, d, h, w): how near every cell is to each key point, 1 at the point."""
    apart = grid - points[:, :, None, None, None]
    return torch.exp(-0.5 * (apart**2).sum(dim=-1) / _SPREAD)
