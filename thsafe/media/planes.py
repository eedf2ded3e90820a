"""Pictures as the encoder takes them: I420 planes that label and watermark change in place.

I420 is one ``uint8`` array of shape (height * 3 / 2, width): luma, then U and V at half size (BT.601 studio range, as
``cv2.cvtColor`` makes it). Width and height are even.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Plane = NDArray[np.uint8]


class Planes(NamedTuple):
    """Views into one I420 array; writing to them writes to the picture."""

    y: Plane
    """(height, width)"""
    u: Plane
    """(height / 2, width / 2)"""
    v: Plane
    """(height / 2, width / 2)"""


def i420_from_bgr(frame: Plane) -> Plane:
    """Convert a BGR frame (height, width, 3) with even sides to I420 (height * 3 / 2, width)."""
    import cv2

    converted: Plane = cv2.cvtColor(frame, cv2.COLOR_BGR2YUV_I420)
    return converted


def bgr_from_i420(i420: Plane) -> Plane:
    """Convert I420 (height * 3 / 2, width) to a BGR frame (height, width, 3)."""
    import cv2

    converted: Plane = cv2.cvtColor(i420, cv2.COLOR_YUV2BGR_I420)
    return converted


def split_planes(i420: Plane) -> Planes:
    """The three planes of a contiguous I420 array, without a copy."""
    rows, width = i420.shape
    height = rows * 2 // 3
    quarter = (height // 2) * (width // 2)
    flat = i420.reshape(-1)
    luma = height * width
    half = (height // 2, width // 2)
    return Planes(
        y=i420[:height],
        u=flat[luma : luma + quarter].reshape(half),
        v=flat[luma + quarter : luma + 2 * quarter].reshape(half),
    )
