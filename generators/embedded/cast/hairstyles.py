"""Where the hair of each style grows and falls: its guide curves over a head."""

from __future__ import annotations

import math

import numpy as np

from generators.embedded.cast.geometry import FloatArray, head_outline
from generators.embedded.cast.hair import Guides, Lock, guides
from generators.embedded.cast.person import Person

Locks = tuple[list[Lock], list[Lock]]
"""Behind the head, before it."""


def _coat(
    sheet: Guides,
    *,
    amount: float = 1.0,
    wave: float = 0.0,
    stray: float = 0.010,
    clumps: int = 22,
    fray: float = 0.14,
    ragged: float = 0.03,
) -> list[Lock]:
    """The same sheet again and again: a dark ground, the body, fine strands that catch the light, a few astray."""
    return [
        Lock(
            guides=sheet,
            strands=int(share * amount),
            width=width,
            depth=depth,
            stray=stray * wander,
            clumps=clumps * tufts,
            fray=fray * ends,
            ragged=ragged * late,
            wave=wave,
        )
        for share, width, depth, wander, tufts, ends, late in (
            (450, 0.024, 0.58, 0.5, 0, 1.3, 1.6),
            (1500, 0.012, 0.88, 1.0, 1, 1.0, 1.0),
            (1900, 0.006, 1.00, 1.3, 2, 1.3, 0.9),
            (40, 0.004, 1.00, 2.4, 0, 2.5, 1.0),
        )
    ]


def _half_width(points: FloatArray) -> float:
    return abs(float(points[454, 0]))


def _hairline(points: FloatArray, x: float) -> float:
    """Height of the hairline over the forehead at ``x``."""
    bend = min(1.0, abs(x) / (0.92 * _half_width(points)))
    return float(points[10, 1]) - 0.035 + 0.35 * math.pow(bend, 2.8)


def _curtain(points: FloatArray, s: int, part: float, y1: float, *, flare: float = 0.0, fringe: float = 0.0) -> Guides:
    """One side of parted hair: from the parting over the skull, past the cheek, to the height ``y1``."""
    w = _half_width(points)
    h = float(points[10, 1])
    top = h - 0.47
    r0, r1, r2, r3 = part, part * 0.9, part * 0.6, part * 0.15
    return guides(
        [
            (r0 - s * 0.012, h + 0.03),
            (r0 + s * 0.20, h + 0.04 + fringe * 0.55),
            (s * 0.57, h + 0.30),
            (s * w * 0.955, 0.06),
            (s * w * 0.99, 0.40),
            (s * w * (0.97 + flare * 0.3), y1 * 0.85),
            (s * w * (0.76 + flare), y1),
        ],
        [
            (r1 - s * 0.012, h - 0.08),
            (r1 + s * 0.26, h - 0.07),
            (s * 0.66, h + 0.18),
            (s * w * 1.03, 0.02),
            (s * w * 1.07, 0.42),
            (s * w * (1.05 + flare * 0.4), y1 * 0.88),
            (s * w * (0.80 + flare), y1 + 0.06),
        ],
        [
            (r2, h - 0.25),
            (r2 + s * 0.28, h - 0.23),
            (s * 0.72, h + 0.02),
            (s * w * 1.10, -0.02),
            (s * w * 1.15, 0.42),
            (s * w * (1.13 + flare * 0.5), y1 * 0.9),
            (s * w * (0.85 + flare), y1 + 0.10),
        ],
        [
            (r3, top),
            (r3 + s * 0.26, top + 0.035),
            (s * 0.60, h - 0.27),
            (s * w * 1.07, h + 0.14),
            (s * w * 1.20, 0.06),
            (s * w * 1.23, 0.52),
            (s * w * (1.18 + flare * 0.6), y1 * 0.95),
            (s * w * (0.90 + flare), y1 + 0.12),
        ],
        points=24,
    )


def _behind(points: FloatArray, y1: float) -> Lock:
    """The dark of the hair behind the neck."""
    w = _half_width(points)
    sheet = guides(
        *[
            [(k * w * 1.08, -0.1), (k * w * 1.16, 0.4), (k * w * 1.10, y1 * 0.9), (k * w * 0.88, y1 + 0.02 * abs(k))]
            for k in (-1, -0.5, 0, 0.5, 1)
        ]
    )
    return Lock(guides=sheet, strands=900, width=0.030, depth=0.30, stray=0.02, fray=0.08, clumps=0)


def bob(person: Person, points: FloatArray) -> Locks:
    """Parted at the side, down past the cheeks, turned in at the jaw."""
    y1 = 0.55 + 0.60 * person.hair_length
    front = [
        lock
        for s in (-1, 1)
        for lock in _coat(_curtain(points, s, -0.24, y1, fringe=0.12 if s > 0 else 0.0), ragged=0.0, fray=0.18)
    ]
    return [_behind(points, y1 + 0.04)], front


def long(person: Person, points: FloatArray) -> Locks:
    """Parted in the middle, in waves over the shoulders."""
    y1 = 1.15 + 0.75 * person.hair_length
    front = [
        lock
        for s in (-1, 1)
        for lock in _coat(
            _curtain(points, s, 0.06, y1, flare=0.10),
            wave=0.045,
            stray=0.016,
            clumps=12,
            amount=1.15,
            fray=0.40,
            ragged=0.0,
        )
    ]
    return [_behind(points, y1 - 0.25)], front


def _within(curve: list[tuple[float, float]], wide: float, top: float) -> list[tuple[float, float]]:
    """Keep the points of a curve inside the rounded outline that short hair has above the ears."""
    cy = -0.22
    out = []
    for x, y in curve:
        over = max(1.0, ((abs(x) / wide) ** 2.3 + ((cy - y) / (cy - top)) ** 2.3) ** (1 / 2.3)) if y < cy else 1.0
        out.append((x / over, cy + (y - cy) / over))
    return out


def short(person: Person, points: FloatArray) -> Locks:
    """Close at the sides, longer on top and swept over."""
    w, h = _half_width(points), float(points[10, 1])
    top = h - 0.42 - 0.10 * person.hair_length
    wide = w * 1.07
    locks: list[Lock] = []
    for s in (-1, 1):
        side = guides(
            [(s * w * 0.99, h + 0.02), (s * w * 1.055, -0.28), (s * w * 1.06, -0.06), (s * w * 1.03, 0.10)],
            [(s * w * 0.93, h + 0.02), (s * w * 1.00, -0.28), (s * w * 1.02, -0.05), (s * w * 1.01, 0.16)],
            [(s * w * 0.86, h + 0.10), (s * w * 0.93, -0.26), (s * w * 0.97, -0.03), (s * w * 0.98, 0.22)],
        )
        locks += _coat(side, amount=0.5, stray=0.008, clumps=12, fray=0.55, ragged=0.10)
    for back, crest, lean in ((-0.32, 0.0, 0.05), (-0.20, 0.03, 0.10), (-0.08, 0.08, 0.16), (0.0, 0.14, 0.22)):
        curves = []
        for k in np.linspace(-1, 1, 9).tolist():
            x = k * w * 0.90
            # Higher than the landmarks' edge, and higher yet over the temples.
            recede = 0.02 + 0.05 * float(np.exp(-(((abs(k) - 0.62) / 0.16) ** 2)))
            y = _hairline(points, x) + back * (1 - 0.55 * k**2) - recede
            dome = top + crest + 0.26 * abs(k) ** 2.2
            lift = 0.55 * (dome - y)
            curve = [
                (x, y),
                (x * 1.03 - 0.01, y + lift),
                (x * 1.00 + 0.05 + lean * 0.35, dome + 0.015),
                (x * 0.90 + 0.14 + lean, dome + 0.05 + 0.05 * k),
                (x * 0.80 + 0.24 + lean * 1.3, dome + 0.14 + 0.14 * max(k, 0.0)),
            ]
            curves.append(_within(curve, wide, top))
        locks += _coat(guides(*curves), amount=0.65, stray=0.012, clumps=16, fray=0.5, ragged=0.13)
    return [], locks


def _places(points: FloatArray, rng: np.random.Generator, count: int, out: float, low: float) -> FloatArray:
    """Random places ``(count, 2)`` where hair grows: inside the skull's outline grown by ``out``, above the hairline.

    ``low`` is how far down the sides it goes, in the face frame.
    """
    import cv2

    outline = head_outline(points)
    middle = np.array([0, -0.25], np.float32)
    away = outline - middle
    ring = middle + away * (1 + out / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6))
    contour = np.ascontiguousarray(ring.astype(np.float32))
    w = _half_width(points)
    kept: list[tuple[float, float]] = []
    while len(kept) < count:
        x = float(rng.uniform(-w - out - 0.15, w + out + 0.15))
        y = float(rng.uniform(float(outline[:, 1].min()) - out, low))
        if cv2.pointPolygonTest(contour, (x, y), False) < 0:
            continue
        face = abs(x) < w * (0.92 + 0.06 * min(1.0, max(0.0, y + 0.3) / 0.4))
        if face and y > _hairline(points, x):
            continue
        kept.append((x, y))
    return np.asarray(kept, np.float32)


def curly(person: Person, points: FloatArray) -> Locks:
    """A cloud of ringlets."""
    rng = np.random.default_rng(person.seed + 61)
    out = 0.16 + 0.18 * person.hair_length
    low = 0.15 + 0.55 * person.hair_length

    def ringlets(places: FloatArray, size: float, copies: int, turns: float) -> FloatArray:
        t = np.linspace(0, 1, 26, dtype=np.float32)
        lines = []
        for x, y in places:
            r = size * float(rng.uniform(0.7, 1.25))
            phase = float(rng.uniform(0, 6.28))
            spin = float(rng.choice([-1, 1]))
            fall = np.array([0.25 * x + float(rng.normal(0, 0.03)), 0.10 + 0.05 * float(rng.uniform(0, 1))])
            for _ in range(copies):
                a = phase + spin * turns * 6.28 * t
                rr = r * (1 + float(rng.normal(0, 0.10))) * (1 - 0.25 * t)
                jitter = rng.normal(0, size * 0.12, 2)
                lines.append(
                    np.column_stack(
                        [
                            x + jitter[0] + rr * np.cos(a) + fall[0] * t * 0.4,
                            y + jitter[1] + rr * 0.75 * np.sin(a) + fall[1] * t,
                        ]
                    )
                )
        return np.asarray(lines, np.float32)

    ground = Lock(
        guides=ringlets(_places(points, rng, 900, out - 0.05, low), 0.060, 2, 1.0), strands=0, width=0.034, depth=0.34
    )
    body = Lock(guides=ringlets(_places(points, rng, 900, out, low), 0.050, 4, 1.3), strands=0, width=0.011, depth=0.75)
    shine = Lock(guides=ringlets(_places(points, rng, 520, out, low), 0.045, 5, 1.5), strands=0, width=0.007, depth=1.0)
    back = Lock(
        guides=ringlets(_places(points, rng, 500, out - 0.02, low), 0.06, 3, 1.2),
        strands=0,
        width=0.03,
        depth=0.28,
    )
    return [_behind(points, low), back], [ground, body, shine]


def _fuzz(person: Person, points: FloatArray, length: float, count: int, out: float, curl: float) -> list[Lock]:
    """Hair too short to lie: many small strands that stand off the skull."""
    rng = np.random.default_rng(person.seed + 62)
    places = _places(points, rng, count, out, 0.12)
    away = places - np.array([0.0, -0.15], np.float32)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    down = np.array([0.0, 1.0], np.float32)
    # Close to the outline strands stand out from it; in the middle they lie towards the forehead.
    way = away * 0.6 + down * 0.35 + rng.normal(0, curl, (count, 2)).astype(np.float32)
    t = np.linspace(0, 1, 6, dtype=np.float32)[None, :, None]
    bend = rng.normal(0, curl * 0.6, (count, 1, 2)).astype(np.float32)
    lines = places[:, None] + (way[:, None] * t + bend * t**2) * length
    return [
        Lock(guides=lines[: count // 3], strands=0, width=0.016, depth=0.55),
        Lock(guides=lines[count // 3 :], strands=0, width=0.008, depth=0.95),
    ]


def crop(person: Person, points: FloatArray) -> Locks:
    """Tight and thick, a finger's width all over."""
    return [], _fuzz(person, points, 0.034 * person.hair_length, 9000, 0.060, 0.55)


def shaved(person: Person, points: FloatArray) -> Locks:
    """Clipped to a few millimetres."""
    return [], _fuzz(person, points, 0.020, 6500, 0.012, 0.25)


def bald(person: Person, points: FloatArray) -> Locks:  # noqa: ARG001 - every style is called alike
    """None at all."""
    return [], []


def bun(person: Person, points: FloatArray) -> Locks:
    """Drawn back from the face and up, knotted on the crown."""
    w, h = _half_width(points), float(points[10, 1])
    top = h - 0.42
    curves = []
    for k in np.linspace(-1, 1, 9).tolist():
        x = k * w * 0.96
        y = _hairline(points, x) if abs(k) < 0.95 else 0.10
        side = abs(k) ** 1.6
        curves.append(
            [
                (x, y),
                (x * (1.0 + 0.05 * side), y + (top - y) * 0.35),
                (x * (0.92 + 0.06 * side), y + (top - y) * 0.68),
                (x * 0.55, top + 0.03 + 0.02 * side),
                (x * 0.10, top - 0.02),
            ]
        )
    outer = [
        guides(
            [(s * a * w, b) for a, b in ((0.98, 0.20), (1.03, -0.10), (1.02, -0.45), (0.70, h - 0.26))]
            + [(s * 0.08, top)],
            [(s * a * w, b) for a, b in ((1.03, 0.16), (1.09, -0.12), (1.09, -0.48), (0.76, h - 0.34))]
            + [(s * 0.06, top - 0.04)],
        )
        for s in (-1, 1)
    ]
    cap = [lock for sheet in outer for lock in _coat(sheet, amount=0.5, stray=0.006, fray=0.02)]
    cap += _coat(guides(*curves), amount=1.1, stray=0.007, clumps=30, fray=0.02, ragged=0.10)
    rng = np.random.default_rng(person.seed + 63)
    knot = []
    centre = np.array([0.0, top - 0.10])
    r = 0.175 * person.hair_length**0.5
    t = np.linspace(0, 1, 20)
    for _ in range(1300):
        ring = float(rng.uniform(0.10, 1.0)) ** 0.7
        start = float(rng.uniform(0, 6.28))
        a = start + t * float(rng.uniform(1.2, 2.4))
        wob = 1 + 0.05 * float(rng.normal())
        knot.append(
            np.column_stack([centre[0] + r * 1.22 * ring * wob * np.cos(a), centre[1] + r * ring * wob * np.sin(a)])
        )
    lines = np.asarray(knot, np.float32)
    ball = [
        Lock(guides=lines[:400], strands=0, width=0.028, depth=0.5),
        Lock(guides=lines[400:], strands=0, width=0.008, depth=0.95),
    ]
    return ball, cap


def locks(person: Person, points: FloatArray) -> Locks:
    """The locks of the person's style."""
    return _STYLES[person.hair](person, points)


_STYLES = {
    "short": short,
    "crop": crop,
    "bob": bob,
    "long": long,
    "curly": curly,
    "bun": bun,
    "shaved": shaved,
    "bald": bald,
}
