"""Blinking and looking about: both change the source picture inside two small rectangles, before it is warped."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from generators.embedded.flow import node_index
from generators.embedded.landmarks import (
    LEFT_BROW_LOW,
    LEFT_IRIS,
    LEFT_LOWER,
    LEFT_UPPER,
    RIGHT_BROW_LOW,
    RIGHT_IRIS,
    RIGHT_LOWER,
    RIGHT_UPPER,
    FaceFrame,
)

_DARKEST_LID = 0.90
"""Of the light on the skin below the eye."""
_COLUMNS = np.linspace(-0.84, 0.84, 15)
"""Where an eye is looked at from corner to corner: -1 to 1."""
_LEAST_CONTRAST = 0.35
"""That of the stronger eye, where both are faint."""
_HAIR, _EYE = 0.06, 0.12
"""Share of the stronger eye's contrast: hair over an eye stays below the first, the corners of eyes above both."""

Array = NDArray[np.float64]
Field = NDArray[np.float32]
Image = NDArray[np.uint8]


class Eyes:
    """The two eyes of a portrait."""

    def __init__(self, picture: Image, face: FaceFrame) -> None:
        self.right = Eye(picture, face, RIGHT_UPPER, RIGHT_LOWER, RIGHT_BROW_LOW, RIGHT_IRIS)
        self.left = Eye(picture, face, LEFT_UPPER, LEFT_LOWER, LEFT_BROW_LOW, LEFT_IRIS)
        strongest = max(float(self.right.contrast.max()), float(self.left.contrast.max()), _LEAST_CONTRAST)
        for eye in (self.right, self.left):
            eye.spare_hair(strongest)


class Eye:
    """One eye: its rectangle in the picture, and the lid's skin that a blink draws over it.

    The lid is inpainted from the skin around the eye; stretching the real lid's rows would smear the lashes into bars.
    """

    def __init__(
        self,
        picture: Image,
        face: FaceFrame,
        upper: tuple[int, ...],
        lower: tuple[int, ...],
        brow: tuple[int, ...],
        iris: tuple[int, ...],
    ) -> None:
        points = face.points[:, :2]
        contour = points[[*upper, *lower]]
        low = contour.min(axis=0) - np.array([0.05, 0.12])
        high = contour.max(axis=0) + np.array([0.05, 0.10])
        corners = np.array([[low[0], low[1]], [high[0], low[1]], [low[0], high[1]], [high[0], high[1]]])
        box = face.turn_to_pixels(corners) + face.origin
        height, width = picture.shape[:2]
        x0, y0 = np.maximum(np.floor(box.min(axis=0)).astype(int), 0)
        x1 = min(int(np.ceil(box[:, 0].max())), width)
        y1 = min(int(np.ceil(box[:, 1].max())), height)
        self.rect = (int(x0), int(y0), x1, y1)
        self._unit = face.unit
        self._axes = face.axes
        grid = np.stack(np.meshgrid(np.arange(x0, x1), np.arange(y0, y1)), axis=-1).astype(np.float64)
        where = face.to_face(grid)
        x, y = where[..., 0], where[..., 1]
        left, right = points[upper[0], 0], points[upper[-1], 0]
        middle, half = (left + right) / 2, abs(right - left) / 2
        self._t = np.clip((x - middle) / half, -1.4, 1.4).astype(np.float32)
        self._y = y.astype(np.float32)
        self._upper = _curve(points, upper, x).astype(np.float32)
        self._lower = _curve(points, lower, x).astype(np.float32)
        self._open = float(np.maximum(self._lower - self._upper, 0).max())
        self._inside_corners = np.clip((1.12 - np.abs(self._t)) / 0.14, 0.0, 1.0)
        brow_y = np.interp(x, *_sorted(points[list(brow)]))
        room = np.maximum(self._upper - 0.085, brow_y + 0.025)
        self._start = np.minimum(room, self._upper - 0.02).astype(np.float32)
        self._lid = _lid(picture[y0:y1, x0:x1], self._y, self._start, self._upper, self._lower, self._t, face.unit)
        self._lash = _lash_colour(picture[y0:y1, x0:x1], self._y, self._upper, self._t)
        self._iris = points[list(iris)]
        # lashes stay: the eyeball begins a little inside the margins
        top, bottom = self._upper + 0.008, self._lower - 0.002
        share = np.clip((self._y - top) / np.maximum(bottom - top, 1e-3), 0.0, 1.0)
        weight = (4.0 * share * (1.0 - share)) ** 0.25 * np.clip(1.0 - np.abs(self._t) ** 3, 0.0, 1.0)
        self._eyeball = np.repeat(weight.astype(np.float32)[..., None], 2, axis=2)
        self._pixels = node_index(*self._eyeball.shape[:2])
        self.contrast = self._measure(picture[y0:y1, x0:x1])

    def spare_hair(self, strongest: float) -> None:
        """Leave the columns alone over which hair hangs: lids and gaze move behind it.

        Args:
            strongest: the contrast of an eye that is seen.
        """
        seen = np.clip((self.contrast / strongest - _HAIR) / (_EYE - _HAIR), 0.0, 1.0)
        share = np.interp(self._t, _COLUMNS, seen).astype(np.float32)
        self._inside_corners = self._inside_corners * share
        self._eyeball *= share[..., None]

    def _measure(self, part: Image) -> Array:
        """Contrast down each column from lid to lid: lashes, iris and white change, a strand of hair does not."""
        import cv2

        smooth = cv2.GaussianBlur(part, (0, 0), max(0.012 * self._unit, 0.5)).astype(np.float64)
        near = (self._y > self._upper - 0.05) & (self._y < self._lower + 0.07)
        found = np.zeros(len(_COLUMNS))
        for number, centre in enumerate(_COLUMNS):
            inside = near & (np.abs(self._t - centre) < 0.09)
            counts = inside.sum(axis=1)
            lines = np.where(inside[..., None], smooth, 0.0).sum(axis=1)[counts > 0] / counts[counts > 0, None]
            if len(lines):
                found[number] = float(lines.std(axis=0).max()) / max(float(lines.mean()), 1.0)
        return found

    def draw(self, original: Image, *, blink: float, gaze: tuple[float, float]) -> Image:
        """The eye's rectangle with the iris moved by ``gaze`` (u) and the lid closed by ``blink`` (0 to 1)."""
        x0, y0, x1, y1 = self.rect
        part: Image = original[y0:y1, x0:x1]
        if gaze != (0.0, 0.0) and self._open > 0.01:
            part = self._look(part, gaze)
        if blink > 0.0:
            part = self._close(part, blink)
        return part

    def _look(self, part: Image, gaze: tuple[float, float]) -> Image:
        import cv2

        shift = np.asarray(gaze, np.float64) @ self._axes * self._unit
        where = self._pixels - self._eyeball * shift.astype(np.float32)
        moved: Image = cv2.remap(part, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return moved

    def _close(self, part: Image, blink: float) -> Image:
        gap = np.maximum(self._lower - self._upper, 0.0)
        margin = self._upper + blink * (gap + 0.004)
        soft = 0.012
        cover = np.clip((margin - self._y) / soft + 0.5, 0.0, 1.0)
        # the upper end of the painted skin fades into the real lid as the blink begins
        begun = min(1.0, 3.0 * blink)
        start = self._start + (self._upper - self._start) * (1.0 - begun)
        cover = cover * np.clip((self._y - start) / 0.022, 0.0, 1.0) * self._inside_corners
        lash = np.exp(-(((self._y - margin) / 0.012) ** 2)) * 0.88 * self._inside_corners * min(1.0, 4.0 * blink)
        lash = lash * np.clip(1.15 - np.abs(self._t) ** 3, 0.0, 1.0)
        # the fold of the lid stays, softly, where it was
        fold = np.exp(-(((self._y - self._upper + 0.030) / 0.016) ** 2)) * 0.08 * cover
        mixed = part + (self._lid * (1.0 - fold[..., None]) - part) * cover[..., None]
        mixed = mixed + (self._lash - mixed) * lash[..., None]
        result: Image = np.clip(mixed + 0.5, 0.0, 255.0).astype(np.uint8)
        return result


def _sorted(points: Array) -> tuple[Array, Array]:
    order = np.argsort(points[:, 0])
    return points[order, 0], points[order, 1]


def _curve(points: Array, marks: tuple[int, ...], x: Array) -> Array:
    """A lid's margin as a smooth curve y(x), level beyond the corners."""
    px, py = _sorted(points[list(marks)])
    middle = (px[0] + px[-1]) / 2
    curve: Array = np.polyval(np.polyfit(px - middle, py, 4), np.clip(x, px[0], px[-1]) - middle)
    return curve


def _lid(part: Image, y: Field, start: Field, upper: Field, lower: Field, t: Field, unit: float) -> Field:
    """The skin of a shut lid over the eye's rectangle: float32 (rows, columns, 3)."""
    import cv2

    hole = ((y > start) & (y < lower + 0.045) & (np.abs(t) < 1.2)).astype(np.uint8) * 255
    height, width = part.shape[:2]
    scale = min(1.0, 40.0 / width)
    size = (max(round(width * scale), 4), max(round(height * scale), 4))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    mask = cv2.dilate(cv2.resize(hole, size, interpolation=cv2.INTER_NEAREST), np.ones((3, 3), np.uint8))
    filled = cv2.inpaint(small, mask, 3, cv2.INPAINT_TELEA)
    smooth = cv2.GaussianBlur(cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC), (0, 0), 0.02 * unit)
    bulge = np.sin(np.pi * np.clip((y - upper) / np.maximum(lower - upper, 0.02), 0.0, 1.0))
    lid = smooth.astype(np.float32) * (0.93 + 0.12 * bulge)[..., None]
    # a low brow or the rim of glasses darkens what is filled in: no lid is much darker than the skin below the eye
    below = part[(y > lower + 0.05) & (np.abs(t) < 0.8)]
    if len(below) > 4:
        skin = np.median(below, axis=0).astype(np.float32)
        light = np.maximum(lid.mean(axis=-1, keepdims=True) / max(float(skin.mean()), 1.0), 0.05)
        wanted = np.where(light < _DARKEST_LID, _DARKEST_LID - 0.3 * (_DARKEST_LID - light), light)
        share = np.clip((_DARKEST_LID - light) / 0.1, 0.0, 1.0)
        lid = lid + (0.4 * lid * (wanted / light) + 0.6 * skin * wanted - lid) * share
    blurred = cv2.GaussianBlur(part, (0, 0), 1.2)
    grain = float(np.median(np.abs(part.astype(np.float32) - blurred))) * 1.2
    noise = np.random.default_rng(7).normal(0.0, min(0.6 * grain, 1.5), (height, width, 1))
    grained: Field = np.clip(lid + noise, 0, 255).astype(np.float32)
    return grained


def _lash_colour(part: Image, y: Field, upper: Field, t: Field) -> Field:
    line = part[(np.abs(y - upper) < 0.02) & (np.abs(t) < 0.8)]
    if len(line) < 4:
        line = part.reshape(-1, 3)
    colour: Field = np.percentile(line, 12, axis=0).astype(np.float32)
    # fair lashes hardly show on an open eye; where both rows meet they do
    skin = float(np.median(part[(y < upper - 0.05) | (y > upper + 0.12)].mean(axis=-1)))
    return colour * np.float32(min(1.0, 0.30 * skin / max(float(colour.mean()), 1.0)))
