"""What stands around the face: background, shoulders and clothes, neck, ears."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from generators.embedded.cast.geometry import FloatArray, Frame, spline
from generators.embedded.cast.paint import blur, linear, noise, over, polygon, smoothstep, stroke
from generators.embedded.cast.person import Person


@dataclass(frozen=True, slots=True)
class Body:
    """Masks (0..1) and reliefs (eye distances) of the parts below the head, each ``(size, size)``."""

    neck: FloatArray
    torso: FloatArray
    neck_relief: FloatArray
    torso_relief: FloatArray


def background(person: Person, frame: Frame) -> FloatArray:
    """A room out of focus: the person's background colour, lit from the left, darker at the corners."""
    x, y = frame.grid()
    base = linear(person.background)
    glow = np.exp(-(((x + 0.5) / 2.3) ** 2) - ((y - 0.1) / 2.2) ** 2)
    level = 0.34 + 0.72 * glow
    level = level * (1 + 0.05 * blur(noise(frame, 0.9, person.seed + 1), 0.35 * frame.unit))
    warm = np.clip(0.5 - 0.25 * x + 0.1 * y, 0, 1)[..., None]
    tint = base * (
        np.array([1.06, 1.0, 0.92], np.float32) * warm + np.array([0.90, 1.0, 1.10], np.float32) * (1 - warm)
    )
    room = np.asarray(tint * level[..., None], np.float32)
    # Lights and leaves far behind, thrown out of focus into discs.
    rng = np.random.default_rng(person.seed + 2)
    for _ in range(16):
        cx, cy, r = float(rng.uniform(-2.4, 2.4)), float(rng.uniform(-1.8, 1.2)), float(rng.uniform(0.12, 0.40))
        disc = smoothstep(np.hypot(x - cx, y - cy), r * 1.16, r * 0.84)
        room *= 1 + disc[..., None] * float(rng.uniform(0.03, 0.13)) * np.array([1.1, 1.0, 0.85], np.float32)
    return room


_TUCK = 0.11
"""How far the shoulders are drawn up towards the chin, in eye distances: necks of characters are short."""


def _neck(jaw: float) -> float:
    """Half the width of the neck for half the width of the jaw."""
    return 0.84 * jaw - 0.015


def body(person: Person, points: FloatArray, frame: Frame) -> Body:
    """Neck and torso behind the head, widths following the jaw."""
    x, y = frame.grid()
    jaw = abs(float(points[172, 0]))
    chin = float(points[152, 1]) - _TUCK
    half = _neck(jaw)
    base = chin + 0.62
    right = [
        (half * 1.02, chin - 0.55),
        (half * 0.985, chin - 0.05),
        (half * 0.97, chin + 0.25),
        (half * 1.03, chin + 0.46),
        (half * 1.15, chin + 0.62),
    ]
    left = [(-a, b) for a, b in reversed(right)]
    neck = polygon(
        frame, np.vstack([spline(right, 60), [(half * 1.15, base + 0.6), (-half * 1.15, base + 0.6)], spline(left, 60)])
    )
    wide = 1.42 + 0.75 * (jaw - 0.58) + 0.10 * person.jaw
    shoulder = [
        (half * 0.95, chin + 0.40),
        (half * 1.30, chin + 0.58),
        (half + (wide - half) * 0.45, chin + 0.76),
        (half + (wide - half) * 0.82, chin + 0.93),
        (wide * 1.08, chin + 1.20),
        (wide * 1.16, chin + 1.60),
        (wide * 1.20, chin + 2.4),
    ]
    outline = spline(shoulder, 80)
    torso = polygon(frame, np.vstack([outline, (outline * (-1, 1))[::-1]]))
    across = np.clip(np.abs(x) / (half * 1.08), 0, 1)
    neck_relief = -0.74 + 0.40 * np.sqrt(np.clip(1 - across**2, 0, 1)) + 0.10 * (y - chin)
    # The two strings of muscle that meet at the collar bone.
    for s in (-1, 1):
        at = s * (0.36 - 0.42 * (y - chin - 0.1))
        neck_relief += 0.022 * np.exp(-(((x - at) / 0.07) ** 2)) * smoothstep(y, chin - 0.1, chin + 0.3)
    neck_relief -= 0.03 * np.exp(-((x / 0.08) ** 2) - ((y - chin - 0.58) / 0.07) ** 2)
    top = np.interp(np.abs(x), outline[:, 0], outline[:, 1]).astype(np.float32)
    fall = np.clip((y - top) / 0.85, 0, 1)
    torso_relief = -0.75 + 0.62 * np.sqrt(np.clip(1 - (1 - fall) ** 2, 0, 1)) - 0.16 * (np.abs(x) / wide) ** 2
    for s in (-1, 1):
        torso_relief += 0.05 * np.exp(-(((x - s * wide * 0.93) / 0.26) ** 2) - ((y - chin - 1.25) / 0.35) ** 2)
        # The crease between arm and chest.
        arm = s * (wide * 0.86 - 0.10 * (y - chin - 1.5))
        torso_relief -= 0.05 * np.exp(-(((x - arm) / 0.05) ** 2)) * smoothstep(y, chin + 1.35, chin + 1.8)
    return Body(
        neck,
        torso,
        blur(neck_relief.astype(np.float32), 0.02 * frame.unit),
        blur(torso_relief.astype(np.float32), 0.04 * frame.unit),
    )


def ear_outline(points: FloatArray, side: int) -> FloatArray:
    """Outline of an ear in the face frame; it starts behind the cheek's edge."""
    x = abs(float(points[454, 0]))
    y = float(points[454, 1])
    ear = [
        (-0.05, -0.16),
        (0.035, -0.225),
        (0.105, -0.19),
        (0.118, -0.06),
        (0.085, 0.07),
        (0.055, 0.17),
        (0.0, 0.205),
        (-0.05, 0.14),
    ]
    return spline([(side * (x + a * 1.0), y + b) for a, b in ear], 90, closed=True)


def ear_relief(points: FloatArray, side: int, frame: Frame) -> FloatArray:
    """Relief of an ear: a raised rim around a bowl, the flap and the lobe."""
    x, y = frame.grid()
    cx = side * abs(float(points[454, 0]))
    cy = float(points[454, 1])
    a, b = (x - cx) * side, y - cy
    rim_line = spline([(0.0, -0.12), (0.035, -0.19), (0.088, -0.16), (0.095, -0.05), (0.066, 0.06), (0.040, 0.12)], 60)
    rim = stroke(
        frame, np.column_stack([cx + side * rim_line[:, 0], cy + rim_line[:, 1]]), np.full(60, 0.035), soft=0.010
    )
    inner = spline([(0.01, -0.10), (0.05, -0.10), (0.056, -0.02), (0.030, 0.06)], 40)
    fold = stroke(frame, np.column_stack([cx + side * inner[:, 0], cy + inner[:, 1]]), np.full(40, 0.022), soft=0.010)
    bowl = np.exp(-(((a - 0.02) / 0.030) ** 2) - ((b - 0.0) / 0.05) ** 2)
    lobe = np.exp(-(((a - 0.02) / 0.05) ** 2) - ((b - 0.15) / 0.05) ** 2)
    return np.asarray(-0.62 + 0.05 * rim + 0.03 * fold - 0.06 * bowl + 0.02 * lobe - 0.3 * a, np.float32)


def clothe(person: Person, points: FloatArray, frame: Frame) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Clothes over the body.

    Returns:
        Albedo ``(size, size, 3)``, mask, and the relief they add, in eye distances.
    """
    x, y = frame.grid()
    chin = float(points[152, 1]) - _TUCK
    jaw = abs(float(points[172, 0]))
    half = _neck(jaw)
    shape = body(person, points, frame)
    cloth = linear(person.cloth_colour)
    albedo = np.broadcast_to(cloth, (frame.size, frame.size, 3)).copy()
    weave = noise(frame, 0.013, person.seed + 5) * 0.5 + noise(frame, 0.04, person.seed + 6) * 0.5
    mask = shape.torso.copy()
    bump = 0.006 * blur(noise(frame, 0.35, person.seed + 7), 0.10 * frame.unit)
    if person.clothes != "turtleneck":
        if person.clothes == "crew":
            side = half * 1.40
            edge = spline(
                [(side, chin + 0.30), (side * 0.97, chin + 0.50), (side * 0.60, chin + 0.62), (0.0, chin + 0.67)], 50
            )
        elif person.clothes == "vneck":
            edge = spline(
                [
                    (half * 1.36, chin + 0.30),
                    (half * 1.26, chin + 0.55),
                    (half * 0.60, chin + 0.84),
                    (0.0, chin + 1.12),
                ],
                50,
            )
        else:
            edge = spline(
                [
                    (half * 1.12, chin + 0.28),
                    (half * 0.92, chin + 0.46),
                    (half * 0.45, chin + 0.64),
                    (0.0, chin + 0.84),
                ],
                50,
            )
        whole = np.vstack([edge, (edge * (-1, 1))[::-1][1:]])
        mask = mask * (1 - polygon(frame, whole))
        if person.clothes in {"crew", "vneck"}:
            band = stroke(frame, whole, np.full(len(whole), 0.085))
            bump = bump + 0.018 * blur(band, 0.012 * frame.unit)
            over(albedo, cloth * 0.90, band * 0.6)
    if person.clothes == "turtleneck":
        top = chin + 0.255
        ring = [
            (0, top + 0.05),
            (0.6, top + 0.03),
            (0.99, top - 0.035),
            (1.075, top - 0.02),
            (1.11, chin + 0.34),
            (1.17, chin + 0.47),
            (1.13, chin + 0.52),
            (0.6, chin + 0.625),
            (0, chin + 0.645),
        ]
        tube = polygon(
            frame,
            spline([(a * half, b) for a, b in ring] + [(-a * half, b) for a, b in ring[-2:0:-1]], 200, closed=True),
        )
        mask = np.maximum(mask, tube)
        across = np.sqrt(np.clip(1 - (x / (half * 1.2)) ** 2, 0, 1))
        ribs = np.sin(np.arcsin(np.clip(x / (half * 1.22), -1, 1)) * 44)
        bump = (
            bump
            + blur(tube, 0.008 * frame.unit) * (0.02 + 0.30 * across)
            + 0.004 * ribs * blur(tube, 0.01 * frame.unit)
        )
    if person.clothes in {"collar", "blazer"}:
        shirt = linear((232, 232, 230)) if person.clothes == "blazer" else cloth
        if person.clothes == "blazer":
            front = polygon(
                frame, [(-half * 1.5, chin + 0.3), (half * 1.5, chin + 0.3), (0.05, chin + 2.0), (-0.05, chin + 2.0)]
            )
            over(albedo, shirt, front)
        placket = stroke(frame, np.array([[0.0, chin + 0.80], [0.0, chin + 2.2]]), np.full(2, 0.17))
        bump = bump + 0.010 * blur(placket, 0.006 * frame.unit)
        for k in range(3):
            spot = np.hypot(x, y - (chin + 1.12 + 0.36 * k))
            button = smoothstep(spot, 0.034, 0.026)
            over(albedo, shirt * 0.72, button)
            bump = bump + 0.012 * button
        for s in (-1, 1):
            if person.clothes == "blazer":
                lapel = [
                    (1.20, 0.36),
                    (1.62, 0.52),
                    (2.12, 0.94),
                    (1.76, 1.00),
                    (1.98, 1.14),
                    (0.10, 2.05),
                    (0.62, 1.34),
                    (1.10, 0.80),
                ]
                leaf = polygon(frame, [(s * a * half, chin + b) for a, b in lapel], soft=0.003)
                over(albedo, cloth * 1.10, leaf)
                bump = bump + 0.040 * blur(leaf, 0.010 * frame.unit)
            collar = [
                (1.00, 0.24),
                (1.16, 0.25),
                (1.50, 0.50),
                (1.36, 0.80),
                (0.80, 1.02),
                (0.03, 0.80),
                (0.50, 0.62),
                (0.90, 0.42),
            ]
            leaf = polygon(frame, [(s * a * half, chin + b) for a, b in collar], soft=0.003)
            mask = np.maximum(mask, leaf)
            over(albedo, shirt * 1.05, leaf)
            bump = bump + 0.045 * blur(leaf, 0.010 * frame.unit)
    albedo *= (1 + 0.035 * weave)[..., None]
    return albedo, mask, np.asarray(bump + 0.0012 * weave, np.float32)
