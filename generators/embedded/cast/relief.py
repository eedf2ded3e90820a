"""The head as a relief: how far each pixel stands towards the viewer, modelled over the landmarks."""

from __future__ import annotations

import cv2
import numpy as np

from generators.embedded.cast.geometry import (
    EYES,
    LOWER_INNER,
    LOWER_OUTER,
    UPPER_INNER,
    UPPER_OUTER,
    FloatArray,
    Frame,
    head_outline,
    spline,
)
from generators.embedded.cast.paint import blur, smoothstep
from generators.embedded.cast.person import Person

DEPTH = 1.2
"""The finder's z is flatter than a head by about this factor."""
_GRID = 40
"""Nodes per eye distance on which the landmarks are interpolated before the picture's own resolution."""


def lip_line(points: FloatArray) -> FloatArray:
    """The line where the closed lips meet, corner to corner, ``(n, 2)``."""
    inner = (points[list(UPPER_INNER), :2] + points[list(LOWER_INNER), :2]) / 2
    ends = points[[61, 291], :2]
    return spline(np.vstack([ends[:1], inner[1:-1], ends[1:]]), 80)


def _bump(x: FloatArray, y: FloatArray, at: tuple[float, float], wide: float, high: float) -> FloatArray:
    return np.asarray(np.exp(-(((x - at[0]) / wide) ** 2) - ((y - at[1]) / high) ** 2), np.float32)


def _curve_y(line: FloatArray, x: FloatArray) -> FloatArray:
    order = np.argsort(line[:, 0])
    return np.interp(x, line[order, 0], line[order, 1]).astype(np.float32)


def head_relief(person: Person, points: FloatArray, frame: Frame) -> FloatArray:
    """Height of the head in eye distances, ``(size, size)``, larger nearer; far behind outside the head.

    A C1 surface through the landmarks (Clough-Tocher) closed over the skull, smoothed on the cheeks and kept crisp
    at nose and mouth, with the parts modelled in that 478 points cannot hold: wings and nostrils, lips, lids, chin.
    """
    from scipy.interpolate import CloughTocher2DInterpolator

    outline = head_outline(points)
    skull = outline[outline[:, 1] < points[10, 1] + 0.25][::8]
    rim = np.concatenate([skull * (1.0, 1.0), outline[::10] * (1.25, 1.25)])
    rim_depth = np.concatenate([np.full(len(skull), -0.72), np.full(len(outline[::10]), -1.1)])
    crown = np.array(
        [[0, points[10, 1] - 0.16, 0.02], [-0.3, points[10, 1] - 0.12, -0.05], [0.3, points[10, 1] - 0.12, -0.05]]
    )
    body = points[:468]
    xy = np.vstack([body[:, :2], rim, crown[:, :2]])
    z = np.concatenate([-body[:, 2] * DEPTH, rim_depth, crown[:, 2]])
    low_x, high_x, low_y, high_y = -1.3, 1.3, -1.6, 1.9
    gx = np.linspace(low_x, high_x, int((high_x - low_x) * _GRID) + 1, dtype=np.float32)
    gy = np.linspace(low_y, high_y, int((high_y - low_y) * _GRID) + 1, dtype=np.float32)
    surface = CloughTocher2DInterpolator(xy, z, fill_value=-1.3)
    coarse = np.asarray(surface(*np.meshgrid(gx, gy)), np.float32)
    step = frame.unit / _GRID
    place = np.array([[step, 0, frame.x0 + low_x * frame.unit], [0, step, frame.y0 + low_y * frame.unit]], np.float64)
    raw = np.asarray(
        cv2.warpAffine(
            coarse,
            place,
            (frame.size, frame.size),
            flags=cv2.INTER_CUBIC,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(-1.3,),
        ),
        np.float32,
    )
    x, y = frame.grid()
    u = frame.unit
    nose_tip, under_nose = points[4], points[2]
    crisp = np.maximum(
        _bump(x, y, (0, float(nose_tip[1]) - 0.02), 0.22, 0.26),
        _bump(x, y, (0, float(points[13, 1])), 0.36, 0.16),
    )
    wide, fine = blur(raw, 0.085 * u), blur(raw, 0.028 * u)
    h = wide + (fine - wide) * np.clip(crisp * 1.35, 0, 1)

    # Nose: a round tip, wings of their own, a groove where they meet the cheek, nostrils tucked under.
    wing_x = float(points[358, 0]) * 0.80
    wing_y = float(points[358, 1]) + 0.012
    h += 0.045 * _bump(x, y, (0, float(nose_tip[1]) + 0.0), 0.085, 0.075)
    for s in (-1, 1):
        h += 0.050 * _bump(x, y, (s * wing_x, wing_y), 0.052, 0.056)
        h -= 0.008 * _bump(x, y, (s * (wing_x + 0.075), wing_y + 0.005), 0.05, 0.075)
    h += 0.012 * _bump(x, y, (0, 0.2), 0.055, 0.22)

    # Lips: two rolls that meet in a groove.
    line = lip_line(points)
    seam = _curve_y(line, x)
    top = _curve_y(spline(points[list(UPPER_OUTER), :2], 60), x)
    low = _curve_y(spline(points[list(LOWER_OUTER), :2], 60), x)
    half = abs(float(points[61, 0]))
    inside = smoothstep(np.abs(x), half * 1.02, half * 0.6)
    t_up = np.clip((seam - y) / np.maximum(seam - top, 0.01), 0, 1.6)
    t_low = np.clip((y - seam) / np.maximum(low - seam, 0.01), 0, 1.6)
    lower = smoothstep(y - seam, -0.006, 0.006)
    rolls = (0.038 * np.exp(-(((t_up - 0.50) / 0.42) ** 2)), 0.062 * np.exp(-(((t_low - 0.48) / 0.40) ** 2)))
    roll = rolls[0] * (1 - lower) + rolls[1] * lower
    h += blur(roll.astype(np.float32), 0.008 * u) * inside
    h -= 0.030 * np.exp(-(((y - seam) / 0.020) ** 2)) * smoothstep(np.abs(x), half * 1.06, half * 0.9)
    for s in (-1, 1):
        h -= 0.020 * _bump(x, y, (s * (half + 0.015), float(line[0, 1]) - 0.005), 0.055, 0.055)
        h += 0.006 * _bump(x, y, (s * (half + 0.17), float(line[0, 1]) + 0.0), 0.12, 0.16)
    # Philtrum, the fold under the lower lip, the chin.
    mid_philtrum = (float(under_nose[1]) + float(points[0, 1])) / 2 + 0.02
    h -= 0.014 * _bump(x, y, (0, mid_philtrum), 0.032, 0.075)
    for s in (-1, 1):
        h += 0.010 * _bump(x, y, (s * 0.058, mid_philtrum), 0.028, 0.075)
    chin_y = float(points[152, 1])
    h -= 0.028 * _bump(x, y, (0, float(points[17, 1]) + 0.055), 0.17, 0.045)
    h += 0.045 * _bump(x, y, (0, chin_y - 0.15), 0.19, 0.12)

    # Cheeks, brow ridge, the ball of the eye under its lids.
    for s in (-1, 1):
        h += (0.030 + 0.02 * person.smile) * _bump(x, y, (s * 0.42, 0.40), 0.24, 0.17)
    for eye in EYES:
        middle = (points[eye.upper[0], :2] + points[eye.upper[-1], :2]) / 2
        brow = points[list(eye.brow_upper + eye.brow_lower), :2].mean(0)
        h += 0.020 * _bump(x, y, (float(brow[0]), float(brow[1]) + 0.01), 0.22, 0.06)
        h -= 0.035 * _bump(x, y, (float(middle[0]) - eye.side * 0.14, float(middle[1]) - 0.06), 0.09, 0.09)
        h += 0.050 * _bump(x, y, (float(middle[0]), float(middle[1]) + 0.0), 0.16, 0.115)
        crease = spline(points[list(eye.upper), :2], 40) + np.array([0, -0.048], np.float32)
        fold = np.exp(-(((y - _curve_y(crease, x)) / 0.016) ** 2))
        reach = smoothstep(np.abs(x - middle[0]), 0.19, 0.08)
        h -= 0.018 * fold * reach
        bag = spline(points[list(eye.lower), :2], 40) + np.array([0, 0.055], np.float32)
        h -= (0.004 + 0.014 * person.age) * np.exp(-(((y - _curve_y(bag, x)) / 0.03) ** 2)) * reach
    # Lines that age draws over the brow and beside the eyes.
    brow_top = float(points[105, 1])
    for k in range(3):
        at = brow_top - 0.085 - 0.075 * k + 0.03 * x**2 + 0.006 * np.sin(9 * x + k)
        h -= 0.007 * max(0.0, person.age - 0.35) * np.exp(-(((y - at) / 0.012) ** 2)) * smoothstep(np.abs(x), 0.52, 0.2)
    for eye in EYES:
        corner = points[eye.upper[-1], :2]
        for tilt in (-0.45, 0.0, 0.45):
            away_x = (x - float(corner[0])) * eye.side
            line_y = float(corner[1]) + tilt * away_x
            run = smoothstep(away_x, 0.02, 0.06) * smoothstep(away_x, 0.17, 0.09)
            h -= 0.006 * max(0.0, person.age - 0.35) * run * np.exp(-(((y - line_y) / 0.009) ** 2))
    # The folds from nose to mouth deepen with age and smiling.
    for s in (-1, 1):
        fold_line = np.array(
            [
                [0.20, wing_y - 0.06],
                [0.27, wing_y + 0.10],
                [0.345, float(line[0, 1]) - 0.02],
                [0.36, float(line[0, 1]) + 0.12],
            ]
        )
        at_x = np.interp(y, fold_line[:, 1], fold_line[:, 0]).astype(np.float32)
        run = smoothstep(y, wing_y - 0.10, wing_y + 0.05) * smoothstep(
            y, float(line[0, 1]) + 0.14, float(line[0, 1]) - 0.06
        )
        h -= (0.003 + 0.016 * person.age + 0.004 * person.smile) * run * np.exp(-(((s * x - at_x) / 0.035) ** 2))
    return np.asarray(h, np.float32)
