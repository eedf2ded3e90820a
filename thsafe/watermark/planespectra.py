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
class PlaneSpectra:
    """Y, U and V of one picture of evidence, or of a window of it, on the cell grid."""

    values: NDArray[np.float32]
    """(3 rows, columns, 2): one plane below the other, real and imaginary parts, frequency 0 in the middle of each;
    mean power 1 at each frequency."""
    lengths: tuple[int, int]
    """Columns and rows of one plane's spectrum."""
    size: tuple[int, int]
    """Columns and rows of cells of the whole picture."""
    offset: tuple[float, float]
    """Cells from the picture's middle to the window's."""

    @classmethod
    def of(cls, residual: Residual, window: Window = WHOLE) -> PlaneSpectra:
        """Transform what lies in a window."""
        import scipy.fft

        columns, rows = residual.grid
        x0, y0, x1, y1 = (round(share * side) for share, side in zip(window, 2 * residual.grid, strict=True))
        across, down = (scipy.fft.next_fast_len(_PADDING * side) for side in (x1 - x0, y1 - y0))
        values = np.concatenate([_transformed(plane[y0:y1, x0:x1], (down, across)) for plane in residual.planes])
        offset = ((x0 + x1 - columns) / 2, (y0 + y1 - rows) / 2)
        return cls(values=values, lengths=(across, down), size=(columns, rows), offset=offset)

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
        known = _known(key, side)
        columns, rows = self.lengths
        # Cycles per tile to samples of the spectrum; each plane's lies below the one before.
        pitch = np.array([[columns / SIDE], [rows / SIDE]])
        across, down = ((pitch * back) @ known.frequency).astype(np.float32)
        inside = np.abs(down) < rows // 2 - 2
        across += columns // 2
        down += rows // 2 + rows * known.plane
        seen = cv2.remap(self.values, across[None], down[None], cv2.INTER_CUBIC)
        heard = seen.view(np.complex64).ravel() * known.weight * inside
        product = np.zeros((side, side // 2 + 1), dtype=np.complex64)
        for part in known.parts:
            product.ravel()[known.place[part]] += heard[part]
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


def _transformed(part: Grid, lengths: tuple[int, int]) -> NDArray[np.float32]:
    """The whitened spectrum of one plane about its middle, padded to ``lengths`` (rows, columns)."""
    import scipy.fft

    spectrum = scipy.fft.fftshift(scipy.fft.fft2(part, s=lengths))
    down, across = (scipy.fft.fftshift(scipy.fft.fftfreq(length)) for length in lengths)
    spectrum *= np.exp(1j * np.pi * down * (part.shape[0] - 1)).astype(np.complex64)[:, None]
    spectrum *= np.exp(1j * np.pi * across * (part.shape[1] - 1)).astype(np.complex64)
    rings = np.rint(SIDE * np.hypot(down[:, None], across[None, :])).astype(np.intp).ravel()
    power = (spectrum.real**2 + spectrum.imag**2).ravel()
    mean = np.maximum(np.bincount(rings, weights=power) / np.maximum(np.bincount(rings), 1), 1e-12)
    scale = (1 / np.sqrt(mean)).astype(np.float32)[rings]
    over = power * scale**2 / LOUDEST**2
    scale[over > 1] /= np.sqrt(over[over > 1])
    spectrum *= scale.reshape(spectrum.shape)
    parts: NDArray[np.float32] = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
    return parts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The synchronisation carriers of Y, U and V, one after another, that fit a grid of shifts."""

    frequency: Floats
    """(2, n): cycles per tile along columns and rows."""
    plane: NDArray[np.float32]
    """(n,): 0, 1 or 2."""
    weight: NDArray[np.complex64]
    """(n,): what undoes a carrier's phase, the louder the likelier it arrives."""
    place: NDArray[np.intp]
    """(n,): flat index in the ``rfft2`` layout of the grid."""
    parts: tuple[slice, ...]
    """Where each plane's carriers stand."""


@lru_cache(maxsize=16)
def _known(key: bytes, side: int) -> _Known:
    frequency, weight, parts = [], [], []
    count = 0
    for plane in PLANES:
        part = carriers(key, plane)
        down = np.where(part.row < SIDE // 2, part.row, part.row - SIDE)
        # Column 0 would have to be set with its mirror image; so few carriers are not missed.
        fits = part.sync & (part.column > 0) & (part.column < side // 2) & (np.abs(down) < side // 2)
        frequency.append(np.stack([part.column[fits], down[fits]]))
        weight.append(np.conj(part.phase[fits]) * part.radius[fits] ** SYNC_SLOPE)
        parts.append(slice(count, count := count + int(fits.sum())))
    across, down = np.concatenate(frequency, axis=1)
    return _Known(
        frequency=np.stack([across, down]).astype(np.float64),
        plane=np.repeat(np.arange(len(PLANES)), [part.stop - part.start for part in parts]).astype(np.float32),
        weight=np.concatenate(weight).astype(np.complex64),
        place=(down % side) * (side // 2 + 1) + across,
        parts=tuple(parts),
    )


def _vertex(before: float, at: float, after: float) -> float:
    """Offset of the top of the parabola through three points, -0.5 … 0.5."""
    bend = before - 2 * at + after
    return 0.0 if bend >= 0 else float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5))
