"""Hair: thousands of strands laid between guide curves, each lit along its length."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from generators.embedded.cast.geometry import FloatArray, Frame, head_outline, spline
from generators.embedded.cast.paint import linear
from generators.embedded.cast.person import Person
from generators.embedded.cast.shading import FILL, KEY, RIM

Guides = npt.NDArray[np.float32]
"""``(guides, points, 2)``: neighbouring curves, root first, in the face frame."""


@dataclass(frozen=True, slots=True)
class Layer:
    """Drawn strands: linear colour ``(size, size, 3)`` and cover ``(size, size)`` 0..1."""

    colour: FloatArray
    cover: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A sheet of strands between guide curves.

    Attributes:
        guides: The curves it lies between.
        strands: How many; 0 when every guide is itself a strand.
        width: Width of one strand at its root, in eye distances.
        stray: How far strands wander from the sheet, in eye distances.
        clumps: Into how many tufts the tips gather; 0 for none.
        depth: Darkness by what lies over it: 1 in the open, smaller underneath.
        fray: Share of its length by which strands end early.
        wave: Amplitude of a wave along the strand, in eye distances.
        ragged: Share of its length by which strands begin late, so that a hairline is no edge.
    """

    guides: Guides
    strands: int
    width: float = 0.011
    stray: float = 0.012
    clumps: int = 24
    depth: float = 1.0
    fray: float = 0.15
    wave: float = 0.0
    ragged: float = 0.0


def guides(*curves: list[tuple[float, float]], points: int = 18) -> Guides:
    """Smooth guide curves through the given points, all with the same number of points."""
    return np.stack([spline(np.asarray(curve, np.float32), points) for curve in curves])


def _between(sheet: Guides, at: FloatArray) -> FloatArray:
    """Strands at positions ``at`` (0..1) across the sheet: ``(len(at), points, 2)``."""
    count = len(sheet)
    if count == 1:
        return np.repeat(sheet, len(at), axis=0)
    from scipy.interpolate import PchipInterpolator

    lines: FloatArray = np.asarray(PchipInterpolator(np.linspace(0, 1, count), sheet, axis=0)(at), np.float32)
    return lines


def _surface(points: FloatArray, top: float) -> FloatArray:
    """Normals of the rounded body of hair under strand points: an egg above the eyes, a column below."""
    nx = np.clip(points[..., 0] / 1.12, -0.97, 0.97)
    ny = np.clip(np.minimum(points[..., 1] + 0.15, 0) / (abs(top) + 0.05), -0.97, 0)
    flat = np.hypot(nx, ny)
    shrink = np.where(flat > 0.95, 0.95 / np.maximum(flat, 1e-6), 1.0)
    nx, ny = nx * shrink, ny * shrink
    normals: FloatArray = np.stack([nx, ny, np.sqrt(1 - nx**2 - ny**2)], axis=-1).astype(np.float32)
    return normals


def comb(frame: Frame, person: Person, locks: list[Lock], *, top: float, seed: int) -> Layer:
    """Draw locks in order, the first lowest.

    A strand's light is that of a thin fibre (Kajiya and Kay 1989): diffuse by the sine of the angle between strand
    and lamp, and two highlights that run across the strands as bands, each tuft's shifted a little.
    """
    rng = np.random.default_rng(seed)
    size = frame.size
    base = linear(person.hair_colour)
    ink = np.sqrt(base * 0.35)
    canvas = np.empty((size, size, 4), np.uint8)
    canvas[..., :3] = np.round(np.clip(ink, 0, 1) * 255)
    canvas[..., 3] = 0
    view = np.array([0, 0, 1], np.float32)
    scale = 2**4
    for lock in locks:
        n = lock.strands or len(lock.guides)
        at = np.sort(rng.uniform(0, 1, n)).astype(np.float32)
        lines = _between(lock.guides, at) if lock.strands else lock.guides
        steps = lines.shape[1]
        along = np.linspace(0, 1, steps, dtype=np.float32)
        tuft = np.zeros(n, np.int64)
        if lock.clumps and lock.strands:
            edges: FloatArray = np.sort(rng.uniform(0, 1, lock.clumps - 1)).astype(np.float32)
            tuft = np.searchsorted(edges, at).astype(np.int64)
            bounds = np.concatenate([[0.0], edges, [1.0]]).astype(np.float32)
            heart = _between(lock.guides, (bounds[:-1] + bounds[1:]) / 2)[tuft]
            heart = (
                heart
                + rng.normal(0, lock.stray * 1.2, (lock.clumps, 1, 2)).astype(np.float32)[tuft] * along[None, :, None]
            )
            pull: FloatArray = np.asarray(0.55 * along**1.5, np.float32)[None, :, None]
            lines = np.asarray(lines * (1 - pull) + heart * pull, np.float32)
        wander = lock.stray if lock.strands else 0.0
        drift = rng.normal(0, wander, (n, 1, 2)).astype(np.float32)
        bow = rng.normal(0, wander * 0.8, (n, 1, 2)).astype(np.float32)
        lines = lines + drift * (0.35 + 0.65 * along)[None, :, None] + bow * np.sin(np.pi * along)[None, :, None]
        if lock.wave:
            phase = rng.uniform(0, 6.28, lock.clumps or 1).astype(np.float32)[tuft if lock.clumps else 0]
            swing = np.sin(np.asarray(phase).reshape(-1, 1) * 0.5 + along[None] * 15.0) * along[None] ** 0.8 * lock.wave
            lines[..., 0] += swing
        end = 1 - lock.fray * rng.uniform(0, 1, n).astype(np.float32) ** 1.6
        start = lock.ragged * rng.uniform(0, 1, n).astype(np.float32)
        lines = np.stack(
            [
                np.column_stack([np.interp(a + along * (e - a), along, s[:, k]) for k in range(2)])
                for s, a, e in zip(lines, start, end, strict=True)
            ]
        )
        tangent = np.gradient(lines, axis=1)
        surface = _surface(lines.astype(np.float32), top)
        rise = -(surface[..., 0] * tangent[..., 0] + surface[..., 1] * tangent[..., 1]) / np.maximum(
            surface[..., 2], 0.25
        )
        t3 = np.concatenate([tangent, rise[..., None]], axis=-1)
        t3 /= np.maximum(np.linalg.norm(t3, axis=-1, keepdims=True), 1e-9)
        # Tufts differ more the farther they are from the scalp.
        tuft_shift = rng.normal(0, 0.06, (max(lock.clumps, 1), 1))[tuft]
        tuft_level = rng.normal(0, 0.06, (max(lock.clumps, 1), 1))[tuft]
        apart = np.minimum(along / 0.35, 1)[None] if lock.strands else np.ones((1, steps), np.float32)
        shift = tuft_shift * apart + rng.normal(0, 0.03, (n, 1))
        level = (1 + tuft_level * apart) * (1 + rng.normal(0, 0.12, (n, 1)))
        light = np.full(lines.shape[:2], 0.20)
        shine = np.zeros(lines.shape[:2])
        for lamp, power in ((KEY, 1.0), (FILL, 0.28)):
            d = lamp.unit()
            half = (d + view) / np.linalg.norm(d + view)
            facing = np.clip(surface @ d * 0.75 + 0.25, 0, 1)
            light += power * facing * np.sqrt(np.clip(1 - (t3 @ d) ** 2, 0, 1))
            for offset, sharp, strength in ((-0.06, 80, 0.75), (0.16, 16, 0.24)):
                bent = t3 + surface * (shift + offset)[..., None]
                bent /= np.linalg.norm(bent, axis=-1, keepdims=True)
                shine += power * strength * facing * np.clip(1 - (bent @ half) ** 2, 0, 1) ** (sharp / 2)
        edge = np.clip(1 - surface[..., 2], 0, 1) ** 2 * np.clip(surface @ RIM.unit(), 0, 1) * 0.9
        own = np.repeat(base[None], n, axis=0)
        grey = rng.uniform(0, 1, n) < person.grey
        own[grey] = np.array([0.34, 0.335, 0.34], np.float32)
        shade = own[:, None] * level[..., None]
        roots = 0.70 + 0.30 * np.minimum(along / 0.12, 1)
        colour = shade * (light * roots[None] * lock.depth)[..., None]
        # Light hair scatters inside and shines less over its own colour than dark hair does.
        glow = np.clip(shade, 0, 1) ** 0.75 * 1.15 / (1 + 1.6 * shade) + 0.035
        colour = colour + glow * ((shine + edge) * lock.depth**2)[..., None] * 1.05
        coded = np.round(np.sqrt(np.clip(colour, 0, 1)) * 255)
        pixels = np.round(frame.pixels(lines.astype(np.float32)) * scale).astype(np.int64)
        taper = np.minimum(0.45 + along / 0.2, 1 - 0.7 * along**1.6)
        thick = np.maximum(1, np.round(lock.width * frame.unit * taper)).astype(int)
        for k in rng.permutation(n):
            line, shade = pixels[k], coded[k]
            for i in range(steps - 1):
                c = shade[i]
                cv2.line(
                    canvas,
                    (int(line[i, 0]), int(line[i, 1])),
                    (int(line[i + 1, 0]), int(line[i + 1, 1])),
                    (float(c[0]), float(c[1]), float(c[2]), 255.0),
                    int(thick[i]),
                    cv2.LINE_AA,
                    4,
                )
    out = canvas.astype(np.float32) / 255
    return Layer(out[..., :3] ** 2, np.ascontiguousarray(out[..., 3]))


def beard(person: Person, points: FloatArray, frame: Frame) -> Layer | None:
    """Beard and moustache: short strands over the jaw and under the nose that leave the lips free."""
    if max(person.beard, person.moustache) <= 0:
        return None
    rng = np.random.default_rng(person.seed + 71)
    outline = head_outline(points)
    contour = np.ascontiguousarray(outline * np.array([0.998, 1.0], np.float32))
    w, chin, mouth = abs(float(points[454, 0])), float(points[152, 1]), float(points[13, 1])
    half = abs(float(points[61, 0]))
    lips_top, lips_low = float(points[0, 1]), float(points[17, 1])
    nose = float(points[2, 1])
    x = rng.uniform(-w, w, 90000)
    y = rng.uniform(0.0, chin, 90000)
    # Upper edge: from the ear down over the cheek to the corner of the moustache.
    edge = np.interp(
        np.abs(x),
        [0.0, half * 0.9, half * 1.5, w * 0.86, w * 0.95, w],
        [mouth, mouth + 0.02, mouth - 0.06, 0.42, 0.22, 0.18],
    )
    cheek = np.clip((y - edge) / 0.17, 0, 1) * person.beard
    cheek *= np.clip(1.25 - np.exp(-((x / (half * 0.55)) ** 2) - ((y - lips_low - 0.03) / 0.05) ** 2) * 0.9, 0, 1)
    upper = (
        np.clip((y - nose - 0.055) / 0.03, 0, 1) * np.clip((half * 1.18 - np.abs(x)) / 0.06, 0, 1) * (y < mouth - 0.005)
    )
    upper *= np.clip(0.35 + np.abs(x) / 0.05, 0, 1) * person.moustache
    lip = ((x / (half * 1.05)) ** 2 + ((y - (lips_top + lips_low) / 2) / ((lips_low - lips_top) / 2 + 0.018)) ** 2) < 1
    chance = np.where(lip, 0, np.maximum(cheek, upper))
    inside = np.array(
        [cv2.pointPolygonTest(contour, (float(a), float(b)), False) >= 0 for a, b in zip(x, y, strict=True)]
    )
    keep = inside & (rng.uniform(0, 1, len(x)) < chance**1.5 * 0.42)
    at = np.column_stack([x, y])[keep].astype(np.float32)
    if len(at) == 0:
        return None
    over_lip = (at[:, 1] < mouth) & (np.abs(at[:, 0]) < half * 1.2)
    way = np.column_stack([at[:, 0] * 0.25, np.full(len(at), 1.0)])
    way[over_lip] = np.column_stack([np.sign(at[over_lip, 0]) * 1.0, np.full(int(over_lip.sum()), 0.55)])
    way += rng.normal(0, 0.28, way.shape)
    way /= np.linalg.norm(way, axis=1, keepdims=True)
    length = np.where(over_lip, 0.024, 0.020 + 0.016 * person.beard) * rng.uniform(0.6, 1.2, len(at))
    t = np.linspace(0, 1, 5)[None, :, None]
    curl = rng.normal(0, 0.18, (len(at), 1, 2))
    lines = (at[:, None] + (way[:, None] * t + curl * t**2) * length[:, None, None]).astype(np.float32)
    third = len(lines) // 3
    locks = [
        Lock(guides=lines[:third], strands=0, width=0.009, depth=0.6),
        Lock(guides=lines[third:], strands=0, width=0.0048, depth=0.92),
    ]
    return comb(frame, person, locks, top=float(points[10, 1]) - 0.52, seed=person.seed + 72)


@dataclass(frozen=True, slots=True)
class Hair:
    """Hair behind the head and hair before it."""

    back: Layer | None
    front: Layer | None


def grow(person: Person, points: FloatArray, frame: Frame) -> Hair:
    """The hair of a person over the landmarks given in the face frame."""
    from generators.embedded.cast import hairstyles

    top = float(points[10, 1]) - 0.52
    back, front = hairstyles.locks(person, points)
    seed = person.seed * 7
    return Hair(
        comb(frame, person, back, top=top, seed=seed + 1) if back else None,
        comb(frame, person, front, top=top, seed=seed + 2) if front else None,
    )
