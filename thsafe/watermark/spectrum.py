"""From evidence on a grid to code bits: fold to one tile, transform, combine carriers by how well they arrived."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from thsafe.watermark import payload
from thsafe.watermark.carriers import PLANES, SIDE, Spectrum, carriers

Grid = NDArray[np.float32]
Floats = NDArray[np.float64]

_LOUDEST = 3.0
"""A bin is cut off at so many times its ring's rms: stripes and moire must not speak for the mark."""
_RING_REACH = 6.0
"""Rings over which gains are smoothed."""


def fold(plane: Grid, side: int = SIDE) -> Grid:
    """Add up all tiles of a plane: (rows, columns) to (side, side)."""
    rows, columns = plane.shape
    down, across = -(-rows // side), -(-columns // side)
    padded = np.zeros((down * side, across * side), dtype=np.float32)
    padded[:rows, :columns] = plane
    folded: Grid = padded.reshape(down, side, across, side).sum(axis=(0, 2))
    return folded


@cache
def _rings(side: int) -> NDArray[np.intp]:
    rows = np.fft.fftfreq(side, 1 / side)[:, None]
    columns = np.arange(side // 2 + 1)[None, :]
    rings: NDArray[np.intp] = np.rint(np.hypot(rows, columns)).astype(np.intp)
    return rings


def whiten(folded: Grid) -> Spectrum:
    """Spectrum (side, side / 2 + 1) with mean power 1 in every ring of frequencies."""
    import scipy.fft

    side = folded.shape[0]
    spectrum: Spectrum = scipy.fft.rfft2(folded)
    rings = _rings(side)
    power = spectrum.real**2 + spectrum.imag**2
    count = np.bincount(rings.ravel())
    mean = np.bincount(rings.ravel(), weights=power.ravel()) / count
    scale = (1 / np.sqrt(np.maximum(mean, 1e-12))).astype(np.float32)[rings]
    loudness = np.sqrt(power) * scale
    white: Spectrum = spectrum * (scale * np.minimum(1, _LOUDEST / np.maximum(loudness, 1e-6)))
    return white


def move(spectrum: Spectrum, dx: float, dy: float) -> Spectrum:
    """The spectrum of the tile shifted back by (dx, dy) cells: what stood at (dx, dy) comes to the origin."""
    side = spectrum.shape[0]
    rows = np.fft.fftfreq(side)[:, None]
    columns = np.arange(side // 2 + 1)[None, :] / side
    moved: Spectrum = (spectrum * np.exp(2j * np.pi * (rows * dy + columns * dx))).astype(np.complex64)
    return moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What three aligned planes say under one key."""

    llr: Floats
    """(512,) beliefs on the code bits."""
    z: float
    """Synchronisation statistic: standard normal where there is no mark."""


def listen(spectra: Sequence[Spectrum], key: bytes) -> Heard:
    """Combine the carriers of Y, U and V.

    The gain of each ring is estimated on its synchronisation carriers, smoothed and shrunk towards zero by its own
    uncertainty; a bit's belief is the gain-weighted sum over its carriers (maximum-ratio combining, Brennan 1959).
    """
    llr = np.zeros(payload.CODE_BITS)
    total, count = 0.0, 0
    for spectrum, plane in zip(spectra, PLANES, strict=True):
        part = carriers(key, plane)
        sync = part.sync
        arrived = np.real(spectrum[part.row, part.column] * np.conj(part.phase)).astype(np.float64)
        total += float(arrived[sync].sum())
        count += int(sync.sum())
        gain = _gains(arrived[sync], part.radius[sync])[np.rint(part.radius).astype(np.intp)]
        # Unit-power bins: noise of variance (1 - gain^2) / 2 on the axis of the carrier, hence LLR = 4 g y / (1 - g^2).
        weight = 4 * gain / np.maximum(1 - gain**2, 0.1)
        llr += np.bincount(part.bit[~sync], weights=(weight * arrived)[~sync], minlength=payload.CODE_BITS)
    return Heard(llr=llr, z=total / float(np.sqrt(count / 2)))


def _gains(arrived: Floats, radius: Floats) -> Floats:
    """Smoothed gain per integer ring."""
    rings = np.arange(SIDE // 2)
    sums = np.bincount(np.rint(radius).astype(np.intp), weights=arrived, minlength=rings.size)
    counts = np.bincount(np.rint(radius).astype(np.intp), minlength=rings.size)
    kernel = np.exp(-0.5 * ((rings[:, None] - rings[None, :]) / _RING_REACH) ** 2)
    support = np.maximum(kernel @ counts, 1e-9)
    gain: Floats = (kernel @ sums) / support
    uncertainty = 0.5 * (kernel**2 @ counts) / support**2
    power: Floats = gain**2
    shrunk: Floats = gain * np.maximum(power - uncertainty, 0.05 * power) / np.maximum(power, 1e-12)
    return shrunk
