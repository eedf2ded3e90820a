"""Where a score came from: how far it falls when a part of the face is taken to be like any other."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.own.temporal import NAMES, REGIONS, region_masks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.own.scorer import Measured, Scorer
    from detectors.faceforensics.own.stretches import Stretch

_SIDE: Final = 320


def heat_map(scorer: Scorer, stretch: Stretch, found: Measured, *, moving: bool) -> str:
    """The middle frame with the regions brighter on which the score rests, as JPEG in base64."""
    import cv2

    from thsafe.media.image import encode_jpeg

    weights = shares(scorer, found, moving=moving)
    frame = stretch.frames[len(stretch.frames) // 2]
    heat = np.zeros(frame.shape[:2], np.float32)
    for region, mask in region_masks(stretch.marks, frame.shape).items():
        heat[mask] = np.maximum(heat[mask], weights[region])
    heat = cv2.GaussianBlur(heat, (0, 0), frame.shape[0] / 40)
    top = float(heat.max())
    levels = np.rint(255 * heat / top).astype(np.uint8) if top > 0 else np.zeros(heat.shape, np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
    mixed = cv2.addWeighted(frame, 0.55, colours, 0.45, 0)
    shown = cv2.resize(mixed, (_SIDE, _SIDE), interpolation=cv2.INTER_CUBIC)
    return base64.b64encode(encode_jpeg(np.asarray(shown, np.uint8), 85)).decode()


def shares(scorer: Scorer, found: Measured, *, moving: bool) -> dict[str, float]:
    """By how much the score of what was measured falls without each region; 0 where it does not."""
    base = dict(found)
    usual = scorer.usual
    variants: list[dict[str, NDArray[Any]]] = [base]
    for region in REGIONS:
        plain = base["temporal"].copy()
        places = [place for place, name in enumerate(NAMES) if name.startswith(f"{region}.")]
        plain[places] = usual[places]
        variants.append({**base, "temporal": plain})
    scores = scorer.scores(variants, moving=moving)
    falls = np.maximum(scores[0] - scores[1:], 0.0)
    return {region: float(fall) for region, fall in zip(REGIONS, falls, strict=True)}
