r"""JSON as the Cubism SDK's own parser takes it (CubismJson, SDK 5-r.5).

That parser ends a number only at a comma or a line's end, knows no exponent and no ``\u`` escape: ``4.9e-06`` makes a
whole file invalid. So: one item per line, fixed-point numbers, plain UTF-8.
"""

from __future__ import annotations

import json
import math
from typing import Any


def dumps(value: Any) -> str:
    """A JSON value as text, numbers with at most six decimals.

    Raises:
        ValueError: a number is not finite.
    """
    return _text(value, 0) + "\n"


def _text(value: Any, depth: int) -> str:
    inner, outer = "\n" + "\t" * (depth + 1), "\n" + "\t" * depth
    if isinstance(value, dict):
        items = [f"{json.dumps(str(key), ensure_ascii=False)}: {_text(item, depth + 1)}" for key, item in value.items()]
        return "{" + inner + f",{inner}".join(items) + outer + "}" if items else "{}"
    if isinstance(value, (list, tuple)):
        return "[" + inner + f",{inner}".join(_text(item, depth + 1) for item in value) + outer + "]" if value else "[]"
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError("JSON has no such number")
        shown = f"{value:.6f}".rstrip("0").rstrip(".")
        return "0" if shown in {"-0", ""} else shown
    return json.dumps(value, ensure_ascii=False)
