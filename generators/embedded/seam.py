"""Where the lips part: one curve on a closed mouth, two on an open one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from generators.embedded.landmarks import LOWER_INNER, UPPER_INNER, FaceFrame

Array = NDArray[np.float64]
Image = NDArray[np.uint8]

OPEN_GAP = 0.02
"""u: a mouth that shows more than this between its inner contours is open in the picture."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seam:
    """The upper and the lower lip's inner edge as y over x, in face coordinates; equal on a closed mouth."""

    x: Array
    upper: Array
    lower: Array
    is_open: bool
    gap: float
    """Mean opening in the picture, in u; 0 when closed."""

    def upper_at(self, x: Array) -> Array:
        """Height (y) of the upper lip's edge; level beyond the corners."""
        return np.interp(x, self.x, self.upper)

    def lower_at(self, x: Array) -> Array:
        """Height (y) of the lower lip's edge; level beyond the corners."""
        return np.interp(x, self.x, self.lower)


def find_seam(picture: Image, face: FaceFrame) -> Seam:
    """Find the seam of a mouth; ``picture`` is BGR (height, width, 3) in the pixels of ``face``."""
    points = face.points
    left, right = points[61, :2], points[291, :2]
    x = np.linspace(left[0], right[0], 97)
    upper = _contour(points, UPPER_INNER, x)
    lower = _contour(points, LOWER_INNER, x)
    if face.gap > OPEN_GAP:
        return Seam(x=x, upper=upper, lower=np.maximum(lower, upper), is_open=True, gap=face.gap)
    middle = _darkest_path(picture, face, x, (upper + lower) / 2)
    return Seam(x=x, upper=middle, lower=middle, is_open=False, gap=0.0)


def _contour(points: Array, marks: tuple[int, ...], x: Array) -> Array:
    """An inner contour from corner to corner as a function of x."""
    chain = points[[61, *marks, 291], :2]
    order = np.argsort(chain[:, 0], kind="stable")
    line = np.interp(x, chain[order, 0], chain[order, 1])
    kernel = np.hanning(9)[1:-1]
    padded = np.pad(line, 3, mode="edge")
    smooth: Array = np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return smooth


def _darkest_path(picture: Image, face: FaceFrame, x: Array, guess: Array) -> Array:
    """Move a guessed seam onto the dark line between closed lips.

    The landmarks of closed lips are 1 to 3 pixels off, which would cut through the lip. Dynamic programming finds, from
    column to column, the path of least luminance within .05u, with a price on leaving the guess and on jumps.
    """
    import cv2

    reach, count = 0.05, 41
    offsets = np.linspace(-reach, reach, count)
    where = np.stack(np.broadcast_arrays(x[None, :], guess[None, :] + offsets[:, None]), axis=-1)
    pixels = (where.reshape(-1, 2) @ face.axes * face.unit + face.origin).reshape(count, len(x), 2)
    grey = cv2.GaussianBlur(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), (0, 0), max(0.006 * face.unit, 0.5))
    light = cv2.remap(grey, pixels.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    light = light.astype(np.float64)
    cost = (light - light.mean(axis=0)) / max(float(light.std()), 1.0)
    cost = cost * 0.25 + 0.35 * (offsets[:, None] / reach) ** 2
    # the corners belong to the landmarks
    ends = np.clip(np.abs(np.linspace(-1, 1, len(x))) - 0.85, 0, None) / 0.15
    cost += 2.0 * ends * (np.abs(offsets[:, None]) / reach)
    jump = 0.02 * np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    total = cost[:, 0]
    steps = np.zeros((len(x), count), np.intp)
    for column in range(1, len(x)):
        options = total[None, :] + jump
        steps[column] = options.argmin(axis=1)
        total = options.min(axis=1) + cost[:, column]
    path = np.empty(len(x), np.intp)
    path[-1] = int(total.argmin())
    for column in range(len(x) - 1, 0, -1):
        path[column - 1] = steps[column, path[column]]
    kernel = np.hanning(11)[1:-1]
    padded = np.pad(offsets[path], 4, mode="edge")
    found: Array = guess + np.convolve(padded, kernel / kernel.sum(), mode="valid")
    return found
