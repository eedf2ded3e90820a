"""What each expression channel does to each landmark: closed forms on the landmark groups.

A unit of a channel moves the named landmarks by its field, in u; see the table of channels in ``pose``. Shapes
were chosen on photographs, paintings and drawings; corners, lips, chin and cheeks move together so that skin keeps its
folds.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from generators.embedded.flow import smoothstep
from generators.embedded.landmarks import (
    BROWS,
    FOREHEAD,
    LEFT_LOWER,
    LEFT_UPPER,
    LOWER_INNER,
    LOWER_MIDDLE,
    LOWER_OUTER,
    NOSE,
    RIGHT_LOWER,
    RIGHT_UPPER,
    UPPER_INNER,
    UPPER_MIDDLE,
    UPPER_OUTER,
    FaceFrame,
)
from generators.embedded.pose import CHANNELS

Array = NDArray[np.float64]

EYES = (
    *(*RIGHT_UPPER, *RIGHT_LOWER, *LEFT_UPPER, *LEFT_LOWER),
    *(130, 247, 30, 29, 27, 28, 56, 190, 243, 112, 26, 22, 23, 24, 110, 25),
    *(359, 467, 260, 259, 257, 258, 286, 414, 463, 341, 256, 252, 253, 254, 339, 255),
)
JAW_GAIN = 0.9
"""What a unit of ``jaw`` opens: of ten people drawn, a landmark finder sees openings .94 to 1.15 times as asked."""
CORNERS = (61, 291, 78, 308, 76, 306, 62, 292)


def upper_lip() -> list[int]:
    """Every landmark of the upper lip but the corners."""
    return sorted({*UPPER_OUTER, *UPPER_MIDDLE, *UPPER_INNER} - {*CORNERS})


def lower_lip() -> list[int]:
    """Every landmark of the lower lip but the corners."""
    return sorted({*LOWER_OUTER, *LOWER_MIDDLE, *LOWER_INNER} - {*CORNERS})


def expression_basis(face: FaceFrame) -> Array:
    """Displacement of each landmark for a unit of each channel: (12, 478, 2), in u."""
    points = face.points
    x, y = points[:, 0], points[:, 1]
    half = max(face.half_mouth, 0.05)
    profile = np.maximum(1 - np.abs(x / half) ** 2.4, 0.0) ** 0.62
    corner = np.minimum(np.abs(x / half), 1.15) ** 1.6
    upper, lower = upper_lip(), lower_lip()
    corners = list(CORNERS)
    side = np.sign(x)
    # the inner contour counts as 0, the outer as 1: lips roll and thin between them
    outer_upper = _rank(UPPER_OUTER, UPPER_MIDDLE, UPPER_INNER)
    outer_lower = _rank(LOWER_OUTER, LOWER_MIDDLE, LOWER_INNER)
    # skin around a corner goes with it, less and less: cheek marks alone would leave the corner's crease behind
    away = np.hypot(np.abs(x) - half, y)
    with_corner = np.exp(-((away / 0.24) ** 1.6))
    around = sorted({*range(468)} - {*upper, *lower, *corners, *NOSE, *EYES, *BROWS})
    below = np.exp(-(np.abs(x / 0.40) ** 3)) * smoothstep(y, 0.0, 0.08) * (1 - 0.6 * smoothstep(y, 0.2, face.chin))
    above = np.clip((y + 0.36) / 0.28, 0.0, 1.0) * (y < 0)
    basis = np.zeros((len(CHANNELS), len(points), 2))

    def put(channel: str, marks: Iterable[int], dx: Array | float, dy: Array | float) -> None:
        chosen = list(marks)
        basis[CHANNELS.index(channel), chosen, 0] += np.broadcast_to(dx, x.shape)[chosen]
        basis[CHANNELS.index(channel), chosen, 1] += np.broadcast_to(dy, x.shape)[chosen]

    put("jaw", lower, -0.10 * x / half, 0.28 + 0.72 * profile)
    put("jaw", corners, -0.10 * side, 0.26)
    put("jaw", upper, 0.0, 0.20 * (1 - profile) - 0.06 * profile)
    # every mark of the lower face follows one smooth function, or the skin between the groups would crease
    drop = smoothstep(y, -0.2, 0.55 * face.chin)
    drop = np.where(y < 0, drop * (1 - profile), np.maximum(drop, profile))
    put("jaw", around, 0.0, 0.97 * drop * np.exp(-(np.abs(x / 0.66) ** 3.2)))
    basis[CHANNELS.index("jaw")] *= JAW_GAIN

    put("wide", (*upper, *lower), x / half, 0.0)
    put("wide", corners, side, 0.0)
    put("wide", upper, 0.0, 0.12 * profile * (1 - 2 * (1 - outer_upper)) * 0.5)
    put("wide", lower, 0.0, -0.12 * profile * (1 - 2 * (1 - outer_lower)) * 0.5)
    put("wide", around, 0.75 * side * with_corner, 0.0)

    put("pucker", upper, -x / half, -0.16 * profile)
    put("pucker", lower, -x / half, 0.22 * profile)
    put("pucker", corners, -side, 0.0)
    put("pucker", around, -0.85 * side * with_corner, 0.0)
    put("pucker", around, 0.0, np.where(y < 0, -0.16, 0.22) * profile * np.exp(-((y / 0.2) ** 2)))

    put("press", upper, 0.0, profile * (0.10 + 0.45 * outer_upper))
    put("press", lower, 0.0, -profile * (0.10 + 0.65 * outer_lower))
    put("press", around, 0.0, -0.30 * below)

    put("ftuck", lower, 0.0, -profile * (0.35 + 0.65 * outer_lower))
    put("ftuck", around, 0.0, -0.60 * below)

    put("uraise", upper, 0.0, -profile)
    put("uraise", around, 0.0, -0.85 * profile * above)

    put("ldrop", lower, 0.0, profile)
    put("ldrop", around, 0.0, 0.70 * below)

    put("smile", (*upper, *lower, *corners), 0.75 * side * corner, -0.75 * corner + 0.12 * (1 - corner))
    lifted = np.exp(-((np.hypot(np.abs(x) - 1.25 * half, y + 0.12) / 0.30) ** 2))
    put(
        "smile",
        around,
        0.75 * side * np.maximum(with_corner, 0.4 * lifted),
        -0.75 * np.maximum(with_corner, 0.73 * lifted),
    )
    put("smile", (*RIGHT_LOWER[1:-1], *LEFT_LOWER[1:-1]), 0.0, -0.20)

    put("frown", (*upper, *lower, *corners), 0.0, 0.6 * corner - 0.1 * (1 - corner))
    put("frown", around, 0.0, 0.6 * with_corner)

    brows = list(BROWS)
    inner = np.clip(np.abs(x) / 0.25, 0.0, 3.0)
    put("browup", brows, 0.0, -1.0)
    put("browup", set(FOREHEAD) - {10, 109, 338, 67, 297, 103, 332, 54, 284}, 0.0, -0.45)
    # the skin right below the brow rises with it, or the brow itself would be stretched
    put("browup", (221, 222, 223, 224, 225, 441, 442, 443, 444, 445), 0.0, -0.80)
    put("browup", (56, 28, 27, 29, 30, 286, 258, 257, 259, 260), 0.0, -0.30)
    put("browup", (*RIGHT_UPPER[1:-1], *LEFT_UPPER[1:-1]), 0.0, -0.14)
    put("browdn", brows, -0.45 * side * np.exp(-(inner**2)), 0.7 * np.exp(-((x / 0.3) ** 2)))
    return basis


def mouth_scale(face: FaceFrame) -> float:
    """By how much the mouth channels shrink on a small mouth, which would tear at a full-size opening."""
    return float(np.clip(face.half_mouth / 0.27, 0.55, 1.1))


def _rank(outer: tuple[int, ...], middle: tuple[int, ...], inner: tuple[int, ...]) -> Array:
    """Per landmark of a lip how far out it lies: 1 the outer contour, 0 the inner."""
    rank = np.zeros(478)
    rank[list(middle)] = 0.5
    rank[list(outer)] = 1.0
    rank[list(inner)] = 0.0
    return rank
