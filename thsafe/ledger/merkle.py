"""The Merkle tree of RFC 9162 §2: roots, inclusion and consistency proofs. Pure; knows no database.

A *node* is named (level, place) and is the root of the complete subtree over leaves place·2^level to
(place+1)·2^level - 1; such a node never changes once it exists, so it can be stored. Everything else on the ragged
right edge is folded from nodes when it is asked for: a proof at a million leaves reads about forty of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

Node = tuple[int, int]
"""(level, place); level 0 are the leaf hashes."""

ReadNodes = Callable[[Sequence[Node]], Mapping[Node, bytes]]
"""Fetches the hashes of complete subtrees, all in one go."""

EMPTY_ROOT = sha256(b"").digest()


def number(node: Node) -> int:
    """One integer per node: its place when the tree is read from left to right; leaf n is 2n."""
    level, place = node
    return ((2 * place + 1) << level) - 1


def leaf_hash(data: bytes) -> bytes:
    """RFC 9162 §2.1.1: the hash of one entry, 32 bytes."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """RFC 9162 §2.1.1: the hash of two subtrees."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that appending needs: the roots of the complete subtrees that make up the tree, largest first."""

    size: int = 0
    peaks: tuple[bytes, ...] = ()

    @classmethod
    def from_bytes(cls, size: int, packed: bytes) -> Frontier:
        """Read what ``packed`` wrote; raises ValueError if the number of peaks does not fit the size."""
        if len(packed) != 32 * size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks, not {len(packed) / 32:g}")
        return cls(size, tuple(packed[at : at + 32] for at in range(0, len(packed), 32)))

    def packed(self) -> bytes:
        """The peaks, 32 bytes each."""
        return b"".join(self.peaks)

    def append(self, leaf: bytes) -> tuple[Frontier, list[tuple[Node, bytes]]]:
        """The frontier after one more leaf hash, and the inner nodes that it completed, lowest first."""
        peaks, made = list(self.peaks), []
        level, place, current = 0, self.size, leaf
        while place & 1:
            current = node_hash(peaks.pop(), current)
            level, place = level + 1, place >> 1
            made.append(((level, place), current))
        return Frontier(self.size + 1, (*peaks, current)), made

    def root(self) -> bytes:
        """The root of the whole tree."""
        return _fold(self.peaks) if self.peaks else EMPTY_ROOT


def root_at(size: int, read: ReadNodes) -> bytes:
    """The root that the tree had when it held ``size`` leaves."""
    return _hashes([(0, size)], read)[0] if size else EMPTY_ROOT


def inclusion_proof(index: int, size: int, read: ReadNodes) -> tuple[bytes, ...]:
    """RFC 9162 §2.1.3.1: the siblings on the way from leaf ``index`` to the root of the first ``size`` leaves.

    Raises:
        ValueError: there is no such leaf in a tree of that size.
    """
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    siblings: list[tuple[int, int]] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((start, middle))
            start = middle
    return _hashes(siblings[::-1], read)


def consistency_proof(old: int, new: int, read: ReadNodes) -> tuple[bytes, ...]:
    """RFC 9162 §2.1.4.1: what shows that the first ``old`` leaves of the ``new`` ones are unchanged.

    Raises:
        ValueError: the old tree is larger than the new one.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} leaves has no past with {old}")
    if old in {0, new}:
        return ()
    parts: list[tuple[int, int]] = []
    start, end, whole = 0, new, True
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            parts.append((middle, end))
            end = middle
        else:
            parts.append((start, middle))
            start, whole = middle, False
    if not whole:
        parts.append((start, end))
    return _hashes(parts[::-1], read)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """RFC 9162 §2.1.3.2: does this leaf hash stand at ``index`` under ``root``?"""
    return root_from_inclusion(leaf, index, size, proof) == root


def root_from_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to; None where the proof is too long or too short for the place."""
    if not 0 <= index < size:
        return None
    place, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return None
        if place & 1 or place == last:
            current = node_hash(sibling, current)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            current = node_hash(current, sibling)
        place, last = place >> 1, last >> 1
    return current if last == 0 else None


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> bool:
    """RFC 9162 §2.1.4.2: is the tree under ``new_root`` the one under ``old_root`` with leaves added?"""
    if not 0 <= old <= new:
        return False
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    if old == new:
        return not proof and old_root == new_root
    path = list(proof)
    if old & (old - 1) == 0:
        path.insert(0, old_root)
    if not path:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while not place & 1 and place:
                place, last = place >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << ((count - 1).bit_length() - 1)


def _nodes(start: int, end: int) -> list[Node]:
    """The complete subtrees that make up a range whose start is aligned to its own length, largest first."""
    nodes: list[Node] = []
    for level in range((end - start).bit_length() - 1, -1, -1):
        if (end - start) >> level & 1:
            nodes.append((level, start >> level))
            start += 1 << level
    return nodes


def _hashes(ranges: Sequence[tuple[int, int]], read: ReadNodes) -> tuple[bytes, ...]:
    wanted = [_nodes(start, end) for start, end in ranges]
    known = read([node for nodes in wanted for node in nodes])
    return tuple(_fold([known[node] for node in nodes]) for nodes in wanted)


def _fold(peaks: Sequence[bytes]) -> bytes:
    current = peaks[-1]
    for peak in reversed(peaks[:-1]):
        current = node_hash(peak, current)
    return current
