"""Start-up: ``thsafe --help`` and its like against a bare click program, as CPU-second ratios from one run."""

from __future__ import annotations

import json
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

BARE = """
import click

@click.group()
def cli():
    \"\"\"A bare click program.\"\"\"

@cli.command()
def one():
    \"\"\"One command.\"\"\"

cli()
"""


def measure(runs: int = 11) -> dict[str, object]:
    """Median CPU seconds of each command, taken in turn, and the ratio to the bare program."""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE, encoding="utf-8")
        thsafe = str(Path(sys.executable).parent / "thsafe")
        commands = {
            "bare click --help": [sys.executable, str(bare), "--help"],
            "thsafe --help": [thsafe, "--help"],
            "thsafe verify --help": [thsafe, "verify", "--help"],
            "thsafe generate say --help": [thsafe, "generate", "say", "--help"],
        }
        seconds: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(runs + 1):
            for name, command in commands.items():
                seconds[name].append(_cpu_seconds(command))
    medians = {name: statistics.median(taken[1:]) for name, taken in seconds.items()}
    base = medians["bare click --help"]
    return {
        name: {"cpu_ms": round(value * 1000, 1), "ratio": round(value / base, 2)} for name, value in medians.items()
    }


def _cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    json.dump(measure(), sys.stdout, indent=2)
