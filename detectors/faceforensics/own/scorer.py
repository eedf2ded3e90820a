"""The shipped weights at work, without torch: loading that takes longer than all the looking at a short film.

The same sums as ``own.whole.Whole``, which is what they were fitted with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from detectors.faceforensics.own.temporal import NAMES, STILL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Measured = Mapping[str, NDArray[Any]]

FAR: Final = 4.0
"""Deviations beyond which a statistic counts no more."""


class Scorer:
    """Scores of measured stretches."""

    def __init__(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self._weights = {name: value.astype(np.float64) for name, value in weights.items()}

    @classmethod
    def load(cls, path: Path) -> Scorer:
        """From the safetensors file of a ``Whole``."""
        from safetensors.numpy import load_file

        return cls(load_file(path))

    @property
    def usual(self) -> tuple[Array, Array]:
        """What is usual: statistics in the order of ``temporal.NAMES``, and local ones."""
        return self._weights["moving.middle"][: len(NAMES)], self._weights["grid.middle"]

    def scores(self, measured: Sequence[Measured], *, moving: bool) -> Array:
        """Logits (n,), higher for a manipulation, of stretches that were measured alike."""
        found: Array = self.contributions(measured, moving=moving).sum(axis=1)
        return np.asarray(found + self._mix(moving)[-1], np.float64)

    def contributions(self, measured: Sequence[Measured], *, moving: bool) -> Array:
        """What co-occurrences and the head add to the logits, (n, 2)."""
        traces = np.stack([item["traces"] for item in measured]).astype(np.float64)
        temporal = np.stack([item["temporal"] for item in measured])
        grid = np.stack([item["grid"] for item in measured])
        return np.column_stack(
            [
                self._mix(moving)[0] * self._linear("traces.head", self._scaled("traces", traces)),
                self.head(temporal, grid, moving=moving),
            ]
        )

    def head(self, temporal: NDArray[Any], grid: NDArray[Any], *, moving: bool) -> Array:
        """What statistics between frames (n, …) and local ones (n, …) add to the logits, (n,)."""
        given = temporal.astype(np.float64)
        alike = self._scaled("grid", grid.astype(np.float64)) @ self._weights["grid.weight"].T
        seen = np.column_stack([given if moving else given[:, :STILL], alike])
        return np.asarray(self._mix(moving)[1] * self._head("moving" if moving else "still", seen), np.float64)

    def _mix(self, moving: bool) -> Array:
        """Weights of the looks, then the offset."""
        return self._weights["moving_mix" if moving else "still_mix"]

    def _head(self, name: str, statistics: Array) -> Array:
        """The mean of the members' logits (n,)."""
        seen = np.clip(self._scaled(name, statistics), -FAR, FAR)
        members = sorted({key.split(".")[2] for key in self._weights if key.startswith(f"{name}.members.")})
        inside = [_gelu(self._linear(f"{name}.members.{member}.0", seen)) for member in members]
        logits = [self._linear(f"{name}.members.{m}.3", flow) for m, flow in zip(members, inside, strict=True)]
        return np.asarray(np.mean(logits, axis=0)[:, 0], np.float64)

    def _scaled(self, name: str, statistics: Array) -> Array:
        return (statistics - self._weights[f"{name}.middle"]) / self._weights[f"{name}.spread"]

    def _linear(self, name: str, flow: Array) -> Array:
        found: Array = flow @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]
        return found


def _gelu(flow: Array) -> Array:
    """The exact one, as torch has it."""
    erf = np.vectorize(math.erf, otypes=[np.float64])
    return np.asarray(flow * 0.5 * (1 + erf(flow / math.sqrt(2))), np.float64)
