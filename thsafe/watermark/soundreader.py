"""Reading the sound mark, without the original.

The evidence (:mod:`thsafe.watermark.soundevidence`) is folded to one tile and correlated with the synchronisation cells
at every start time. When the plain reading fails, changes of tempo, of speed and of pitch are searched: each alone in
fine steps, then tempo and pitch together from coarse to fine.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from thsafe.watermark import payload, polar
from thsafe.watermark.cells import BAND_HERTZ, BANDS, CELL_SECONDS, LOWEST_HERTZ, TILE_SECONDS, TIME_CELLS, cells
from thsafe.watermark.reading import Geometry, MarkReading
from thsafe.watermark.soundevidence import ANALYSIS_RATE, HOP, WINDOW, Grid, evidence

MOST_DECODES = 52
PRESENT = 7.5
_STEPS = round(CELL_SECONDS * ANALYSIS_RATE / HOP)
"""Analysis steps per cell."""
_TILE_STEPS = TIME_CELLS * _STEPS
_WINDOW_STEPS = round(20 * ANALYSIS_RATE / HOP)
"""20 s: what is searched at a time."""
_MOST_WINDOWS, _MOST_SINGLE, _MOST_PAIRS = 13, 3, 4
"""13 plain readings, 3 single changes with 9 neighbours each, 4 pairs with 3: 52 decodings at most."""
_COARSE_STEPS = round(6 * ANALYSIS_RATE / HOP)
"""6 s: over these a step of the coarse search drifts by less than half a cell."""
_GAIN_REACH = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    z: float = 0.0
    tempo: float = 1.0
    pitch: float = 1.0
    start: int = 0
    """Analysis steps from the start of a tile to the start of the sound."""


def read_sound(
    samples: NDArray[np.float32], sample_rate: int, keys: Mapping[str, bytes], *, search: bool = True
) -> MarkReading:
    """Read the mark in a piece of sound.

    Args:
        samples: (n,) float32; mix channels down first.
        sample_rate: Samples per second.
        keys: Watermark keys by name; the first that answers wins.
        search: Whether to look for changed tempo, speed and pitch when the plain reading fails.

    Returns:
        The reading. ``geometry.scale_x`` is the tempo found (1.05: plays 5 % longer), ``scale_y`` the pitch,
        ``dx`` the seconds into a tile at which the sound starts. Sound shorter than one tile (2.3 s) carries only a
        part of the mark; ``reason`` says so.
    """
    if not keys:
        return MarkReading(state="not-evaluated", reason="No watermark key is known here.")
    heard = evidence(samples, sample_rate)
    if heard is None:
        return MarkReading(state="not-evaluated", reason="There was no sound to read, or only silence.")
    seconds = samples.size / sample_rate
    tiles = max(1, math.floor(seconds / TILE_SECONDS))
    short = (
        f" The sound lasts {seconds:.1f} s, less than one tile of {TILE_SECONDS:.1f} s: it can hold only a part."
        if seconds < TILE_SECONDS
        else ""
    )
    best, best_name = _Found(), ""
    for name, key in keys.items():
        for window, found in islice(_candidates(heard, key, search=search), MOST_DECODES):
            mark_id = _decode(window, key, found)
            if mark_id is not None:
                return MarkReading(
                    state="id",
                    mark_id=mark_id,
                    key_name=name,
                    confidence=found.z,
                    geometry=_geometry(found),
                    frames_read=tiles,
                    false_alarm=len(keys) * MOST_DECODES * polar.LIST_SIZE * 2.0**-payload.CHECK_BITS,
                    reason="The id was read and its keyed check holds." + short,
                )
            if found.z > best.z:
                best, best_name = found, name
    if best.z >= PRESENT:
        tests = len(keys) * _TILE_STEPS * (len(_single_changes()) + len(_double_changes()) + MOST_DECODES)
        return MarkReading(
            state="present",
            key_name=best_name,
            confidence=best.z,
            geometry=_geometry(best),
            frames_read=tiles,
            false_alarm=min(1.0, tests * 0.5 * math.erfc(best.z / math.sqrt(2))),
            reason="A mark under this key is there, but too weak to read its id." + short,
        )
    return MarkReading(
        state="absent", frames_read=tiles, reason="No mark under the known keys was found in the sound." + short
    )


def _candidates(heard: Grid, key: bytes, *, search: bool) -> Iterator[tuple[Grid, _Found]]:
    """What to decode, likeliest first: the whole, stretches of it (it may be cut together), then changed speeds."""
    windows = [heard]
    if len(heard) > 1.5 * _WINDOW_STEPS:
        count = min(_MOST_WINDOWS - 1, len(heard) // _WINDOW_STEPS)
        starts = np.linspace(0, len(heard) - _WINDOW_STEPS, count).astype(int).tolist()
        windows += [heard[start : start + _WINDOW_STEPS] for start in starts]
    plain = [(window, _correlate(window, key, 1.0, 1.0)) for window in windows]
    yield from plain
    if not search:
        return
    # Over a longer stretch a step of the tempo search would drift by more than half a cell.
    likeliest = max(plain if len(plain) == 1 else plain[1:], key=lambda one: one[1].z)[0]
    for found in _best(likeliest, key, _single_changes(), _MOST_SINGLE):
        for stretch in (0.0, 0.001, -0.001):
            for nudged in _nudged(replace(found, tempo=found.tempo * (1 + stretch))):
                yield likeliest, nudged
    for found in _both_changed(likeliest, key):
        for nudged in _nudged(found):
            yield likeliest, nudged


def _geometry(found: _Found) -> Geometry:
    return Geometry(scale_x=found.tempo, scale_y=found.pitch, dx=found.start * HOP / ANALYSIS_RATE)


def _cells_at(heard: Grid, tempo: float, pitch: float) -> Grid:
    """Evidence on the mark's own bands and steps: (steps, 197)."""
    import cv2

    per_band = BAND_HERTZ / (ANALYSIS_RATE / WINDOW)
    # Output step t looks at t * tempo; output band b at its centre frequency times pitch.
    matrix = np.array(
        [
            [per_band * pitch, 0, pitch * LOWEST_HERTZ / (ANALYSIS_RATE / WINDOW)],
            [0, tempo, 0],
        ]
    )
    smooth = cv2.blur(heard, (2, 1)) if pitch == 1.0 else cv2.GaussianBlur(heard, (3, 1), 0.7)
    size = (BANDS, max(1, round(heard.shape[0] / tempo)))
    sampled: Grid = cv2.warpAffine(smooth, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    return sampled


def _folded(heard: Grid, tempo: float, pitch: float) -> Grid:
    """One tile: (144, 197)."""
    sampled = _cells_at(heard, tempo, pitch)
    rows = -(-sampled.shape[0] // _TILE_STEPS) * _TILE_STEPS
    padded = np.zeros((rows, BANDS), dtype=np.float32)
    padded[: sampled.shape[0]] = sampled
    folded: Grid = padded.reshape(-1, _TILE_STEPS, BANDS).sum(axis=0)
    return folded


def _correlate(heard: Grid, key: bytes, tempo: float, pitch: float) -> _Found:
    """The best start of a tile under one hypothesis."""
    layout = cells(key)
    known = np.repeat(np.where(layout.bit < 0, layout.sign, 0.0), _STEPS, axis=0)
    folded = _folded(heard, tempo, pitch)
    power = np.sqrt(np.mean(folded**2, axis=0)) + 1e-6
    spectrum = np.fft.rfft(folded / power, axis=0)
    scores = np.fft.irfft(np.sum(np.conj(spectrum) * np.fft.rfft(known, axis=0), axis=1), n=_TILE_STEPS)
    start = int(np.argmax(scores))
    deviation = 1.4826 * float(np.median(np.abs(scores - np.median(scores)))) + 1e-9
    return _Found(z=float(scores[start]) / deviation, tempo=tempo, pitch=pitch, start=start)


def _single_changes() -> list[tuple[float, float]]:
    """Tempo and pitch: either alone, or both as playback speed changes them."""
    steps = [step for step in np.arange(-0.12, 0.1201, 0.002).tolist() if abs(step) > 1e-6]
    tempi = [(1 + step, 1.0) for step in steps]
    speeds = [(1 + step, 1 / (1 + step)) for step in steps]
    pitches = [(1.0, 1 + step) for step in steps]
    return tempi + speeds + pitches


def _double_changes() -> list[tuple[float, float]]:
    """Tempo and pitch, each on its own: up to 7 % and 6 %."""
    return [
        (tempo, pitch)
        for tempo in np.arange(0.928, 1.0721, 0.006).tolist()
        for pitch in np.arange(0.94, 1.0601, 0.003).tolist()
    ]


def _best(heard: Grid, key: bytes, changes: list[tuple[float, float]], most: int) -> list[_Found]:
    """The likeliest of some changes, likeliest first."""
    found = [_correlate(heard, key, tempo, pitch) for tempo, pitch in changes]
    return sorted(found, key=lambda one: -one.z)[:most]


def _both_changed(heard: Grid, key: bytes) -> Iterator[_Found]:
    """Tempo and pitch changed together: coarse on the stretch that tells most, then fine on the whole."""
    part = heard
    if len(heard) > _COARSE_STEPS:
        told = np.concatenate([[0.0], np.cumsum(np.square(heard).sum(axis=1, dtype=np.float64))])
        first = int(np.argmax(told[_COARSE_STEPS:] - told[:-_COARSE_STEPS]))
        part = heard[first : first + _COARSE_STEPS]
    for coarse in _best(part, key, _double_changes(), _MOST_PAIRS):
        near = [
            (coarse.tempo * (1 + stretch), coarse.pitch * (1 + shift))
            for stretch in np.arange(-0.003, 0.0031, 0.001).tolist()
            for shift in (0.0, 0.0015, -0.0015)
        ]
        yield from _best(heard, key, near, 1)


def _nudged(found: _Found) -> Iterator[_Found]:
    """The start found and those a step beside it."""
    for shift in (0, 1, -1):
        yield replace(found, start=(found.start + shift) % _TILE_STEPS)


def _decode(heard: Grid, key: bytes, found: _Found) -> str | None:
    layout = cells(key)
    aligned = np.roll(_folded(heard, found.tempo, found.pitch), found.start, axis=0)
    values = aligned.reshape(TIME_CELLS, _STEPS, BANDS).sum(axis=1).astype(np.float64)
    values /= np.sqrt(np.mean(values**2, axis=0)) + 1e-9
    sync = layout.bit < 0
    products = values * layout.sign
    bands = np.arange(BANDS)
    kernel = np.exp(-0.5 * ((bands[:, None] - bands[None, :]) / _GAIN_REACH) ** 2)
    counts = sync.sum(axis=0)
    support = kernel @ counts
    gain = (kernel @ np.where(sync, products, 0).sum(axis=0)) / support
    uncertainty = (kernel**2 @ counts) / support**2
    gain *= np.maximum(gain**2 - uncertainty, 0.05 * gain**2) / np.maximum(gain**2, 1e-12)
    weight = 2 * gain / np.maximum(1 - gain**2, 0.1)
    llr = np.zeros(payload.CODE_BITS)
    llr += np.bincount(layout.bit[~sync], weights=(weight * products)[~sync], minlength=payload.CODE_BITS)
    return payload.decode(key, llr)
