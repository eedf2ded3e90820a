"""What a picture looks like, looked up among all that is known: near ones first, further ones only if none fits.

An index leads to what may be near (``thsafe.store.looks``); here it is measured, and the few that are nearest are
compared in full. The answer depends on what is known alone, not on the index.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from thsafe.core.looks import REACH, Look, Stored
from thsafe.provenance.fingerprint import Match, distance
from thsafe.provenance.views import questions_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MOST_COMPARED = 16
_BITS = 256
_CHUNK = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A published output whose pictures look like the suspect's."""

    manifest_id: str
    match: Match


class LookIndex(Protocol):
    """What is known, and how it is asked."""

    def near(self, asked: Sequence[Look], *, away: int, whole_only: bool) -> Iterable[Stored]:
        """See ``thsafe.store.looks.near``."""
        ...

    def pictures(self, owners: Sequence[int]) -> Mapping[int, tuple[str, str]]:
        """Owner -> (its name, the fingerprint of its picture)."""
        ...


def search_fingerprint(suspect: str, known: LookIndex) -> tuple[Candidate, ...]:
    """The known files that match, best first.

    Args:
        suspect: fingerprint of the file in hand.
        known: where to look.

    Raises:
        ValueError: the suspect's text is no fingerprint of this version.
    """
    asked = questions_of(suspect)
    whole = tuple(look for look in asked if look.whole)
    seen: set[Stored] = set()
    compared: set[int] = set()
    # Pictures that were not cut are by far the most, and the cheapest to look for; parts of the file in hand, as of one
    # between blurred bars, are not looked for as far as the rest.
    for views, away, whole_only in ((whole, 0, True), (asked, 0, False), (asked, 1, False), (whole, 2, False)):
        if not views:
            break
        seen.update(known.near(views, away=away, whole_only=whole_only))
        of = [look for look in seen if look.whole or not whole_only]
        nearest = [owner for owner in _nearest(views, of, REACH[away]) if owner not in compared][:_MOST_COMPARED]
        compared.update(nearest)
        found = _compared(suspect, known.pictures(nearest))
        if found:
            return found
    return ()


def _compared(suspect: str, known: Mapping[int, tuple[str, str]]) -> tuple[Candidate, ...]:
    """Those that show the same, best first, of equals the newest."""
    newest = (known[owner] for owner in sorted(known, reverse=True))
    found = [Candidate(manifest_id=name, match=distance(text, suspect)) for name, text in newest]
    return tuple(sorted((item for item in found if item.match.same), key=lambda item: item.match.median))


def _nearest(asked: Sequence[Look], known: Sequence[Stored], reach: int) -> list[int]:
    """Owners of looks within reach: those that most frames lead to first, then by distance, then the newest."""
    if not known:
        return []
    signs, whole = _signs([look.bits for look in asked]), np.array([look.whole for look in asked])
    frames = np.array([look.frame for look in asked])
    leading, least = np.zeros(len(known), np.int64), np.full(len(known), _BITS, np.int64)
    for start in range(0, len(known), _CHUNK):
        part = slice(start, start + _CHUNK)
        # For signs of +1 and -1 the product of two looks is 256 - 2 x distance.
        apart = (_BITS - _signs([look.bits for look in known[part]]) @ signs.T) / 2
        apart[np.ix_(~np.array([look.whole for look in known[part]]), ~whole)] = _BITS
        least[part] = apart.min(axis=1)
        for frame in np.unique(frames):
            leading[part] |= (apart[:, frames == frame].min(axis=1) <= reach).astype(np.int64) << frame
    there = leading > 0
    owners, places = np.unique(np.array([look.owner for look in known])[there], return_inverse=True)
    ways, distances = np.zeros(len(owners), np.int64), np.full(len(owners), _BITS, np.int64)
    np.bitwise_or.at(ways, places, leading[there])
    np.minimum.at(distances, places, least[there])
    count = np.array([int(way).bit_count() for way in ways], np.int64)
    best: list[int] = owners[np.lexsort((-owners, distances, -count))].tolist()
    return best


def _signs(looks: Sequence[bytes]) -> NDArray[np.float32]:
    rows = np.frombuffer(b"".join(looks), np.uint8).reshape(len(looks), -1)
    return np.unpackbits(rows, axis=1).astype(np.float32) * 2 - 1
