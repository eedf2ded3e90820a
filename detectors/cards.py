"""Cards of models of our own, as TOML."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def as_toml(values: Mapping[str, Any]) -> str:
    """Scalars and lists first, then one table for each mapping, nested by dots."""
    lines: list[str] = []
    tables: list[tuple[str, Mapping[str, Any]]] = [("", values)]
    while tables:
        name, table = tables.pop(0)
        if name:
            lines.append(f"\n[{name}]")
        lines += [f"{_key(key)} = {_value(value)}" for key, value in table.items() if not isinstance(value, Mapping)]
        nested = [
            (f"{name}.{_key(key)}".lstrip("."), value) for key, value in table.items() if isinstance(value, Mapping)
        ]
        tables = nested + tables
    return "\n".join(lines) + "\n"


def _key(key: str) -> str:
    return key if key.replace("_", "").replace("-", "").isalnum() else json.dumps(key)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and not np.isfinite(value):
        return "nan"
    return json.dumps(value, ensure_ascii=False)
