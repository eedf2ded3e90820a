"""What to say when a network does not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from thsafe.core.errors import EngineError


@contextmanager
def enough_memory() -> Iterator[None]:
    """Run a network; raises EngineError ``engine.memory`` where there is too little memory for it."""
    try:
        with torch.inference_mode():
            yield
    except (torch.OutOfMemoryError, MemoryError) as problem:
        raise _too_little(str(problem)) from problem
    except RuntimeError as problem:
        if "allocate memory" in str(problem):  # the way torch says so of the machine's own memory
            raise _too_little(str(problem)) from problem
        raise


def _too_little(why: str) -> EngineError:
    return EngineError(
        "There is too little memory for this network.",
        code="engine.memory",
        found=(why.splitlines() or ["unknown amount"])[0][:200],
        next_step="close other programs, draw 256 instead of 512 pixels, or choose --device cpu",
    )
