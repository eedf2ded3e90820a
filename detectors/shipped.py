"""Weights of our own that come with the program: a file of safetensors with its card beside it."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Shipped:
    """Where they lie: ``shipped/NAME.safetensors`` and ``.toml`` in a package. Each is read once a process."""

    package: str
    name: str

    def path(self) -> Path:
        """The file of weights."""
        return Path(str(resources.files(self.package) / "shipped" / f"{self.name}.safetensors"))

    def card(self) -> Mapping[str, Any]:
        """What is said of them."""
        return _card(self)

    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """The numbers by name, as float32; a batch of files keeps them."""
        return _weights(self)

    def digest(self) -> str:
        """SHA-256 of the file."""
        return _digest(self)


@cache
def _card(shipped: Shipped) -> Mapping[str, Any]:
    return tomllib.loads(shipped.path().with_suffix(".toml").read_text(encoding="utf-8"))


@cache
def _weights(shipped: Shipped) -> Mapping[str, NDArray[np.float32]]:
    from safetensors.numpy import load_file

    return {name: np.asarray(value, np.float32) for name, value in load_file(shipped.path()).items()}


@cache
def _digest(shipped: Shipped) -> str:
    return hashlib.sha256(shipped.path().read_bytes()).hexdigest()
