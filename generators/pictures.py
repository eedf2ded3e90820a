"""Pictures drawn one by one from what they show, some of which may be passed over without being drawn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
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
