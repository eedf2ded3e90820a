"""How long a slow engine will take: said once its first pictures have been drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from generators.pictures import Batches
    from thsafe.core.types import Frame, Progress

_WORTH_SAYING: Final = 60.0
"""Seconds that the rest must take."""


def paced(pictures: Batches[Any], progress: Progress) -> Iterator[Frame]:
    """The same pictures; after the first batch, a note of how long the rest takes, where that is over a minute.

    Args:
        pictures: each batch drawn when its first picture is asked for.
        progress: told.
    """
    start = time.monotonic()
    first = next(pictures, None)
    if first is None:
        return
    each = (time.monotonic() - start) / pictures.size
    left = each * pictures.left
    if left > _WORTH_SAYING:
        digits = 1 if each >= 1 else 2
        progress.note(f"{pictures.left + 1} pictures at {each:.{digits}f} s each: about {_words(left)}")
    yield first
    yield from pictures


def _words(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{seconds / 3600:.1f} h"
