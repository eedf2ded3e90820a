"""Writes ``baseline.json`` (``python -m policies.pin``) after a deliberate, reviewed change of a baseline rule."""

from __future__ import annotations

import json

from policies.bundle import BASELINE, BASELINE_DIGESTS, PACKAGE_FOLDER, notes_of, read_files
from policies.rules import parse_rules


def pinned() -> str:
    """The text of ``baseline.json`` for the package's own bundle as it stands."""
    files = read_files(PACKAGE_FOLDER)
    whole = {
        "policies": {note.id: note.digest for note in notes_of(files) if note.id in BASELINE},
        "rules": {rule.id: rule.digest for rule in parse_rules(files["rules.yaml"]) if rule.acts},
    }
    return json.dumps(whole, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    (PACKAGE_FOLDER / BASELINE_DIGESTS).write_text(pinned(), encoding="utf-8")
