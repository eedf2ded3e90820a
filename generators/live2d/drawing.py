"""The shapes of a figure, from the back to the front, for one set of parameter values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.live2d.figure import Figure, Pen, Shape, darker, smooth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from generators.live2d.figure import Colour, Points

_WHITE: Final = (250, 250, 252)
_DARK: Final = (42, 34, 40)
_MOUTH: Final = (54, 38, 112)
_TONGUE: Final = (118, 108, 214)
_LIP: Final = (96, 92, 170)


def shapes(figure: Figure, values: Mapping[str, float]) -> Iterator[Shape]:
    """All shapes of a figure in the order in which they are drawn."""
    pen = Pen(values)
    yield from _back(figure, pen)
    yield from _body(figure, pen)
    yield from _face(figure, pen)
    yield from _mouth(pen)
    for side in (-1.0, 1.0):
        yield from _eye(figure, pen, side)
    yield from _cheeks(figure, pen)
    yield from _front(figure, pen)


def mouth_opening(values: Mapping[str, float]) -> float:
    """Height of the opening between the lips, in head units: what a picture of these values shows."""
    return 0.36 * values["ParamMouthOpenY"]


@cache
def _curve(name: str) -> Points:
    """Curves that never change their form."""
    return smooth(_CURVES[name], closed=not name.endswith("line"))


_CURVES: Final[dict[str, list[tuple[float, ...]]]] = {
    "face": [
        (0.0, -1.12, 0.1), (0.55, -1.02, 0.1), (0.93, -0.55, 0.0), (0.98, 0.0, 0.0), (0.90, 0.45, 0.08),
        (0.62, 0.88, 0.22), (0.22, 1.13, 0.36), (-0.22, 1.13, 0.36), (-0.62, 0.88, 0.22), (-0.90, 0.45, 0.08),
        (-0.98, 0.0, 0.0), (-0.93, -0.55, 0.0), (-0.55, -1.02, 0.1),
    ],
    "short": [
        (0.0, -1.42, -0.2), (0.72, -1.25, -0.2), (1.17, -0.68, -0.3), (1.2, 0.05, -0.4), (1.02, 0.55, -0.5),
        (0.5, 0.75, -0.6), (-0.5, 0.75, -0.6), (-1.02, 0.55, -0.5), (-1.2, 0.05, -0.4), (-1.17, -0.68, -0.3),
        (-0.72, -1.25, -0.2),
    ],
    "long": [
        (0.0, -1.42, -0.2), (0.72, -1.25, -0.2), (1.17, -0.68, -0.3), (1.27, 0.3, -0.4), (1.34, 1.2, -0.4),
        (1.10, 1.95, -0.4), (0.55, 1.75, -0.5), (-0.55, 1.75, -0.5), (-1.10, 1.95, -0.4), (-1.34, 1.2, -0.4),
        (-1.27, 0.3, -0.4), (-1.17, -0.68, -0.3), (-0.72, -1.25, -0.2),
    ],
    "torso": [
        (-0.42, 1.42), (0.42, 1.42), (1.25, 1.72), (1.75, 2.15), (1.98, 3.2), (1.95, 4.2), (-1.95, 4.2), (-1.98, 3.2),
        (-1.75, 2.15), (-1.25, 1.72),
    ],
    "neck": [(-0.34, 0.7), (0.34, 0.7), (0.37, 1.35), (0.50, 1.62), (0.0, 1.86), (-0.50, 1.62), (-0.37, 1.35)],
    "shadow": [(-0.34, 0.85), (0.34, 0.85), (0.36, 1.22), (0.0, 1.42), (-0.36, 1.22)],
    "collar": [(-0.56, 1.50), (-0.30, 1.62), (0.0, 2.02), (-0.22, 2.22), (-0.62, 1.78)],
    "ear": [(0.93, -0.12, -0.1), (1.08, -0.16, -0.18), (1.12, 0.05, -0.2), (1.04, 0.28, -0.18), (0.93, 0.32, -0.1)],
    "fringe": [
        (-1.03, 0.02, 0.25), (-1.10, -0.60, 0.2), (-0.78, -1.22, 0.3), (0.0, -1.46, 0.4), (0.78, -1.22, 0.3),
        (1.10, -0.60, 0.2), (1.03, 0.02, 0.25), (0.93, -0.34, 0.5), (0.72, -0.58, 0.7), (0.40, -0.52, 0.85),
        (0.22, -0.66, 0.9), (0.02, -0.42, 0.95), (-0.26, -0.62, 0.9), (-0.60, -0.44, 0.75), (-0.90, -0.38, 0.5),
    ],
    "shine": [
        (-0.62, -1.02, 0.5), (-0.2, -1.14, 0.5), (0.2, -1.14, 0.5), (0.15, -1.06, 0.6), (-0.2, -1.05, 0.6),
        (-0.56, -0.94, 0.6),
    ],
    "lock": [
        (0.90, -0.6, 0.2), (1.13, -0.2, 0.08), (1.12, 0.38, 0.08), (0.98, 0.78, 0.12), (0.90, 0.3, 0.2),
        (0.82, -0.1, 0.25),
    ],
}  # fmt: skip


def _swayed(points: Points, amount: float, *, root: float, reach: float) -> Points:
    """Hair that swings: what hangs further below ``root`` goes further to the side."""
    share = np.clip((points[:, 1] - root) / reach, 0.0, 1.0)
    moved = points.copy()
    moved[:, 0] += amount * share**1.5
    return moved


def _mirrored(points: Points) -> Points:
    flipped = points.copy()
    flipped[:, 0] *= -1
    return flipped


def _back(figure: Figure, pen: Pen) -> Iterator[Shape]:
    sway = 0.35 * pen.values["ParamHairBack"]
    outline = _swayed(_curve("long" if figure.long_hair else "short"), sway, root=-0.4, reach=2.2)
    yield Shape(points=pen.head(outline), colour=darker(figure.hair, 0.72))


def _body(figure: Figure, pen: Pen) -> Iterator[Shape]:
    yield Shape(points=pen.torso(_curve("torso")), colour=figure.shirt)
    neck = _curve("neck")
    yield Shape(points=pen.torso(neck), colour=darker(figure.skin, 0.93))
    yield Shape(points=pen.torso(_curve("shadow")) + 0.02, colour=darker(figure.skin, 0.80))
    collar = _curve("collar")
    for side in (collar, _mirrored(collar)):
        yield Shape(points=pen.torso(side), colour=darker(figure.shirt, 1.16))


def _face(figure: Figure, pen: Pen) -> Iterator[Shape]:
    ear = _curve("ear")
    for side in (ear, _mirrored(ear)):
        yield Shape(points=pen.head(side), colour=darker(figure.skin, 0.90))
    jaw = 0.10 * pen.values["ParamMouthOpenY"]
    outline = _curve("face").copy()
    outline[:, 1] += jaw * np.clip((outline[:, 1] - 0.3) / 0.8, 0.0, 1.0)
    yield Shape(points=pen.head(outline), colour=figure.skin)
    nose = smooth([(0.0, 0.16, 0.95), (0.07, 0.27, 1.02), (0.0, 0.31, 1.0), (-0.07, 0.27, 1.02)])
    yield Shape(points=pen.head(nose), colour=darker(figure.skin, 0.88))


def _cheeks(figure: Figure, pen: Pen) -> Iterator[Shape]:
    warm = 0.12 + 0.5 * pen.values["ParamCheek"]
    red = tuple(int(a + (b - a) * warm) for a, b in zip(figure.skin, (130, 120, 245), strict=True))
    for side in (-1.0, 1.0):
        yield Shape(points=pen.head(_oval(0.60 * side, 0.42, 0.19, 0.11)), colour=(red[0], red[1], red[2]))
        if figure.freckles:
            for x, y in ((0.52, 0.39), (0.61, 0.34), (0.69, 0.41)):
                yield Shape(points=pen.head(_oval(x * side, y, 0.017, 0.017)), colour=darker(figure.skin, 0.82))


def _oval(x: float, y: float, across: float, up: float) -> Points:
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    return np.column_stack([x + across * np.cos(angle), y + up * np.sin(angle)])


def _mouth(pen: Pen) -> Iterator[Shape]:
    form, amount = pen.values["ParamMouthForm"] + 0.15, pen.values["ParamMouthOpenY"]
    half = 0.31 * (1 + 0.22 * form) * (1 - 0.12 * amount)
    height = mouth_opening(pen.values)
    corner, middle = 0.62 - 0.055 * form, 0.62 + 0.035 * form
    upper = smooth(
        [(-half, corner), (-0.5 * half, middle - 0.10 * height), (0.0, middle - 0.12 * height + 0.01),
         (0.5 * half, middle - 0.10 * height), (half, corner)], closed=False,
    )  # fmt: skip
    lower = smooth(
        [(half, corner), (0.55 * half, middle + 0.72 * height), (0.0, middle + 0.88 * height + 0.01),
         (-0.55 * half, middle + 0.72 * height), (-half, corner)], closed=False,
    )  # fmt: skip
    if height > 0.01:
        inside = np.concatenate([upper, lower])
        yield Shape(points=pen.head(inside), colour=_MOUTH)
        tongue = _oval(0.0, middle + 0.62 * height, 0.46 * half, 0.19 * height)
        yield Shape(points=pen.head(tongue), colour=_TONGUE)
        if height > 0.06:
            bite = upper[5:-5]
            edge = bite[::-1] + np.array([0.0, 0.20 * height])
            yield Shape(points=pen.head(np.concatenate([bite, edge])), colour=_WHITE)
        yield Shape(points=pen.head(lower), colour=_LIP, width=0.022)
    yield Shape(points=pen.head(upper), colour=darker(_LIP, 0.7), width=0.026)


def _eye(figure: Figure, pen: Pen, side: float) -> Iterator[Shape]:
    """One eye: ``side`` -1 at the picture's left (the figure's right), 1 at its right."""
    letter = "L" if side > 0 else "R"
    value = pen.values
    open_, smile = value[f"ParamEye{letter}Open"], value[f"ParamEye{letter}Smile"]
    x, y, across, up = 0.42 * side, 0.0, 0.235, 0.25
    t = np.linspace(-1, 1, 17)
    arch = np.sqrt(np.clip(1 - t**2, 0, 1))
    white = np.concatenate([np.column_stack([t, -arch]), np.column_stack([t, arch])[::-1]])
    yield Shape(points=pen.head(white * [across, up] + [x, y]), colour=_WHITE)
    gaze = (x + 0.085 * value["ParamEyeBallX"], y - 0.07 * value["ParamEyeBallY"])
    yield Shape(points=pen.head(_oval(*gaze, 0.165, 0.195)), colour=darker(figure.iris, 0.62))
    yield Shape(points=pen.head(_oval(gaze[0], gaze[1] + 0.03, 0.14, 0.155)), colour=figure.iris)
    yield Shape(points=pen.head(_oval(*gaze, 0.075, 0.095)), colour=_DARK)
    yield Shape(points=pen.head(_oval(gaze[0] - 0.055, gaze[1] - 0.075, 0.045, 0.05)), colour=_WHITE)
    # Lids are skin over the eye: they end on curves that open, shut and smile.
    lid = y - up * arch * (1.75 * min(open_, 1.2) - 1) + 0.04 * (1 - min(open_, 1.0))
    floor = y + up * arch * (1 - 0.75 * smile * min(open_, 1.0))
    lid = np.minimum(lid, floor)
    if open_ < 0.25:  # shut eyes end on one curve, up in a smile
        shut = y + (0.10 - 0.28 * smile) * up * arch + 0.06
        share = 1 - open_ / 0.25
        lid, floor = lid + (shut - lid) * share, floor + (shut - floor) * share
    wide = t * across + x
    over = np.column_stack([np.concatenate([wide * 1.0, (t * (across + 0.05) + x)[::-1]]),
                            np.concatenate([lid, (y - (up + 0.05) * (0.25 + arch))[::-1]])])  # fmt: skip
    under = np.column_stack([np.concatenate([wide, (t * (across + 0.05) + x)[::-1]]),
                             np.concatenate([floor, (y + (up + 0.05) * (0.25 + arch))[::-1]])])  # fmt: skip
    yield Shape(points=pen.head(over), colour=figure.skin)
    yield Shape(points=pen.head(under), colour=figure.skin)
    yield Shape(points=pen.head(np.column_stack([wide, floor])), colour=darker(figure.skin, 0.72), width=0.014)
    yield Shape(points=pen.head(np.column_stack([wide, lid])), colour=_DARK, width=0.05)
    lift, form = value[f"ParamBrow{letter}Y"], value[f"ParamBrow{letter}Form"]
    inner, outer = x - 0.24 * side, x + 0.26 * side
    high = y - 0.44 - 0.10 * lift
    brow = smooth(
        [(inner, high + 0.02 - 0.085 * form), (x, high - 0.055), (outer, high + 0.035 + 0.02 * form)], closed=False
    )
    yield Shape(points=pen.head(brow), colour=darker(figure.hair, 0.8), width=0.06)


def _front(figure: Figure, pen: Pen) -> Iterator[Shape]:
    side, front = 0.22 * pen.values["ParamHairSide"], 0.12 * pen.values["ParamHairFront"]
    lock = _curve("lock")
    for points in (lock, _mirrored(lock)):
        yield Shape(points=pen.head(_swayed(points, side, root=-0.5, reach=1.3)), colour=darker(figure.hair, 0.88))
    fringe = _swayed(_curve("fringe"), front, root=-1.0, reach=0.8)
    yield Shape(points=pen.head(fringe), colour=figure.hair)
    yield Shape(points=pen.head(_curve("shine")), colour=_tint(figure.hair))


def _tint(colour: Colour) -> Colour:
    blue, green, red = (int(part + 0.22 * (255 - part)) for part in colour)
    return blue, green, red
