"""Small networks that mend key points: so that the head fits its shoulders, and eyes and lips close as far as asked."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import torch
from torch import Tensor, nn

from generators.liveportrait.motion import POINTS

_COORDINATES: Final = 3 * POINTS


class _Perceptron(nn.Module):
    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.mlp = nn.Sequential()
        for a, b in pairwise(sizes):
            self.mlp.extend((nn.Linear(a, b), nn.ReLU()))
        self.mlp = self.mlp[:-1]

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.mlp(x)
        return found


class Stitching(_Perceptron):
    """Moves the driving points so that the new head continues the picture around it."""

    def __init__(self) -> None:
        super().__init__(2 * _COORDINATES, 128, 128, 64, _COORDINATES + 2)

    def mended(self, source: Tensor, driving: Tensor) -> Tensor:
        """The driving points (n, 21, 3) with the correction added; ``source`` is (n, 21, 3), too."""
        change = self(torch.cat((source.flatten(1), driving.flatten(1)), dim=1))
        mended = driving + change[:, :_COORDINATES].reshape(driving.shape)
        across = torch.nn.functional.pad(change[:, _COORDINATES:], (0, 1))
        return mended + across[:, None]


class Lips(_Perceptron):
    """What to add to the points for lips that open as asked."""

    def __init__(self) -> None:
        super().__init__(_COORDINATES + 2, 128, 128, 64, _COORDINATES)

    def change(self, source: Tensor, opening: Tensor) -> Tensor:
        """(n, 21, 3); ``opening`` (n, 2) is how far the lips are open in the portrait, and shall be."""
        found: Tensor = self(torch.cat((source.flatten(1), opening), dim=1)).reshape(source.shape)
        return found


class Eyes(_Perceptron):
    """What to add to the points for eyes that open as asked."""

    def __init__(self) -> None:
        super().__init__(_COORDINATES + 3, 256, 256, 128, 128, 64, _COORDINATES)

    def change(self, source: Tensor, opening: Tensor) -> Tensor:
        """(n, 21, 3); ``opening`` (n, 3) is how far the portrait's two eyes are open, and how far they shall be."""
        found: Tensor = self(torch.cat((source.flatten(1), opening), dim=1)).reshape(source.shape)
        return found
