"""Small media made on the spot for the tests of thsafe.media."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from thsafe.media.encode import Mp4Writer
from thsafe.media.planes import i420_from_bgr


def moving_frame(index: int, width: int = 64, height: int = 48) -> np.ndarray:
    """A gradient with a bar that moves: no two pictures alike."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0] = np.linspace(30, 220, width, dtype=np.uint8)[None, :]
    frame[..., 1] = np.linspace(200, 40, height, dtype=np.uint8)[:, None]
    frame[:, (3 * index) % width : (3 * index) % width + 4] = (40, 80, 240)
    return frame


def write_clip(
    path: Path, frames: int = 50, *, width: int = 64, height: int = 48, sound: bool = True, **options
) -> Path:
    """A clip at 25 frames per second with a 440 Hz tone."""
    rate = 16000
    samples = np.arange(rate // 25, dtype=np.float32)
    with Mp4Writer(
        path, width=width, height=height, fps=Fraction(25), sample_rate=rate if sound else 0, **options
    ) as writer:
        for index in range(frames):
            writer.write_picture(i420_from_bgr(moving_frame(index, width, height)))
            if sound:
                block = 0.3 * np.sin(2 * np.pi * 440 * (samples + index * len(samples)) / rate)
                writer.write_sound(block[:, None].astype(np.float32))
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds, 64 x 48, with sound. Read only."""
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mp4")


@pytest.fixture(scope="session")
def make_clip():
    """``write_clip``, for tests that want their own."""
    return write_clip
