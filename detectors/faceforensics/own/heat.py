"""Where a score came from: how far it would fall if a part of the face were like any other.

Statistics between frames are of regions, local ones of cells; the halves of the face are folded together in them, so a
cell and its mirror image share what falls. Co-occurrences are counted over the mouth, the face and the window at once:
what they add is in no map, and how much is left out is said with it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

import numpy as np

from detectors.faceforensics.batches import MARGIN
from detectors.faceforensics.own.grid import CELLS, CHANNELS
from detectors.faceforensics.own.temporal import NAMES, REGIONS, region_masks
from detectors.faceforensics.own.view import WANTED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.own.scorer import Measured, Scorer
    from detectors.faceforensics.own.stretches import Stretch

_SIDE: Final = 320


def heat_map(scorer: Scorer, stretch: Stretch, found: Measured, *, moving: bool) -> tuple[str, float]:
    """The middle frame with those places brighter on which the score rests.

    Returns:
        JPEG in base64, and the share of what raises the score that can be laid out so, 0 to 1.
    """
    import cv2

    from thsafe.media.image import encode_jpeg

    frame = stretch.frames[len(stretch.frames) // 2]
    side = frame.shape[0]
    heat = np.zeros(frame.shape[:2], np.float32)
    weights, cells = shares(scorer, found, moving=moving), places(scorer, found, moving=moving)
    for region, mask in region_masks(stretch.marks, frame.shape).items():
        # what rests on a region is spread over it, so that all of the map is in score per pixel
        heat[mask] += weights[region] / max(1, int(mask.sum()))
    inside = round(side * WANTED / MARGIN)
    corner = (side - inside) // 2
    spread = cv2.resize(cells, (inside, inside), interpolation=cv2.INTER_CUBIC) * (cells.size / inside**2)
    heat[corner : corner + inside, corner : corner + inside] += np.maximum(spread, 0)
    heat = cv2.GaussianBlur(heat, (0, 0), side / 40)
    top = float(heat.max())
    levels = np.rint(255 * heat / top).astype(np.uint8) if top > 0 else np.zeros(heat.shape, np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    mixed = cv2.addWeighted(frame, 0.55, colours, 0.45, 0)
    shown = cv2.resize(mixed, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    rest = max(0.0, float(scorer.contributions([found], moving=moving)[0, 0]))
    laid_out = sum(weights.values()) + float(cells.sum())
    covered = laid_out / (laid_out + rest) if laid_out + rest > 0 else 0.0
    return base64.b64encode(encode_jpeg(np.asarray(shown, np.uint8), 85)).decode(), covered


def shares(scorer: Scorer, found: Measured, *, moving: bool) -> dict[str, float]:
    """By how much the score of what was measured falls without each region's statistics; 0 where it does not."""
    usual, _ = scorer.usual
    variants = [found["temporal"]]
    for region in REGIONS:
        plain = found["temporal"].copy()
        columns = [place for place, name in enumerate(NAMES) if name.startswith(f"{region}.")]
        plain[columns] = usual[columns]
        variants.append(plain)
    scores = scorer.head(np.stack(variants), np.stack([found["grid"]] * len(variants)), moving=moving)
    falls = np.maximum(scores[0] - scores[1:], 0.0)
    return {region: float(fall) for region, fall in zip(REGIONS, falls, strict=True)}


def places(scorer: Scorer, found: Measured, *, moving: bool) -> NDArray[np.float32]:
    """The same for each cell of the view, (``CELLS``, ``CELLS``); what falls with a pair of cells is halved."""
    _, usual = scorer.usual
    half = CELLS // 2
    variants = np.stack([found["grid"]] * (1 + CELLS * half)).reshape(-1, CELLS * half, CHANNELS)
    number = np.arange(CELLS * half)
    variants[1 + number, number] = usual.reshape(-1, CHANNELS)
    variants = variants.reshape(len(variants), -1)
    scores = scorer.head(np.stack([found["temporal"]] * len(variants)), variants, moving=moving)
    falls = np.maximum(scores[0] - scores[1:], 0.0).reshape(CELLS, half) / 2
    return np.asarray(np.concatenate([falls, falls[:, ::-1]], axis=1), np.float32)
