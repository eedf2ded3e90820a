"""Filling the networks from the files that their authors published.

Keras files (``.h5``) are read with h5py, torch files with ``weights_only``; nothing in them is ever executed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from detectors.faceforensics.nets import ClassNSeg
from thsafe.core.errors import InputError, MissingError


def fill_mesonet(net: nn.Module, path: Path) -> nn.Module:
    """Fill Meso4 or MesoInception4 from a Keras weight file and set it to evaluation.

    Keras numbers layers in the order of their creation, which is the order of our modules; kernels are (height, width,
    in, out).

    Raises:
        MissingError: ``detector.h5py``: h5py is not installed.
        InputError: ``model.not-weights``: the file holds something else.
    """
    try:
        import h5py
    except ImportError as problem:
        raise MissingError(
            "Weights in Keras' format need h5py.",
            code="detector.h5py",
            next_step='pip install "thsafe[forensics]"',
        ) from problem
    try:
        with h5py.File(path, "r") as file:
            for kind, name in ((nn.Conv2d, "conv2d"), (nn.BatchNorm2d, "batch_normalization"), (nn.Linear, "dense")):
                modules = [module for module in net.modules() if isinstance(module, kind)]
                groups = sorted((key for key in file if key.startswith(f"{name}_")), key=_number)
                for module, group in zip(modules, groups, strict=True):
                    _fill(module, {key.removesuffix(":0"): value[()] for key, value in file[group][group].items()})
    except (OSError, KeyError, ValueError, RuntimeError) as problem:
        raise _not_weights(path, problem) from problem
    return net.eval()


def load_classnseg(encoder: Path, decoder: Path) -> ClassNSeg:
    """Load the two torch files of ClassNSeg; the branch that rebuilds the picture is left aside.

    Raises:
        InputError: ``model.not-weights``.
    """
    net = ClassNSeg()
    try:
        encoded = torch.load(encoder, map_location="cpu", weights_only=True)
        decoded = torch.load(decoder, map_location="cpu", weights_only=True)
        net.encoder.load_state_dict({key.removeprefix("encoder."): value for key, value in encoded.items()})
        net.decoder.load_state_dict({key: value for key, value in decoded.items() if not key.startswith("decoder.")})
    except (OSError, KeyError, RuntimeError, ValueError, AttributeError, EOFError) as problem:
        raise _not_weights(encoder, problem) from problem
    except Exception as problem:
        if type(problem).__name__ != "UnpicklingError":
            raise
        raise _not_weights(encoder, problem) from problem
    net.eval()
    return net


def fill_initial(net: nn.Module, path: Path) -> None:
    """Start from weights in a file, safetensors or torch; layers of another shape, such as the last, stay as they are.

    Raises:
        InputError: ``model.not-weights``: unreadable, or less than half of the network's layers are in it.
    """
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            found = load_file(path)
        else:
            found = torch.load(path, map_location="cpu", weights_only=True)
        own = net.state_dict()
        prefix = "net." if all(name.startswith("net.") for name in own) else ""
        fitting = {
            name: value
            for key, value in found.items()
            for name in (key, prefix + key)
            if name in own and own[name].shape == value.shape
        }
    except Exception as problem:
        raise _not_weights(path, problem) from problem
    if len(fitting) < len(own) / 2:
        raise _not_weights(path, ValueError(f"{len(fitting)} of {len(own)} layers fit"))
    net.load_state_dict(fitting, strict=False)


def fill_all(net: nn.Module, path: Path) -> None:
    """Fill a network from its own safetensors file, float16 or float32.

    Raises:
        InputError: ``model.not-weights``: unreadable, or of another network.
    """
    from safetensors.torch import load_file

    try:
        found = {name: value.float() if value.is_floating_point() else value for name, value in load_file(path).items()}
        net.load_state_dict(found)
    except Exception as problem:
        raise _not_weights(path, problem) from problem


def _fill(module: nn.Module, values: dict[str, Any]) -> None:
    tensors = {name: torch.from_numpy(value) for name, value in values.items()}
    if isinstance(module, nn.Conv2d):
        state = {"weight": tensors["kernel"].permute(3, 2, 0, 1), "bias": tensors["bias"]}
    elif isinstance(module, nn.Linear):
        state = {"weight": tensors["kernel"].T, "bias": tensors["bias"]}
    else:
        state = {
            "weight": tensors["gamma"],
            "bias": tensors["beta"],
            "running_mean": tensors["moving_mean"],
            "running_var": tensors["moving_variance"],
        }
    module.load_state_dict({**module.state_dict(), **state})


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def _not_weights(path: Path, problem: BaseException) -> InputError:
    return InputError(
        f"{path.name} does not hold the weights that this network needs.",
        code="model.not-weights",
        found=str(problem).splitlines()[0] if str(problem) else type(problem).__name__,
        next_step="get the file again from the address on its card: thsafe models card NAME",
    )
