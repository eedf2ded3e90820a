"""How long a slow engine will take: said once its first picture has been drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from thsafe.core.types import Frame, Progress

_WORTH_SAYING: Final = 60.0
"""Seconds that the rest must take."""


def paced(frames: Iterator[Frame], count: int, progress: Progress) -> Iterator[Frame]:
    """The same pictures; after the first, a note of how long the rest takes, where that is over a minute.

    Args:
        frames: the pictures, each drawn when it is asked for.
        count: how many there are.
        progress: told.
    """
    start = time.monotonic()
    for number, frame in enumerate(frames):
        if number == 0:
            seconds = time.monotonic() - start
            left = seconds * (count - 1)
            if left > _WORTH_SAYING:
                progress.note(f"{count} pictures at {seconds:.1f} s each: about {_words(left)}")
        yield frame


def _words(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"
