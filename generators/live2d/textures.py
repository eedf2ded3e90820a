"""Which size of its textures a figure is drawn from, and what of it is drawn for nothing; in the child process alone.

Mesa's llvmpipe spends a third of its time on choosing, pixel by pixel, between sizes of a texture and on mixing them. A
figure is drawn at one scale throughout, so one size is chosen for all of it, once: the one that comes nearest to the
figure drawn several times as large and then made smaller.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import cv2
import numpy as np

from generators.live2d.egl import EglError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from generators.live2d.egl import Surface

_LEVELS: Final = 4
_LARGEST: Final = 2048
"""Pixels of the longer side of the picture that others are compared with; of twice the size at least."""
_HIT_PART: Final = "PartCore"
"""What Cubism Editor's templates call the part with the areas that answer a click: it is drawn, and never seen."""


def choose_textures(surface: Surface, draw: Callable[[], None], fit: Callable[[int, int], None]) -> None:
    """Look at all textures in the size that suits this view best.

    Args:
        surface: where the figure is drawn.
        draw: draws it at rest.
        fit: told the size of the picture before anything is drawn into it.
    """
    width, height = surface.size
    times = max(2, min(4, _LARGEST // max(width, height)))
    try:
        with surface.enlarged(times):
            fit(width * times, height * times)
            wanted = cv2.resize(_drawn(surface, draw), (width, height), interpolation=cv2.INTER_AREA)
    except EglError:
        return  # no room for so large a picture: textures are looked at as they are
    fit(width, height)
    far = []
    for level in range(_LEVELS):
        surface.start_textures_at(level)
        far.append(float(np.square(_drawn(surface, draw) - wanted).mean()))
    surface.start_textures_at(int(np.argmin(far)))


def unseen_part(model: Any, surface: Surface, draw: Callable[[], None]) -> int | None:
    """The part with areas to click at, where there is one and the picture is the same without it."""
    parts = model.GetPartIds()
    if _HIT_PART not in parts:
        return None
    place = int(parts.index(_HIT_PART))
    before = _drawn(surface, draw)
    model.SetPartOpacity(place, 0.0)
    same = np.array_equal(before, _drawn(surface, draw))
    model.SetPartOpacity(place, 1.0)
    return place if same else None


def _drawn(surface: Surface, draw: Callable[[], None]) -> NDArray[np.float32]:
    draw()
    width, height = surface.size
    return np.frombuffer(surface.read(), np.uint8).reshape(height, width, 4)[..., :3].astype(np.float32)
