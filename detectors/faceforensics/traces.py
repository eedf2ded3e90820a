"""A detector without a deep network: one linear layer over how neighbouring residuals go together.

See ``cooccurrence`` for what is counted. The layer is fitted in closed form, within minutes.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from detectors.faceforensics.cooccurrence import FEATURES, co_occurrences


class Traces(nn.Module):
    """Input (n, 3, side, side) RGB in [0, 1]; output (n,) logits, higher for a manipulation."""

    middle: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("middle", torch.zeros(FEATURES))
        self.register_buffer("spread", torch.ones(FEATURES))
        self.head = nn.Linear(FEATURES, 1)

    def forward(self, faces: Tensor) -> Tensor:
        """Logits (n,)."""
        return self.judge(self.statistics(faces))

    def judge(self, statistics: Tensor) -> Tensor:
        """Logits (n,) of :meth:`statistics`."""
        found: Tensor = self.head((statistics - self.middle) / self.spread)[:, 0]
        return found

    def statistics(self, faces: Tensor) -> Tensor:
        """``co_occurrences``, (n, ``FEATURES``), counted on the processor."""
        counted = co_occurrences(np.asarray(faces.detach().float().cpu().numpy(), np.float32))
        return torch.from_numpy(counted).to(faces.device)
