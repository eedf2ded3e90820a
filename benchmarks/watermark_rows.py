"""The rows of the watermark benchmark in one JSON file that grows row by row: a run can be stopped and go on."""

from __future__ import annotations

import json
from pathlib import Path


class Book:
    """Rows and facts of all runs so far.

    Args:
        path: The JSON file, read if it is there; None keeps rows in memory only.
        size: What the rows of this run are about, such as ``512x512``.
    """

    def __init__(self, path: Path | None, size: str) -> None:
        before = json.loads(path.read_text()) if path and path.exists() else {"facts": {}, "rows": []}
        self.rows: list[dict[str, object]] = before["rows"]
        self.facts: dict[str, object] = before["facts"]
        self._path, self._size = path, size
        self._known = {(row["size"], row["clip"], row["method"], row["attack"]) for row in self.rows}

    def has(self, clip: str, method: str, attack: str) -> bool:
        """Whether a row of this size was measured before."""
        return (self._size, clip, method, attack) in self._known

    def add(self, row: dict[str, object]) -> None:
        """Keep a row."""
        full = {"size": self._size, **row}
        self.rows.append(full)
        self._known.add((full["size"], full["clip"], full["method"], full["attack"]))
        self._write()

    def say(self, name: str, value: object) -> None:
        """Keep a fact; what several runs say under one name stands side by side."""
        said = str(self.facts.get(name, ""))
        self.facts[name] = f"{said}; {value}" if said else value
        self._write()

    def _write(self) -> None:
        if self._path:
            draft = self._path.with_suffix(".part")
            draft.write_text(json.dumps({"facts": self.facts, "rows": self.rows}, indent=1))
            draft.replace(self._path)
