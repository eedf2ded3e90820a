"""Light on a relief: normals, occlusion, cast shadow, and skin that light sinks into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generators.embedded.cast.geometry import FloatArray, Frame
from generators.embedded.cast.paint import blur


@dataclass(frozen=True, slots=True)
class Lamp:
    """A distant light: where it stands (x right, y down, z to the viewer) and its linear colour."""

    direction: tuple[float, float, float]
    colour: tuple[float, float, float]
    wrap: float

    def unit(self) -> FloatArray:
        """The direction at length one."""
        d = np.asarray(self.direction, np.float32)
        return np.asarray(d / np.linalg.norm(d), np.float32)


KEY = Lamp((-0.55, -0.62, 0.85), (1.10, 1.02, 0.92), 0.12)
FILL = Lamp((0.85, -0.05, 0.65), (0.24, 0.235, 0.25), 0.45)
RIM = Lamp((0.95, -0.35, -0.35), (0.75, 0.72, 0.70), 0.0)
SKY = (0.20, 0.205, 0.215)
GROUND = (0.16, 0.125, 0.11)


def normals(height: FloatArray, frame: Frame) -> FloatArray:
    """Unit normals of a relief (height in eye distances), ``(size, size, 3)``."""
    dy, dx = np.gradient(height, 1 / frame.unit)
    n = np.dstack([-dx, -dy, np.ones_like(height)]).astype(np.float32)
    return np.asarray(n / np.linalg.norm(n, axis=2, keepdims=True), np.float32)


def occlusion(height: FloatArray, frame: Frame) -> FloatArray:
    """How open each pixel lies, about 0.4..1: lower than its surroundings at three scales means darker."""
    out = np.ones_like(height)
    for sigma, strength in ((0.025, 2.2), (0.07, 1.3), (0.18, 0.55)):
        out -= np.clip(strength * (blur(height, sigma * frame.unit) - height), -0.02, 0.30)
    return np.asarray(np.clip(out, 0.35, 1.0), np.float32)


def cast_shadow(height: FloatArray, frame: Frame, lamp: Lamp, *, reach: float = 0.7, soft: float = 0.03) -> FloatArray:
    """1 where the lamp reaches, 0 where something nearer to it stands in the way, by marching over the relief."""
    import cv2

    size = max(64, frame.size // 2)
    small = cv2.resize(height, (size, size), interpolation=cv2.INTER_AREA)
    unit = frame.unit * size / frame.size
    d = lamp.unit()
    flat = float(np.hypot(d[0], d[1]))
    hidden = np.zeros_like(small)
    steps = 28
    for k in range(1, steps + 1):
        run = reach * (k / steps) ** 1.4
        move = np.array([[1, 0, -d[0] / flat * run * unit], [0, 1, -d[1] / flat * run * unit]], np.float64)
        there = cv2.warpAffine(small, move, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        above = there - small - run * d[2] / flat
        # The farther the edge that casts it, the softer the shadow.
        hidden = np.maximum(hidden, np.clip((above - 0.01) / (soft + 0.25 * run), 0, 1))
    lit = 1 - blur(hidden.astype(np.float32), soft * unit)
    return np.asarray(cv2.resize(lit, (frame.size, frame.size), interpolation=cv2.INTER_CUBIC), np.float32)


def diffuse(n: FloatArray, shadow: FloatArray, open_: FloatArray) -> FloatArray:
    """Light that arrives at each pixel, linear RGB: wrapped Lambert from the lamps plus a sky and a ground."""
    light = np.zeros_like(n)
    for lamp, through in ((KEY, shadow), (FILL, None)):
        facing = np.clip((n @ lamp.unit() + lamp.wrap) / (1 + lamp.wrap), 0, 1)
        if through is not None:
            facing = facing * through
        light += facing[..., None] * np.asarray(lamp.colour, np.float32)
    up = (0.5 - 0.5 * n[..., 1])[..., None]
    light += (up * np.asarray(SKY, np.float32) + (1 - up) * np.asarray(GROUND, np.float32)) * open_[..., None]
    return np.asarray(light * (0.45 + 0.55 * open_[..., None]), np.float32)


def gloss(n: FloatArray, power: float, lamp: Lamp = KEY) -> FloatArray:
    """Blinn highlight of a lamp seen from the front."""
    half = lamp.unit() + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    return np.asarray(np.clip(n @ half, 0, 1) ** power, np.float32)


def rim(n: FloatArray) -> FloatArray:
    """Light from behind that grazes the outline."""
    graze = np.clip(1 - n[..., 2], 0, 1) ** 2.5
    return np.asarray(graze * np.clip(n @ RIM.unit() + 0.1, 0, 1), np.float32)


def sink(light: FloatArray, mask: FloatArray, frame: Frame) -> FloatArray:
    """Let light spread under the skin: red far, green less, blue hardly, so shadow edges turn warm."""
    out = light.copy()
    for channel, (near, far, share) in enumerate(((0.018, 0.070, 0.55), (0.012, 0.035, 0.35), (0.006, 0.018, 0.25))):
        plane = np.ascontiguousarray(light[..., channel])
        parts = []
        for sigma in (near, far):
            weight = blur(mask, sigma * frame.unit)
            parts.append(blur(plane * mask, sigma * frame.unit) / np.maximum(weight, 1e-3))
        out[..., channel] = parts[0] * (1 - share) + parts[1] * share
    return out
