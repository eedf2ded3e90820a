"""What a camera sees at a moment: a film in its own time, or a stream of JPEG pictures, of which the newest counts."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import IO, TYPE_CHECKING, Final

from thsafe.core.errors import InputError

if TYPE_CHECKING:
    from thsafe.core.types import Frame

Camera = Callable[[float], "Frame | None"]
"""Seconds since the start, rising, to the picture then seen (BGR); None once there are no more."""

_LARGEST: Final = 16 << 20
"""Bytes of a picture; a stream without an end mark for longer is none."""
_PATIENCE: Final = 20.0
"""Seconds to wait for the first picture."""


def film(pictures: Iterator[tuple[float, Frame]]) -> Camera:
    """A film's (seconds, picture), each seen until the next one's time."""
    shown = next(pictures, None)
    following = next(pictures, None)
    first = 0.0 if shown is None else shown[0]
    pause = 0.04 if shown is None or following is None else following[0] - shown[0]

    def at(seconds: float) -> Frame | None:
        nonlocal shown, following
        while following is not None and following[0] - first <= seconds:
            shown, following = following, next(pictures, None)
        if shown is None or (following is None and seconds >= shown[0] - first + pause):
            return None
        return shown[1]

    return at


def stream(file: IO[bytes]) -> Camera:
    """JPEG pictures one after the other (MJPEG), read in a thread of their own: who is slow misses some.

    Raises:
        InputError: ``live.video`` when no picture comes.
    """
    news = threading.Event()
    newest: list[Frame] = []
    ended = threading.Event()

    def read() -> None:
        try:
            for picture in _decoded(file):
                newest[:] = [picture]
                news.set()
        finally:
            ended.set()
            news.set()

    threading.Thread(target=read, name="camera", daemon=True).start()
    news.wait(_PATIENCE)
    if not newest:
        raise InputError(
            "No picture came from the stream.",
            code="live.video",
            found="the stream ended" if ended.is_set() else f"nothing for {_PATIENCE:.0f} s",
            rule="JPEG pictures one after the other",
            next_step="ffmpeg -f v4l2 -i /dev/video0 -f mjpeg - | thsafe live --person ada --video -",
        )
    return lambda _: None if ended.is_set() else newest[0]


def watched(
    camera: Camera, fps: Fraction, start: float, clock: Callable[[], float], sleep: Callable[[float], None]
) -> Iterator[tuple[float, Frame]]:
    """(seconds, picture) at every tick of ``fps``, none before its time."""
    for number in itertools.count():
        seconds = float(number / fps)
        wait = start + seconds - clock()
        if wait > 0:
            sleep(wait)
        picture = camera(seconds)
        if picture is None:
            return
        yield seconds, picture


def _decoded(file: IO[bytes]) -> Iterator[Frame]:
    import cv2
    import numpy as np

    held = b""
    read = getattr(file, "read1", file.read)
    while data := read(1 << 16):
        held += data
        while (end := held.find(b"\xff\xd9")) >= 0:
            begin = held.find(b"\xff\xd8", 0, end)
            if begin >= 0:
                picture = cv2.imdecode(np.frombuffer(held[begin : end + 2], np.uint8), cv2.IMREAD_COLOR)
                if picture is not None:
                    yield np.asarray(picture, np.uint8)
            held = held[end + 2 :]
        if len(held) > _LARGEST:
            return
