"""Time as thsafe writes it: UTC, whole seconds or milliseconds, RFC 3339 with ``Z``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Anything that tells the time; injected so that tests can move it."""


def system_clock() -> datetime:
    """The machine's time in UTC."""
    return datetime.now(UTC)


def to_text(moment: datetime) -> str:
    """RFC 3339 with milliseconds, ``2026-11-22T19:30:00.123Z``."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Read an RFC 3339 time stamp; raises ValueError for anything else or for a time without zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)
