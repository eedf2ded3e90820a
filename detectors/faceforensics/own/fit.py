"""Fitting the detector that comes along: what is learnt of people is judged on other people, throughout.

Directions of the methods are fitted three times with a third of the people left out, linear discriminant and heads five
times with a fifth left out; the heads, the weights of the looks, and later the calibration, come from scores of people
left out, never from those of the fit. The test split plays no part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import nn

from detectors.faceforensics.fit import discriminant
from detectors.faceforensics.metrics import roc_auc
from detectors.faceforensics.own.grid import METHODS, Directions, fit_directions
from detectors.faceforensics.own.pairs import Pool, dealt
from detectors.faceforensics.own.temporal import STILL
from detectors.faceforensics.own.whole import LOOKS, Head, Whole
from thsafe.core.types import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from detectors.faceforensics.own.measure import Table

    Array = NDArray[np.float64]

FOLDS: Final = 5
RIDGE: Final = 0.3
"""Added to the covariance of standardised co-occurrences: there are nearly as many of them as examples."""
_FILMED: Final = 6.0
"""Weight of somebody who was really filmed: there are few, and they alone speak."""
_CRUSHED: Final = 0.4
"""Weight of what was compressed beyond what can be told."""
_OWN: Final = 4.0
"""Weight of our own engine's outputs among methods; swaps by landmarks, the hardest, come next."""
_SWAPPED: Final = 2.0
_MORE: Final = {
    "engine-dub": _OWN,
    "engine-say": _OWN,
    "face-swap": _SWAPPED,
    "gradient-swap": _SWAPPED,
}
_STEPS: Final = 250
_RATE: Final = 3e-3
_DECAY: Final = 0.05
_HISS: Final = 0.6
"""Noise on what heads are fitted on, in deviations: no trust in the last bit of forty people's statistics.

Chosen by people left out.
"""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Spared:
    """Scores of people who were left out of the fit."""

    moving: Array
    still: Array


def fit(net: Whole, table: Table, pools: Sequence[Pool], *, seed: int, progress: Progress) -> Spared:
    """Fit all looks and their weights.

    Args:
        net: gets them.
        table: everybody outside the test split.
        pools: of the same people, dealt with the same seed.
        seed: of folds and heads.
        progress: told how good they are.

    Returns:
        The scores of both looks together, of people left out.
    """
    progress.start("fitting", FOLDS + 1)
    weights, fold, labels = balanced(table), folds(table, seed), table.labels
    alike = unseen(table, pools, seed)
    net.grid.take(_directions(pools))
    spared = {name: np.zeros(len(table)) for name in ("traces", "moving", "still")}
    for number in range(FOLDS):
        out = fold == number
        part = Whole()
        _fit_parts(part, table.rows(~out), alike[~out], weights[~out], seed)
        with torch.inference_mode():
            for name, found in _logits(part, table.rows(out), alike[out]).items():
                spared[name][out] = found
        progress.advance()
    _fit_parts(net, table, alike, weights, seed)
    progress.advance()
    mixes = {}
    for name, buffer in (("moving", net.moving_mix), ("still", net.still_mix)):
        looks = np.column_stack([spared["traces"], spared[name]])
        mix = weighed(looks, labels, weights)
        buffer.copy_(torch.from_numpy(mix))
        mixes[name] = looks @ mix[:-1] + mix[-1]
        for look, found in zip(LOOKS, looks.T, strict=True):
            progress.note(f"{name}, {look}: AUC over people left out {roc_auc(labels, found):.3f}")
        progress.note(f"{name}, together: {roc_auc(labels, mixes[name]):.3f}, weights {np.round(mix, 2)}")
    return Spared(moving=mixes["moving"], still=mixes["still"])


def without(net: Whole, table: Table, pools: Sequence[Pool], methods: Sequence[str], *, seed: int) -> Whole:
    """The same fit as if those methods had never been known.

    Args:
        net: whose weights of the looks are kept.
        table: everybody outside the test split.
        pools: of the same people.
        methods: what is left out of both.
        seed: as for ``fit``.
    """
    kept, rest = table.rows(~np.isin(table.methods, methods)), [pool.without(methods) for pool in pools]
    found = Whole()
    found.grid.take(_directions(rest))
    _fit_parts(found, kept, unseen(kept, rest, seed), balanced(kept), seed)
    found.moving_mix.copy_(net.moving_mix)
    found.still_mix.copy_(net.still_mix)
    return found


def balanced(table: Table) -> Array:
    """Weights (n,): genuine and manipulated the same together, within those every method, but for a few.

    Chosen by scores of people left out.
    """
    base = np.where(np.char.startswith(table.people, "film-"), _FILMED, 1.0)
    base *= np.where(table.qualities == "c40", _CRUSHED, 1.0)
    weights = np.zeros(len(table))
    for method in np.unique(table.methods):
        inside = table.methods == method
        weights[inside] = base[inside] / base[inside].sum() * _MORE.get(method, 1.0)
    made = table.labels == 1
    weights[made] /= weights[made].sum()
    return weights * len(table) / 2


def weighed(looks: Array, labels: NDArray[np.int64], weights: Array) -> Array:
    """Logistic weights of looks (n, k), none below 0, and the offset last."""
    from scipy.optimize import minimize

    def cost(values: Array) -> float:
        line = looks @ values[:-1] + values[-1]
        return float(np.mean(weights * (np.logaddexp(0, line) - labels * line)) + 0.01 * np.sum(values[:-1] ** 2))

    count = looks.shape[1]
    found = minimize(cost, np.r_[np.ones(count), 0.0], bounds=[(0, None)] * count + [(None, None)])
    return np.asarray(found.x, np.float64)


def folds(table: Table, seed: int) -> NDArray[np.int64]:
    """The fold of every row, the same for all of a person."""
    names = np.unique(table.people)
    place = dict(zip(np.random.default_rng(seed).permutation(names), range(len(names)), strict=True))
    return np.array([place[name] % FOLDS for name in table.people])


def _fit_parts(net: Whole, table: Table, alike: Array, weights: Array, seed: int) -> None:
    traces, labels = table.parts["traces"].astype(np.float64), table.labels
    middle, spread = traces.mean(axis=0), traces.std(axis=0) + 1e-4
    direction, threshold = discriminant((traces - middle) / spread, labels, RIDGE, weights)
    with torch.no_grad():
        net.traces.middle.copy_(torch.from_numpy(middle))
        net.traces.spread.copy_(torch.from_numpy(spread))
        net.traces.head.weight.copy_(torch.from_numpy(direction)[None])
        net.traces.head.bias.fill_(-threshold)
    for head, seen in zip((net.moving, net.still), _seen(table, alike), strict=True):
        _fit_head(head, seen, labels, weights, seed)


def _fit_head(head: Head, statistics: torch.Tensor, labels: NDArray[np.int64], weights: Array, seed: int) -> None:
    torch.manual_seed(seed)
    with torch.no_grad():
        head.middle.copy_(statistics.mean(0))
        head.spread.copy_(statistics.std(0) + 1e-3)
    for member in head.members:
        for layer in member.modules():
            if isinstance(layer, nn.Linear):
                layer.reset_parameters()
    optimizer = torch.optim.AdamW(head.parameters(), lr=_RATE, weight_decay=_DECAY)
    goal, weight = torch.from_numpy(labels).float(), torch.from_numpy(weights).float()
    seen = head.scaled(statistics)
    head.train()
    for _ in range(_STEPS):
        optimizer.zero_grad()
        loss = torch.zeros(())
        hissing = seen + _HISS * torch.randn_like(seen)
        for member in head.members:
            found = member(hissing)[:, 0]
            loss = loss + nn.functional.binary_cross_entropy_with_logits(found, goal, weight=weight)
        loss.backward()
        optimizer.step()
    head.eval()


def _logits(net: Whole, table: Table, alike: Array) -> dict[str, Any]:
    moving, still = _seen(table, alike)
    return {
        "traces": net.traces.judge(torch.from_numpy(table.parts["traces"])).numpy(),
        "moving": net.moving(moving).numpy(),
        "still": net.still(still).numpy(),
    }


def _seen(table: Table, alike: Array) -> tuple[torch.Tensor, torch.Tensor]:
    """What the heads look at, of films and of photographs."""
    temporal, beside = torch.from_numpy(table.parts["temporal"]), torch.from_numpy(alike.astype(np.float32))
    return torch.cat([temporal, beside], dim=1), torch.cat([temporal[:, :STILL], beside], dim=1)


def unseen(table: Table, pools: Sequence[Pool], seed: int) -> Array:
    """How far everybody lies along each direction, (n, methods), by directions fitted without them."""
    dealt_to = dealt(sorted(set(table.people.tolist())), seed)
    place = np.array([dealt_to[person] for person in table.people.tolist()])
    found = np.zeros((len(table), len(METHODS)))
    for number in range(len(pools)):
        others = [pool for other, pool in enumerate(pools) if other != number]
        inside = place == number
        found[inside] = _directions(others).scores(table.parts["grid"][inside])
    return found


def _directions(pools: Sequence[Pool]) -> Directions:
    return fit_directions(
        np.concatenate([pool.pairs for pool in pools]), [name for pool in pools for name in pool.methods]
    )
