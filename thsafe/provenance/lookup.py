"""What a picture looks like, looked up among all that was published.

A linear scan: some frames of each fingerprint against some of the suspect's as one matrix product, then the full
comparison of the few that are near. An index may take its place behind the same two types.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Protocol

import numpy as np

from thsafe.provenance.fingerprint import SAME_FRAME, Match, distance, hashes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_THEIR_FRAMES = 3
_OUR_FRAMES = 6
_BATCH = 512
_MOST_COMPARED = 16
_BITS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A published output whose pictures look like the suspect's."""

    manifest_id: str
    match: Match


class FingerprintSearch(Protocol):
    """How an index is asked."""

    def __call__(self, suspect: str, known: Iterable[tuple[str, str]]) -> tuple[Candidate, ...]:
        """See :func:`search_fingerprint`."""
        ...


def search_fingerprint(suspect: str, known: Iterable[tuple[str, str]]) -> tuple[Candidate, ...]:
    """The outputs that match, best first.

    Args:
        suspect: fingerprint of the file in hand.
        known: (manifest id, fingerprint) of what was published; texts of other versions are passed over.

    Raises:
        ValueError: the suspect's text is no fingerprint of this version.
    """
    theirs = _thinned(hashes_of(suspect), _THEIR_FRAMES)
    if not len(theirs):
        return ()
    plain, any_variant = _signs(theirs[:, 0]), _signs(theirs.reshape(-1, theirs.shape[2]))
    near: list[tuple[int, str, str]] = []
    source = iter(known)
    while batch := list(islice(source, _BATCH)):
        near += _scan(batch, plain, any_variant)
    near.sort(key=lambda item: item[0])
    found = (Candidate(manifest_id=name, match=distance(text, suspect)) for _, name, text in near[:_MOST_COMPARED])
    return tuple(sorted((item for item in found if item.match.same), key=lambda item: item.match.median))


def _scan(
    batch: list[tuple[str, str]], plain: NDArray[np.float32], any_variant: NDArray[np.float32]
) -> list[tuple[int, str, str]]:
    """(smallest distance, name, text) of those in the batch that are near."""
    names, pieces, lengths = [], [], []
    for name, text in batch:
        try:
            ours = _thinned(hashes_of(text), _OUR_FRAMES)
        except ValueError:
            continue
        if len(ours):
            names.append((name, text))
            pieces.append(ours)
            lengths.append(len(ours))
    if not pieces:
        return []
    hashes = np.concatenate(pieces)
    # For signs of +1 and -1 the product of two hashes is 256 - 2 x distance.
    variants = (_signs(hashes.reshape(-1, hashes.shape[2])) @ plain.T).max(axis=1).reshape(len(hashes), -1).max(axis=1)
    best = np.maximum(variants, (_signs(hashes[:, 0]) @ any_variant.T).max(axis=1))
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    bits = (_BITS - np.maximum.reduceat(best, starts)) / 2
    return [(int(bits[place]), *names[place]) for place in np.flatnonzero(bits <= SAME_FRAME)]


def _thinned(hashes: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """At most so many frames, evenly spread."""
    places = np.unique(np.linspace(0, len(hashes) - 1, min(most, len(hashes))).round().astype(int))
    return hashes[places] if len(hashes) else hashes


def _signs(hashes: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.unpackbits(hashes, axis=1).astype(np.float32) * 2 - 1
