"""The rhythm of coded pictures: how a film is grouped, and whether an earlier coding shows through.

A picture that stood alone in an earlier coding is poorly predicted in the next: where the new coding does not make it a
key frame again, it costs more bytes than its neighbours, and it does so at the beat of the earlier coding (Wang and
Farid 2006; Vázquez-Padín et al. 2012).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.media.groups import Groups

SLOWEST, FASTEST = 60, 5
"""Beats that are looked for, in pictures."""
LEAST_BEATS: Final = 4
BEAT: Final = 6.0
"""By how many standard errors the beat must stand out; measured on untouched films."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """How the pictures of a film are grouped."""

    longest: int = 0
    """Pictures of the longest group."""
    shortest: int = 0
    """Of the shortest but for the last."""
    predicted_both_ways: float = 0.0
    """Share of pictures."""
    key_share: float = 0.0
    """Share of the bytes that is in key frames."""
    earlier_beat: int | None = None
    """Pictures between the key frames of an earlier coding; None where nothing shows."""
    strength: float = 0.0


def find_rhythm(groups: Groups) -> Rhythm:
    """Describe the groups and look for the beat of an earlier coding."""
    if len(groups.sizes) < 2:
        return Rhythm()
    keys = np.flatnonzero(groups.alone)
    lengths = [int(after - before) for before, after in pairwise(keys)]
    beat, strength = earlier_beat(groups)
    return Rhythm(
        longest=max(lengths, default=len(groups.sizes)),
        shortest=min(lengths, default=len(groups.sizes)),
        predicted_both_ways=float(groups.both_ways.mean()),
        key_share=float(groups.sizes[groups.alone].sum() / groups.sizes.sum()),
        earlier_beat=beat if strength >= BEAT else None,
        strength=round(strength, 1),
    )


def earlier_beat(groups: Groups) -> tuple[int | None, float]:
    """The beat at which predicted pictures are larger than their neighbours, and by how many standard errors.

    Beats that the film's own key frames have too, or divide, are left out: those are the coding at hand.
    """
    excess = _excess(groups)
    usable = np.isfinite(excess)
    if usable.sum() < LEAST_BEATS * FASTEST:
        return None, 0.0
    ranks = np.full(len(excess), np.nan)
    ranks[usable] = excess[usable].argsort().argsort() / (usable.sum() - 1) - 0.5  # ranks: one wild size counts little
    own = [int(after - before) for before, after in pairwise(np.flatnonzero(groups.alone))]
    best: tuple[int | None, float] = (None, 0.0)
    for beat in range(FASTEST, min(SLOWEST, len(excess) // LEAST_BEATS) + 1):
        if own and float(np.mean([length % beat == 0 for length in own])) > 0.5:
            continue
        for phase in range(beat):
            there = ranks[phase::beat]
            there = there[np.isfinite(there)]
            if len(there) < LEAST_BEATS:
                continue
            strength = float(there.mean() * np.sqrt(12 * len(there)))  # ranks are uniform: variance 1/12
            if strength > best[1]:
                best = (beat, strength)
    return best


def _excess(groups: Groups) -> NDArray[np.float64]:
    """(n,): how much larger a predicted picture is than its predicted neighbours, as a logarithm; NaN elsewhere."""
    logs = np.log(np.maximum(groups.sizes, 1).astype(np.float64))
    # B pictures are small by nature: what an old key frame costs shows in those predicted from one side
    predicted = ~groups.alone & ~groups.both_ways
    after_key = np.zeros(len(logs), bool)
    after_key[1:] = groups.alone[:-1]
    excess = np.full(len(logs), np.nan)
    places = np.flatnonzero(predicted & ~after_key)
    for order, place in enumerate(places):
        near = [
            logs[places[other]] for other in range(order - 3, order + 4) if other != order and 0 <= other < len(places)
        ]
        if len(near) >= 3:
            excess[place] = logs[place] - float(np.median(near))
    return excess
