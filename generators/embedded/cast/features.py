"""Skin colour, eyes, brows, lips and lashes."""

from __future__ import annotations

import numpy as np

from generators.embedded.cast.geometry import (
    EYES,
    LOWER_OUTER,
    UPPER_OUTER,
    EyeMarks,
    FloatArray,
    Frame,
    spline,
)
from generators.embedded.cast.paint import blur, linear, noise, over, polygon, smoothstep, stroke, strokes
from generators.embedded.cast.person import Person
from generators.embedded.cast.relief import lip_line


def _spot(x: FloatArray, y: FloatArray, at: tuple[float, float], wide: float, high: float) -> FloatArray:
    return np.asarray(np.exp(-(((x - at[0]) / wide) ** 2) - ((y - at[1]) / high) ** 2), np.float32)


def skin_albedo(person: Person, points: FloatArray, frame: Frame) -> FloatArray:
    """Colour of the skin per pixel: redder where blood is near, mottled a little, with pores, freckles and stubble."""
    x, y = frame.grid()
    base = linear(person.skin) * 0.90
    out = np.broadcast_to(base, (frame.size, frame.size, 3)).copy()
    light = float(base.mean())
    warm = np.array([1.0 + 0.03 * person.undertone, 1.0, 1.0 - 0.06 * person.undertone], np.float32)
    out *= warm
    blush = np.zeros_like(x)
    for s in (-1, 1):
        blush += 0.85 * _spot(x, y, (s * 0.47, 0.46), 0.24, 0.17)
        blush += 0.35 * _spot(x, y, (s * 0.80, 0.20), 0.16, 0.26)
    blush += 0.55 * _spot(x, y, (0, float(points[4, 1]) + 0.02), 0.15, 0.11)
    blush += 0.20 * _spot(x, y, (0, float(points[152, 1]) - 0.10), 0.2, 0.10)
    red = np.array([1.0, 0.70, 0.66], np.float32) if light > 0.25 else np.array([1.0, 0.80, 0.74], np.float32)
    out *= 1 - (1 - red) * np.clip(blush, 0, 1)[..., None] * 0.75
    for eye in EYES:
        middle = (points[eye.upper[0], :2] + points[eye.upper[-1], :2]) / 2
        socket = _spot(x, y, (float(middle[0]), float(middle[1]) - 0.02), 0.22, 0.13)
        out *= 1 - socket[..., None] * np.array([0.08, 0.15, 0.12], np.float32)
    mottle = blur(noise(frame, 0.10, person.seed + 21), 0.02 * frame.unit)
    pores = noise(frame, 0.012, person.seed + 22)
    out *= (1 + 0.012 * mottle + 0.012 * pores)[..., None]
    if person.freckles > 0:
        rng = np.random.default_rng(person.seed + 23)
        dots = np.zeros_like(x)
        for _ in range(int(170 * person.freckles)):
            fx = float(rng.normal(0, 0.30))
            fy = float(rng.normal(0.33, 0.13)) + 0.05 * abs(fx)
            r = float(rng.uniform(0.0045, 0.011))
            strength = float(rng.uniform(0.25, 0.8))
            dots = np.maximum(dots, strength * _patch(frame, fx, fy, r))
        out *= 1 - dots[..., None] * np.array([0.22, 0.38, 0.46], np.float32)
    if max(person.beard, person.moustache) == 0 and person.jaw > 0.4:
        shade = _spot(x, y, (0, float(points[152, 1]) - 0.10), 0.62, 0.34) * smoothstep(
            y, float(points[2, 1]), float(points[13, 1])
        )
        out *= 1 - 0.10 * shade[..., None] * np.array([1.0, 0.9, 0.7], np.float32)
    return out


def _patch(frame: Frame, cx: float, cy: float, r: float) -> FloatArray:
    """A small soft disc on an empty plane."""
    out = np.zeros((frame.size, frame.size), np.float32)
    px, py, pr = frame.x0 + cx * frame.unit, frame.y0 + cy * frame.unit, r * frame.unit
    k = int(3 * pr) + 2
    left, top = int(px) - k, int(py) - k
    if left < 0 or top < 0 or left + 2 * k >= frame.size or top + 2 * k >= frame.size:
        return out
    yy, xx = np.mgrid[top : top + 2 * k, left : left + 2 * k].astype(np.float32)
    out[top : top + 2 * k, left : left + 2 * k] = np.exp(-((((xx - px) ** 2 + (yy - py) ** 2) / pr**2) ** 1.5))
    return out


def paint_lips(person: Person, points: FloatArray, frame: Frame, albedo: FloatArray) -> FloatArray:
    """Colour the lips on the albedo, in place.

    Returns:
        The mask of the lips, for their own gloss.
    """
    outer = np.vstack(
        [spline(points[list(UPPER_OUTER), :2], 60), spline(points[list(LOWER_OUTER), :2], 60)[::-1][1:-1]]
    )
    mask = polygon(frame, outer, soft=0.010)
    colour = linear(person.lip_colour)
    x, y = frame.grid()
    line = lip_line(points)
    seam = np.interp(x, line[:, 0], line[:, 1])
    streak = noise(frame, 0.018, person.seed + 31)
    tone = 0.88 + 0.12 * smoothstep(y - seam, -0.012, 0.012) + 0.02 * streak
    over(albedo, (colour * tone[..., None]).astype(np.float32), mask * 0.88)
    return mask


def paint_lip_line(person: Person, points: FloatArray, frame: Frame, canvas: FloatArray) -> None:
    """The dark line between the lips: one clean path from corner to corner, finest at its ends."""
    line = lip_line(points)
    t = np.linspace(-1, 1, len(line))
    dark = linear(person.lip_colour) * np.array([0.16, 0.09, 0.09], np.float32)
    widths = 0.006 + 0.009 * (1 - np.abs(t) ** 2.2)
    over(canvas, dark * 1.6, stroke(frame, line, widths * 2.2, soft=0.010) * 0.40)
    over(canvas, dark, stroke(frame, line, widths, soft=0.003) * 0.88)
    x, y = frame.grid()
    for end, s in ((line[0], -1), (line[-1], 1)):
        over(canvas, dark * 2.2, 0.45 * _spot(x, y, (float(end[0]) + s * 0.004, float(end[1])), 0.022, 0.020))


def paint_nostrils(person: Person, points: FloatArray, frame: Frame, canvas: FloatArray) -> None:
    """Two soft openings under the nose tip, and the crease behind each wing."""
    dark = linear(person.skin) * np.array([0.20, 0.085, 0.06], np.float32)
    wing_x = float(points[358, 0]) * 0.80
    y = (float(points[2, 1]) + float(points[94, 1])) / 2 - 0.010
    for s in (-1, 1):
        hole = spline(
            [
                (s * 0.040, y + 0.012),
                (s * 0.066, y - 0.010),
                (s * (wing_x - 0.038), y - 0.014),
                (s * (wing_x - 0.022), y + 0.004),
                (s * (wing_x - 0.045), y + 0.013),
                (s * 0.070, y + 0.018),
            ],
            50,
            closed=True,
        )
        over(canvas, dark * 2.0, polygon(frame, hole, soft=0.020) * 0.55)
        over(canvas, dark * 0.8, polygon(frame, hole, soft=0.006) * 0.80)
        top = float(points[358, 1]) - 0.035
        crease = spline(
            [
                (s * (wing_x + 0.046), top),
                (s * (wing_x + 0.062), top + 0.040),
                (s * (wing_x + 0.046), top + 0.078),
                (s * (wing_x + 0.014), top + 0.100),
            ],
            40,
        )
        over(
            canvas,
            dark * 2.2,
            stroke(frame, crease, 0.004 + 0.012 * np.sin(np.linspace(0, np.pi, 40)), soft=0.008) * 0.50,
        )


def _lids(points: FloatArray, eye: EyeMarks) -> tuple[FloatArray, FloatArray]:
    return spline(points[list(eye.upper), :2], 60), spline(points[list(eye.lower), :2], 60)


def paint_eye(person: Person, points: FloatArray, eye: EyeMarks, frame: Frame, canvas: FloatArray) -> None:
    """One eye: a shaded ball, a streaked iris, pupil and catch-light, the lids' shadow, crease and lashes."""
    x, y = frame.grid()
    upper, lower = _lids(points, eye)
    open_mask = polygon(frame, np.vstack([upper, lower[::-1][1:-1]]), soft=0.0035)
    inner, outer = points[eye.upper[0], :2], points[eye.upper[-1], :2]
    middle = (inner + outer) / 2
    half = float(np.linalg.norm(outer - inner)) / 2
    up_y = np.interp(x * eye.side, upper[:, 0] * eye.side, upper[:, 1]).astype(np.float32)

    # The ball: white is never white; darker to both corners and under the upper lid.
    rx, ry = (x - middle[0]) / (half * 1.12), (y - middle[1]) / (half * 0.95)
    ball = np.clip(1 - rx**2 * 0.75 - ry**2 * 0.3, 0.1, 1)
    shade = (0.46 + 0.54 * ball) * (0.40 + 0.60 * smoothstep(y - up_y, 0.0, 0.085))
    shade *= 0.88 + 0.12 * smoothstep(x, 0.5, -0.5)
    white = linear((246, 240, 236)) * 0.95
    sclera = white * shade[..., None]
    corner = _spot(x, y, (float(inner[0]) + eye.side * 0.012, float(inner[1]) + 0.002), 0.030, 0.030)
    sclera = sclera + (linear((214, 138, 126)) * 0.8 - sclera) * (corner * 0.85)[..., None]
    pink = smoothstep(np.abs(x - middle[0]), half * 0.45, half * 1.0)
    sclera = sclera * (1 - pink[..., None] * np.array([0.0, 0.10, 0.10], np.float32))
    over(canvas, sclera.astype(np.float32), open_mask)

    centre = points[eye.iris, :2]
    ring = points[list(eye.ring), :2]
    radius = float(np.linalg.norm(ring - centre, axis=1).mean())
    dx, dy = x - centre[0], y - centre[1]
    r = np.hypot(dx, dy) / radius
    angle = np.arctan2(dy, dx)
    rng = np.random.default_rng(person.seed + 41)
    spokes = np.zeros_like(r)
    for k in (7, 13, 23, 37, 53):
        spokes += np.sin(
            angle * k + float(rng.uniform(0, 6.3)) + 0.9 * np.sin(r * 5 + float(rng.uniform(0, 6.3)))
        ) / np.sqrt(k)
    colour = linear(person.eye_colour)
    collar = np.exp(-(((r - 0.50) / 0.13) ** 2))
    # Light falls through the cornea and gathers on the side away from the lamp.
    gather = np.clip(0.5 + 0.62 * (dx * 0.5 + dy) / radius, 0, 1.3)
    tone = (0.16 + 1.45 * gather**1.6) * (1 + 0.26 * spokes)
    iris = colour * tone[..., None]
    iris = iris + (colour * np.array([1.25, 1.05, 0.75], np.float32) - iris) * (0.40 * collar)[..., None]
    iris *= (1 - 0.88 * smoothstep(r, 0.70, 1.0))[..., None]
    iris *= (0.30 + 0.70 * smoothstep(y - up_y, 0.0, 0.10))[..., None]
    edge = 1.6 / (radius * frame.unit)
    over(canvas, np.asarray(iris, np.float32), smoothstep(r, 1.02 + edge, 0.97 - edge) * open_mask)
    over(canvas, np.full(3, 0.006, np.float32), smoothstep(r, 0.46 + edge, 0.42 - edge) * open_mask)
    over(
        canvas,
        np.full(3, 0.95, np.float32),
        _light(x, y, (float(centre[0]) - radius * 0.36, float(centre[1]) - radius * 0.36), radius * 0.23)
        * open_mask
        * 0.97,
    )
    over(
        canvas,
        np.array([0.55, 0.62, 0.72], np.float32),
        _light(x, y, (float(centre[0]) + radius * 0.42, float(centre[1]) + radius * 0.45), radius * 0.12)
        * open_mask
        * 0.55,
    )

    # Wet rim on the lower lid.
    skin = linear(person.skin)
    wet = stroke(frame, lower[4:-2] + np.array([0, 0.006], np.float32), np.full(len(lower) - 6, 0.011), soft=0.003)
    over(canvas, np.clip(skin * np.array([0.95, 0.66, 0.62], np.float32) + 0.06, 0, 1).astype(np.float32), wet * 0.75)
    low_dark = stroke(
        frame,
        lower[14:] + np.array([0, 0.013], np.float32),
        0.003 + 0.006 * np.linspace(0, 1, len(lower) - 14),
        soft=0.005,
    )
    lash = linear(person.hair_colour) * 0.10 + 0.004
    over(canvas, lash * 2, low_dark * 0.50)

    # Upper lid: its thickness in shade, the lash line thickening outwards, the crease above.
    t = np.linspace(0, 1, len(upper))
    thick = 0.008 + 0.022 * np.sin(np.pi * np.clip(t * 0.80 + 0.12, 0, 1)) ** 0.8 * (
        0.30 + 0.70 * min(person.lashes, 1.2)
    )
    reach = 0.25 + 0.75 * float(np.clip((person.lashes - 0.5) / 0.5, 0, 1))
    wing = np.vstack([upper, outer + reach * np.array([[eye.side * 0.020, -0.008], [eye.side * 0.034, -0.018]])])
    line = spline(wing, 80)
    fat = np.interp(np.linspace(0, 1, 80), np.linspace(0, 1, 62), np.concatenate([thick, [0.008, 0.002]]))
    over(canvas, lash, stroke(frame, line - (0, 0.004), fat, soft=0.0035) * 0.95)
    crease = spline(points[list(eye.upper), :2] + (0, -0.046), 60)
    crease[:, 1] -= 0.012 * np.sin(np.pi * t)
    crease_dark = skin * np.array([0.42, 0.28, 0.24], np.float32)
    over(
        canvas,
        crease_dark,
        stroke(frame, crease[6:-1], 0.002 + 0.010 * np.sin(np.pi * np.linspace(0.1, 0.95, 53)), soft=0.005) * 0.50,
    )
    _paint_lashes(person, line, eye, frame, canvas, lash)


def _light(x: FloatArray, y: FloatArray, at: tuple[float, float], r: float) -> FloatArray:
    return smoothstep(np.hypot(x - at[0], y - at[1]), r * 1.15, r * 0.8)


def _paint_lashes(
    person: Person, line: FloatArray, eye: EyeMarks, frame: Frame, canvas: FloatArray, colour: FloatArray
) -> None:
    rng = np.random.default_rng(person.seed + 43)
    hairs: list[tuple[FloatArray, FloatArray]] = []
    for k in range(26):
        t = 0.22 + 0.76 * (k + float(rng.uniform(-0.35, 0.35))) / 25
        i = int(np.clip(t, 0, 1) * (len(line) - 1))
        root = line[i] - (0, 0.006)
        length = (0.010 + 0.024 * t**1.6) * person.lashes * float(rng.uniform(0.8, 1.15))
        lean = eye.side * (-0.15 + 1.25 * t)
        tip = root + np.array([lean * length, -length * 0.85])
        bend = (root + tip) / 2 + np.array([eye.side * 0.15 * length, 0.12 * length])
        hair = spline([root, bend, tip], 8)
        hairs.append((hair, 0.0070 * np.linspace(1, 0.05, 8) ** 0.8))
    over(canvas, colour, blur(strokes(frame, hairs), 0.0028 * frame.unit) * min(0.80, 0.75 * person.lashes))


def paint_brow(person: Person, points: FloatArray, eye: EyeMarks, frame: Frame, canvas: FloatArray) -> None:
    """One eyebrow: a soft shade, then strokes that rise near the nose and lie down outwards."""
    top = spline(points[list(eye.brow_upper), :2], 60)
    low = spline(points[list(eye.brow_lower), :2], 60)
    middle, span = (top + low) / 2, (low - top)
    t = np.linspace(0, 1, 60)
    grow = np.interp(t, [0, 0.12, 0.5, 0.8, 1], [0.72, 0.98, 0.92, 0.62, 0.22]).astype(np.float32) * person.brow * 0.80
    hair = linear(person.hair_colour)
    hair = hair + (linear((122, 116, 112)) - hair) * (0.8 * person.grey)
    skin = linear(person.skin)
    ink = np.asarray((hair * 0.50 + linear((44, 30, 24)) * 0.25) * min(1.0, 0.4 + float(skin.mean())), np.float32)
    height = np.linalg.norm(span, axis=1) * grow
    over(canvas, ink * 1.2, stroke(frame, middle, height * 0.90, soft=0.014) * 0.66)
    rng = np.random.default_rng(person.seed + 51)
    for layer in range(3):
        hairs: list[tuple[FloatArray, FloatArray]] = []
        for _ in range(130):
            a = float(rng.uniform(0, 1)) ** 0.9
            i = int(a * 59)
            v = float(rng.uniform(-0.42, 0.5))
            root = middle[i] + span[i] * v * grow[i]
            along = middle[min(i + 3, 59)] - middle[max(i - 3, 0)]
            along /= max(float(np.linalg.norm(along)), 1e-6)
            rise = np.interp(a, [0, 0.15, 0.5, 1], [1.3, 0.75, 0.28, -0.05]) - 0.9 * v * (0.2 + 0.8 * a)
            way = along + np.array([0, -1]) * rise * 0.8
            way /= max(float(np.linalg.norm(way)), 1e-6)
            length = float(rng.uniform(0.055, 0.085)) * float(np.interp(a, [0, 0.3, 1], [0.9, 1.1, 0.75]))
            tip = root + way * length + np.array([0, 0.010])
            mid = root + way * length * 0.55 - np.array([0, 0.004])
            hairs.append((spline([root, mid, tip], 7), 0.0058 * np.linspace(1, 0.1, 7)))
        over(
            canvas,
            ink * (0.65, 0.9, 1.35)[layer],
            blur(strokes(frame, hairs), 0.0022 * frame.unit) * (0.62, 0.55, 0.35)[layer],
        )


def paint_glasses(points: FloatArray, frame: Frame, canvas: FloatArray) -> None:
    """Round spectacles: their shadow on the skin, the frame, a breath of sky on the lenses."""
    rim_colour = np.array([0.020, 0.014, 0.016], np.float32)
    t = np.linspace(0, 2 * np.pi, 160, endpoint=False)
    x, y = frame.grid()
    rims = np.zeros((frame.size, frame.size), np.float32)
    for eye in EYES:
        middle = (points[eye.upper[0], :2] + points[eye.upper[-1], :2]) / 2
        cx, cy = float(middle[0]) + eye.side * 0.015, float(middle[1]) + 0.035
        cos, sin = np.cos(t), np.sin(t)
        power = 0.80
        ring = np.column_stack([np.sign(cos) * np.abs(cos) ** power, np.sign(sin) * np.abs(sin) ** power])
        outer = polygon(frame, ring * (0.255, 0.205) + (cx, cy))
        inner = polygon(frame, ring * (0.230, 0.180) + (cx, cy))
        rims = np.maximum(rims, outer - inner)
        sky = inner * smoothstep((x - cx) * 0.8 + (y - cy), 0.06, -0.26)
        over(canvas, np.array([0.80, 0.88, 1.0], np.float32), sky * 0.10)
        arm = stroke(
            frame,
            np.array(
                [[cx + eye.side * 0.245, cy - 0.06], [float(points[454 if eye.side > 0 else 234, 0]) * 1.0, cy - 0.075]]
            ),
            np.array([0.028, 0.024]),
        )
        rims = np.maximum(rims, arm)
    bridge = spline([(-0.105, 0.0), (0, -0.035), (0.105, 0.0)], 30) + np.array(
        [0, float(points[6, 1]) - 0.075], np.float32
    )
    rims = np.maximum(rims, stroke(frame, bridge, np.full(30, 0.026)))
    shade = blur(np.roll(rims, (int(0.035 * frame.unit), int(0.02 * frame.unit)), (0, 1)), 0.016 * frame.unit)
    canvas *= (1 - 0.40 * shade * (1 - rims))[..., None]
    over(canvas, rim_colour, rims)
