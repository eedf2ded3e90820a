"""Plain painting means: masks, soft noise, curves, and laying one colour over another, all in linear light."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

from generators.embedded.cast.geometry import FloatArray, Frame
from generators.embedded.cast.person import Colour

_SHIFT = 6


def linear(colour: Colour) -> FloatArray:
    """Colour in sRGB 0..255 to linear light 0..1 (IEC 61966-2-1)."""
    c = np.asarray(colour, np.float32) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4).astype(np.float32)


def blur(image: FloatArray, sigma: float) -> FloatArray:
    """Gaussian blur, sigma in pixels; wide ones are done at reduced size."""
    if sigma < 0.3:
        return image
    if sigma > 12:
        k = int(sigma / 5)
        h, w = image.shape[:2]
        small = cv2.resize(image, (max(2, w // k), max(2, h // k)), interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / k)
        large = cv2.resize(small, (w, h), interpolation=cv2.INTER_LINEAR)
        # Enlarging leaves a ripple of k pixels that normals would show as bands.
        return np.asarray(cv2.GaussianBlur(large, (0, 0), 0.9 * k), np.float32)
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32)


def polygon(frame: Frame, points: npt.ArrayLike, *, soft: float = 0.0) -> FloatArray:
    """Anti-aliased mask, 0..1, of the closed outline (face frame); ``soft`` blurs its edge, in eye distances."""
    out = np.zeros((frame.size, frame.size), np.uint8)
    at = np.round(frame.pixels(np.asarray(points)[:, :2]) * 2**_SHIFT).astype(np.int32)
    cv2.fillPoly(out, [at], 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    return blur(out.astype(np.float32) / 255, soft * frame.unit)


def stroke(frame: Frame, points: FloatArray, widths: FloatArray, *, soft: float = 0.0) -> FloatArray:
    """Mask of a line whose width, in eye distances, changes along it."""
    points = np.asarray(points, np.float32)[:, :2]
    along = np.gradient(points, axis=0)
    across = np.column_stack([-along[:, 1], along[:, 0]])
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    half = np.asarray(widths, np.float32)[:, None] / 2
    return polygon(frame, np.vstack([points + across * half, (points - across * half)[::-1]]), soft=soft)


def strokes(frame: Frame, lines: list[tuple[FloatArray, FloatArray]]) -> FloatArray:
    """Mask of many lines at once, each given as its points and its widths."""
    out = np.zeros((frame.size, frame.size), np.uint8)
    for line, widths in lines:
        points = np.asarray(line, np.float32)[:, :2]
        along = np.gradient(points, axis=0)
        across = np.column_stack([-along[:, 1], along[:, 0]])
        across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
        half = np.asarray(widths, np.float32)[:, None] / 2
        ring = frame.pixels(np.vstack([points + across * half, (points - across * half)[::-1]]))
        cv2.fillPoly(out, [np.round(ring * 2**_SHIFT).astype(np.int32)], 255, lineType=cv2.LINE_AA, shift=_SHIFT)
    return out.astype(np.float32) / 255


def over(canvas: FloatArray, colour: FloatArray, alpha: FloatArray) -> None:
    """Lay a colour (one, or one per pixel) over the canvas, in place."""
    canvas += (colour - canvas) * alpha[..., None]


def noise(frame: Frame, grain: float, seed: int) -> FloatArray:
    """Smooth noise of unit variance whose features are about ``grain`` eye distances wide, independent of size."""
    rng = np.random.default_rng(seed)
    cells = max(4, min(frame.size, int(frame.size / frame.unit / grain)))
    field = rng.standard_normal((cells, cells)).astype(np.float32)
    out = np.asarray(cv2.resize(field, (frame.size, frame.size), interpolation=cv2.INTER_CUBIC), np.float32)
    return np.asarray(out / max(float(out.std()), 1e-6), np.float32)


def smoothstep(x: FloatArray, low: float, high: float) -> FloatArray:
    """0 below ``low``, 1 above ``high`` (or the reverse where low > high), smooth between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def to_picture(canvas: FloatArray) -> npt.NDArray[np.uint8]:
    """Linear RGB to BGR bytes: a soft shoulder for the lights, then the sRGB curve."""
    c = np.maximum(canvas, 0)
    knee = 0.62
    c = np.where(c > knee, knee + (1 - knee) * (1 - np.exp(-(c - knee) / (1 - knee))), c)
    c = np.where(c <= 0.0031308, c * 12.92, 1.055 * np.power(np.maximum(c, 1e-8), 1 / 2.4) - 0.055)
    return np.ascontiguousarray((np.clip(c[..., ::-1], 0, 1) * 255 + 0.5).astype(np.uint8))
