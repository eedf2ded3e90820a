"""The essence hash: what was encoded, whatever container it travels in.

A remux drops the manifest and changes every byte of the container, and not one of the encoded picture and sound. The
hash is SHA-256 over each track's packets in their order. It does not cover timing: a file that plays the same packets
slower has the same essence.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from thsafe.core.canonical import canonical_digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One track's share of the essence."""

    kind: str
    codec: str
    packets: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Essence:
    """The encoded content of a file."""

    tracks: tuple[Track, ...]
    """Pictures first, then sound, each kind in the order of its hashes: containers reorder tracks."""

    @property
    def digest(self) -> str:
        """One SHA-256 for all tracks: what is stored and looked up."""
        return canonical_digest([[track.kind, track.codec, track.packets, track.sha256] for track in self.tracks])


def essence_of(path: Path) -> Essence:
    """Hash a file's encoded picture and sound, reading it once in packets.

    Raises:
        InputError: the file cannot be read as media.
    """
    from thsafe.media.packets import iter_packets, list_tracks

    tracks = {track.index: track for track in list_tracks(path)}
    hashes = {index: hashlib.sha256() for index in tracks}
    counts = dict.fromkeys(tracks, 0)
    for index, data in iter_packets(path):
        # The length keeps packet borders in the hash: AB, C is not A, BC.
        hashes[index].update(len(data).to_bytes(8, "big"))
        hashes[index].update(data)
        counts[index] += 1
    found = [
        Track(kind=track.kind, codec=track.codec, packets=counts[index], sha256=hashes[index].hexdigest())
        for index, track in tracks.items()
    ]
    return Essence(tracks=tuple(sorted(found, key=lambda track: (track.kind != "video", track.codec, track.sha256))))
