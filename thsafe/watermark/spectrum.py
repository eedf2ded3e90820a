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

LOUDEST = 3.0
"""A bin is cut off at so many times its ring's rms: stripes and moire must not speak for the mark."""
SYNC_SLOPE = -1.2
"""Codecs keep low frequencies best, so they speak louder; the exact law matters little."""
_GAIN_SLOPE = -2.0
"""Carriers are expected to arrive with amplitude ~ frequency ^ slope; how far that holds is measured."""
_LEAST_GAIN = 0.02
_GAIN_REACH, _POWER_REACH = 12.0, 2.5
"""Standard deviations, in cycles per tile, of the neighbourhoods that share a gain and a noise power."""


def fold(plane: Grid, side: int = SIDE) -> Grid:
    """Add up all tiles of a plane: (rows, columns) to (side, side)."""
    rows, columns = plane.shape
    down, across = -(-rows // side), -(-columns // side)
    padded = np.zeros((down * side, across * side), dtype=np.float32)
    padded[:rows, :columns] = plane
    folded: Grid = padded.reshape(down, side, across, side).sum(axis=(0, 2))
    return folded


@cache
def _rings(side: int) -> tuple[NDArray[np.intp], Floats]:
    """Which ring of frequencies each bin of ``rfft2`` lies in, flat, and how many bins each ring has."""
    rows = np.fft.fftfreq(side, 1 / side)[:, None]
    columns = np.arange(side // 2 + 1)[None, :]
    rings: NDArray[np.intp] = np.rint(np.hypot(rows, columns)).astype(np.intp).ravel()
    return rings, np.bincount(rings).astype(np.float64)


def whiten(folded: Grid) -> Spectrum:
    """Spectrum (side, side / 2 + 1) with mean power 1 in every ring of frequencies."""
    import scipy.fft

    spectrum: Spectrum = scipy.fft.rfft2(folded)
    rings, count = _rings(folded.shape[0])
    power = (spectrum.real**2 + spectrum.imag**2).ravel()
    mean = np.maximum(np.bincount(rings, weights=power) / count, 1e-12)
    scale = (1 / np.sqrt(mean)).astype(np.float32)[rings]
    most = (LOUDEST**2 * mean).astype(np.float32)[rings]
    loud = power > most
    scale[loud] *= np.sqrt(most[loud] / power[loud])
    spectrum *= scale.reshape(spectrum.shape)
    return spectrum


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


def sync_z(spectra: Sequence[Spectrum], key: bytes) -> float:
    """How well three aligned planes fit the synchronisation carriers: standard normal where there is no mark.

    Low carriers are written stronger and kept better, so they weigh more.
    """
    total, power = 0.0, 0.0
    for spectrum, plane in zip(spectra, PLANES, strict=True):
        part = carriers(key, plane)
        known = part.sync
        weight = part.radius[known] ** SYNC_SLOPE
        arrived = np.real(spectrum[part.row[known], part.column[known]] * np.conj(part.phase[known]))
        total += float(weight @ arrived)
        power += float(weight @ weight)
    return total / float(np.sqrt(power / 2))


def listen(spectra: Sequence[Spectrum], key: bytes) -> Heard:
    """Combine the carriers of Y, U and V.

    Gain and noise vary with horizontal and vertical frequency as the codec left them. The noise is estimated by
    smoothing over neighbouring carriers; the gain is fitted to the synchronisation carriers alone, near each carrier
    as far as they tell, else by the plane's one expected fall with frequency (empirical Bayes shrinkage). A bit's
    belief is the gain-weighted sum over its carriers (maximum-ratio combining, Brennan 1959).
    """
    llr = np.zeros(payload.CODE_BITS)
    for spectrum, plane in zip(spectra, PLANES, strict=True):
        part = carriers(key, plane)
        sync = part.sync
        arrived = np.real(spectrum[part.row, part.column] * np.conj(part.phase)).astype(np.float64)
        across, down = part.column, np.minimum(part.row, SIDE - part.row)
        power = np.abs(spectrum[part.row, part.column]).astype(np.float64) ** 2
        everywhere, _ = _smooth(power, down, across, _POWER_REACH)
        arrived /= np.sqrt(np.maximum(everywhere[down, across], 1e-3))
        heard = _gain(arrived, part.radius, sync, (down, across))
        # Unit-power bins: noise of variance (1 - gain^2) / 2 on the axis of the carrier, hence LLR = 4 g y / (1 - g^2).
        weight = 4 * heard / np.maximum(1 - heard**2, 0.1)
        llr += np.bincount(part.bit[~sync], weights=(weight * arrived)[~sync], minlength=payload.CODE_BITS)
    return Heard(llr=llr, z=sync_z(spectra, key))


def _gain(
    arrived: Floats, radius: Floats, sync: NDArray[np.bool_], place: tuple[NDArray[np.intp], NDArray[np.intp]]
) -> Floats:
    """Amplitude at which each carrier arrives, in units of its noise."""
    down, across = place
    shape = (radius / radius.min()) ** _GAIN_SLOPE
    overall = max(float(arrived[sync] @ shape[sync] / (shape[sync] @ shape[sync])), _LEAST_GAIN)
    fit, _ = _smooth((arrived * shape)[sync], down[sync], across[sync], _GAIN_REACH)
    weight, count = _smooth((shape * shape)[sync], down[sync], across[sync], _GAIN_REACH)
    near = (fit / np.maximum(weight, 1e-12))[down, across]
    # Noise of variance 1/2 on the axis of a carrier against a spread of half the overall gain between places.
    told = (weight * count)[down, across]
    trust = told / (told + 0.5 / (0.5 * overall) ** 2)
    gain: Floats = shape * np.maximum(trust * near + (1 - trust) * overall, 0.0)
    return gain


def _smooth(values: Floats, down: NDArray[np.intp], across: NDArray[np.intp], reach: float) -> tuple[Floats, Floats]:
    """Gaussian mean over neighbouring frequencies, and how many values stand behind it; both (129, 129)."""
    import cv2

    shape = (SIDE // 2 + 1, SIDE // 2 + 1)
    sums, counts = np.zeros(shape), np.zeros(shape)
    np.add.at(sums, (down, across), values)
    np.add.at(counts, (down, across), 1.0)
    density = np.maximum(cv2.GaussianBlur(counts, (0, 0), reach, borderType=cv2.BORDER_REFLECT), 1e-6)
    mean: Floats = cv2.GaussianBlur(sums, (0, 0), reach, borderType=cv2.BORDER_REFLECT) / density
    return mean, np.maximum(density * 4 * np.pi * reach**2, 1.0)
