"""Lines to PostgreSQL that stay open: connections on which each statement is a transaction of its own.

A writer takes one for every event. What SQLAlchemy does when a connection is taken from its pool and given back is
more work than the events themselves; so the lines rest here, in the hands of who uses them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from thsafe.store.driver import driver_of
from thsafe.store.engine import is_alive
from thsafe.store.failures import translated

_KEPT = 4
"""More than these are closed again: others want to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines:
    """The lines of one process to one server; for all its threads."""

    engine: Engine
    _resting: list[tuple[Connection, float]] = field(default_factory=list)

    @contextmanager
    def line(self) -> Iterator[Connection]:
        """A line for one's own use.

        Raises:
            StoreError: the server cannot be reached, or refused a statement.
        """
        with translated(self.engine):
            connection = self._take() or self._open()
            try:
                yield connection
            except BaseException:
                # With the connection goes whatever lock it may hold.
                _hang_up(connection)
                raise
            if len(self._resting) < _KEPT:
                self._resting.append((connection, time.monotonic()))
            else:
                _hang_up(connection)

    def close(self) -> None:
        """Hang up on all that rest."""
        while self._resting:
            _hang_up(self._resting.pop()[0])

    def _take(self) -> Connection | None:
        while self._resting:
            try:
                connection, since = self._resting.pop()
            except IndexError:  # another thread was faster
                return None
            if is_alive(connection.connection.dbapi_connection, rested=time.monotonic() - since):
                return connection
            _hang_up(connection)
        return None

    def _open(self) -> Connection:
        connection = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        # The driver's own preparing would, after an undone transaction, make the server forget the names of what is
        # prepared here (``thsafe.store.driver``).
        driver_of(connection).prepare_threshold = None
        return connection


def _hang_up(connection: Connection) -> None:
    connection.invalidate()
    connection.close()
