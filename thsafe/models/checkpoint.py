"""Reading weights without running anything that came with them, and turning other formats into safetensors.

PyTorch's ``.pth`` files are pickles, and pickles are programs: they are read with ``weights_only``, which builds
tensors and plain values and refuses everything else. TorchScript archives hold a program of their own that loading
runs, so they are opened by :func:`convert` alone, in a process of its own.
"""

from __future__ import annotations

import os
import pickle
import secrets
import subprocess
import sys
import tempfile
import zipfile
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from thsafe.core.errors import InputError, StoreError

Tensor = Any
"""A torch tensor; torch is read untyped in this project."""

_PREFIX: Final = "module."
_LEGACY: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""How PyTorch's files before 1.6 begin: its magic number, pickled."""
_LARGEST_HEADER: Final = 100_000_000
"""Bytes; safetensors' own limit for its header."""
_PATIENCE_SECONDS: Final = 900


class Format(StrEnum):
    """What a file of weights is, by its content."""

    SAFETENSORS = "safetensors"
    PICKLE = "pickle"
    """PyTorch's own, as a zip or in the older way."""
    TORCHSCRIPT = "torchscript"
    HTML = "html"
    """A web page saved under the weights' name."""
    UNKNOWN = "unknown"


def sniff(path: Path) -> Format:
    """Tell the format from the content; names play no part.

    Raises:
        InputError: ``model.unreadable``.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as opened:
            head = opened.read(512)
        if head.startswith(b"PK"):
            return _sniff_zip(path)
    except OSError as problem:
        raise _unreadable(path, str(problem)) from problem
    if head.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return Format.HTML
    if head.startswith(_LEGACY):
        return Format.PICKLE
    length = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and 0 < length <= min(_LARGEST_HEADER, size - 8):
        return Format.SAFETENSORS
    return Format.UNKNOWN


def _sniff_zip(path: Path) -> Format:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except zipfile.BadZipFile:
        return Format.UNKNOWN
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return Format.TORCHSCRIPT
    return Format.PICKLE if any(name.endswith("/data.pkl") for name in names) else Format.UNKNOWN


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file by name, on the CPU; training state is left out and ``module.`` before names dropped.

    A file with several networks gives ``NETWORK.TENSOR``.

    Raises:
        InputError: ``model.torchscript``, ``model.not-weights`` or ``model.unreadable``.
    """
    found = require_weights_format(path)
    return _safetensors(path) if found is Format.SAFETENSORS else _pickled(path)


def require_weights_format(path: Path) -> Format:
    """What the file is, once it is weights that can be read without running anything.

    Raises:
        InputError: ``model.torchscript`` or ``model.not-weights``.
    """
    found = sniff(path)
    if found is Format.TORCHSCRIPT:
        raise InputError(
            f"{path.name} holds a program that would run when loaded.",
            code="model.torchscript",
            found="a TorchScript archive",
            rule="weights are read without running anything",
            next_step=f"thsafe models convert {path} -o {path.with_suffix('.safetensors').name}, then pull that file",
        )
    if found in {Format.SAFETENSORS, Format.PICKLE}:
        return found
    raise InputError(
        f"{path.name} holds no weights.",
        code="model.not-weights",
        found="a web page" if found is Format.HTML else "an unknown format",
        rule="safetensors, or PyTorch's own format",
        next_step="get the file again; a download link often answers with a page",
    )


def convert(source: Path, target: Path) -> Path:
    """Write the tensors of ``source``, of any format, as safetensors.

    The work happens in a process of its own, which gets nothing of this one's environment. That keeps a program inside
    a TorchScript archive away from this process; it does not keep it from the user's files, so convert only what you
    trust the authors of.

    Raises:
        InputError: ``model.not-weights`` or ``model.conversion``.
        StoreError: the target cannot be written.
    """
    found = sniff(source)
    if found in {Format.HTML, Format.UNKNOWN}:
        load_tensors(source)  # it says what is wrong
    temporary = target.absolute().with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        with tempfile.TemporaryDirectory() as folder:
            code = "import sys; from thsafe.models.checkpoint import rewrite; rewrite(sys.argv[1], sys.argv[2])"
            # the search path is given as an argument, since the environment is empty
            path = f"import sys; sys.path[:] = {sys.path!r}; "
            done = subprocess.run(
                [sys.executable, "-I", "-c", path + code, str(source.absolute()), str(temporary)],
                cwd=folder,
                env={"PATH": os.defpath, "HOME": folder, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        if done.returncode or sniff(temporary) is not Format.SAFETENSORS:
            lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise InputError(
                f"{source.name} could not be converted.",
                code="model.conversion",
                found=(lines[-1] if lines else f"exit code {done.returncode}")[:300],
                next_step="check that it is the file that its authors publish: sha256sum FILE",
            )
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(target)
    except subprocess.TimeoutExpired as problem:
        raise InputError(
            f"{source.name} was not converted within {_PATIENCE_SECONDS} seconds.",
            code="model.conversion",
            next_step="check that it is the file that its authors publish: sha256sum FILE",
        ) from problem
    except OSError as problem:
        raise StoreError(
            f"{target.name} cannot be written.",
            code="store.models",
            found=str(problem),
            next_step="choose another place with -o",
        ) from problem
    finally:
        temporary.unlink(missing_ok=True)
    return target


def rewrite(source: str, target: str) -> None:
    """What the process of :func:`convert` does."""
    import torch
    from safetensors.torch import save_file

    path = Path(source)
    if sniff(path) is Format.TORCHSCRIPT:
        tensors = _tensors_in(torch.jit.load(source, map_location="cpu").state_dict())
    else:
        tensors = load_tensors(path)
    save_file(
        {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}, target, {"format": "pt"}
    )


def _safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return _tensors_in(load_file(path))
    except (SafetensorError, OSError) as problem:
        raise _unreadable(path, str(problem)) from problem


def _pickled(path: Path) -> dict[str, Tensor]:
    import torch

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, KeyError) as problem:
        raise _unreadable(path, str(problem)) from problem
    tensors = _tensors_in(content.get("state_dict", content)) if isinstance(content, dict) else {}
    if not tensors:
        raise _unreadable(path, "no tensors by name")
    return tensors


def _tensors_in(content: dict[str, Any]) -> dict[str, Tensor]:
    """The tensors, and those of networks that lie inside by name: ``NETWORK.TENSOR``."""
    found = {}
    for name, value in content.items():
        if hasattr(value, "untyped_storage"):
            found[str(name).removeprefix(_PREFIX)] = value
        elif isinstance(value, dict) and value and all(hasattr(item, "untyped_storage") for item in value.values()):
            found |= {f"{name}.{inner}": tensor for inner, tensor in _tensors_in(value).items()}
    return found


def _unreadable(path: Path, why: str) -> InputError:
    lines = why.strip().splitlines() or ["unknown reason"]
    return InputError(
        f"The weights in {path.name} cannot be read.",
        code="model.unreadable",
        found=lines[0][:300],
        rule="safetensors, or PyTorch's own format without code",
        next_step="get the file again from its authors",
    )
