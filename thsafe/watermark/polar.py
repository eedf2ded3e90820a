"""A polar code of length 512 and dimension 96 with list decoding, in numpy.

Arikan 2009 for the code, Tal and Vardy 2015 for the list, Sarkis et al. 2014 for decoding whole nodes at once. The 96
information positions are the most reliable ones under the Bhattacharyya bound of a Gaussian channel at the working
point of a mark (symbol energy over noise variance about -5 dB). A check on the information bits chooses among the
candidates (:mod:`thsafe.watermark.payload`).
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

LENGTH = 512
DIMENSION = 96
LIST_SIZE = 8
"""Candidates handed back; each is one more chance of a false id."""
_PATHS = 32
"""Paths kept while decoding: 0.2 dB better than 8, and no more candidates."""

Bits = NDArray[np.int8]
Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_DESIGN_ES_N0 = 0.16
"""Es/N0 = Es / (2 sigma^2) at -5 dB of Es / sigma^2."""


@cache
def information_positions() -> Indices:
    """The 96 positions of the input word that carry information, ascending."""
    log_z = np.array([-_DESIGN_ES_N0])
    while log_z.size < LENGTH:
        # Z- = 2Z - Z^2 and Z+ = Z^2 (Arikan 2009, eq. 26, 27), in logarithms: 2Z - Z^2 = Z (2 - Z).
        worse = log_z + np.log(2.0 - np.exp(log_z))
        log_z = np.stack([worse, 2 * log_z], axis=1).ravel()
    return np.sort(np.argsort(log_z, kind="stable")[:DIMENSION])


def transform(word: Bits) -> Bits:
    """Multiply by F^(kron n) over GF(2), along the last axis; its own inverse."""
    out = word.copy()
    length = out.shape[-1]
    half = 1
    while half < length:
        blocks = out.reshape(*out.shape[:-1], length // (2 * half), 2, half)
        blocks[..., 0, :] ^= blocks[..., 1, :]
        half *= 2
    return out


def encode(information: Bits) -> Bits:
    """Code 96 bits (0 or 1) into 512."""
    word = np.zeros(LENGTH, dtype=np.int8)
    word[information_positions()] = information
    return transform(word)


def decode(llr: Floats) -> Bits:
    """The up to 8 most likely information words, best first.

    Args:
        llr: (512,) log likelihood ratios, positive where 0 is the likelier bit.

    Returns:
        (paths, 96) bits.
    """
    search = _ListSearch()
    codewords, _ = search.node(np.asarray(llr, dtype=np.float64)[None, :], 0)
    order = np.argsort(search.cost, kind="stable")
    found: Bits = transform(codewords[order[:LIST_SIZE]])[:, information_positions()]
    return found


class _ListSearch:
    """Successive cancellation with a list; ``cost`` is the path metric, lower is likelier."""

    def __init__(self) -> None:
        self.cost = np.zeros(1)
        frozen = np.ones(LENGTH, dtype=bool)
        frozen[information_positions()] = False
        self.frozen = frozen

    def node(self, llr: Floats, start: int) -> tuple[Bits, Indices]:
        """Decode one subtree.

        Args:
            llr: (paths, n) beliefs on the subtree's codeword.
            start: First input position of the subtree.

        Returns:
            Codeword bits (paths', n) and for each surviving path the index of the path it grew from.
        """
        paths, length = llr.shape
        frozen = self.frozen[start : start + length]
        if frozen.all():
            self.cost = self.cost + np.maximum(-llr, 0).sum(axis=1)
            return np.zeros((paths, length), dtype=np.int8), np.arange(paths)
        if frozen[:-1].all():
            return self._repetition(llr)
        if not frozen.any():
            return self._free(llr)
        half = length // 2
        a, b = llr[:, :half], llr[:, half:]
        left = np.sign(a) * np.sign(b) * np.minimum(np.abs(a), np.abs(b))
        first, grown_first = self.node(left, start)
        a, b = a[grown_first], b[grown_first]
        second, grown_second = self.node(b + (1 - 2 * first) * a, start + half)
        first = first[grown_second]
        return np.concatenate([first ^ second, second], axis=1), grown_first[grown_second]

    def _keep(self, cost: Floats) -> Indices:
        """The cheapest entries of a flat array of candidate costs; sets ``cost`` to theirs."""
        full = cost.size > _PATHS
        best = np.argpartition(cost, _PATHS - 1)[:_PATHS] if full else np.arange(cost.size)
        self.cost = cost[best]
        return best

    def _repetition(self, llr: Floats) -> tuple[Bits, Indices]:
        """One information bit, repeated over the node."""
        paths, length = llr.shape
        zero = self.cost + np.maximum(-llr, 0).sum(axis=1)
        one = self.cost + np.maximum(llr, 0).sum(axis=1)
        best = self._keep(np.concatenate([zero, one]))
        bits = np.repeat((best >= paths).astype(np.int8)[:, None], length, axis=1)
        return bits, best % paths

    def _free(self, llr: Floats) -> tuple[Bits, Indices]:
        """Every bit carries information: branch on the least reliable ones only (Hashemi et al. 2016)."""
        paths, length = llr.shape
        bits = (llr < 0).astype(np.int8)
        grown = np.arange(paths)
        weak = np.argsort(np.abs(llr), axis=1, kind="stable")[:, : _PATHS - 1]
        reliability = np.abs(llr)
        for turn in range(min(_PATHS - 1, length)):
            count = grown.size
            rows = np.arange(count)
            flip_cost = self.cost + reliability[grown, weak[grown, turn]]
            best = self._keep(np.concatenate([self.cost, flip_cost]))
            parent = rows[best % count]
            flipped = best >= count
            bits = bits[parent]
            grown = grown[parent]
            bits[flipped, weak[grown[flipped], turn]] ^= 1
        return bits, grown
