"""Fitting the statistics' one layer in closed form: linear discriminant analysis over twins, degraded alike."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from detectors.faceforensics.batches import MARGIN, load
from detectors.faceforensics.degrade import Fate
from detectors.faceforensics.listing import Sample
from detectors.faceforensics.metrics import roc_auc
from detectors.faceforensics.recipes import Recipe
from detectors.faceforensics.traces import Traces
from detectors.faceforensics.train import packed
from thsafe.core.errors import InputError
from thsafe.core.types import Progress, Silent
from thsafe.media.files import write_whole

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Array = NDArray[np.float64]

STRENGTHS: Final = (0.3, 1.0, 3.0)
"""Ridge added to the covariance of standardised statistics; the best over held-out people is taken."""
_FOLDS: Final = 5
_METHOD: Final = 320
"""Most pairs taken of one method: all count alike."""


def fit_traces(
    recipe: Recipe, samples: Sequence[Sample], folder: Path, *, seed: int = 1024, progress: Progress | None = None
) -> tuple[Path, float]:
    """Fit and write ``best.safetensors``.

    Args:
        recipe: says how large the pictures are.
        samples: the training split of a list with twins.
        folder: where the weights go.
        seed: of the degradations.
        progress: told how far it is.

    Returns:
        The file, and the frame AUC over people left out of the fit in turn.

    Raises:
        InputError: ``train.twins``: the list names no twins, or too few people.
    """
    telling = progress or Silent()
    pairs = _chosen(samples, seed)
    people = sorted({sample.identities[0] for sample in pairs})
    if len(people) < _FOLDS:
        raise InputError(
            "This recipe compares fakes with their genuine twins, of several people.",
            code="train.twins",
            found=f"{len(pairs)} pairs of {len(people)} people",
            rule=f"at least {_FOLDS} people",
            next_step="take a list of thsafe data fakes, or another recipe",
        )
    net = Traces().eval()
    telling.start("measuring", len(pairs))
    rows = []
    for number, sample in enumerate(pairs):
        rows += [_measured(net, recipe, path, [seed, number]) for path in (sample.twin or sample.path, sample.path)]
        telling.advance()
    table = np.stack(rows)
    labels = np.tile([0, 1], len(pairs))
    middle, spread = table.mean(axis=0), table.std(axis=0) + 1e-4
    table = (table - middle) / spread
    fold = {name: number % _FOLDS for number, name in enumerate(np.random.default_rng(seed).permutation(people))}
    folds = np.repeat([fold[sample.identities[0]] for sample in pairs], 2)
    worth = {strength: _held_out(table, labels, folds, strength) for strength in STRENGTHS}
    best = max(worth, key=lambda strength: worth[strength])
    direction, threshold = discriminant(table, labels, best)
    with torch.no_grad():
        net.middle.copy_(torch.from_numpy(middle))
        net.spread.copy_(torch.from_numpy(spread))
        net.head.weight.copy_(torch.from_numpy(direction)[None])
        net.head.bias.fill_(-threshold)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / "best.safetensors"
    write_whole(target, packed(net))
    telling.note(f"AUC over people left out {worth[best]:.3f}, ridge {best}")
    return target, worth[best]


def _chosen(samples: Sequence[Sample], seed: int) -> list[Sample]:
    """As many pairs of each method, as far as there are so many."""
    random = np.random.default_rng(seed)
    methods: dict[str, list[Sample]] = {}
    for sample in samples:
        if sample.label and sample.twin is not None:
            methods.setdefault(sample.method, []).append(sample)
    return [
        methods[name][int(place)]
        for name in sorted(methods)
        for place in sorted(random.permutation(len(methods[name]))[:_METHOD])
    ]


def _measured(net: Traces, recipe: Recipe, path: Path, seed: list[int]) -> Array:
    """The statistics of one crop after a fate that its twin shares."""
    random = np.random.default_rng(seed)
    crop = load(path)
    fate = Fate.drawn(random, crop=crop.shape[0], margin=MARGIN, severity=float(random.random()))
    view: Frame = fate.befall(crop, recipe.side)[:, :, ::-1]
    face = torch.from_numpy(np.ascontiguousarray(view)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        return np.asarray(net.statistics(face)[0].numpy(), np.float64)


def discriminant(
    table: Array, labels: NDArray[np.int64], strength: float, weights: Array | None = None
) -> tuple[Array, float]:
    """Direction and threshold; scaled so that scores of both classes spread by 1 on average.

    Args:
        table: standardised statistics (n, count).
        labels: (n,), 1 for a manipulation.
        strength: of the ridge.
        weights: of the examples; all the same by default.
    """
    chosen = [labels == kind for kind in (1, 0)]
    shares = [None if weights is None else weights[rows] for rows in chosen]
    spreads = [np.cov(table[rows].T, aweights=share) for rows, share in zip(chosen, shares, strict=True)]
    within = np.asarray((spreads[0] + spreads[1]) / 2, np.float64)
    made, genuine = (np.average(table[rows], axis=0, weights=share) for rows, share in zip(chosen, shares, strict=True))
    direction = np.linalg.solve(within + strength * np.eye(len(within)), made - genuine)
    direction /= np.sqrt(direction @ within @ direction)
    return direction, float(direction @ (made + genuine) / 2)


def _held_out(table: Array, labels: NDArray[np.int64], folds: NDArray[np.int64], strength: float) -> float:
    scores = np.zeros(len(labels))
    for fold in range(_FOLDS):
        inside = folds != fold
        direction, threshold = discriminant(table[inside], labels[inside], strength)
        scores[~inside] = table[~inside] @ direction - threshold
    return roc_auc(labels, scores)
