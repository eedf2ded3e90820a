"""The detector's workshop: data, training, evaluation. The commands talk to it; the work is in ``detectors``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from thsafe.core.types import Json, Progress


class Workshop(Protocol):
    """What ``thsafe data`` and ``thsafe detector`` ask for; each returns what it did as JSON values."""

    def prepare(
        self,
        dataset: str,
        root: Path,
        output: Path | None,
        *,
        level: str,
        crop: str,
        frames: int,
        jobs: int,
        progress: Progress,
    ) -> dict[str, Json]:
        """Cut the faces of a public data set and write DeepfakeBench's lists."""

    def fakes(
        self, pictures: Sequence[Path], films: Sequence[Path], output: Path, *, effort: float, progress: Progress
    ) -> dict[str, Json]:
        """Make fakes from faces that may be used."""

    def train(
        self,
        recipe: str,
        data: Sequence[str],
        output: Path,
        *,
        epochs: int | None,
        steps: int | None,
        every: int | None,
        seed: int,
        device: str,
        precision: str,
        workers: int,
        threads: int | None,
        scratch: bool,
        initial: Path | None,
        progress: Progress,
    ) -> dict[str, Json]:
        """Train by a recipe, or go on with a training that was stopped."""

    def evaluate(
        self,
        recipe: str,
        weights: Path,
        data: Sequence[str],
        *,
        qualities: Sequence[str],
        threshold: float,
        calibration: Path | None,
        compat: bool,
        rounds: int,
        device: str,
        progress: Progress,
    ) -> dict[str, Json]:
        """All figures, per list."""

    def calibrate(
        self,
        recipe: str,
        weights: Path,
        data: Sequence[str],
        output: Path,
        *,
        qualities: Sequence[str],
        alpha: float,
        device: str,
        progress: Progress,
    ) -> dict[str, Json]:
        """Likelihood ratios and abstention per quality."""

    def export(self, recipe: str, weights: Path, output: Path, *, half: bool) -> dict[str, Json]:
        """Weights for use elsewhere: the name's ending says how."""

    def recipes(self) -> dict[str, Json]:
        """Every recipe's numbers."""
