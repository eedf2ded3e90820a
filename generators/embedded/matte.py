"""The portrait in two layers: the person, cut out with soft edges, and what lies behind, filled in where they stood.

A turning head then moves over a background that stays; on one sheet, door frames and shelves would bend with it. The
person's layer is premultiplied and chosen so that both layers together are the picture itself, to the last level.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generators.embedded.landmarks import FaceFrame

Image = NDArray[np.uint8]
Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """A picture as person over background."""

    person: Image
    """Premultiplied BGRA ``uint8`` (height, width, 4)."""
    background: Image
    """BGR ``uint8`` (height, width, 3)."""


def split_layers(picture: Image, alpha: Field | None, face: FaceFrame) -> Layers | None:
    """Split a picture with a person's matte; None where the matte does not hold the whole face or leaves no background.

    Args:
        picture: BGR (height, width, 3).
        alpha: how much of each pixel is person, (height, width) in 0 to 1: as drawn, or made by :func:`refined`.
        face: the face in the pixels of the picture.
    """
    if alpha is None:
        return None
    height, width = alpha.shape
    marks = np.rint(face.turn_to_pixels(face.points[:468, :2]) + face.origin).astype(int)
    marks = np.clip(marks, 0, [width - 1, height - 1])
    held = alpha[marks[:, 1], marks[:, 0]]
    if float(np.mean(held > 0.9)) < 0.97 or float(alpha.mean()) > 0.92:
        return None
    background = _filled(picture, alpha, face.unit)
    shown, behind = picture.astype(np.float32), background.astype(np.float32)
    # the least opacity at which some colour over this background gives the picture's own
    darker = 1.0 - shown / np.maximum(behind, 1.0)
    lighter = (shown - behind) / np.maximum(255.0 - behind, 1.0)
    least = np.maximum(darker, lighter).max(axis=-1)
    share = np.ceil(np.clip(np.maximum(alpha, least), 0.0, 1.0) * 255.0)[..., None]
    person = np.clip(np.rint(shown - (1.0 - share / 255.0) * behind), 0.0, share)
    layered = np.concatenate([person, share], axis=-1).astype(np.uint8)
    return Layers(person=np.ascontiguousarray(layered), background=background)


def compose_layers(warped: Image, background: Image) -> Image:
    """The warped person (premultiplied BGRA) over the background: a new BGR picture."""
    import cv2

    person = cv2.cvtColor(warped, cv2.COLOR_BGRA2BGR)
    through = cv2.cvtColor(255 - warped[..., 3], cv2.COLOR_GRAY2BGR)
    behind = cv2.multiply(background, through, scale=1.0 / 255.0)
    frame: Image = cv2.add(person, behind)
    return frame


def refined(picture: Image, matte: Field | None, face: FaceFrame) -> Field | None:
    """A finder's matte, sharpened and snapped to the picture's edges by a guided filter (He et al. 2010).

    ``matte`` is (height, width) in 0 to 1, or None where the finder found nobody.
    """
    import cv2

    if matte is None:
        return None
    hard = np.clip((matte - 0.25) / 0.5, 0.0, 1.0).astype(np.float32)
    guide = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY).astype(np.float32) / 255.0
    side = 2 * max(round(0.05 * face.unit), 2) + 1

    def mean(field: Field) -> Field:
        smooth: Field = cv2.blur(field, (side, side))
        return smooth

    centre, target = mean(guide), mean(hard)
    slope = (mean(guide * hard) - centre * target) / (mean(guide * guide) - centre * centre + 4e-4)
    offset = target - slope * centre
    alpha = np.clip(mean(slope) * guide + mean(offset), 0.0, 1.0)
    # deep inside and far outside the matte is sure of itself
    sure = cv2.erode((hard > 0.98).astype(np.uint8), np.ones((side, side), np.uint8))
    far = cv2.dilate((hard > 0.02).astype(np.uint8), np.ones((side, side), np.uint8)) == 0
    alpha[sure > 0] = 1.0
    alpha[far] = 0.0
    result: Field = np.clip((alpha - 0.15) / 0.76, 0.0, 1.0).astype(np.float32)
    return result


def _filled(picture: Image, alpha: Field, unit: float) -> Image:
    """The background with the person's place filled in; the picture itself where nobody stands."""
    import cv2

    height, width = alpha.shape
    scale = 128.0 / max(height, width)
    size = (max(round(width * scale), 8), max(round(height * scale), 8))
    reach = 2 * max(round(0.09 * unit), 1) + 1
    hole = cv2.dilate((alpha > 0.02).astype(np.uint8) * 255, np.ones((reach, reach), np.uint8))
    small_hole = (cv2.resize(hole, size, interpolation=cv2.INTER_AREA) > 0).astype(np.uint8) * 255
    small = cv2.inpaint(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), small_hole, 3, cv2.INPAINT_TELEA)
    smooth = cv2.GaussianBlur(small, (0, 0), 2.0)
    small = np.where(small_hole[..., None] > 0, smooth, small)
    filled = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    # the fill is taken from well clear of the person and shown a little less far: no outline stays, no rim appears
    near = 2 * max(round(0.05 * unit), 1) + 1
    close = cv2.dilate(np.clip(8.0 * alpha, 0.0, 1.0), np.ones((near, near), np.uint8))
    ramp = cv2.GaussianBlur(close, (0, 0), max(0.010 * unit, 0.6))[..., None]
    result: Image = np.clip(picture + (filled - picture) * ramp + 0.5, 0.0, 255.0).astype(np.uint8)
    return result
