"""Writing the picture mark: a static, keyed pattern added to the planes of each frame, in place.

A static pattern survives changes of frame rate, trimming and reordering, and the codec's copies of a block carry it
along. Its strength follows the picture: a little more where there is texture, less on the face, in the dark and on
plain surfaces, and never more over a whole frame than :data:`LEAST_PSNR` allows. The id is a pointer, never evidence
(:mod:`thsafe.watermark.payload`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from thsafe.core.errors import UsageError
from thsafe.watermark import payload
from thsafe.watermark.carriers import PLANES, PUBLIC_KEY, SIDE, tile

if TYPE_CHECKING:
    from thsafe.media.planes import Plane, Planes

LEAST_PSNR = 41.2
"""dB over B, G and R: luma-only measures overlook a chroma pattern."""
_RGB_COST = (1.355, 1.41, 1.07)
"""Mean square error over R, G and B per unit of Y, U, V error (BT.601 studio range: squares of the inverse matrix)."""
_PLAIN_RMS = (0.40, 1.0, 0.87)
_MOST_PLAIN_RMS = (0.7, 1.06, 0.93)
"""Rms in code values on a plain bright surface, and the most in any light and size: with the rounding to whole code
values and the grain of a camera it stays below 0.8, 1.3 and 1.1."""
_TEXTURE_GAIN = (0.05, 0.3, 0.2)
_MOST_GAIN = (2.0, 2.6, 2.6)
_FACE_LUMA = 0.8
_SIZES, _STRENGTHS = (300, 512, 720, 1080), (1.12, 1.0, 0.77, 0.74)
"""Pixels of the shorter side and the strength there: small pictures have fewer pixels to carry the same id."""
_REFRESH_DIFFERENCE = 5.0
"""Mean change of the 64-cell thumbnail, in code values, that calls for a new mask."""
_CUT_DIFFERENCE, _CALM_FRAMES = 20.0, 6
"""Change that calls for one at once; after a smaller one the last mask serves that many frames at least."""
_SMALLEST = 16

Grid = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """What is added to and taken from one plane; two unsigned maps because saturating byte arithmetic is fastest."""

    more: Plane
    less: Plane


def grid_size(width: int, height: int) -> tuple[int, int]:
    """Cells (columns, rows) of a picture whose shorter side is given 256 of them."""
    short = min(width, height)
    return round(width * SIDE / short), round(height * SIDE / short)


def _spread(pattern: Grid, width: int, height: int) -> Grid:
    """Repeat a tile over the picture's grid from the top-left corner and scale it to (height, width)."""
    import cv2

    columns, rows = grid_size(width, height)
    wide = np.tile(pattern, (-(-rows // SIDE), -(-columns // SIDE)))[:rows, :columns]
    scaled: Grid = cv2.resize(wide, (width, height), interpolation=cv2.INTER_CUBIC)
    # Interpolation between cells costs energy; the mask below is in code values, so restore unit rms.
    return scaled / max(float(scaled.std()), 1e-6)


class PictureMarker:
    """Marks frames of one size with one id.

    Args:
        key: Watermark key, 32 bytes (``KeyRing.watermark_keys``).
        mark_id: 16 hexadecimal digits.
        width: Frame width in pixels, even.
        height: Frame height in pixels, even.
        face_box: x0, y0, x1, y1 as shares of width and height; luma is marked more gently there.

    Raises:
        UsageError: ``watermark.size`` when a side is odd or below 16 pixels; ``watermark.id`` for a malformed id;
            ``watermark.public-key`` for the published key.
    """

    def __init__(
        self,
        key: bytes,
        mark_id: str,
        *,
        width: int,
        height: int,
        face_box: tuple[float, float, float, float] | None = None,
    ) -> None:
        if width % 2 or height % 2 or min(width, height) < _SMALLEST:
            raise UsageError(
                "The picture mark needs even sides of at least 16 pixels.",
                code="watermark.size",
                found=f"{width}x{height}",
                rule="I420 pictures have even sides",
                next_step="scale or pad the frames to even sides",
            )
        if key == PUBLIC_KEY:
            raise UsageError(
                "The key of the public mark cannot carry an id.",
                code="watermark.public-key",
                found="the published key",
                rule="ids are marked with a key that only this installation has",
                next_step="thsafe keys new",
            )
        self._key = key
        self._code = payload.encode(key, mark_id)
        self._carried: str | None = None
        self._shape = (height, width)
        self._patterns = self._woven(None)
        self._grid = grid_size(width, height)
        self._face = _face_factor(self._grid, face_box)
        self._strength = float(np.interp(min(width, height), _SIZES, _STRENGTHS))
        self._thumbnail: Grid | None = None
        self._age = 0
        self._steps: tuple[_Step, ...] = ()

    def apply(self, planes: Planes) -> None:
        """Add the mark to one frame, in place.

        Args:
            planes: The frame; its size must be the marker's.

        Raises:
            UsageError: ``watermark.size`` when the frame has another size.
        """
        import cv2

        if planes.y.shape != self._shape:
            raise UsageError(
                "The frame has another size than the marker was made for.",
                code="watermark.size",
                found=f"{planes.y.shape[1]}x{planes.y.shape[0]}",
                rule=f"{self._shape[1]}x{self._shape[0]}",
                next_step="make one PictureMarker per frame size",
            )
        # Nearest-neighbour sampling is enough to notice a cut or a slow drift, and costs next to nothing.
        thumbnail = cv2.resize(planes.y, (64, 64), interpolation=cv2.INTER_NEAREST).astype(np.float32)
        change = np.inf if self._thumbnail is None else float(np.abs(thumbnail - self._thumbnail).mean())
        self._age += 1
        cut = change > _CUT_DIFFERENCE
        if cut:
            self._heed(planes)
        if cut or (change > _REFRESH_DIFFERENCE and self._age > _CALM_FRAMES):
            self._thumbnail, self._age = thumbnail, 0
            self._steps = self._adapt(planes)
        for plane, step in zip(planes, self._steps, strict=True):
            cv2.add(plane, step.more, dst=plane)
            cv2.subtract(plane, step.less, dst=plane)

    def _heed(self, planes: Planes) -> None:
        """Weave the pattern anew where the picture carries an earlier mark, so that this one is read and not that."""
        from thsafe.watermark.reader import read_pictures

        carried = read_pictures([planes], {"own": self._key}, search=False).mark_id
        if carried != self._carried:
            self._carried = carried
            self._patterns = self._woven(carried)

    def _woven(self, carried: str | None) -> tuple[Grid, ...]:
        """The pattern of each plane, over a picture that carries that id already."""
        height, width = self._shape
        under = None if carried is None else payload.encode(self._key, carried)
        return tuple(
            _spread(
                tile(self._key, plane, self._code, under),
                *((width, height) if plane == "y" else (width // 2, height // 2)),
            )
            for plane in PLANES
        )

    def _adapt(self, planes: Planes) -> tuple[_Step, ...]:
        """Weigh the pattern for the picture at hand."""
        import cv2

        small = cv2.resize(planes.y, self._grid, interpolation=cv2.INTER_AREA).astype(np.float32)
        amplitudes = _amplitudes(small, self._face, self._strength)
        error = sum(
            cost * float(np.mean(np.square(amplitude))) for cost, amplitude in zip(_RGB_COST, amplitudes, strict=True)
        )
        # Rounding to whole code values adds an error of 1/12 per plane, which no scale takes away.
        allowed = 255.0**2 / 10 ** (LEAST_PSNR / 10) - sum(_RGB_COST) / 12
        scale = min(1.0, float(np.sqrt(allowed / error)))
        steps = []
        for plane, pattern, amplitude in zip(planes, self._patterns, amplitudes, strict=True):
            size = (plane.shape[1], plane.shape[0])
            weight = cv2.resize(amplitude * np.float32(scale), size, interpolation=cv2.INTER_LINEAR)
            # Conversion to bytes rounds and cuts off below zero: two passes give both signs, without a signed copy.
            steps.append(
                _Step(
                    more=cv2.multiply(pattern, weight, dtype=cv2.CV_8U),
                    less=cv2.multiply(pattern, weight, scale=-1, dtype=cv2.CV_8U),
                )
            )
        return tuple(steps)


def _face_factor(grid: tuple[int, int], box: tuple[float, float, float, float] | None) -> Grid:
    """1 outside the face, :data:`_FACE_LUMA` inside, with a soft rim."""
    columns, rows = grid
    factor: Grid = np.ones((rows, columns), dtype=np.float32)
    if box is None:
        return factor
    x0, y0, x1, y1 = box
    across = (np.arange(columns) + 0.5) / columns
    down = (np.arange(rows) + 0.5) / rows
    reach = np.hypot(
        (across[None, :] - (x0 + x1) / 2) / max((x1 - x0) / 2, 1e-3),
        (down[:, None] - (y0 + y1) / 2) / max((y1 - y0) / 2, 1e-3),
    )
    inside = np.clip((1.25 - reach) / 0.5, 0, 1)
    return (1 - (1 - _FACE_LUMA) * inside).astype(np.float32)


def _amplitudes(luma: Grid, face: Grid, strength: float) -> tuple[Grid, Grid, Grid]:
    """Rms of the mark in Y, U and V per cell, in code values, before the limit on the whole frame."""
    import cv2

    detail = luma - cv2.GaussianBlur(luma, (0, 0), 2.0)
    activity = np.sqrt(np.maximum(cv2.blur(detail * detail, (7, 7)), 0.0))  # its running sums may end below 0
    # An edge is busy only along a line; beside it the eye sees plain surface. Take the calmest neighbour.
    activity = cv2.GaussianBlur(cv2.erode(activity, np.ones((9, 9), dtype=np.uint8)), (0, 0), 3.0)
    bent = activity**0.75
    # The eye sees less of a given step in bright parts; in dark parts displays lift the noise (Watson 1993, eq. 4-6).
    brightness = cv2.GaussianBlur(luma, (0, 0), 3.0)
    light = np.interp(brightness, (16, 40, 80, 235), (0.7, 0.8, 1.0, 1.1)).astype(np.float32)
    light *= np.float32(strength)
    amplitudes = []
    for plain, limit, gain, most in zip(_PLAIN_RMS, _MOST_PLAIN_RMS, _TEXTURE_GAIN, _MOST_GAIN, strict=True):
        bare = np.minimum(plain * light, limit)
        amplitudes.append((bare * np.minimum(1 + gain * bent, most)).astype(np.float32))
    y, u, v = amplitudes
    return y * face, u, v
