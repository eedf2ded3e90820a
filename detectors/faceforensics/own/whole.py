"""What comes with thsafe: two looks at one stretch of a face, and how they are put together.

Co-occurrences of residuals (``Traces``), and statistics of residuals within and between frames (``Head`` over
``temporal``). For a photograph the statistics between frames are left out and another head looks at the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

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


class Whole(nn.Module):
    """All looks and their weights."""

    moving_mix: Tensor
    still_mix: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.traces = Traces()
        self.moving = Head(len(NAMES))
        self.still = Head(STILL)
        # weights of the looks, then the offset
        self.register_buffer("moving_mix", torch.zeros(len(LOOKS) + 1))
        self.register_buffer("still_mix", torch.zeros(len(LOOKS) + 1))

    def looks(self, measured: Sequence[Measured], *, moving: bool) -> Tensor:
        """(n, 2) logits of each look at stretches that were measured alike, in the order of ``LOOKS``."""
        traces = torch.from_numpy(np.stack([item["traces"] for item in measured]))
        statistics = torch.from_numpy(np.stack([item["temporal"] for item in measured]))
        head = self.moving(statistics) if moving else self.still(statistics[:, :STILL])
        return torch.stack([self.traces.judge(traces), head], dim=1)

    def forward(self, measured: Sequence[Measured], *, moving: bool) -> Tensor:
        """Logits (n,), higher for a manipulation."""
        mix = self.moving_mix if moving else self.still_mix
        found: Tensor = self.looks(measured, moving=moving) @ mix[:-1] + mix[-1]
        return found
