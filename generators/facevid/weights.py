"""Filling a network with the tensors of a file, and telling when they are not its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import nn

from thsafe.core.errors import EngineError, InputError

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""
_Net = TypeVar("_Net", bound=nn.Module)
_COUNTER = "num_batches_tracked"


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    """Name and shape of every tensor of a network."""
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def blank(make: Callable[[], _Net]) -> _Net:
    """The network without memory for its tensors: for its names and shapes, or to be filled."""
    with torch.device("meta"):
        return make()


def filled(
    make: Callable[[], _Net], tensors: Mapping[str, Tensor], *, title: str, prefix: str = "", device: str = "cpu"
) -> _Net:
    """The network with its weights, ready to run; tensors that it has no use for are passed over.

    Args:
        make: makes the network.
        tensors: name to tensor; counters may be missing.
        title: what the network is, for the error.
        prefix: what its names begin with in ``tensors``.
        device: ``cpu``, ``cuda`` or what else torch knows.

    Raises:
        InputError: ``model.other-network``: tensors are missing or have another shape; ``model.not-finite``.
        EngineError: ``engine.device``: there is no such device.
    """
    network = blank(make)
    wanted = shapes(network)
    mine = {name: tensors[prefix + name] for name in wanted if prefix + name in tensors}
    missing = [name for name in wanted if name not in mine and not name.endswith(_COUNTER)]
    other = [name for name, tensor in mine.items() if tuple(tensor.shape) != wanted[name]]
    if missing or other:
        raise InputError(
            f"These weights are not {title}.",
            code="model.other-network",
            found=f"{len(missing)} tensors missing, {len(other)} of another shape; first: "
            + prefix
            + (missing + other)[0],
            rule=f"{len(wanted)} tensors" + (f" whose names begin with {prefix}" if prefix else ""),
            next_step="pull the right file: thsafe models list",
        )
    broken = [name for name, tensor in mine.items() if not bool(torch.isfinite(tensor).all())]
    if broken:
        raise InputError(
            f"The weights of {title} are damaged.",
            code="model.not-finite",
            found=f"{len(broken)} tensors hold no numbers; first: {prefix}{broken[0]}",
            next_step="get the file again from its authors",
        )
    mine |= {name: torch.tensor(0) for name in wanted if name not in mine}
    network.load_state_dict(
        {name: tensor if name.endswith(_COUNTER) else tensor.float() for name, tensor in mine.items()}, assign=True
    )
    try:
        placed: _Net = network.eval().requires_grad_(False).to(device)
    except (RuntimeError, AssertionError) as problem:  # torch's own ways to say that there is no such device
        raise EngineError(
            f'The weights cannot be put on the device "{device}".',
            code="engine.device",
            found=(str(problem).splitlines() or ["unknown reason"])[0],
            next_step="choose --device cpu",
        ) from problem
    return placed
