"""Labels onto I420 pictures, in place: the whole cost per frame is a few thousand multiplications."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.errors import MarkError
from thsafe.label.plate import MARGIN, PLATE_OPACITY, Plate, draw_plate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Label
    from thsafe.media.planes import Planes

_DARK, _WHITE, _NEUTRAL = 20, 235, 128
"""Studio range luma of plate and letters; chroma of both."""
_ROUNDING = 1e-6
"""Frames: 0.2 s + 0.4 s at 25 frames per second is 15 frames, not 15.000000000000002."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Blend:
    """``picture * keep + add`` in 8.8 fixed point, on one rectangle of a plane."""

    rows: slice
    columns: slice
    keep: NDArray[np.uint16]
    add: NDArray[np.uint16]

    def onto(self, plane: NDArray[np.uint8]) -> None:
        """In place."""
        view = plane[self.rows, self.columns]
        view[:] = (view * self.keep + self.add) >> 8


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    first: int
    last: float
    luma: _Blend
    chroma: _Blend


class LabelStamp:
    """All labels of one job, drawn once for one picture size.

    Args:
        labels: what to show; those that share a corner are stacked from the edge inwards, and one too wide to stand
            beside the label of the opposite corner goes above or below it. Earlier labels are nearer the edge.
        width: even, pixels.
        height: even, pixels.
        fps: turns a label's seconds into frame numbers.

    Raises:
        MissingError: ``label.font`` when no font on this machine has the characters.
        MarkError: ``label.no-room`` when the labels do not fit at their lawful size.
    """

    def __init__(self, labels: tuple[Label, ...], *, width: int, height: int, fps: Fraction) -> None:
        self._placed: list[_Placed] = []
        taken: list[Place] = []
        for label in labels:
            plate = draw_plate(label, width, height)
            spot = find_place(label, plate, width, height, taken)
            taken.append(spot)
            first = math.floor(label.start * fps + _ROUNDING)
            last = math.inf if label.seconds is None else math.ceil((label.start + label.seconds) * fps - _ROUNDING)
            self._placed.append(_place(plate, spot.x, spot.y, first, last))

    def apply(self, planes: Planes, index: int) -> None:
        """Draw the labels that frame ``index`` (from 0) must show onto its planes, in place."""
        for item in self._placed:
            if item.first <= index < item.last:
                item.luma.onto(planes.y)
                item.chroma.onto(planes.u)
                item.chroma.onto(planes.v)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A plate's rectangle in pixels, with the margin that others must keep; left and top are even."""

    x: int
    y: int
    width: int
    height: int
    margin: int

    def meets(self, other: Place) -> bool:
        """They overlap, or are nearer to each other than the smaller margin."""
        gap = min(self.margin, other.margin) - 1
        return (
            self.x < other.x + other.width + gap
            and other.x < self.x + self.width + gap
            and self.y < other.y + other.height + gap
            and other.y < self.y + self.height + gap
        )


def find_place(label: Label, plate: Plate, width: int, height: int, taken: Sequence[Place]) -> Place:
    """The first free place for a plate, from its corner inwards.

    Raises:
        MarkError: ``label.no-room``.
    """
    vertical, _, horizontal = label.position.partition("-")
    if vertical not in {"top", "bottom"} or horizontal not in {"left", "right"}:
        raise ValueError(f"no such position: {label.position}")
    margin = 2 * max(1, round(MARGIN * plate.text_height / 2))
    side = min(margin, width - plate.width)
    x = (side if horizontal == "left" else width - plate.width - side) & ~1
    for depth in range(margin, height - plate.height + 1, 2):
        y = (depth if vertical == "top" else height - depth - plate.height) & ~1
        spot = Place(x=x, y=y, width=plate.width, height=plate.height, margin=margin)
        if not any(spot.meets(other) for other in taken):
            return spot
    raise MarkError(
        f'The label "{label.text}" finds no room in the corner {label.position}.',
        code="label.no-room",
        found=f"{plate.width} x {plate.height} pixels are needed in a picture of {width} x {height}",
        rule="a label is never made smaller than the rule that asks for it",
        next_step="use a larger picture",
    )


def _place(plate: Plate, x: int, y: int, first: int, last: float) -> _Placed:
    backing = plate.backing * PLATE_OPACITY
    keep = (1 - backing) * (1 - plate.ink)
    add = _DARK * backing * (1 - plate.ink) + _WHITE * plate.ink
    half = keep.reshape(plate.height // 2, 2, plate.width // 2, 2).mean(axis=(1, 3))
    return _Placed(
        first=first,
        last=last,
        luma=_Blend(
            rows=slice(y, y + plate.height), columns=slice(x, x + plate.width), keep=_fixed(keep), add=_fixed(add, 0.5)
        ),
        chroma=_Blend(
            rows=slice(y // 2, (y + plate.height) // 2),
            columns=slice(x // 2, (x + plate.width) // 2),
            keep=_fixed(half),
            add=_fixed(_NEUTRAL * (1 - half), 0.5),
        ),
    )


def _fixed(values: NDArray[np.float32], rounding: float = 0.0) -> NDArray[np.uint16]:
    fixed: NDArray[np.uint16] = np.round((values + rounding) * 256).astype(np.uint16)
    return fixed
