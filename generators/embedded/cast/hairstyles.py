"""Where the hair of each style grows and falls: its guide curves over a head."""

from __future__ import annotations

import numpy as np

from generators.embedded.cast.geometry import FloatArray
from generators.embedded.cast.hair import Guides, Lock, guides
from generators.embedded.cast.person import Person

Locks = tuple[list[Lock], list[Lock]]
"""Behind the head, before it."""


def _mirror(sheet: Guides) -> Guides:
    return np.asarray(sheet * np.array([-1, 1], np.float32), np.float32)


def bob(person: Person, points: FloatArray) -> Locks:
    """Parted at the side, down past the cheeks, turned in at the jaw."""
    w = abs(float(points[454, 0]))
    hair_y = float(points[10, 1])
    jaw_y = 0.55 + 0.62 * person.hair_length
    px = -0.22
    top = hair_y - 0.47
    right = guides(
        [(px + 0.02, hair_y + 0.02), (px + 0.25, hair_y - 0.02), (w * 0.72, hair_y + 0.26), (w * 0.97, 0.02), (w * 1.00, 0.40), (w * 0.99, jaw_y * 0.85), (w * 0.86, jaw_y)],
        [(px + 0.01, hair_y - 0.08), (px + 0.30, hair_y - 0.14), (w * 0.82, hair_y + 0.18), (w * 1.06, 0.00), (w * 1.10, 0.42), (w * 1.07, jaw_y * 0.88), (w * 0.90, jaw_y + 0.06)],
        [(px, hair_y - 0.26), (px + 0.36, hair_y - 0.34), (w * 0.92, hair_y - 0.02), (w * 1.16, -0.06), (w * 1.22, 0.42), (w * 1.18, jaw_y * 0.9), (w * 0.96, jaw_y + 0.10)],
        [(px, top + 0.02), (px + 0.42, top + 0.06), (w * 1.02, hair_y - 0.12), (w * 1.26, -0.06), (w * 1.32, 0.42), (w * 1.27, jaw_y * 0.92), (w * 1.05, jaw_y + 0.12)],
        points=22,
    )
    left = guides(
        [(px - 0.02, hair_y + 0.02), (px - 0.18, hair_y + 0.05), (-w * 0.80, hair_y + 0.30), (-w * 0.97, 0.06), (-w * 1.00, 0.40), (-w * 0.99, jaw_y * 0.85), (-w * 0.86, jaw_y)],
        [(px - 0.02, hair_y - 0.08), (px - 0.20, hair_y - 0.06), (-w * 0.88, hair_y + 0.20), (-w * 1.06, 0.02), (-w * 1.10, 0.42), (-w * 1.07, jaw_y * 0.88), (-w * 0.90, jaw_y + 0.06)],
        [(px - 0.01, hair_y - 0.26), (px - 0.26, hair_y - 0.26), (-w * 0.98, hair_y + 0.02), (-w * 1.17, -0.04), (-w * 1.22, 0.42), (-w * 1.18, jaw_y * 0.9), (-w * 0.96, jaw_y + 0.10)],
        [(px, top + 0.02), (px - 0.30, top + 0.08), (-w * 1.03, hair_y - 0.10), (-w * 1.26, -0.04), (-w * 1.32, 0.42), (-w * 1.27, jaw_y * 0.92), (-w * 1.05, jaw_y + 0.12)],
        points=22,
    )
    behind = guides(
        [(-w * 1.1, -0.1), (-w * 1.22, 0.4), (-w * 1.12, jaw_y * 0.9), (-w * 0.75, jaw_y + 0.07)],
        [(-w * 0.4, -0.1), (-w * 0.45, 0.4), (-w * 0.45, jaw_y * 0.9), (-w * 0.35, jaw_y + 0.08)],
        [(w * 0.4, -0.1), (w * 0.45, 0.4), (w * 0.45, jaw_y * 0.9), (w * 0.35, jaw_y + 0.08)],
        [(w * 1.1, -0.1), (w * 1.22, 0.4), (w * 1.12, jaw_y * 0.9), (w * 0.75, jaw_y + 0.07)],
    )
    under = Lock(guides=behind, strands=900, width=0.030, depth=0.30, stray=0.02, fray=0.1)
    front = []
    for sheet in (left, right):
        front.append(Lock(guides=sheet, strands=500, width=0.040, depth=0.50, stray=0.010, clumps=0, fray=0.04))
        front.append(Lock(guides=sheet, strands=1500, width=0.013, depth=0.85, stray=0.012, clumps=30))
        front.append(Lock(guides=sheet, strands=1000, width=0.008, depth=1.0, stray=0.014, clumps=40))
    return [under], front


def locks(person: Person, points: FloatArray) -> Locks:
    """The locks of the person's style."""
    return _STYLES[person.hair](person, points)


_STYLES = {"bob": bob}
