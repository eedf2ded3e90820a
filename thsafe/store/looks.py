"""Pictures that look alike, found by the bits they share: multi-index hashing in a table that both databases have.

A look is a perceptual hash of 256 bits. Cut into eleven parts of 23 or 24 bits, two looks that differ in few bits have
some part in which they hardly differ: so each part is an indexed column, and whatever may be near is found by asking
every column for the values that are 0, 1 or 2 bits away from the part that is sought (Norouzi, Punjani and Fleet,
"Fast Search in Hamming Space with Multi-Index Hashing", CVPR 2012). Nothing near is missed; what is merely suspected is
weeded out by whoever asks (``thsafe.provenance.lookup``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import IntEnum
from functools import cache
from itertools import accumulate, combinations, pairwise

from sqlalchemy import Connection, delete, insert

from thsafe.core.looks import REACH, Look, Stored
from thsafe.store import schema

WIDTHS = schema.LOOK_WIDTHS
_BITS = sum(WIDTHS)
_STARTS = tuple(accumulate(WIDTHS, initial=0))


class Realm(IntEnum):
    """Whose looks; they are not looked up together."""

    OUTPUT = 0
    """Owner: position of the "output" entry in the log."""
    ORIGINAL = 1
    """Owner: number of the original."""


def parts_of(bits: bytes) -> tuple[int, ...]:
    """The whole numbers that the columns hold; the first part is the highest bits."""
    number = int.from_bytes(bits, "big")
    return tuple(number >> (_BITS - end) & ((1 << (end - start)) - 1) for start, end in pairwise(_STARTS))


def rows_of(realm: Realm, owner: int, looks: Iterable[Look]) -> list[dict[str, object]]:
    """What ``insert_looks`` writes, for those who write many at once."""
    return [
        {
            "kind": _kind(realm, whole=look.whole),
            "owner": owner,
            "bits": look.bits,
            **{schema.look_part(place): part for place, part in enumerate(parts_of(look.bits))},
        }
        for look in looks
    ]


def insert_looks(connection: Connection, realm: Realm, owner: int, looks: Iterable[Look]) -> None:
    """Make a file findable, inside the caller's transaction."""
    rows = rows_of(realm, owner, looks)
    if rows:
        connection.execute(insert(schema.look), rows)


def forget_looks(connection: Connection, realm: Realm, owners: Sequence[int]) -> None:
    """Files are not found by their looks any more."""
    column = schema.look.c
    kinds = [_kind(realm, whole=whole) for whole in (True, False)]
    connection.execute(delete(schema.look).where(column.kind.in_(kinds), column.owner.in_(list(owners))))


def near(
    connection: Connection, realm: Realm, asked: Sequence[Look], *, away: int, whole_only: bool = False
) -> Iterator[Stored]:
    """Stored looks of which some part is exactly ``away`` bits from that of an asked one.

    Args:
        connection: of ``reading``.
        realm: where to look.
        asked: views of the file in hand; one that is not whole is held against whole ones alone.
        away: 0, 1 or 2; the looks for all up to it together hold everything within ``REACH[away]`` bits.
        whole_only: lead to whole looks alone.

    Yields:
        Candidates, some of them far away; one that several asked looks lead to may come more than once.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(_BY_INDEX)
    for whole in (True, False):
        looks = [look for look in asked if look.whole is whole]
        first, last = _kind(realm, whole=True), _kind(realm, whole=whole_only or not whole)
        # One statement for a few: their text stays far below what SQLite takes (1 MB).
        for start in range(0, len(looks), _TOGETHER):
            # The numbers are our own, and so many that binding them would cost more than finding them.
            alike = " UNION ".join(
                f"SELECT id FROM look WHERE {schema.look_part(place)} IN ({values})"  # noqa: S608
                f" AND kind BETWEEN {first} AND {last}"
                for place, values in _places(looks[start : start + _TOGETHER], away)
            )
            found = connection.exec_driver_sql(f"SELECT owner, bits, kind FROM look WHERE id IN ({alike})")  # noqa: S608
            for owner, bits, kind in found.fetchall():
                yield Stored(owner, bytes(bits), kind == first)


_TOGETHER = 10
# The server takes thousands of values for a reason to read the whole table, and their plan for worth compiling.
_BY_INDEX = """
SELECT set_config(name, 'off', true) FROM (VALUES
('enable_seqscan'), ('enable_hashjoin'), ('enable_mergejoin'), ('jit')) AS setting (name)
"""


def _places(looks: Sequence[Look], away: int) -> list[tuple[int, str]]:
    """(number of a column, the values to ask it for, with commas between)."""
    found = []
    cut = [parts_of(look.bits) for look in looks]
    for place, width in enumerate(WIDTHS):
        if place == 0 and away == len(REACH) - 1:
            continue
        values = {parts[place] ^ change for parts in cut for change in _changes(width, away)}
        found.append((place, ",".join(map(str, values))))
    return found


@cache
def _changes(width: int, away: int) -> tuple[int, ...]:
    """All numbers of ``width`` bits of which ``away`` are set."""
    return tuple(sum(1 << bit for bit in bits) for bits in combinations(range(width), away))


def _kind(realm: Realm, *, whole: bool) -> int:
    return 2 * realm + (0 if whole else 1)
