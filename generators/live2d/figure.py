"""Our own figures: flat shapes on a turning head, drawn by this code alone; nobody's likeness and nobody's property.

A figure is a mesh of curves. Each vertex has a place on the head (x right, y down, z towards the viewer; the head is
about 2 wide) and moves with Cubism's standard parameters, so that whatever drives a Live2D model drives a figure.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

from generators.live2d.rig import Range, Rig

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    Points = NDArray[np.float64]
    Colour = tuple[int, int, int]

_ANGLE, _SHARE, _SIGNED = (-30.0, 30.0, 0.0), (0.0, 1.0, 0.0), (-1.0, 1.0, 0.0)
_RANGES: Final = {
    "ParamAngleX": _ANGLE, "ParamAngleY": _ANGLE, "ParamAngleZ": _ANGLE,
    "ParamEyeLOpen": (0.0, 1.2, 1.0), "ParamEyeROpen": (0.0, 1.2, 1.0),
    "ParamEyeLSmile": _SHARE, "ParamEyeRSmile": _SHARE, "ParamEyeBallX": _SIGNED, "ParamEyeBallY": _SIGNED,
    "ParamBrowLY": _SIGNED, "ParamBrowRY": _SIGNED, "ParamBrowLForm": _SIGNED, "ParamBrowRForm": _SIGNED,
    "ParamMouthOpenY": _SHARE, "ParamMouthForm": _SIGNED, "ParamCheek": _SHARE,
    "ParamBodyAngleX": (-10.0, 10.0, 0.0), "ParamBodyAngleY": (-10.0, 10.0, 0.0), "ParamBodyAngleZ": (-10.0, 10.0, 0.0),
    "ParamBreath": _SHARE, "ParamHairFront": _SIGNED, "ParamHairSide": _SIGNED, "ParamHairBack": _SIGNED,
}  # fmt: skip
RIG: Final = Rig(
    parameters={name: Range(least=a, most=b, default=c) for name, (a, b, c) in _RANGES.items()},
    lip_sync=("ParamMouthOpenY",),
    eyes_left=("ParamEyeLOpen",),
    eyes_right=("ParamEyeROpen",),
)
"""The same for every figure."""
EXPRESSIONS: Final[Mapping[str, Mapping[str, float]]] = {
    "smile": {"ParamMouthForm": 1.0, "ParamEyeLSmile": 0.7, "ParamEyeRSmile": 0.7, "ParamCheek": 0.8},
    "sad": {
        "ParamMouthForm": -0.8, "ParamBrowLForm": 0.9, "ParamBrowRForm": 0.9, "ParamBrowLY": -0.2, "ParamBrowRY": -0.2,
    },
    "angry": {
        "ParamMouthForm": -0.6, "ParamBrowLForm": -1.0, "ParamBrowRForm": -1.0, "ParamBrowLY": -0.5,
        "ParamBrowRY": -0.5,
    },
    "surprised": {
        "ParamBrowLY": 1.0, "ParamBrowRY": 1.0, "ParamEyeLOpen": 0.2, "ParamEyeROpen": 0.2, "ParamMouthForm": -0.3,
    },
}  # fmt: skip
"""Added to the parameters, as an ``exp3.json`` with Blend "Add" does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How one figure is drawn; colours are blue, green, red."""

    skin: Colour = (190, 214, 246)
    hair: Colour = (96, 74, 58)
    iris: Colour = (150, 120, 40)
    shirt: Colour = (150, 132, 70)
    long_hair: bool = False
    freckles: bool = False


FIGURES: Final[Mapping[str, Figure]] = {
    "robin": Figure(hair=(62, 74, 148), iris=(96, 128, 52), shirt=(158, 122, 62), freckles=True),
    "wren": Figure(skin=(128, 164, 208), hair=(58, 42, 38), iris=(38, 70, 112), shirt=(92, 118, 214), long_hair=True),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One curve to be filled, or only drawn, in the order of the list that it is in."""

    points: Points
    """(n, 2) in head units as seen."""
    colour: Colour
    width: float = 0.0
    """0: filled; else an open line of that width."""


@lru_cache(maxsize=4)
def _steps(count: int) -> Points:
    return np.linspace(0.0, 1.0, count, endpoint=False)


def smooth(points: Sequence[Sequence[float]], *, closed: bool = True, count: int = 8) -> Points:
    """A Catmull-Rom curve through points of any dimension, ``count`` steps between each two."""
    table = np.asarray(points, np.float64)
    if closed:
        around = np.concatenate([table[-1:], table, table[:2]])
    else:
        around = np.concatenate([2 * table[:1] - table[1:2], table, 2 * table[-1:] - table[-2:-1]])
    t = _steps(count)[None, :, None]
    a, b, c, d = (around[start : len(around) - 3 + start, None, :] for start in range(4))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    flat = curve.reshape(-1, table.shape[1])
    return flat if closed else np.concatenate([flat, table[-1:]])


def darker(colour: Colour, share: float) -> Colour:
    """The colour in shade: 1 is the same, 0 black; over 1 is lighter."""
    blue, green, red = (int(min(max(part * share, 0), 255)) for part in colour)
    return blue, green, red


class Pen:
    """Puts places on the head into the picture, for one set of parameter values."""

    def __init__(self, values: Mapping[str, float]) -> None:
        self.values = values
        yaw, pitch, roll = (math.radians(values[f"ParamAngle{axis}"]) for axis in "XYZ")
        lean = math.radians(values["ParamBodyAngleZ"])
        self._turn = _rotation(yaw, pitch)
        self._roll = _flat(roll * 0.8)
        self._lean = _flat(lean)
        self._body = np.array(
            [0.012 * values["ParamBodyAngleX"], -0.008 * values["ParamBodyAngleY"] - 0.025 * values["ParamBreath"]]
        )

    def head(self, points: Points) -> Points:
        """(n, 3) on the head -> (n, 2); two columns lie on the face's surface."""
        if points.shape[1] == 2:
            depth = np.sqrt(np.clip(1.0 - (points[:, 0] / 1.05) ** 2 - (points[:, 1] / 1.35) ** 2, 0.05, 1.0))
            points = np.column_stack([points, 0.85 * depth])
        turned = (points @ self._turn.T)[:, :2]
        neck = np.array([0.0, 0.95])
        return (self.torso((turned - neck) @ self._roll.T + neck)) + 0.4 * self._body

    def torso(self, points: Points) -> Points:
        """(n, 2) of the body."""
        hip = np.array([0.0, 3.4])
        moved: Points = (points - hip) @ self._lean.T + hip + self._body
        return moved


def _rotation(yaw: float, pitch: float) -> Points:
    """Positive yaw brings what is in front to the right, positive pitch up."""
    cy, sy, cp, sp = math.cos(yaw), math.sin(yaw), math.cos(pitch), math.sin(pitch)
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    return np.asarray(around_x @ around_y, np.float64)


def _flat(angle: float) -> Points:
    """Positive turns clockwise as seen."""
    return np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
