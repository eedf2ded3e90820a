"""From what a driver does to where the portrait's key points go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from generators.liveportrait.motion import Movement, placed

if TYPE_CHECKING:
    from generators.liveportrait.networks import Networks

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings:
    """How far eyes and lips are open."""

    eyes: tuple[float, float]
    """Height over width of the right and the left eye."""
    lips: float


class Transfer:
    """Moves one portrait's key points.

    By default only the change since the film's first picture travels: what the driver looks like at rest does not.

    Args:
        networks: with their weights.
        source: the portrait's movement, of one picture.
        openings: the portrait's.
        absolute: the driver's pose and expression as they are, instead of their change.
        stitched: whether the head is fitted to its shoulders.
        eyes: move the eyes alone, as far open as the driver's; together with ``lips`` both.
        lips: move the lips alone.
        multiplier: how strongly the movement is followed.
    """

    def __init__(
        self,
        networks: Networks,
        source: Movement,
        openings: Openings,
        *,
        absolute: bool = False,
        stitched: bool = True,
        eyes: bool = False,
        lips: bool = False,
        multiplier: float = 1.0,
    ) -> None:
        self._networks = networks
        self._source = source
        self._openings = openings
        self._absolute, self._stitched, self._multiplier = absolute, stitched, multiplier
        self._eyes, self._lips = eyes, lips
        self._turn = source.turn()
        self._first: Movement | None = None
        self.at_rest: Tensor = source.placed()
        """(1, 21, 3): the portrait's own key points."""

    def moved(self, driver: Movement, openings: Openings | None) -> Tensor:
        """Where the key points go, (1, 21, 3).

        Args:
            driver: what the driver does in the next picture.
            openings: the driver's; None where no face was measured, which counts as the portrait's own.
        """
        points = self._retargeted(openings) if self._eyes or self._lips else self._followed(driver)
        if self._stitched:
            points = self._networks.stitching.mended(self.at_rest, points)
        return self.at_rest + (points - self.at_rest) * self._multiplier

    def _followed(self, driver: Movement) -> Tensor:
        source = self._source
        if self._absolute:
            return placed(source.points, driver.turn(), driver.expression, source.scale, driver.shift)
        first = self._first = self._first or driver
        turn = driver.turn() @ first.turn().transpose(1, 2) @ self._turn
        expression = source.expression + driver.expression - first.expression
        scale = source.scale * (driver.scale / first.scale)
        return placed(source.points, turn, expression, scale, source.shift + driver.shift - first.shift)

    def _retargeted(self, openings: Openings | None) -> Tensor:
        """The portrait's points with other eyes or lips; the head stays, as in the authors' code."""
        import torch

        mine, theirs = self._openings, openings or self._openings
        points = self.at_rest

        def row(*values: float) -> Tensor:
            return torch.tensor([values], dtype=points.dtype, device=points.device)

        if self._eyes:
            points = points + self._networks.eyes.change(self.at_rest, row(*mine.eyes, sum(theirs.eyes) / 2))
        if self._lips:
            points = points + self._networks.lips.change(self.at_rest, row(mine.lips, theirs.lips))
        return points
