"""Which encoders this machine's FFmpeg has."""

from __future__ import annotations


def available_encoders() -> dict[str, bool]:
    """For each encoder that thsafe writes with, by name: is it there?"""
    from av.codec import Codec
    from av.error import FFmpegError

    found = {}
    for name in ("libx264", "aac"):
        try:
            Codec(name, "w")
        except (FFmpegError, ValueError):
            found[name] = False
        else:
            found[name] = True
    return found
