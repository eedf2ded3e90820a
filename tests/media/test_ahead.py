"""Items made ahead arrive in order, with their errors, and nothing is left running."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from thsafe.media.ahead import ahead


def running() -> int:
    return sum(thread.name == "ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("depth", [1, 4, 100])
def test_order_and_number_stay(depth: int) -> None:
    assert list(ahead((n * n for n in range(50)), depth)) == [n * n for n in range(50)]
    assert list(ahead([], depth)) == []
    assert list(ahead([None, False], depth)) == [None, False]
    assert running() == 0


def test_an_error_comes_after_the_items_before_it() -> None:
    def failing() -> Iterator[int]:
        yield 1
        yield 2
        raise KeyError("third")

    items = ahead(failing())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="third"):
        next(items)
    assert running() == 0


def test_leaving_early_ends_the_maker_and_closes_it() -> None:
    closed = []

    def endless() -> Iterator[int]:
        try:
            number = 0
            while True:
                yield number
                number += 1
        finally:
            closed.append(threading.current_thread().name)

    items = ahead(endless(), 2)
    assert next(items) == 0
    items.close()  # type: ignore[attr-defined]  # it is a generator
    assert closed == ["ahead"]
    assert running() == 0


def test_only_so_many_wait() -> None:
    made: list[int] = []

    def counting() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    items = ahead(counting(), 3)
    next(items)
    time.sleep(0.2)
    assert len(made) <= 3 + 2
    items.close()  # type: ignore[attr-defined]  # it is a generator


def test_making_and_using_overlap() -> None:
    def slow() -> Iterator[int]:
        for number in range(5):
            time.sleep(0.05)
            yield number

    started = time.perf_counter()
    for _ in ahead(slow()):
        time.sleep(0.05)
    assert time.perf_counter() - started < 0.45
