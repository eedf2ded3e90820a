"""Driver and workers must look into the same log: a worker with another one would find nothing of what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from thsafe.core.errors import UsageError
from thsafe.core.types import Json

if TYPE_CHECKING:
    from thsafe.installation import Installation


def log_of(installation: Installation | None) -> str:
    """The log's name; empty where there is none."""
    return "" if installation is None else installation.ledger.origin


def check_same_log(brief: Mapping[str, Json], installation: Installation | None) -> None:
    """Raise UsageError ``batch.other-log`` where this process has another log than the driver."""
    if log_of(installation) != brief["log"]:
        import os

        raise UsageError(
            "A worker has another log than the driver.",
            code="batch.other-log",
            found=f"{os.uname().nodename} has {log_of(installation) or 'none'}, the driver {brief['log'] or 'none'}",
            rule="all look into one log",
            next_step="give every node the same THSAFE_HOME and THSAFE_DB (docs/howto/scale.md)",
        )
