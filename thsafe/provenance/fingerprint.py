"""A perceptual fingerprint of the picture: PDQ hashes of sampled frames.

PDQ (Meta, 2019) gives 256 bits per picture; two pictures match at a Hamming distance of at most 31. Measured on clips
re-encoded down to CRF 40, scaled to a third and turned by a degree it stays below that; between unrelated clips it is
102 and more, between 34 centred portraits of different people 70 and more. PDQ alone misses mirrored, cropped and
letterboxed copies, so those variants are stored beside the plain hash.

It tells what the picture shows as a whole: not how it moves, so two clips of one portrait match each other, and not
small edits, so a clip with another mouth still matches.
"""

from __future__ import annotations

import base64
import statistics
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

    Bits = NDArray[np.uint8]

ALGORITHM = "io.github.thsafe.fingerprint.1"
"""Reverse-domain name; not registered in the C2PA soft-binding algorithm list."""
SAMPLE_SECONDS = 1.0
"""At most one frame per so many seconds is hashed."""
MAX_FRAMES = 48
"""Longer videos are thinned to so many frames: 21 KB of text at most."""
SAME_FRAME = 31
"""Bits of 256: PDQ's own threshold."""
SAME_VIDEO = 0.5
"""Share of frames that must match; a turn of one degree left 67 % and unrelated clips 0."""
_SLACK = 0.05
# Seconds: times rounded by a container must not lose every second frame.
_LEAST_QUALITY = 50
# Flat pictures hash to noise; PDQ's authors discard them below a quality of 50 of 100.
_SIDE = 256
_MAGIC = b"TF\x01"
_VARIANTS = 10
PLAIN, MIRRORED, CROPPED, UNBOXED = 0, 1, range(2, 8), 9
"""Places of the variants of a frame; the eighth is a mirrored crop."""
_HASH_BYTES = 32
_CROPS = (0.95, 0.9, 0.85, 0.8, 0.75)
_DARK = 32
# Luma up to which a border row counts as black after lossy coding.
_LEAST_PICTURE = 0.25
# Less of the frame than this is not a picture between bars but a dark scene.
_ROW = struct.Struct(f">I{_VARIANTS * _HASH_BYTES}s")


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """How far one video's frames are found in another."""

    share: float
    """Share of frames with a match, 0 to 1."""
    median: float
    """Median over frames of the smallest distance, in bits of 256; 256 where nothing could be compared."""
    frames: int
    """How many frames were compared."""

    @property
    def same(self) -> bool:
        """Whether the two show the same."""
        return self.frames > 0 and self.share >= SAME_VIDEO


def fingerprint(frames: Iterable[tuple[float, Frame]], *, apart: float = SAMPLE_SECONDS) -> str:
    """The fingerprint of a video as base64 text.

    Args:
        frames: (time in seconds, BGR uint8 picture) in order of time; all frames may be given, few are hashed.
        apart: least seconds between the frames that are hashed.

    Returns:
        Text of at most 21 KB; of a video without a hashable frame, text that matches nothing.
    """
    rows: list[tuple[int, bytes]] = []
    step = apart
    due = float("-inf")
    for moment, frame in frames:
        if moment < due - _SLACK:
            continue
        hashed = _hash_variants(frame)
        if hashed is None:
            continue
        rows.append((max(0, round(moment * 1000)), hashed))
        due = moment + step
        if len(rows) == 2 * MAX_FRAMES:
            # Too many: keep every second and sample half as often from here on. Needs no length in advance.
            rows = rows[::2]
            step *= 2
            due = rows[-1][0] / 1000 + step
    if len(rows) > MAX_FRAMES:
        rows = rows[::2]
    return base64.b64encode(_MAGIC + b"".join(_ROW.pack(*row) for row in rows)).decode()


def distance(known: str, suspect: str) -> Match:
    """How far the suspect's frames are found in the known video, in any order: cuts and shifts do not matter.

    Each plain frame of one is compared to all variants of the other, both ways.

    Raises:
        ValueError: a text is no fingerprint of this version.
    """
    ours, theirs = hashes_of(known), hashes_of(suspect)
    if not len(ours) or not len(theirs):
        return Match(share=0.0, median=256.0, frames=0)
    plain_theirs = hamming(theirs[:, 0], ours.reshape(-1, _HASH_BYTES)).min(axis=1)
    variants = hamming(theirs.reshape(-1, _HASH_BYTES), ours[:, 0]).min(axis=1).reshape(len(theirs), _VARIANTS)
    best = np.minimum(plain_theirs, variants.min(axis=1))
    share = float(np.mean(best <= SAME_FRAME))
    return Match(share=share, median=float(statistics.median(best.tolist())), frames=len(theirs))


def _hash_variants(frame: Frame) -> bytes | None:
    import cv2

    height, width = frame.shape[:2]
    scale = _SIDE / max(height, width)
    if scale < 1:
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        frame = cv2.resize(frame, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
    picture = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    plain, quality = _pdq(picture)
    if quality < _LEAST_QUALITY:
        return None
    crops = [_centre(picture, share, share) for share in _CROPS]
    upright = picture.shape[0] * 9 / 16 / picture.shape[1]
    # A wide picture is cut to 9:16 for telephones; an upright one to a square.
    crops.append(
        _centre(picture, upright, 1.0) if upright < 1 else _centre(picture, 1.0, picture.shape[1] / picture.shape[0])
    )
    mirrored = [_pdq(np.ascontiguousarray(view[:, ::-1]))[0] for view in (picture, crops[1])]
    unboxed = _without_bars(picture)
    hashes = [plain, mirrored[0], *(_pdq(crop)[0] for crop in crops), mirrored[1]]
    hashes.append(plain if unboxed is None else _pdq(unboxed)[0])
    return b"".join(hashes)


def _without_bars(picture: Bits) -> Bits | None:
    """The picture between black bars; None where there are none."""
    light = picture.max(axis=2) > _DARK
    rows, columns = np.flatnonzero(light.any(axis=1)), np.flatnonzero(light.any(axis=0))
    if not len(rows) or not len(columns):
        return None
    inside = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    share = inside.size / picture.size
    return np.ascontiguousarray(inside) if _LEAST_PICTURE <= share < 1 else None


def _centre(picture: Bits, across: float, down: float) -> Bits:
    height, width = picture.shape[:2]
    rows, columns = max(8, round(height * down)), max(8, round(width * across))
    top, left = max(0, (height - rows) // 2), max(0, (width - columns) // 2)
    return np.ascontiguousarray(picture[top : top + rows, left : left + columns])


def _pdq(picture: Bits) -> tuple[bytes, int]:
    import pdqhash

    vector, quality = pdqhash.compute(picture)
    return np.packbits(np.asarray(vector, np.uint8)).tobytes(), int(quality)


def hashes_of(text: str) -> Bits:
    """The hashes of a fingerprint, shape (frames, variants, 32); the first variant is the plain picture.

    Raises:
        ValueError: the text is no fingerprint of this version.
    """
    rows = b"".join(hashes for _, hashes in _rows(text))
    return np.frombuffer(rows, np.uint8).reshape(-1, _VARIANTS, _HASH_BYTES)


def times_of(text: str) -> tuple[float, ...]:
    """When the hashed frames are seen, in seconds; raises ValueError like :func:`hashes_of`."""
    return tuple(moment / 1000 for moment, _ in _rows(text))


def frame_distance(ours: Bits, theirs: Bits) -> int:
    """Smallest distance in bits between two frames' hashes of shape (variants, 32), plain against any variant."""
    return int(min(hamming(ours[:1], theirs).min(), hamming(ours, theirs[:1]).min()))


def _rows(text: str) -> list[tuple[int, bytes]]:
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as problem:
        raise ValueError("the fingerprint is not base64") from problem
    body = data[len(_MAGIC) :]
    if not data.startswith(_MAGIC) or len(body) % _ROW.size or len(body) > 2 * MAX_FRAMES * _ROW.size:
        raise ValueError("the fingerprint is of another version, or cut off")
    return [(moment, hashes) for moment, hashes in _ROW.iter_unpack(body)]


def hamming(left: Bits, right: Bits) -> NDArray[np.int64]:
    """Distances in bits, of shape (len(left), len(right)), between packed hashes of shape (n, 32)."""
    counted: NDArray[np.int64] = _ONES[left[:, None, :] ^ right[None, :, :]].sum(axis=2)
    return counted


_ONES: NDArray[np.int64] = np.array([value.bit_count() for value in range(256)], np.int64)
