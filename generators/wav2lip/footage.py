"""The video's pictures at an even rate and in any order, without ever holding many of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from thsafe.media.decode import VideoReader

if TYPE_CHECKING:
    from thsafe.core.types import Frame

_USUAL: Final = tuple(
    Fraction(*rate)
    for rate in ((24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (50, 1), (60000, 1001), (60, 1))
)
_CLOSE: Final = 0.0004
"""Relative: 23.98 is 24000/1001, but 24 is not."""
_FASTEST: Final = 60
_HELD: Final = 16
"""Pictures that are held while the video runs backwards."""


class Footage:
    """One video, seen as pictures 0, 1, 2… at an even rate.

    A picture stays until the next one's time has come, to within half an output picture: videos of even rate come out
    picture by picture, and those of uneven rate in real time.

    An odd last row or column is left out, since encoders want even sides.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        with VideoReader(path) as reader:
            info = reader.info
        self.fps = even_rate(info.fps)
        self.width, self.height = (info.width or 0) & ~1, (info.height or 0) & ~1
        self.expected = None if info.duration is None else round(info.duration * self.fps)
        """About how many pictures there are; None where the file does not say."""
        self._times: list[float] = []
        """When each picture of the latest whole pass is shown: 8 bytes a picture."""

    def frames(self) -> Iterator[Frame]:
        """All pictures in order, BGR, with even sides."""
        times: list[float] = []
        with VideoReader(self._path) as reader:
            for seconds, frame in _evenly(reader.iter_bgr(), self.fps):
                times.append(seconds)
                yield self._even(frame)
        self._times = times

    def ordered(self, order: Iterable[int]) -> Iterator[Frame]:
        """Pictures by number; rising numbers cost one pass, falling ones a jump for every few.

        :meth:`frames` must have been read to its end before.
        """
        pass_: Iterator[Frame] = iter(())
        at, frame = -1, None
        held: dict[int, Frame] = {}
        for index in order:
            if index in held:
                frame = held[index]
            elif frame is not None and index == at:
                pass
            elif frame is not None and index == at - 1:
                held = self._stretch(max(0, index - _HELD + 1), index)
                frame = held[index]
                pass_ = iter(())
            else:
                held = {}
                pass_, frame = self._forward(pass_, at, index)
            at = index
            yield frame

    def _forward(self, pass_: Iterator[Frame], at: int, index: int) -> tuple[Iterator[Frame], Frame]:
        """Go on to picture ``index`` in the pass that stands after ``at``, or in a new one."""
        steps = index - at
        if steps > 0:
            for frame in pass_:
                steps -= 1
                if not steps:
                    return pass_, frame
        pass_ = self.frames()
        for number, frame in enumerate(pass_):
            if number == index:
                return pass_, frame
        raise IndexError(index)

    def _stretch(self, first: int, last: int) -> dict[int, Frame]:
        """Pictures ``first`` to ``last``."""
        times = self._times[first : last + 1]
        with VideoReader(self._path) as reader:
            found = dict(reader.frames_at(sorted(set(times))))
        nearest = sorted(found)
        return {
            first + n: self._even(found[min(nearest, key=lambda moment: abs(moment - seconds))])
            for n, seconds in enumerate(times)
        }

    def _even(self, frame: Frame) -> Frame:
        return frame[: self.height, : self.width]


def even_rate(fps: Fraction | None) -> Fraction:
    """The rate of the output for a video of this average rate: a usual one where it is close, at most 60."""
    if not fps or fps <= 0:
        return Fraction(25)
    for usual in _USUAL:
        if abs(float(fps / usual) - 1) < _CLOSE:
            return usual
    return min(Fraction(_FASTEST), max(Fraction(1), fps.limit_denominator(1000)))


def _evenly(pictures: Iterator[tuple[float, Frame]], fps: Fraction) -> Iterator[tuple[float, Frame]]:
    """Picture n is the latest one whose time has come at n / fps; (its own seconds, picture)."""
    shown: tuple[float, Frame] | None = None
    index = 0
    first = 0.0
    for seconds, frame in pictures:
        if shown is None:
            first = seconds
        else:
            while float((index + Fraction(1, 2)) / fps) < seconds - first:
                yield shown
                index += 1
        shown = (seconds, frame)
    if shown is not None:
        yield shown
