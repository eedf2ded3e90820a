"""Which views of a fingerprint's frames are kept to be found by, and which are asked for.

A fingerprint has up to 48 frames in ten variants. Frames of one scene look almost alike, so few stand for all; and of a
mirrored pair one side is enough, since a file in hand is asked for both ways.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.looks import Look
from thsafe.provenance.fingerprint import CROPPED, MIRRORED, PLAIN, UNBOXED, hamming, hashes_of
from thsafe.provenance.prints import Prints

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ALIKE = 8
"""Bits up to which one frame stands for another."""
_KEPT_FRAMES = 6
_ASKED_FRAMES = 3


def looks_of_prints(text: str | None) -> tuple[Look, ...]:
    """What the store keeps of the text of ``thsafe.provenance.prints``; nothing where there is no picture in it."""
    picture = Prints.of_text(text).picture
    return () if picture is None else looks_of(picture)


def looks_of(fingerprint: str) -> tuple[Look, ...]:
    """What a known file is found by; nothing of a text of another version."""
    try:
        hashes = hashes_of(fingerprint)
    except ValueError:
        return ()
    looks: dict[tuple[bytes, bool], Look] = {}
    for number, variants in enumerate(_typical(hashes, _KEPT_FRAMES)):
        for place in (PLAIN, UNBOXED, *CROPPED):
            look = Look(bits=variants[place].tobytes(), whole=place in {PLAIN, UNBOXED}, frame=number)
            looks.setdefault((look.bits, look.whole), look)
    return tuple(looks.values())


def questions_of(fingerprint: str) -> tuple[Look, ...]:
    """What is asked for a file in hand.

    Raises:
        ValueError: the text is no fingerprint of this version.
    """
    looks: dict[tuple[bytes, bool], Look] = {}
    for number, variants in enumerate(_typical(hashes_of(fingerprint), _ASKED_FRAMES)):
        for place in (PLAIN, MIRRORED, UNBOXED, *CROPPED):
            look = Look(bits=variants[place].tobytes(), whole=place not in CROPPED, frame=number)
            looks.setdefault((look.bits, look.whole), look)
    return tuple(looks.values())


def _typical(hashes: NDArray[np.uint8], most: int) -> NDArray[np.uint8]:
    """At most so many frames that look different, evenly spread."""
    kept: list[int] = []
    for place in range(len(hashes)):
        if not kept or hamming(hashes[place : place + 1, PLAIN], hashes[kept][:, PLAIN]).min() > _ALIKE:
            kept.append(place)
    places = np.unique(np.linspace(0, len(kept) - 1, min(most, len(kept))).round().astype(int)) if kept else []
    chosen: NDArray[np.uint8] = hashes[[kept[place] for place in places]]
    return chosen
