"""Draws our own figures: the engine that needs neither Cubism Core nor a graphics driver."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

from generators.live2d.drawing import shapes
from generators.live2d.figure import EXPRESSIONS, FIGURES, RIG, Figure
from generators.pictures import Pictures
from thsafe.core.canonical import canonical_digest
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from generators.live2d.cubism import Look
    from generators.live2d.rig import Rig
    from thsafe.core.types import Frame

VIEWS: Final = {"head": (0.20, 3.9), "bust": (0.75, 5.0), "full": (1.35, 6.4)}
"""Middle of the view and its height, in head units."""
_SHIFT: Final = 4
"""Binary places of a pixel that OpenCV is told."""
_SPRINGS: Final = {
    "ParamHairFront": (70.0, 5.0, 0.035),
    "ParamHairSide": (42.0, 3.2, 0.05),
    "ParamHairBack": (28.0, 2.6, 0.06),
}
"""Stiffness (1/s²), damping (1/s) and the swing that one degree of the head gives."""


def figure_digests() -> Mapping[str, str]:
    """For each of our figures: name to SHA-256 over what it is drawn from."""
    return {name: canonical_digest({"figure": name, **asdict(figure)}) for name, figure in FIGURES.items()}


class Puppet:
    """One of our figures, drawn here.

    Args:
        name: of :data:`generators.live2d.figure.FIGURES`.
        look: what is to be seen; a figure has expressions and no motions.

    Raises:
        UsageError: ``live2d.figure`` or ``live2d.expression``.
    """

    rig: Rig = RIG
    driver = "thsafe"

    def __init__(self, name: str, look: Look) -> None:
        if name not in FIGURES:
            raise _unknown("figure", name, FIGURES)
        if look.expression and look.expression not in EXPRESSIONS:
            raise _unknown("expression", look.expression, EXPRESSIONS)
        if look.motion is not None:
            raise UsageError(
                "thsafe's own figures have no motions.", code="live2d.motion", found=look.motion[0],
                next_step="leave --motion out",
            )  # fmt: skip
        self._figure: Figure = FIGURES[name]
        self._look = look
        middle, tall = VIEWS[look.view]
        self._unit = look.height / tall
        self._origin = np.array([look.width / 2, look.height / 2 - middle * self._unit])
        self._added = EXPRESSIONS.get(look.expression, {})
        box = (self._origin + np.array([[-1.0, -0.9], [1.0, 1.2]]) * self._unit) / (look.width, look.height)
        self.face_box = (float(box[0, 0]), float(box[0, 1]), float(box[1, 0]), float(box[1, 1]))

    def frames(self, rows: Iterable[Mapping[str, float]]) -> Iterator[Frame]:
        """A BGR picture for each row of parameter values."""
        hair = _Hair(float(1 / self._look.fps))
        return Pictures((hair.follow(self._values(row)) for row in rows), self.draw)

    def draw(self, values: Mapping[str, float]) -> Frame:
        """One picture of a whole set of values."""
        width, height = self._look.width, self._look.height
        picture = np.empty((height, width, 3), np.uint8)
        picture[:] = self._look.background[::-1]
        for shape in shapes(self._figure, values):
            places = np.round((shape.points * self._unit + self._origin) * (1 << _SHIFT)).astype(np.int32)
            if shape.width:
                thick = max(1, round(shape.width * self._unit))
                cv2.polylines(picture, [places], False, shape.colour, thick, cv2.LINE_AA, _SHIFT)
            else:
                cv2.fillPoly(picture, [places], shape.colour, cv2.LINE_AA, _SHIFT)
        return picture

    def close(self) -> None:
        """Nothing is open."""

    def _values(self, row: Mapping[str, float]) -> dict[str, float]:
        """The whole set: defaults, what a row does to them, and the expression."""
        values = {name: span.default for name, span in RIG.parameters.items()}
        for name, more in self._added.items():
            values[name] += more
        for name, value in row.items():
            values[name] = RIG.applied(name, values[name], value)
        return {name: RIG.parameters[name].kept(value) for name, value in values.items()}


class _Hair:
    """Hair that lags behind the head: a damped spring for each lock."""

    def __init__(self, dt: float) -> None:
        self._dt = dt
        self._state = dict.fromkeys(_SPRINGS, (0.0, 0.0))
        self._last: tuple[float, float] | None = None

    def follow(self, values: dict[str, float]) -> dict[str, float]:
        head = (values["ParamAngleX"], values["ParamAngleZ"])
        last = head if self._last is None else self._last
        moved = (head[0] - last[0]) + 0.8 * (head[1] - last[1])
        self._last = head
        for name, (stiff, damp, gain) in _SPRINGS.items():
            place, speed = self._state[name]
            place -= gain * moved
            steps = max(1, round(self._dt * 200))
            step = self._dt / steps
            for _ in range(steps):
                speed += step * (-stiff * place - damp * speed)
                place += step * speed
            self._state[name] = (place, speed)
            values[name] = RIG.parameters[name].kept(values[name] + place)
        return values


def _unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    return UsageError(
        f'There is no {what} "{name}".',
        code=f"live2d.{what}",
        found=name,
        next_step="choose one of: " + ", ".join(known),
    )
