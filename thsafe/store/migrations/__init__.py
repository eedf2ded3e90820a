"""How the tables came about, one numbered step each; a step that was published is never changed again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from thsafe.store.migrations import batch, first, looks, stage

if TYPE_CHECKING:
    from alembic.operations import Operations

STEPS: Mapping[int, Callable[[Operations], None]] = {
    1: first.upgrade,
    2: stage.upgrade,
    3: batch.upgrade,
    4: looks.upgrade,
}
"""The version that a step leads to -> the step."""
