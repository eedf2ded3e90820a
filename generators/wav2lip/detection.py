"""Where faces are in one picture: MTCNN (Zhang et al. 2016), as packaged by facenet-pytorch.

Its ``detect`` fails in many ways on pictures without faces, tiny pictures and batches; here it sees one RGB picture at
a time, no smaller and no larger than it likes, and whatever it still stumbles over counts as no face.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from thsafe.core.types import Frame

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels."""

_LEAST_SIDE: Final = 40
"""Pixels; below, MTCNN has no scale to look at."""
_LONGEST_SIDE: Final = 720
_LEAST_FACE: Final = 20
"""Pixels in the picture that MTCNN sees."""
_SURE: Final = 0.9
"""MTCNN's own probability."""


class FaceFinder:
    """MTCNN, loaded once.

    Args:
        device: ``cpu`` or ``cuda``.
    """

    def __init__(self, *, device: str = "cpu") -> None:
        from thsafe._torch_compat import prepare_torchvision

        prepare_torchvision()
        from facenet_pytorch import MTCNN

        self._mtcnn: Any = MTCNN(keep_all=True, min_face_size=_LEAST_FACE, device=device)

    def find(self, frame: Frame) -> tuple[Box, ...]:
        """The faces of one BGR picture, surest first, inside the picture; empty when there is none."""
        import cv2

        height, width = frame.shape[:2]
        if min(height, width) < _LEAST_SIDE:
            return ()
        scale = min(1.0, _LONGEST_SIDE / max(height, width))
        size = (max(_LEAST_SIDE, round(width * scale)), max(_LEAST_SIDE, round(height * scale)))
        small = frame if scale == 1.0 else cv2.resize(frame, size, interpolation=cv2.INTER_AREA)
        try:
            boxes, scores = self._mtcnn.detect(np.ascontiguousarray(small[:, :, ::-1]))
        except (ValueError, RuntimeError, IndexError, TypeError):
            return ()
        if boxes is None:
            return ()
        across, down = width / small.shape[1], height / small.shape[0]
        found: list[tuple[float, Box]] = []
        for corners, score in zip(np.asarray(boxes, np.float64).reshape(-1, 4), scores, strict=True):
            x0, x1 = (float(np.clip(x * across, 0, width)) for x in corners[0::2])
            y0, y1 = (float(np.clip(y * down, 0, height)) for y in corners[1::2])
            if score is not None and score >= _SURE and x1 - x0 >= 2 and y1 - y0 >= 2:
                found.append((float(score), (x0, y0, x1, y1)))
        return tuple(box for _, box in sorted(found, key=lambda item: -item[0]))
