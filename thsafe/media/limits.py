"""How much of a file thsafe will take on before it looks inside: the guard against bombs and mistakes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for one input; a file over any of them is refused with ``input.too-large`` or ``input.too-long``."""

    max_bytes: int = 4 * 1024**3
    """Size on disk."""
    max_pixels: int = 8192 * 8192
    """Width times height of a still picture: 67 million, 200 MB once decoded."""
    max_frame_pixels: int = 8192 * 4352
    """The same for video, whose decoder holds many frames at once: 8K."""
    max_side: int = 16384
    """Longest side in pixels; keeps thin, absurd shapes out."""
    max_seconds: float = 4 * 3600.0
    """Running time of sound or video."""
    max_frames: int = 4 * 3600 * 60
    """Pictures in one video: four hours at 60 per second."""


DEFAULT_LIMITS = Limits()
