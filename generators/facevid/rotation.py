"""Head angles: from the network's 66 classes to degrees, and from degrees to matrices."""

from __future__ import annotations

import torch
from torch import Tensor


def degrees(logits: Tensor, lowest: float) -> Tensor:
    """The expected angle (n,) of 66 classes that are three degrees apart, the first at ``lowest``."""
    classes = torch.arange(logits.shape[-1], dtype=logits.dtype, device=logits.device)
    return (torch.softmax(logits, dim=-1) * classes).sum(dim=-1) * 3 + lowest


def matrices(pitch: Tensor, yaw: Tensor, roll: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Turns about x, y and z, each (n, 3, 3); angles in radians, (n,)."""
    found = []
    for angle, first, second in ((pitch, 1, 2), (yaw, 2, 0), (roll, 0, 1)):
        turn = torch.zeros(*angle.shape, 3, 3, dtype=angle.dtype, device=angle.device)
        axis = 3 - first - second
        turn[..., axis, axis] = 1
        turn[..., first, first] = turn[..., second, second] = torch.cos(angle)
        turn[..., second, first] = torch.sin(angle)
        turn[..., first, second] = -torch.sin(angle)
        found.append(turn)
    return found[0], found[1], found[2]
