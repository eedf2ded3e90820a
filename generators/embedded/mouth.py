"""The inside of the mouth, and how lips and inside are put together.

The inside is drawn once as three layers on a patch in face coordinates: upper teeth, fixed to the skull; tongue and
lower teeth, which ride with the jaw; the cavity behind them. Which of them a pixel shows follows from two signed
distances, to the upper lip's edge and to the lower lip's edge, each read where its own lip field came from. So lips
stay anti-aliased and the opening needs no polygon.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generators.embedded.flow import Field
from generators.embedded.landmarks import LOWER_INNER, LOWER_OUTER, UPPER_INNER, UPPER_OUTER, FaceFrame
from generators.embedded.seam import Seam

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

KEPT_GAP = 0.085
"""u: a mouth that is this open in the picture keeps the teeth it shows."""
_OVERSAMPLING = 4
_TEETH = (0.17, 0.135, 0.15, 0.13, 0.13, 0.12)
"""Widths from the middle outwards, in halves of the mouth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """How the inside of the mouth stands."""

    jaw: float
    """How far the jaw is open, in u."""
    tongue: float
    """How far the tongue is raised, 0 to 1."""
    rounding: float
    """How far the lips are pushed forward, in u: they shade what is behind."""
    speaking: float
    """How far the mouth has left its place in the picture, 0 to 1."""


class Mouth:
    """Draws the mouth's rectangle of a frame from the two lip maps and the skull's map."""

    def __init__(self, picture: Image, face: FaceFrame, seam: Seam) -> None:
        self._face = face
        self._seam = seam
        self._half = face.half_mouth
        self._feather = max(1.2 / face.unit, 0.014)
        tone = _Tone(picture, face)
        self._cavity = tone.cavity
        x0, x1 = -1.25 * self._half, 1.25 * self._half
        y0, y1 = float(seam.upper.min()) - 0.16, float(seam.lower.max()) + 0.34
        scale = face.unit
        size = (max(round((x1 - x0) * scale), 8), max(round((y1 - y0) * scale), 8))
        # pixels of the picture to pixels of the patch
        axes = face.axes * (scale / face.unit)
        self._affine = axes, np.array([-x0 * scale, -y0 * scale]) - axes @ face.origin
        self._scale = scale
        grid = _grid(x0, y0, size, scale)
        # a broad smile shows teeth worth keeping; a thin strip of them would look broken once the mouth opens
        self._keep = 1.0 if seam.gap > KEPT_GAP else 0.0
        self._upper = _shrink(_upper_teeth(grid, seam, self._half, tone), size) * np.float32(1.0 - self._keep)
        self._lower = _shrink(_lower_teeth(grid, seam, self._half, tone), size)
        self._tongue = _shrink(_tongue(grid, seam, self._half, tone), size)
        self._tip = _shrink(_tongue_tip(grid, seam, self._half, tone), size)
        self._distances = self._measure(picture.shape[0], picture.shape[1])

    def _measure(self, rows: int, columns: int) -> tuple[Field, tuple[int, int]]:
        """Signed distances to both edges and |x| / half width, per pixel of a rectangle around the mouth."""
        face, seam = self._face, self._seam
        reach = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) * [2.2 * self._half, 0.65] + [0.0, 0.1]
        box = face.turn_to_pixels(reach) + face.origin
        x0, y0 = np.floor(box.min(axis=0)).astype(int)
        x1, y1 = np.ceil(box.max(axis=0)).astype(int)
        x0, y0 = max(x0, 0), max(y0, 0)
        x1, y1 = min(x1, columns), min(y1, rows)
        grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1).astype(np.float64)
        where = face.to_face(grid)
        x, y = where[..., 0], where[..., 1]
        field = np.stack([y - seam.upper_at(x), y - seam.lower_at(x), np.abs(x) / self._half], axis=-1)
        return np.ascontiguousarray(field, dtype=np.float32), (int(x0), int(y0))

    def compose(self, source: Image, upper: Field, lower: Field, skull: Field, state: Inside) -> Image:
        """The rectangle with lips and inside.

        Args:
            source: the picture, BGR or premultiplied BGRA.
            upper: source position of every pixel by the upper lip's map: (h, w, 2).
            lower: the same by the lower lip's map.
            skull: the same by the head's turn alone.
            state: how the inside stands.
        """
        import cv2

        from_upper = cv2.remap(source, upper, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        from_lower = cv2.remap(source, lower, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        field, (x0, y0) = self._distances
        shift = np.array([x0, y0], np.float32)
        above = cv2.remap(field, upper - shift, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        below = cv2.remap(field, lower - shift, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        edge_upper, edge_lower = above[..., 0], below[..., 1]
        feather = self._feather
        show_upper = np.clip(1.0 - edge_upper / feather, 0.0, 1.0)
        show_lower = np.clip(1.0 + edge_lower / feather, 0.0, 1.0)
        # half at the edge, not full: full leaks a dark line along a closed seam
        weight_lower = np.maximum(np.clip(0.5 + edge_lower / feather, 0.0, 1.0), show_lower * (1.0 - show_upper))
        weight_upper = show_upper * (1.0 - weight_lower)
        across = np.minimum(above[..., 2], below[..., 2])
        gate = np.clip((across - 0.93) / 0.07, 0.0, 1.0)
        weight_inside = np.maximum(1.0 - weight_upper - weight_lower, 0.0) * (1.0 - gate)
        total = np.maximum(weight_upper + weight_lower + weight_inside, 1e-4)
        mixed = from_upper * (weight_upper / total)[..., None] + from_lower * (weight_lower / total)[..., None]
        seen = weight_inside > 0.004
        rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
        if len(rows):
            part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
            share = (weight_inside[part] / total[part])[..., None]
            inside = self._inside(source, skull[part], edge_upper[part], edge_lower[part], above[part][..., 2], state)
            mixed[part][..., :3] += inside * share
            if mixed.shape[2] == 4:
                mixed[part][..., 3:] += 255.0 * share
        result: Image = cv2.convertScaleAbs(mixed)
        return result

    def _inside(
        self,
        source: Image,
        skull: Field,
        edge_upper: Field,
        edge_lower: Field,
        across: Field,
        state: Inside,
    ) -> Field:
        import cv2

        axes, offset = self._affine
        patch = skull @ axes.T.astype(np.float32) + offset.astype(np.float32)

        def layer(image: Field, down: float) -> Field:
            where = patch - np.array([0.0, down * self._scale], np.float32)
            sampled: Field = cv2.remap(image, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
            return sampled

        colour = np.broadcast_to(self._cavity, (*skull.shape[:2], 3)).astype(np.float32)
        layers = [(self._tongue, 0.72 * state.jaw), (self._lower, 0.95 * state.jaw), (self._upper, 0.0)]
        if state.tongue > 0.05:
            # behind the upper teeth for l and d; between the teeth, in front of both, for th
            lowered = 0.05 * (1.0 - min(state.tongue / 0.4, 1.0))
            forward = min(max((state.tongue - 0.5) / 0.3, 0.0), 1.0)
            layers.insert(3 if forward else 2, (self._tip, lowered - 0.016 * forward))
        for image, down in layers:
            sampled = layer(image, down)
            colour = colour * (1.0 - sampled[..., 3:]) + sampled[..., :3]
        # lips shade what lies behind them, most in the corners
        shade = 0.80 + 0.20 * np.clip(edge_upper / 0.025, 0.0, 1.0)
        shade *= 0.80 + 0.20 * np.clip(-edge_lower / 0.025, 0.0, 1.0)
        shade *= 1.0 - 0.35 * np.clip((across - 0.6) / 0.4, 0.0, 1.0)
        shade *= 1.0 - min(2.5 * max(state.rounding, 0.0), 0.25)
        colour *= shade[..., None]
        if self._seam.is_open:
            own, share = self._own_band(source, skull, state.speaking)
            colour = colour + (own - colour) * share[..., None]
        return colour

    def _own_band(self, source: Image, skull: Field, moved: float) -> tuple[Field, Field]:
        """What the picture shows between its lips, fixed to the skull, and its opacity.

        At rest it is all there is, so that the picture stays itself; as the lips move it gives way to the drawn teeth,
        unless it is broad enough to keep.
        """
        import cv2

        field, (x0, y0) = self._distances
        own = cv2.remap(source, skull, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[..., :3]
        shift = np.array([x0, y0], np.float32)
        there = cv2.remap(field, skull - shift, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        soft = 0.6 * self._feather
        inset = 1.0 - 1.3 * moved
        share: Field = np.clip(there[..., 0] / soft + inset, 0.0, 1.0) * np.clip(inset - there[..., 1] / soft, 0.0, 1.0)
        return own.astype(np.float32), share * np.float32(1.0 - moved * (1.0 - self._keep))

    def lips(self) -> list[int]:
        """The landmarks whose extent is the mouth's rectangle."""
        return [*UPPER_OUTER, *LOWER_OUTER, *UPPER_INNER, *LOWER_INNER]


class _Tone:
    """Colours of the inside, from the picture's own skin, lips and eyes."""

    def __init__(self, picture: Image, face: FaceFrame) -> None:
        marks = face.turn_to_pixels(face.points[:, :2]) + face.origin
        skin = np.median(_around(picture, marks[[50, 280, 205, 425, 101, 330]], 0.03 * face.unit), axis=0)
        middle = (marks[[37, 0, 267, 84, 17, 314]] + marks[[82, 13, 312, 87, 14, 317]]) / 2
        lip = np.median(_around(picture, middle, 0.012 * face.unit), axis=0)
        eyes = _around(picture, marks[[33, 133, 362, 263, 159, 145, 386, 374]], 0.03 * face.unit)
        white = float(np.percentile(eyes @ _LUMA, 92))
        luma = float(skin @ _LUMA)
        self.lip = lip
        self.skin = skin
        self.cavity = np.clip(lip * 0.20, 4, 60) * np.array([0.95, 0.85, 1.0])
        self.tongue = 0.70 * lip * np.array([0.98, 0.92, 1.0]) + 0.22 * skin
        bright = float(np.clip(max(1.12 * luma, 0.95 * white), 150, 232))
        tint = skin / max(luma, 1.0)
        # between neutral white and the light that falls on the skin
        self.tooth = np.clip(bright * (0.84 + 0.16 * tint) * np.array([0.97, 1.0, 1.0]), 0, 245)
        self.gum = 0.55 * lip + 0.25 * skin


_LUMA = np.array([0.114, 0.587, 0.299])


def _around(picture: Image, centres: Array, radius: float) -> Array:
    reach = max(round(radius), 1)
    height, width = picture.shape[:2]
    inside = np.clip(np.rint(centres), reach, [width - 1 - reach, height - 1 - reach]).astype(int)
    parts = [picture[y - reach : y + reach + 1, x - reach : x + reach + 1].reshape(-1, 3) for x, y in inside]
    pixels: Array = np.concatenate(parts).astype(np.float64)
    return pixels


def _grid(x0: float, y0: float, size: tuple[int, int], scale: float) -> tuple[Array, Array]:
    """Face coordinates of the oversampled patch."""
    fine = scale * _OVERSAMPLING
    x = x0 + (np.arange(size[0] * _OVERSAMPLING) + 0.5) / fine - 0.5 / scale
    y = y0 + (np.arange(size[1] * _OVERSAMPLING) + 0.5) / fine - 0.5 / scale
    gx, gy = np.meshgrid(x, y)
    return gx, gy


def _shrink(layer: tuple[Array, Array], size: tuple[int, int]) -> Field:
    """Colour and opacity at the patch's own resolution, premultiplied: (rows, columns, 4)."""
    import cv2

    colour, opacity = layer
    stacked = np.concatenate([colour * opacity[..., None], opacity[..., None]], axis=-1).astype(np.float32)
    small: Field = cv2.resize(stacked, size, interpolation=cv2.INTER_AREA)
    return small


def _row_of_teeth(x: Array, half: float, widths: tuple[float, ...]) -> tuple[Array, NDArray[np.intp]]:
    """Per x: position within its tooth (-1 to 1) and the tooth's number from the middle."""
    bounds = np.concatenate([[0.0], np.cumsum(widths)]) * half
    distance = np.abs(x)
    number = np.clip(np.searchsorted(bounds, distance, side="right") - 1, 0, len(widths) - 1)
    left, right = bounds[number], bounds[number + 1]
    within: Array = 2 * (distance - left) / (right - left) - 1
    return within, number


def _upper_teeth(grid: tuple[Array, Array], seam: Seam, half: float, tone: _Tone) -> tuple[Array, Array]:
    x, y = grid
    within, number = _row_of_teeth(x, half, _TEETH)
    centre = float(np.interp(0.0, seam.x, seam.upper))
    gum = centre - 0.055 + 0.02 * (x / half) ** 2
    lengths = np.array([0.090, 0.085, 0.087, 0.080, 0.076, 0.072])[number]
    tip = gum + lengths - 0.007 * np.abs(within) ** 4.0 + 0.012 * (x / half) ** 2
    soft = 0.006
    opacity = np.clip((tip - y) / soft, 0, 1) * np.clip((1.02 - np.abs(x / half)) / 0.06, 0, 1)
    along = np.clip((y - gum) / lengths, 0, 1)
    light = 1.0 - 0.50 * (np.abs(x / half) / 0.85).clip(0, 1.2) ** 1.6
    light = light * (0.92 + 0.10 * np.sin(np.pi * np.clip(along, 0, 1)) - 0.04 * along)
    light = light * (1.0 - 0.11 * np.clip((np.abs(within) - 0.80) / 0.20, 0, 1) ** 1.5)
    light = light * (1.0 + 0.03 * (1 - within**2))
    colour = tone.tooth * light[..., None]
    scallop = gum + 0.008 * np.abs(within) ** 2
    into_gum = np.clip((scallop - y) / 0.008, 0, 1)[..., None]
    colour = colour * (1 - into_gum) + tone.gum * light[..., None] * into_gum
    return np.clip(colour, 0, 250), opacity


def _lower_teeth(grid: tuple[Array, Array], seam: Seam, half: float, tone: _Tone) -> tuple[Array, Array]:
    x, y = grid
    within, _ = _row_of_teeth(x, half, (0.105, 0.11, 0.125, 0.125, 0.13, 0.13))
    centre = float(np.interp(0.0, seam.x, seam.lower))
    tip = centre + 0.024 + 0.010 * np.abs(within) ** 3 + 0.03 * (x / half) ** 2
    opacity = np.clip((y - tip) / 0.005, 0, 1) * np.clip((0.86 - np.abs(x / half)) / 0.10, 0, 1)
    light = 0.80 * (1.0 - 0.50 * (np.abs(x / half) / 0.8).clip(0, 1.2) ** 1.5)
    light = light * (1.0 - 0.18 * np.clip((np.abs(within) - 0.75) / 0.25, 0, 1))
    light = light * (1.0 - 0.45 * np.clip((y - tip) / 0.07, 0, 1))
    return tone.tooth * light[..., None], opacity


def _tongue(grid: tuple[Array, Array], seam: Seam, half: float, tone: _Tone) -> tuple[Array, Array]:
    x, y = grid
    centre = float(np.interp(0.0, seam.x, seam.lower))
    rx, ry = 0.66 * half, 0.085
    radius = np.hypot(x / rx, (y - centre - 0.075) / ry)
    opacity = np.clip((1.0 - radius) / 0.18, 0, 1)
    height = np.clip((y - (centre + 0.075 - ry)) / ry, 0, 1)
    light = 0.62 + 0.40 * np.sin(np.pi * np.clip(height, 0, 1) * 0.75) - 0.12 * np.exp(-((x / (0.10 * half)) ** 2))
    light = light * (1.0 - 0.35 * np.clip(radius, 0, 1) ** 3)
    # the tongue goes on below its outline: whatever the teeth leave free is tongue
    opacity = np.maximum(opacity, np.clip((y - centre - 0.075) / 0.02, 0, 1) * (np.abs(x) < rx))
    return tone.tongue * light[..., None], opacity


def _tongue_tip(grid: tuple[Array, Array], seam: Seam, half: float, tone: _Tone) -> tuple[Array, Array]:
    """The tip against the edges of the upper teeth: a rounded band, lit on its upper side."""
    x, y = grid
    centre = float(np.interp(0.0, seam.x, seam.upper))
    top = centre + 0.028 + 0.05 * (x / half) ** 2
    wide = 0.52 * half
    fade = np.clip((1.0 - np.abs(x) / wide) / 0.25, 0, 1)
    opacity = np.clip((y - top) / 0.006, 0, 1) * np.clip((top + 0.075 - y) / 0.03, 0, 1) * fade
    along = np.clip((y - top) / 0.05, 0, 1)
    light = 1.12 - 0.34 * along - 0.08 * np.exp(-((x / (0.08 * half)) ** 2)) - 0.18 * np.abs(x / wide) ** 2
    return tone.tongue * light[..., None], np.asarray(opacity, np.float64)
