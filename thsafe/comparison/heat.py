"""Pictures that show where a suspect differs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from thsafe.core.types import MediaKind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from thsafe.core.types import Frame

_FULL = 8.0
"""Levels of luma at which the map is fully coloured."""
_WIDTH = 480


def coloured(frame: Frame, heat: NDArray[np.float32]) -> Frame:
    """A picture in grey, 480 pixels wide, with what differs in red.

    Args:
        frame: of the original, BGR.
        heat: levels of luma at any size of the same picture.
    """
    import cv2

    size = (_WIDTH, max(1, round(frame.shape[0] * _WIDTH / frame.shape[1])))
    grey = cv2.cvtColor(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), cv2.COLOR_BGR2GRAY)
    share = np.clip(cv2.resize(cv2.GaussianBlur(heat, (0, 0), 1.5), size) / _FULL, 0, 1)[:, :, None]
    red = np.array([40, 30, 255], np.float32)
    mixed: Frame = (grey[:, :, None].astype(np.float32) * 0.8 * (1 - 0.85 * share) + red * 0.85 * share).astype(
        np.uint8
    )
    return mixed


def picture_at(path: Path, seconds: float) -> Frame | None:
    """The picture of a film at a moment, or the picture itself; None for sound."""
    from thsafe.media.decode import VideoReader
    from thsafe.media.image import read_image
    from thsafe.media.probe import probe

    kind = probe(path).kind
    if kind is MediaKind.IMAGE:
        return read_image(path)
    if kind is not MediaKind.VIDEO:
        return None
    with VideoReader(path) as reader:
        frames = reader.frames_at([max(0.0, seconds)])
    return frames[0][1] if frames else None
