"""Writes ``baseline.json``: run it after a deliberate change of a baseline rule, and have the change reviewed."""

from __future__ import annotations

import json

from policies.bundle import BASELINE, BASELINE_DIGESTS, PACKAGE_FOLDER, notes_of, read_files


def pin() -> None:
    """Pin the baseline rules of the package's own bundle as they stand."""
    notes = {note.id: note.digest for note in notes_of(read_files(PACKAGE_FOLDER)) if note.id in BASELINE}
    (PACKAGE_FOLDER / BASELINE_DIGESTS).write_text(json.dumps(notes, indent=2, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    pin()
