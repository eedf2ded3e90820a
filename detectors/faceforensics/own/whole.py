"""What comes with thsafe: two looks at one stretch of a face, and how they are put together.

Co-occurrences of residuals (``Traces``); and a head over statistics of residuals within and between frames
(``temporal``) and over what the face has of each method of manipulation (``grid``). For a photograph the statistics
between frames are left out and another head looks at the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from detectors.faceforensics.own.grid import FEATURES, METHODS, Directions
from detectors.faceforensics.own.scorer import FAR
from detectors.faceforensics.own.temporal import NAMES, STILL
from detectors.faceforensics.traces import Traces

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Measured = Mapping[str, NDArray[Any]]

LOOKS: Final = ("traces", "statistics")
_HIDDEN: Final = 24


class Head(nn.Module):
    """Statistics (n, count) to logits (n,): one hidden layer, several times over."""

    middle: Tensor
    spread: Tensor

    def __init__(self, count: int, *, members: int = 5) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(count))
        self.register_buffer("spread", torch.ones(count))
        self.members = nn.ModuleList(
            nn.Sequential(nn.Linear(count, _HIDDEN), nn.GELU(), nn.Dropout(0.3), nn.Linear(_HIDDEN, 1))
            for _ in range(members)
        )

    def forward(self, statistics: Tensor) -> Tensor:
        """The mean of the members' logits."""
        seen = self.scaled(statistics)
        found: Tensor = torch.stack([member(seen)[:, 0] for member in self.members]).mean(0)
        return found

    def scaled(self, statistics: Tensor) -> Tensor:
        """In deviations from the mean, not beyond ``FAR``."""
        found: Tensor = ((statistics - self.middle) / self.spread).clamp(-FAR, FAR)
        return found


class Grid(nn.Module):
    """Directions of the methods, as tensors."""

    middle: Tensor
    spread: Tensor
    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        self.weight = nn.Parameter(torch.zeros(len(METHODS), FEATURES), requires_grad=False)

    def forward(self, statistics: Tensor) -> Tensor:
        """(n, methods) of local statistics (n, ``FEATURES``)."""
        found: Tensor = ((statistics - self.middle) / self.spread) @ self.weight.T
        return found

    def take(self, found: Directions) -> None:
        """Fitted directions as they are."""
        with torch.no_grad():
            self.middle.copy_(torch.from_numpy(found.middle))
            self.spread.copy_(torch.from_numpy(found.spread))
            self.weight.copy_(torch.from_numpy(found.weight))


class Whole(nn.Module):
    """All looks and their weights."""

    moving_mix: Tensor
    still_mix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.traces = Traces()
        self.grid = Grid()
        self.moving = Head(len(NAMES) + len(METHODS))
        self.still = Head(STILL + len(METHODS))
        # weights of the looks, then the offset
        self.register_buffer("moving_mix", torch.zeros(len(LOOKS) + 1))
        self.register_buffer("still_mix", torch.zeros(len(LOOKS) + 1))

    def looks(self, measured: Sequence[Measured], *, moving: bool) -> Tensor:
        """(n, 2) logits of each look at stretches that were measured alike, in the order of ``LOOKS``."""
        traces = torch.from_numpy(np.stack([item["traces"] for item in measured]))
        statistics = torch.from_numpy(np.stack([item["temporal"] for item in measured]))
        alike = self.grid(torch.from_numpy(np.stack([item["grid"] for item in measured])))
        seen = torch.cat([statistics if moving else statistics[:, :STILL], alike], dim=1)
        head = self.moving(seen) if moving else self.still(seen)
        return torch.stack([self.traces.judge(traces), head], dim=1)

    def forward(self, measured: Sequence[Measured], *, moving: bool) -> Tensor:
        """Logits (n,), higher for a manipulation."""
        mix = self.moving_mix if moving else self.still_mix
        found: Tensor = self.looks(measured, moving=moving) @ mix[:-1] + mix[-1]
        return found
