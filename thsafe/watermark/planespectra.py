"""Spectra of whole pictures of evidence, from which the carriers are read off as any linear change would move them.

A picture that was scaled, stretched, turned or mirrored by a matrix A has the spectrum of the marked one at A^-T k
(Bracewell et al. 1993, affine theorem of the Fourier transform). So one transform per picture serves every hypothesis:
instead of resampling the picture, each hypothesis samples some three thousand places of its spectrum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from thsafe.watermark.carriers import PLANES, SIDE, carriers
from thsafe.watermark.pose import Pose
from thsafe.watermark.residual import Residual
from thsafe.watermark.spectrum import LOUDEST, SYNC_SLOPE

Floats = NDArray[np.float64]
Grid = NDArray[np.float32]
Window = tuple[float, float, float, float]
"""x0, y0, x1, y1 as shares of width and height."""

WHOLE: Window = (0.0, 0.0, 1.0, 1.0)
_PADDING = 2
"""Times the picture's own size, so that values between the samples of the spectrum can be interpolated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlaneSpectrum:
    values: NDArray[np.float32]
    """(rows, columns, 2): real and imaginary parts, frequency 0 in the middle, mean power 1 at each frequency."""
    middle: Floats
    """(column, row) of frequency 0."""
    pitch: Floats
    """Samples per cycle per cell, along columns and rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneSpectra:
    """Y, U and V of one picture of evidence, or of a window of it."""

    planes: tuple[_PlaneSpectrum, ...]
    size: tuple[int, int]
    """Columns and rows of cells of the whole picture."""
    offset: tuple[float, float]
    """Cells from the picture's middle to the window's."""

    @classmethod
    def of(cls, residual: Residual, window: Window = WHOLE) -> PlaneSpectra:
        """Transform what lies in a window."""
        columns, rows = residual.grid
        x0, y0, x1, y1 = (round(share * side) for share, side in zip(window, 2 * residual.grid, strict=True))
        planes = []
        for plane in residual.planes:
            fine = plane.shape[0] // rows
            part = plane[y0 * fine : y1 * fine, x0 * fine : x1 * fine]
            planes.append(_transformed(part, fine))
        offset = ((x0 + x1 - columns) / 2, (y0 + y1 - rows) / 2)
        return cls(planes=tuple(planes), size=(columns, rows), offset=offset)

    def rated(self, pose: Pose, key: bytes, side: int = SIDE) -> Pose:
        """The pose with the shift at which the synchronisation carriers agree best, and their z there.

        Args:
            pose: Scales, turns, mirroring and tilt; its shift is not looked at.
            key: The watermark key.
            side: Shifts that are tried along each axis; 128 find a peak, 256 place it.
        """
        import cv2
        import scipy.fft

        back = _undone(pose)
        product = np.zeros((side, side // 2 + 1), dtype=np.complex64)
        for plane, name in zip(self.planes, PLANES, strict=True):
            known = _known(key, name, side)
            places = (plane.pitch[:, None] * (back / SIDE)) @ known.frequency + plane.middle[:, None]
            across, down = places.astype(np.float32)
            seen = cv2.remap(plane.values, across[None], down[None], cv2.INTER_CUBIC)
            product.ravel()[known.place] += seen.view(np.complex64).ravel() * known.weight
        scores = scipy.fft.irfft2(product, s=(side, side))
        best = int(np.argmax(scores))
        row, column = divmod(best, side)
        power = float(np.vdot(product, product).real)
        deviation = math.sqrt(max(2 * power, 1e-24)) / side**2
        peak = float(scores[row, column])
        cells = SIDE / side
        shift = cells * np.array(
            [
                column + _vertex(scores[row, (column - 1) % side], peak, scores[row, (column + 1) % side]),
                row + _vertex(scores[(row - 1) % side, column], peak, scores[(row + 1) % side, column]),
            ]
        )
        # The spectrum was taken about the window's middle: count from the corner of the upright picture instead.
        columns, rows = self.size[::-1] if pose.turns % 2 else self.size
        middle = np.array([columns / (2 * pose.scale_x) - 0.5, rows / (2 * pose.scale_y) - 0.5])
        dx, dy = (shift + middle + back.T @ np.array(self.offset)) % SIDE
        return replace(pose, dx=float(dx), dy=float(dy), z=peak / deviation)


def _undone(pose: Pose) -> Floats:
    """A^-T for the matrix A that leads from marked cells to those of the picture at hand, both from the middle."""
    angle = math.radians(pose.tilt)
    cosine, sine = math.cos(angle), math.sin(angle)
    turn = np.linalg.matrix_power(np.array([[0.0, 1.0], [-1.0, 0.0]]), pose.turns)
    mirror = np.diag([-1.0 if pose.flip else 1.0, 1.0])
    tilt = np.array([[cosine, sine], [-sine, cosine]])
    back: Floats = turn @ mirror @ tilt @ np.diag([1 / pose.scale_x, 1 / pose.scale_y])
    return back


def _transformed(part: Grid, fine: int) -> _PlaneSpectrum:
    """The whitened spectrum of one plane about its middle; ``fine`` samples per cell."""
    import scipy.fft

    lengths = [scipy.fft.next_fast_len(_PADDING * side) for side in part.shape]
    spectrum = scipy.fft.fftshift(scipy.fft.fft2(part, s=lengths, workers=2))
    down, across = (scipy.fft.fftshift(scipy.fft.fftfreq(length)) for length in lengths)
    for axis, frequency in enumerate((down, across)):
        ramp = np.exp(2j * np.pi * frequency * (part.shape[axis] - 1) / 2).astype(np.complex64)
        spectrum *= ramp[:, None] if axis == 0 else ramp
    rings = np.rint(SIDE * fine * np.hypot(down[:, None], across[None, :])).astype(np.intp).ravel()
    power = (spectrum.real**2 + spectrum.imag**2).ravel()
    mean = np.maximum(np.bincount(rings, weights=power) / np.maximum(np.bincount(rings), 1), 1e-12)
    scale = (1 / np.sqrt(mean)).astype(np.float32)[rings]
    over = power * scale**2 / LOUDEST**2
    scale[over > 1] /= np.sqrt(over[over > 1])
    spectrum *= scale.reshape(spectrum.shape)
    return _PlaneSpectrum(
        values=spectrum.view(np.float32).reshape(*spectrum.shape, 2),
        middle=np.array([lengths[1] // 2, lengths[0] // 2], dtype=np.float64),
        pitch=np.array([lengths[1], lengths[0]], dtype=np.float64) / fine,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The synchronisation carriers of one plane that fit a grid of shifts."""

    frequency: Floats
    """(2, n): cycles per tile along columns and rows."""
    weight: NDArray[np.complex64]
    """(n,): what undoes a carrier's phase, the louder the likelier it arrives."""
    place: NDArray[np.intp]
    """(n,): flat index in the ``rfft2`` layout of the grid."""


@lru_cache(maxsize=48)
def _known(key: bytes, plane: str, side: int) -> _Known:
    part = carriers(key, plane)
    down = np.where(part.row < SIDE // 2, part.row, part.row - SIDE)
    # Column 0 would have to be set with its mirror image; so few carriers are not missed.
    fits = part.sync & (part.column > 0) & (part.column < side // 2) & (np.abs(down) < side // 2)
    across, down = part.column[fits], down[fits]
    return _Known(
        frequency=np.stack([across, down]).astype(np.float64),
        weight=(np.conj(part.phase[fits]) * part.radius[fits] ** SYNC_SLOPE).astype(np.complex64),
        place=(down % side) * (side // 2 + 1) + across,
    )


def _vertex(before: float, at: float, after: float) -> float:
    """Offset of the top of the parabola through three points, -0.5 … 0.5."""
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
