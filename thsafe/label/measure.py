"""Is the label there? Measured in decoded frames of a finished file, from the pixels alone.

Finds the drawn letters by normalised correlation near their corner, then measures the height of a letter and its
contrast against the plate. It cannot tell who put a label there, and it does not read words it does not expect.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from thsafe.label.plate import PLATE_OPACITY, Plate, draw_plate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame, Label

MATCH = 0.75
"""Correlation from which letters count as seen; it must be reached by every few letters, not by the whole alone."""
LEGIBLE = 3.0
"""Contrast ratio below which large text is not legible (WCAG 2.2 §1.4.3)."""
_SLAB = 2.5
"""Width in text heights of the parts that must each be seen: about four letters."""
_ROUNDING = 1e-4
_STACK = 4
"""How many plates of this size deep a corner is searched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMeasure:
    """What can be seen of one label in decoded frames."""

    present: bool
    """Seen in every frame of its time that was looked at, and there was at least one."""
    text_height_share: float
    """Height of a letter as a share of the shorter side, measured from the pixels; median over frames, 0 if unseen."""
    contrast: float
    """Contrast ratio of letters to plate, 1 to 21 (WCAG 2.2 relative luminance); lowest over frames, 0 if unseen."""
    first_seen: float
    """Seconds; NaN if never."""
    last_seen: float
    """Seconds; NaN if never."""
    correlation: float
    """With the drawn label, -1 to 1; of the weakest part in the weakest frame of its time, 0 without any."""
    share: float
    """Share of the frames of its time in which it was seen."""


def measure_label(frames: Iterable[tuple[float, Frame]], label: Label, size: tuple[int, int]) -> LabelMeasure:
    """Look for a label in (seconds, BGR) frames.

    Args:
        frames: any selection of a video's frames, as ``VideoReader`` gives them; other sizes are scaled to ``size``.
        label: what should be there, and when.
        size: width and height for which the label was drawn.
    """
    import cv2

    plate = draw_plate(label, *size)
    template = _template(plate)
    end = math.inf if label.seconds is None else label.start + label.seconds
    correlations: list[float] = []
    contrasts: list[float] = []
    heights: list[float] = []
    seen: list[float] = []
    for seconds, frame in frames:
        if (frame.shape[1], frame.shape[0]) != size:
            frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA)  # noqa: PLW2901  # only this frame's size
        patch, correlation = _find(frame, template, plate, label.position)
        due = label.start <= seconds + _ROUNDING < end
        if due:
            correlations.append(correlation)
        if correlation < MATCH:
            continue
        contrast = _contrast(patch, plate)
        if contrast < LEGIBLE:
            continue
        seen.append(seconds)
        if due:
            contrasts.append(contrast)
            heights.append(_letter_height(patch, plate))
    due_count = len(correlations)
    return LabelMeasure(
        present=due_count > 0 and len(heights) == due_count,
        text_height_share=float(np.median(heights)) / min(size) if heights else 0.0,
        contrast=min(contrasts, default=0.0),
        first_seen=min(seen, default=math.nan),
        last_seen=max(seen, default=math.nan),
        correlation=min(correlations, default=0.0),
        share=len(heights) / due_count if due_count else 0.0,
    )


def _template(plate: Plate) -> NDArray[np.uint8]:
    """The plate as it looks on mid grey, full-range grey levels."""
    backing = plate.backing * PLATE_OPACITY
    grey = (110 * (1 - backing) + 5 * backing) * (1 - plate.ink) + 255 * plate.ink
    template: NDArray[np.uint8] = grey.astype(np.uint8)
    return template


def _find(frame: Frame, template: NDArray[np.uint8], plate: Plate, position: str) -> tuple[Frame, float]:
    """The best match near the corner: that part of the frame, and its correlation."""
    import cv2

    height, width = frame.shape[:2]
    rows = min(height, _STACK * plate.height)
    columns = min(width, plate.width + 2 * plate.height)
    vertical, _, horizontal = position.partition("-")
    y0 = 0 if vertical == "top" else height - rows
    x0 = 0 if horizontal == "left" else width - columns
    corner = frame[y0 : y0 + rows, x0 : x0 + columns]
    grey = cv2.cvtColor(corner, cv2.COLOR_BGR2GRAY)
    # the plate's own edge would match any dark box: compare the inside, where the letters are
    inset = plate.text_height // 3
    inner = template[inset : plate.height - inset, inset : plate.width - inset]
    scores = cv2.matchTemplate(grey, inner, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    # a flat corner has no correlation at all; OpenCV then gives anything
    correlation = float(best) if math.isfinite(best) and abs(best) <= 1.001 else 0.0
    if correlation >= MATCH:
        correlation = min(correlation, _weakest(grey[y : y + inner.shape[0], x : x + inner.shape[1]], inner, plate))
    x, y = min(max(0, x - inset), columns - plate.width), min(max(0, y - inset), rows - plate.height)
    return corner[y : y + plate.height, x : x + plate.width], correlation


def _weakest(seen: NDArray[np.uint8], inner: NDArray[np.uint8], plate: Plate) -> float:
    """The lowest correlation of any part a few letters wide: half a word, or a word with the same end, is not it."""
    count = max(1, round(inner.shape[1] / (_SLAB * plate.text_height)))
    edges = np.linspace(0, inner.shape[1], count + 1).astype(int)
    lowest = 1.0
    for first, last in itertools.pairwise(edges):
        drawn = inner[:, first:last].astype(np.float32)
        found = seen[:, first:last].astype(np.float32)
        drawn -= drawn.mean()
        found -= found.mean()
        scale = float(np.sqrt((drawn**2).sum() * (found**2).sum()))
        lowest = min(lowest, float((drawn * found).sum()) / scale if scale else 0.0)
    return lowest


def _contrast(patch: Frame, plate: Plate) -> float:
    """(L1 + 0.05) / (L2 + 0.05) of the middle of the strokes and of the plate around them."""
    light = _luminance(patch)
    letters = light[plate.ink > 0.95]
    ground = light[(plate.ink < 0.02) & (plate.backing > 0.99)]
    if not letters.size or not ground.size:
        return 1.0
    return float((np.median(letters) + 0.05) / (np.median(ground) + 0.05))


def _letter_height(patch: Frame, plate: Plate) -> float:
    """Pixels, with fractions: rows of one letter, each weighed by how far it is from plate to letter."""
    grey = patch.astype(np.float32).mean(axis=2)
    dark = float(np.median(grey[(plate.ink < 0.02) & (plate.backing > 0.99)]))
    bright = float(np.percentile(grey[plate.ink > 0.5], 75))
    x0, y0, x1, y1 = plate.ruler
    reach = max(1, plate.text_height // 5)
    rows = slice(max(0, y0 - reach), y1 + reach)
    columns = slice(max(0, x0), x1)
    drawn = float(plate.ink[rows, columns].max(axis=1).sum())
    level = np.clip((grey[rows, columns].max(axis=1) - dark) / max(1.0, bright - dark), 0.0, 1.0)
    measured = float(level[level > 0.25].sum())
    return plate.text_height * measured / drawn if drawn else 0.0


def _luminance(bgr: Frame) -> NDArray[np.float32]:
    """Relative luminance of sRGB (WCAG 2.2)."""
    part = bgr.astype(np.float32) / 255
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    weighed: NDArray[np.float32] = (linear @ np.array([0.0722, 0.7152, 0.2126])).astype(np.float32)
    return weighed
