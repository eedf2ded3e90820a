"""From one picture of a face to a volume of features, once per portrait."""

from __future__ import annotations

from typing import Final

from torch import Tensor, nn

from generators.facevid.layers import DownBlock2d, ResBlock3d, SameBlock2d

CHANNELS: Final = 32
DEPTH: Final = 16


class Appearance(nn.Module):
    """What the person looks like, turned to the camera or not: (n, 32, 16, h / 4, w / 4)."""

    def __init__(self) -> None:
        super().__init__()
        self.first = SameBlock2d(3, 64)
        self.down_blocks = nn.ModuleList((DownBlock2d(64, 128), DownBlock2d(128, 256)))
        self.second = nn.Conv2d(256, CHANNELS * DEPTH, 1)
        self.resblocks_3d = nn.Sequential()
        for number in range(6):
            self.resblocks_3d.add_module(f"3dr{number}", ResBlock3d(CHANNELS))

    def forward(self, picture: Tensor) -> Tensor:
        """The volume.

        Args:
            picture: float (n, 3, h, w), RGB in [0, 1]; h and w are multiples of 128.
        """
        x = self.first(picture)
        for block in self.down_blocks:
            x = block(x)
        x = self.second(x)
        found: Tensor = self.resblocks_3d(x.reshape(len(x), CHANNELS, DEPTH, *x.shape[2:]))
        return found
