"""How far a technique came with a file: whether it looked at all, and if not, whose fault that is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from thsafe.core.types import Evidence, Status


class State(StrEnum):
    """What became of one technique; what it found is another matter."""

    OK = "ok"
    NOT_APPLICABLE = "not-applicable"
    LOW_QUALITY = "low-quality"
    ERROR = "error"


_LOW_QUALITY: Final = frozenset({"LOW-QUALITY", "SMALL-FACE", "UNSTABLE", "TOO-SHORT"})
_LOOKED: Final = frozenset({"EXPERIMENTAL", "INCONCLUSIVE", "CALIBRATED"})
"""Codes of techniques that looked and cannot say."""
STOPPED: Final = "STOPPED"
"""Code of a technique that failed."""


def state_of(item: Evidence) -> State:
    """The state that a finding shows."""
    if item.status is not Status.NOT_EVALUATED or item.code in _LOOKED:
        return State.OK
    if item.code == STOPPED:
        return State.ERROR
    return State.LOW_QUALITY if item.code in _LOW_QUALITY else State.NOT_APPLICABLE
