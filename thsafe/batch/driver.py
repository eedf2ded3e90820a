"""Who drives a batch: one process at a time, told apart from a dead one.

A driver says in the batch's row who it is and, with everything that it writes, that it lives. On the same machine its
end is seen at once; of another machine's driver only silence can be seen. One that was silent and is not dead finds out
with its next write that it has lost the batch, and that write does not happen.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from thsafe.core.errors import StoreError, UsageError

if TYPE_CHECKING:
    from thsafe.core.types import Json
    from thsafe.store.batches import Batch, Batches

SILENCE = 60.0
"""Seconds after which a driver on another machine is taken for dead."""
HEARTBEAT = 10.0
"""Seconds between signs of life."""


def this_driver() -> dict[str, Json]:
    """A new name for this process as a driver."""
    return {
        "token": secrets.token_hex(8),
        "host": os.uname().nodename,
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "place": _place(),
    }


@contextmanager
def held(batches: Batches, batch: Batch) -> Iterator[dict[str, Json]]:
    """Drive a batch while the block lasts.

    Raises:
        UsageError: ``batch.running``: another driver has it.
    """
    driver = this_driver()
    while True:
        now = batches.get(batch.id)
        if now.driver is not None and _lives(now):
            raise _running(now)
        if batches.hold(batch.id, driver, instead_of=now.driver):
            break
    try:
        yield driver
    finally:
        with suppress(StoreError):  # it will be seen that this process is gone
            batches.release(batch.id, driver, finished=False)


def _lives(batch: Batch) -> bool:
    driver = batch.driver or {}
    if driver.get("place") == _place():
        started = _started(int(driver["pid"]))
        return started is not None and started == str(driver["started"])
    return bool(time.time() - (batch.driver_at or 0) < SILENCE)


def _running(batch: Batch) -> UsageError:
    driver = batch.driver or {}
    silent = max(0, round(time.time() - (batch.driver_at or 0)))
    here = driver.get("place") == _place()
    wait = "" if here else f" (its place is free when it has been silent for {SILENCE:.0f} s)"
    return UsageError(
        f"Batch {batch.id} is being run by another process.",
        code="batch.running",
        found=f"process {driver.get('pid')} on {driver.get('host')}, last heard of {silent} s ago",
        rule="one driver a batch: it alone writes rows and log",
        next_step=f"watch it: thsafe batch status {batch.id}; stop it: thsafe batch cancel {batch.id}{wait}",
        log="nothing was changed",
    )


def _place() -> str:
    """This running system and its process numbers: containers on one machine have numbers of their own."""
    boot = "?"
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        boot += f"/{Path('/proc/self/ns/pid').readlink()}"
    return f"{os.uname().nodename}/{boot}"


def _started(pid: int) -> str | None:
    """When a process began, in the kernel's words; None where there is none (any more)."""
    try:
        facts = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if facts[0] in {"Z", "X"} else facts[19]
