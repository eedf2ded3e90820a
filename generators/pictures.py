"""Pictures drawn one by one from what they show, some of which may be passed over without being drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from thsafe.core.types import Frame

_State = TypeVar("_State")


class Pictures(Iterator["Frame"], Generic[_State]):
    """One picture per state.

    Args:
        states: what each picture shows: cheap to make, and made in order, such as the poses of a performance.
        draw: the costly part.
    """

    def __init__(self, states: Iterable[_State], draw: Callable[[_State], Frame]) -> None:
        self._states = iter(states)
        self._draw = draw

    def __next__(self) -> Frame:
        return self._draw(next(self._states))

    def skip(self, count: int) -> None:
        """Pass over the next ``count`` pictures: see ``Draft.skip``."""
        for _ in range(count):
            next(self._states, None)


class Batches(Iterator["Frame"], Generic[_State]):
    """The same for networks, which draw several pictures at once.

    A job that is gone on with draws the batches that an unbroken one draws: what a network gives for one picture
    depends, in its last bits, on what it is given beside it.

    Args:
        states: as for :class:`Pictures`.
        draw: the pictures of a batch.
        size: of a batch.
        count: of all pictures.
    """

    def __init__(
        self, states: Iterable[_State], draw: Callable[[list[_State]], Iterable[Frame]], *, size: int, count: int
    ) -> None:
        self._states, self._draw = iter(states), draw
        self.size = size
        self.left = count
        """Pictures to come."""
        self._drawn: Iterator[Frame] = iter(())

    def __next__(self) -> Frame:
        frame = next(self._drawn, None)
        if frame is None:
            batch = list(islice(self._states, self.size))
            if not batch:
                raise StopIteration
            self._drawn = iter(self._draw(batch))
            frame = next(self._drawn)
        self.left -= 1
        return frame

    def skip(self, count: int) -> None:
        """Pass over the first ``count`` pictures: see ``Draft.skip``. Of a batch begun, all are drawn."""
        whole, rest = divmod(count, self.size)
        for _ in range(whole * self.size):
            next(self._states, None)
        self.left -= whole * self.size
        for _ in range(rest):
            next(self, None)
