"""What a picture looks like, as those who hash it and those who look it up both see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

REACH = (10, 21, 31)
"""Bits of 256 within which nothing is missed, once the looks of which some part is 0, up to 1, up to 2 bits away are
known. Eleven parts that may differ in t bits each find all within the sum of (t + 1), less one; the first part is not
asked for 2 bits: 2 + 10 x 3 - 1 = 31 (Qin et al., "GPH", ICDE 2018, lemma 2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One view of one frame."""

    bits: bytes
    """Its perceptual hash, 32 bytes."""
    whole: bool
    """The frame as it is, not a part cut out of it. Two parts are never compared: any two faces would match."""
    frame: int = 0
    """Which frame of the file."""


class Stored(NamedTuple):
    """A view that a known file is found by; a tuple, since many thousands may be looked at."""

    owner: int
    """Number of the file."""
    bits: bytes
    whole: bool
