"""A detector without a deep network: how neighbouring residuals go together in the mouth, the face and around it.

A picture's finest residuals, rounded to five levels, and how often each pair of levels meets side by side: statistics
that resampling, blending and synthesis change (Fridrich and Kodovský, "Rich Models for Steganalysis", TIFS 2012). One
linear layer over them is fitted in closed form, within minutes.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

_LEVELS: Final = 5
_KERNELS: Final = (
    # first, second and third order, the square of 3 and of 5 pixels, and the diagonal: each over its scale
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 0, -1, 1, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 1, -2, 1, 0), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 1, 0, 0), (0, 0, -2, 0, 0), (0, 0, 1, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, 0, 0, 0, 0), (0, 1, -3, 3, -1), (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
    ((0, 0, 0, 0, 0), (0, -1, 2, -1, 0), (0, 2, -4, 2, 0), (0, -1, 2, -1, 0), (0, 0, 0, 0, 0)),
    ((-1, 2, -2, 2, -1), (2, -6, 8, -6, 2), (-2, 8, -12, 8, -2), (2, -6, 8, -6, 2), (-1, 2, -2, 2, -1)),
)
_SCALES: Final = (1.0, 2.0, 2.0, 3.0, 4.0, 12.0)
# left, top, right, bottom as shares of the crop: the mouth, the face from brows to chin, everything
_REGIONS: Final = ((0.28, 0.58, 0.72, 0.86), (0.20, 0.26, 0.80, 0.88), (0.0, 0.0, 1.0, 1.0))
FEATURES: Final = len(_KERNELS) * len(_REGIONS) * 2 * _LEVELS**2 * 2


class Traces(nn.Module):
    """Input (n, 3, side, side) RGB in [0, 1]; output (n,) logits, higher for a manipulation."""

    kernels: Tensor
    middle: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        kernels = torch.tensor(_KERNELS) / torch.tensor(_SCALES).view(-1, 1, 1)
        self.register_buffer("kernels", kernels[:, None].float(), persistent=False)
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
        """Square roots of the shares of all pairs of levels, (n, ``FEATURES``): fine steps, then coarse ones."""
        weights = torch.tensor([0.299, 0.587, 0.114], device=faces.device).view(1, 3, 1, 1)
        grey = (faces.float() * weights).sum(1, keepdim=True) * 255
        residuals = torch.nn.functional.conv2d(grey, self.kernels, padding=2)
        half = _LEVELS // 2
        columns = []
        for step in (1.0, 4.0):
            levels = (residuals / step).round().clamp(-half, half).long() + half
            for left, top, right, bottom in _REGIONS:
                height, width = levels.shape[2:]
                part = levels[
                    :, :, round(top * height) : round(bottom * height), round(left * width) : round(right * width)
                ]
                across = part[..., :-1] * _LEVELS + part[..., 1:]
                down = part[..., :-1, :] * _LEVELS + part[..., 1:, :]
                columns += [_shares(across), _shares(down)]
        return torch.cat(columns, dim=1)


def _shares(pairs: Tensor) -> Tensor:
    """Square roots of how often each pair of levels is met, (n, kernels * 25)."""
    count, kernels = pairs.shape[:2]
    kinds = _LEVELS**2
    flat = pairs.reshape(count * kernels, -1)
    places = flat + torch.arange(count * kernels, device=pairs.device)[:, None] * kinds
    found = torch.bincount(places.reshape(-1), minlength=count * kernels * kinds).view(count, -1).float()
    return (found / flat.shape[1]).sqrt()
