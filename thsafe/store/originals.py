"""Footage of one's own, known again by its fingerprints: the rows behind ``thsafe.comparison.originals``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, select

from thsafe.core.looks import Look, Stored
from thsafe.home import Home
from thsafe.store import looks
from thsafe.store.engine import open_engine, reading, writing
from thsafe.store.looks import Realm
from thsafe.store.schema import original

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """One entry of the index."""

    sha256: str
    path: str
    """Where it lay when it was added."""
    size_bytes: int
    duration: float | None
    prints: str
    """Text of ``thsafe.provenance.prints``."""
    added_at: str

    def present(self) -> bool:
        """Whether a file of that size lies there still."""
        try:
            return Path(self.path).stat().st_size == self.size_bytes
        except OSError:
            return False


class OriginalRows:
    """The index of one database."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, home: Home) -> OriginalRows:
        """The index in a home's database, which is made on first use; raises StoreError if it cannot be opened."""
        if home.database_url.startswith("sqlite"):
            home.prepare()
        return cls(open_engine(home.database_url))

    def close(self) -> None:
        """Let go of the database connections."""
        self._engine.dispose()

    def any(self) -> bool:
        """Is there one at all?"""
        with reading(self._engine) as connection:
            return connection.execute(select(original.c.number).limit(1)).first() is not None

    def all(self) -> Iterator[Original]:
        """All entries by path, streamed."""
        query = select(original).order_by(original.c.path, original.c.number)
        with reading(self._engine) as connection:
            for row in connection.execution_options(yield_per=_PAGE).execute(query).mappings():
                yield _entry(row)

    def known(self, path: str, size_bytes: int) -> bool:
        """Whether a file of that size at that place is in the index."""
        column = original.c
        query = select(column.number).where(column.path == path, column.size_bytes == size_bytes)
        with reading(self._engine) as connection:
            return connection.execute(query).first() is not None

    def add(self, entry: Original) -> None:
        """Keep one entry; the same bytes at another place replace the place."""
        from thsafe.provenance.views import looks_of_prints

        with writing(self._engine) as connection:
            _forget(connection, [entry.sha256])
            add = insert(original).values(asdict(entry)).returning(original.c.number)
            number = connection.execute(add).scalar_one()
            looks.insert_looks(connection, Realm.ORIGINAL, number, looks_of_prints(entry.prints))

    def forget(self, digests: Sequence[str]) -> None:
        """Take entries out."""
        with writing(self._engine) as connection:
            for start in range(0, len(digests), _PAGE):
                _forget(connection, digests[start : start + _PAGE])

    def near(self, asked: Sequence[Look], *, away: int, whole_only: bool) -> list[Stored]:
        """Looks of originals that may be near, owned by their number; see ``thsafe.store.looks.near``."""
        with reading(self._engine) as connection:
            return list(looks.near(connection, Realm.ORIGINAL, asked, away=away, whole_only=whole_only))

    def pictures(self, owners: Sequence[int]) -> Mapping[int, tuple[str, str]]:
        """Number -> (SHA-256 of the file, fingerprint of its picture)."""
        from thsafe.provenance.prints import Prints

        query = select(original.c.number, original.c.sha256, original.c.prints).where(
            original.c.number.in_(list(owners))
        )
        with reading(self._engine) as connection:
            rows = connection.execute(query).all()
        found = {number: (name, Prints.of_text(text).picture) for number, name, text in rows}
        return {number: (name, picture) for number, (name, picture) in found.items() if picture is not None}

    def fingerprints(self) -> Iterator[tuple[str, str]]:
        """(SHA-256 of the file, text of its prints) of all, streamed."""
        for entry in self.all():
            yield entry.sha256, entry.prints

    def by_sha256(self, digests: Sequence[str]) -> Mapping[str, Original]:
        """The entries of these files."""
        query = select(original).where(original.c.sha256.in_(list(digests)))
        with reading(self._engine) as connection:
            rows = connection.execute(query).mappings().all()
        return {row["sha256"]: _entry(row) for row in rows}


def _forget(connection: Connection, digests: Sequence[str]) -> None:
    these = original.c.sha256.in_(list(digests))
    numbers = list(connection.execute(select(original.c.number).where(these)).scalars())
    looks.forget_looks(connection, Realm.ORIGINAL, numbers)
    connection.execute(delete(original).where(these))


def _entry(row: RowMapping) -> Original:
    return Original(**{name: value for name, value in row.items() if name != "number"})
