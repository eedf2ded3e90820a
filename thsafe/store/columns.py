"""Kinds of columns that give what they are declared to hold, whatever somebody put there.

SQLite keeps a value of any kind in any column (https://sqlite.org/datatype3.html §3), so whoever can write to the file
could stop a check with a number where text belongs. Here it becomes text, and the check goes on and finds it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Float, Integer, LargeBinary, SmallInteger, String, Text, TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

NO_NUMBER = -1
"""What stands for something that is no whole number: no position, size or count of ours is below zero."""


class Words(TypeDecorator[str]):
    """Text of any length."""

    impl: Any = Text
    cache_ok = True

    def process_result_value(self, value: object, dialect: Dialect) -> str | None:
        """Anything else in the notation of Python."""
        del dialect
        return value if value is None or isinstance(value, str) else repr(value)


class Letters(Words):
    """Text of so many letters at most."""

    impl = String
    cache_ok = True


class Octets(TypeDecorator[bytes]):
    """Bytes."""

    impl = LargeBinary
    cache_ok = True

    def process_result_value(self, value: object, dialect: Dialect) -> bytes | None:
        """Anything else as text in UTF-8."""
        del dialect
        return value if value is None or isinstance(value, bytes) else str(value).encode()


class Number(TypeDecorator[int]):
    """A whole number of 32 bits."""

    impl: Any = Integer
    cache_ok = True

    def process_result_value(self, value: object, dialect: Dialect) -> int | None:
        """Anything else as ``NO_NUMBER``."""
        del dialect
        return value if value is None or isinstance(value, int) else NO_NUMBER


class SmallNumber(Number):
    """A whole number of 16 bits."""

    impl = SmallInteger
    cache_ok = True


class BigNumber(Number):
    """A whole number of 64 bits: positions, sizes, counts."""

    impl = BigInteger
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[int]:
        """SQLite stores a table under its key only where the column is declared exactly INTEGER."""
        return dialect.type_descriptor(Integer() if dialect.name == "sqlite" else BigInteger())


class Real(TypeDecorator[float]):
    """A number with a fraction."""

    impl = Float
    cache_ok = True

    def process_result_value(self, value: object, dialect: Dialect) -> float | None:
        """Anything else as 0."""
        del dialect
        return value if value is None or isinstance(value, int | float) else 0.0
