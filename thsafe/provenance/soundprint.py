"""A perceptual fingerprint of the sound: signs of energy differences between bands and moments.

After Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR 2002): 33 logarithmic bands from 300 to
2000 Hz in frames of 0.37 s, and one bit per pair of bands that says whether their difference grew. Written here because
no maintained package brings such a fingerprint along: Chromaprint wants a library or a program of the system.

It recognises a recording, not a voice or a text: the same words spoken again do not match. Changes of speed or pitch of
two per cent and more take it away.
"""

from __future__ import annotations

import base64
import statistics
import struct
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.provenance.fingerprint import Match
from thsafe.provenance.lookup import Candidate

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import SoundBlock

    Bits = NDArray[np.uint8]
    Floats = NDArray[np.float32]

ALGORITHM = "io.github.thsafe.soundprint.1"
"""Reverse-domain name; not registered in the C2PA soft-binding algorithm list."""
RATE = 5512
"""Samples per second that are looked at, as in the paper."""
SAME_BLOCK = 0.32
"""Share of differing bits. Codecs down to 12 kbit/s, other offsets and noise 10 dB below speech left it at 0.26 and
less; other sentences of one voice, at any offset, came to 0.40 and more."""
SAME_SOUND = 0.5
"""Share of blocks that must match."""
MAX_BLOCKS = 200
"""Ten minutes, 69 KB of text; of longer sound so many blocks are kept, evenly spread."""
MOST_BLOCKS = 10 * MAX_BLOCKS
"""Of a file in hand: an excerpt may begin anywhere between the blocks that were kept."""
_BLOCK = 64
"""Words of 32 bits in a block of 3 seconds: the least that is compared."""
_WIDTH = 32
_BLOCK_BYTES = _BLOCK * _WIDTH // 8
_FRAME, _HOP = 2048, 256
_LOW, _HIGH = 300.0, 2000.0
_QUIET = 1e-7
# Mean power of a frame at full scale 1: below it the bits are noise of the codec.
_LEAST_HEARD = 0.5
# Half of a block may be silence between sentences; a block of silence says nothing.
_MAGIC = b"TS\x01"
_ROW = struct.Struct(f">I{_BLOCK_BYTES}s")
_SCAN_BLOCKS = 12
_SCAN_EVERY = 4
_BATCH = 64
_MOST_COMPARED = 16
_CHUNK = 2048


def soundprint(blocks: Iterable[SoundBlock], *, most: int = MAX_BLOCKS) -> str:
    """The fingerprint of mono sound at ``RATE`` as base64 text.

    Args:
        blocks: (samples, 1) float32 in [-1, 1].
        most: how many blocks of 3 seconds to keep at most.

    Returns:
        Text; of less than three seconds that are not silent, text that matches nothing.
    """
    words, heard = _words(blocks)
    rows = [
        (round(start * _HOP * 1000 / RATE), np.packbits(words[start : start + _BLOCK]).tobytes())
        for start in range(0, len(words) - _BLOCK + 1, _BLOCK)
        if heard[start : start + _BLOCK].mean() >= _LEAST_HEARD
    ]
    if len(rows) > most:
        rows = [rows[place] for place in np.linspace(0, len(rows) - 1, most).round().astype(int)]
    return base64.b64encode(_MAGIC + b"".join(_ROW.pack(*row) for row in rows)).decode()


def soundprint_of(path: Path, *, most: int = MAX_BLOCKS) -> str | None:
    """The fingerprint of a file's sound; None where it is too short or too quiet for one.

    Raises:
        InputError: there is no sound, or it cannot be read.
    """
    from thsafe.media.sound import iter_sound

    text = soundprint(iter_sound(path, rate=RATE), most=most)
    return text if len(blocks_of(text)) else None


def sound_distance(known: str, suspect: str) -> Match:
    """How far the blocks of one sound are found in the other, at any offset; the shorter one is looked for.

    Raises:
        ValueError: a text is no fingerprint of this version.
    """
    ours, theirs = blocks_of(known), blocks_of(suspect)
    shorter, longer = (ours, theirs) if len(ours) < len(theirs) else (theirs, ours)
    if not len(shorter):
        return Match(share=0.0, median=float(_WIDTH), frames=0)
    best = _nearest(shorter, longer)
    # A block lies across the seams of the other file's kept blocks where those are not neighbours; whatever is not
    # found there is found by its neighbour, and half of them suffices.
    share = float(np.mean(best <= SAME_BLOCK))
    return Match(share=share, median=float(statistics.median(best.tolist())) * _WIDTH, frames=len(shorter))


def search_soundprint(suspect: str, known: Iterable[tuple[str, str]]) -> tuple[Candidate, ...]:
    """The outputs that sound the same, best first: a linear scan with some blocks of each, then the full comparison.

    Args:
        suspect: fingerprint of the file in hand.
        known: (manifest id, fingerprint) of what was published; texts of other versions are passed over.

    Raises:
        ValueError: the suspect's text is no fingerprint of this version.
    """
    theirs = blocks_of(suspect)
    if not len(theirs):
        return ()
    near: list[tuple[float, str, str]] = []
    source = iter(known)
    while batch := list(islice(source, _BATCH)):
        near += _scan(batch, theirs)
    near.sort(key=lambda item: item[0])
    found = (
        Candidate(manifest_id=name, match=sound_distance(text, suspect)) for _, name, text in near[:_MOST_COMPARED]
    )
    return tuple(sorted((item for item in found if is_same(item.match)), key=lambda item: item.match.median))


def is_same(match: Match) -> bool:
    """Whether two sounds are one recording."""
    return match.frames > 0 and match.share >= SAME_SOUND


def blocks_of(text: str) -> Bits:
    """The bits of a fingerprint, shape (blocks, 64, 32), in order of time.

    Raises:
        ValueError: the text is no fingerprint of this version.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise ValueError("the fingerprint is not base64") from problem
    body = data[len(_MAGIC) :]
    if not data.startswith(_MAGIC) or len(body) % _ROW.size or len(body) > MOST_BLOCKS * _ROW.size:
        raise ValueError("the fingerprint is of another version, or cut off")
    packed = b"".join(block for _, block in _ROW.iter_unpack(body))
    return np.unpackbits(np.frombuffer(packed, np.uint8)).reshape(-1, _BLOCK, _WIDTH)


def _words(blocks: Iterable[SoundBlock]) -> tuple[Bits, NDArray[np.bool_]]:
    """Words of bits, shape (words, 32), and which of them stand for sound rather than silence."""
    window = np.hanning(_FRAME).astype(np.float32)
    edges = (np.geomspace(_LOW, _HIGH, _WIDTH + 2) * _FRAME / RATE).round().astype(int)
    slopes, powers = [], []
    for frames in _frames(blocks):
        spectrum = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2
        bands = np.add.reduceat(spectrum[:, : edges[-1]], edges[:-1], axis=1)
        slopes.append(bands[:, :-1] - bands[:, 1:])
        powers.append((frames**2).mean(axis=1))
    if not slopes:
        return np.zeros((0, _WIDTH), np.uint8), np.zeros(0, np.bool_)
    steps = np.diff(np.concatenate(slopes), axis=0)
    return (steps > 0).astype(np.uint8), np.concatenate(powers)[1:] > _QUIET


def _frames(blocks: Iterable[SoundBlock]) -> Iterator[Floats]:
    """Overlapping frames, some at a time: shape (frames, 2048)."""
    rest = np.zeros(0, np.float32)
    for block in blocks:
        rest = np.concatenate([rest, block[:, 0]])
        if len(rest) >= _FRAME:
            frames = np.lib.stride_tricks.sliding_window_view(rest, _FRAME)[::_HOP]
            yield frames
            rest = rest[len(frames) * _HOP :]


def _signs(bits: Bits) -> Floats:
    return bits.astype(np.float32) * 2 - 1


def _nearest(blocks: Bits, sound: Bits, *, every: int = 1) -> Floats:
    """For each block the least share of differing bits at any offset of the sound: shape (blocks,).

    Neighbouring words overlap by seven eighths: ``every`` fourth tells nearly as much, at a quarter of the work.
    """
    sought = _signs(blocks[:, ::every]).reshape(len(blocks), -1).T
    words = _signs(sound).reshape(-1, _WIDTH)
    windows = np.lib.stride_tricks.sliding_window_view(words, (_BLOCK, _WIDTH))[:, 0, ::every]
    best = np.full(len(blocks), -np.inf, np.float32)
    bits = len(sought)
    for start in range(0, len(windows), _CHUNK):
        # For signs of +1 and -1 the product of two blocks is bits - 2 x differing bits.
        product = windows[start : start + _CHUNK].reshape(-1, bits) @ sought
        best = np.maximum(best, product.max(axis=0))
    share: Floats = (1 - best / bits) / 2
    return share


def _scan(batch: list[tuple[str, str]], theirs: Bits) -> list[tuple[float, str, str]]:
    """(least share of differing bits, name, text) of those in the batch that are near."""
    names: list[tuple[str, str]] = []
    pieces: list[Bits] = []
    for name, text in batch:
        try:
            ours = blocks_of(text)
        except ValueError:
            continue
        if len(ours):
            places = np.unique(np.linspace(0, len(ours) - 1, min(_SCAN_BLOCKS, len(ours))).round().astype(int))
            names.append((name, text))
            pieces.append(ours[places])
    if not pieces:
        return []
    starts = np.cumsum([0, *(len(piece) for piece in pieces[:-1])])
    best = np.minimum.reduceat(_nearest(np.concatenate(pieces), theirs, every=_SCAN_EVERY), starts)
    return [(float(best[place]), *names[place]) for place in np.flatnonzero(best <= SAME_BLOCK)]
