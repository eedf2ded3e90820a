"""On which device, in which numbers and how compiled a network runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from thsafe.core.errors import EngineError, UsageError

PRECISIONS: Final = ("float32", "bfloat16")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """How a network computes; part of what its pictures look like, to the last bit."""

    device: str = "cpu"
    """``cpu``, ``cuda`` or what else torch knows."""
    precision: str = "float32"
    """``bfloat16`` halves memory and multiplies speed where the hardware has it; it moves pictures a little."""
    compiled: bool = False
    """Whether torch's compiler fuses the operations: worth its minutes for long jobs."""

    def __str__(self) -> str:
        import torch

        kind = torch.cuda.get_device_name(self.device) if self.device.startswith("cuda") else self.device
        return f"{kind} {self.precision}{' compiled' if self.compiled else ''} torch {torch.__version__}"

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run networks; raises EngineError ``engine.memory`` where there is too little memory, ``engine.compiler``."""
        import torch

        try:
            # what is compiled does without inference mode: torch's compiler cannot look into its tensors
            with torch.no_grad() if self.compiled else torch.inference_mode():
                yield
        except (torch.OutOfMemoryError, MemoryError) as problem:
            raise _too_little(str(problem)) from problem
        except RuntimeError as problem:
            if "allocate memory" in str(problem):  # the way torch says so of the machine's own memory
                raise _too_little(str(problem)) from problem
            if self.compiled and "ompile" in f"{type(problem).__name__} {problem}":
                raise _no_compiler(str(problem)) from problem
            raise

    def ready(self, network: Any) -> Any:
        """The network as it will run: in its numbers, and compiled when first called."""
        import torch

        run = torch.compile(network, dynamic=False) if self.compiled else network
        if self.precision == "float32":
            return run
        kind = torch.device(self.device).type

        def halved(*tensors: Any) -> Any:
            with torch.autocast(kind, torch.bfloat16):
                return run(*tensors)

        return halved


EXACT: Final = Arithmetic()
"""float32 on the processor: what parity with the authors' code was measured in."""


def check_precision(precision: str, *, also: tuple[str, ...] = ()) -> None:
    """Raise UsageError ``engine.parameter`` for a precision that is none."""
    allowed = (*also, *PRECISIONS)
    if precision not in allowed:
        raise UsageError(
            "precision is out of its range.",
            code="engine.parameter",
            found=precision,
            rule="one of " + ", ".join(allowed),
            next_step=f"choose --precision {allowed[0]}",
        )


def _too_little(why: str) -> EngineError:
    return EngineError(
        "There is too little memory for this network.",
        code="engine.memory",
        found=(why.splitlines() or ["unknown amount"])[0][:200],
        next_step="close other programs, draw 256 instead of 512 pixels, or choose --device cpu",
    )


def _no_compiler(why: str) -> EngineError:
    return EngineError(
        "The network cannot be compiled on this machine.",
        code="engine.compiler",
        found=(why.splitlines() or ["unknown reason"])[0][:200],
        next_step="install a C++ compiler (apt-get install g++), or leave --compile out",
    )
