"""Displacement fields on a coarse lattice: thin-plate splines through landmarks, and their inverse.

A forward field F moves the picture's point x to x + F(x). To draw, each output point y needs the source point
y - d(y) with d(y) = F(y - d(y)). Plain iteration of that equation diverges where the gradient of F exceeds 1, and it
reaches 2 at an open mouth; half-damped steps converge (at most half a pixel after 12 of them).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Field = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lattice:
    """Nodes every ``cell`` pixels; node (row, column) lies at pixel (left + column * cell, top + row * cell).

    A node lies in the middle of its block of ``cell`` by ``cell`` pixels, where ``cv2.resize`` has it: it is several
    times faster than an affine warp, and exact.
    """

    cell: int
    left: float
    top: float
    columns: int
    rows: int

    @classmethod
    def over(cls, width: int, height: int, cell: int) -> Lattice:
        """The lattice over a whole picture, whose blocks cover its last pixel."""
        middle = (cell - 1) / 2
        return cls(cell=cell, left=middle, top=middle, columns=-(-width // cell), rows=-(-height // cell))

    def window(self, x0: float, y0: float, x1: float, y1: float) -> tuple[Lattice, int, int]:
        """The part of this lattice that covers a box in pixels, and its first column and row here."""
        first = max(int((x0 - self.left) // self.cell), 0)
        last = min(int((x1 - self.left) // self.cell) + 1, self.columns - 1)
        upper = max(int((y0 - self.top) // self.cell), 0)
        lower = min(int((y1 - self.top) // self.cell) + 1, self.rows - 1)
        part = Lattice(
            cell=self.cell,
            left=self.left + first * self.cell,
            top=self.top + upper * self.cell,
            columns=last - first + 1,
            rows=lower - upper + 1,
        )
        return part, first, upper

    def pixels(self) -> Array:
        """Where the nodes lie: (rows, columns, 2) in pixels."""
        x = self.left + self.cell * np.arange(self.columns)
        y = self.top + self.cell * np.arange(self.rows)
        grid = np.meshgrid(x, y)
        return np.stack(grid, axis=-1)

    def spread(self, field: Field, x0: int, y0: int, width: int, height: int) -> Field:
        """Interpolate a field of this lattice's nodes to the pixels of a rectangle of the picture."""
        import cv2

        first, last = self._blocks(x0 - self.left, width, self.columns)
        upper, lower = self._blocks(y0 - self.top, height, self.rows)
        part = field[upper:lower, first:last]
        size = ((last - first) * self.cell, (lower - upper) * self.cell)
        dense: Field = cv2.resize(part, size, interpolation=cv2.INTER_LINEAR)
        x, y = x0 - first * self.cell, y0 - upper * self.cell
        return dense[y : y + height, x : x + width]

    def _blocks(self, start: float, length: int, nodes: int) -> tuple[int, int]:
        """Nodes that pixels from ``start`` (counted from the first node) lie between."""
        return max(int(start // self.cell), 0), min(int((start + length - 1) // self.cell) + 2, nodes)


def inverse(field: Field, cell: float, *, steps: int, damping: float = 0.5) -> Field:
    """The backward displacement d of a forward field, d(y) = field(y - d(y)), by damped iteration.

    Args:
        field: (rows, columns, 2) in pixels, on nodes ``cell`` pixels apart.
        cell: pixels between nodes.
        steps: iterations; 12 leave under half a pixel at a wide-open mouth.
        damping: share of the old value kept by each step.
    """
    import cv2

    rows, columns = field.shape[:2]
    nodes = node_index(rows, columns)
    back = (1.0 - damping) * field
    scale = -1.0 / cell
    where = np.empty_like(field)
    for _ in range(steps - 1):
        cv2.scaleAdd(back, scale, nodes, where)
        moved = cv2.remap(field, where, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        cv2.addWeighted(back, damping, moved, 1.0 - damping, 0.0, back)
    return back


def smooth_inverse(field: Field, cell: float, *, steps: int, damping: float) -> Field:
    """:func:`inverse` at half the resolution: for fields that change little from node to node, at a quarter's cost."""
    import cv2

    rows, columns = field.shape[:2]
    even = cv2.copyMakeBorder(field, 0, rows % 2, 0, columns % 2, cv2.BORDER_REPLICATE)
    half = (even.shape[1] // 2, even.shape[0] // 2)
    back = inverse(cv2.resize(even, half, interpolation=cv2.INTER_AREA), 2 * cell, steps=steps, damping=damping)
    full: Field = cv2.resize(back, (even.shape[1], even.shape[0]), interpolation=cv2.INTER_LINEAR)
    return np.ascontiguousarray(full[:rows, :columns])


@lru_cache(maxsize=16)
def node_index(rows: int, columns: int) -> Field:
    """(rows, columns, 2): each node's own column and row; read-only."""
    grid = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    index = np.ascontiguousarray(np.stack(grid, axis=-1))
    index.setflags(write=False)
    return index


class ThinPlate:
    """The thin-plate spline through values at given centres (Bookstein 1989), with a trace of smoothing."""

    def __init__(self, centres: Array, *, smoothing: float = 2e-5) -> None:
        count = len(centres)
        system = np.zeros((count + 3, count + 3))
        system[:count, :count] = _kernel(centres, centres)
        system[:count, :count] += smoothing * np.eye(count)
        plane = np.concatenate([np.ones((count, 1)), centres], axis=1)
        system[:count, count:] = plane
        system[count:, :count] = plane.T
        self._centres = centres
        self._system = system

    def solve(self, values: Array) -> Array:
        """Coefficients for values (centres, n)."""
        right = np.zeros((len(self._system), values.shape[1]))
        right[: len(values)] = values
        return np.linalg.solve(self._system, right)

    def evaluate(self, coefficients: Array, points: Array) -> Array:
        """The spline at points (m, 2): (m, n)."""
        count = len(self._centres)
        values: Array = _kernel(points, self._centres).astype(np.float32) @ coefficients[:count].astype(np.float32)
        values += coefficients[count] + points @ coefficients[count + 1 :]
        return values


def _kernel(a: Array, b: Array) -> Array:
    squared = (a[:, None, 0] - b[None, :, 0]) ** 2 + (a[:, None, 1] - b[None, :, 1]) ** 2
    squared += 1e-12
    kernel: Array = squared * np.log(squared)
    return kernel


def smoothstep(value: Array, low: float, high: float) -> Array:
    """0 at ``low``, 1 at ``high`` (either may be the greater), flat at both ends."""
    share = np.clip((value - low) / (high - low), 0.0, 1.0)
    smooth: Array = share * share * (3.0 - 2.0 * share)
    return smooth
