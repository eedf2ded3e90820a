"""Scores of stored crops: one logit each, in the list's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from detectors.faceforensics.batches import MARGIN, load
from detectors.faceforensics.degrade import Fate
from detectors.faceforensics.recipes import Recipe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.listing import Sample
    from thsafe.core.types import Frame, Progress

WANTED = 1.3
"""Width of the part that is scored, in faces."""
FACE = 128.0
"""Pixels of the face at which compression is applied to crops that a recipe cuts itself."""


def presented(crop: Frame, recipe: Recipe, quality: str) -> Frame:
    """A stored crop as the network is to see it, RGB ``uint8`` (side, side, 3), under one named condition."""
    if recipe.augmentation == "fates" and not recipe.self_blend:
        fate = Fate.fixed(quality, crop=crop.shape[0], margin=MARGIN, wanted=WANTED, face=FACE)
    else:
        size = float(crop.shape[0])
        fate = Fate.fixed(quality, crop=crop.shape[0], margin=1.0, wanted=1.0, face=size)
    return np.ascontiguousarray(fate.befall(crop, recipe.side)[:, :, ::-1])


def score_samples(
    net: Any,
    recipe: Recipe,
    samples: Sequence[Sample],
    *,
    progress: Progress,
    quality: str = "as-is",
    device: str = "cpu",
    half: bool = False,
) -> NDArray[np.float64]:
    """Logits (n,), higher for a manipulation.

    Args:
        net: a network as ``recipes.build`` makes them, in evaluation mode.
        recipe: says how crops are shown to it.
        samples: what to score.
        progress: told how far it is.
        quality: one of ``degrade.QUALITIES``.
        device: where the network is.
        half: bfloat16.
    """
    import torch

    progress.start(f"scoring {quality}", len(samples))
    found = []
    for start in range(0, len(samples), recipe.batch):
        chosen = samples[start : start + recipe.batch]
        pictures = np.stack([presented(load(sample.path), recipe, quality) for sample in chosen])
        with torch.inference_mode(), torch.autocast(device.partition(":")[0], torch.bfloat16, enabled=half):
            logits = net(prepared(torch.from_numpy(pictures).to(device), recipe))
        found.append(logits.float().cpu().numpy().astype(np.float64))
        progress.advance(len(chosen))
    return np.concatenate(found) if found else np.zeros(0)


def prepared(pictures: Any, recipe: Recipe) -> Any:
    """A torch tensor of RGB ``uint8`` (n, side, side, 3) as the network's input."""
    import torch

    shape = (1, 3, 1, 1)
    mean = torch.tensor(recipe.mean, device=pictures.device).view(shape)
    deviation = torch.tensor(recipe.deviation, device=pictures.device).view(shape)
    return (pictures.permute(0, 3, 1, 2).float() / 255 - mean) / deviation
