"""The driver under SQLAlchemy, for what is said to it directly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    import psycopg


@contextmanager
def driver_of(connection: Connection) -> Iterator[psycopg.Connection]:
    """The driver's own connection; its errors come as those of SQLAlchemy."""
    driver = cast("psycopg.Connection", connection.connection.driver_connection)
    errors = connection.dialect.loaded_dbapi.Error
    try:
        yield driver
    except errors as problem:
        gone = driver.closed
        if gone:
            connection.invalidate()
        raise DBAPIError.instance(None, None, problem, errors, connection_invalidated=gone) from problem
