"""Making things while others are used: an iterator that runs in a thread of its own, a few items ahead."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

_Item = TypeVar("_Item")
_POLL: float = 0.1
"""Seconds after which a maker whose items nobody takes looks whether anybody still will."""


def ahead(items: Iterable[_Item], depth: int = 4) -> Iterator[_Item]:
    """The same items in the same order, made in another thread up to ``depth`` ahead of their use.

    Numpy, OpenCV and the encoder release the interpreter's lock, so drawing and encoding share two cores. What the
    maker raises is raised here, after the items before it. Leaving the loop early ends the thread: it finishes the
    item in hand, and a generator's ``finally`` blocks run.

    Args:
        items: made one by one; used by the other thread alone from now on.
        depth: how many may wait, 1 or more; memory stays at ``depth`` + 2 items.
    """
    waiting: queue.Queue[tuple[bool, _Item | BaseException | None]] = queue.Queue(max(1, depth))
    left = threading.Event()

    def put(entry: tuple[bool, _Item | BaseException | None]) -> bool:
        while not left.is_set():
            try:
                waiting.put(entry, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False

    def make() -> None:
        source = iter(items)
        try:
            for item in source:
                if not put((True, item)):
                    break
            else:
                put((False, None))
        except BaseException as problem:  # noqa: BLE001 - carried over to the thread that waits
            put((False, problem))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=make, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            more, entry = waiting.get()
            if not more:
                if isinstance(entry, BaseException):
                    raise entry
                return
            yield entry  # type: ignore[misc]  # an entry that counts as an item is one
    finally:
        left.set()
        thread.join()
