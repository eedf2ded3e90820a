"""All benchmarks in one run: ``make bench``. Writes ``bench.json`` and prints it; nothing here asserts a time.

Figures hold for the machine and the hour they were taken on; ratios travel better than seconds.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import generation
import startup

HERE = Path(__file__).parent
PRINTED = ("ledger.py", "watermark.py", "gate.py", "provenance.py")
"""Scripts that print a table of their own; those that are there are run."""


def main(folder: Path) -> None:
    """Run everything and write ``folder/bench.json`` and ``folder/bench.txt``."""
    folder.mkdir(parents=True, exist_ok=True)
    result: dict[str, object] = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
        "load": os.getloadavg()[0],
        "start-up": startup.measure(),
        "generation": generation.measure(),
    }
    texts = []
    for name in PRINTED:
        if (HERE / name).is_file():
            done = subprocess.run([sys.executable, HERE / name], capture_output=True, text=True, check=False)
            texts.append(f"## {name}\n{done.stdout}{done.stderr if done.returncode else ''}")
    (folder / "bench.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    (folder / "bench.txt").write_text("\n".join(texts), encoding="utf-8")
    print(json.dumps(result, indent=2))
    print("\n".join(texts))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/bench"))
