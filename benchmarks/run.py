"""All benchmarks in one run, as one page: ``make bench``, or ``make bench-quick`` for less than five minutes.

    python benchmarks/run.py FOLDER [--quick] [--only NAME …]

Writes ``bench.json`` and ``bench.html`` into FOLDER, anew after each part, so that a run that is stopped leaves what it
has. Nothing here asserts a time: figures hold for the machine and the hour they were taken on, and ratios to the peer
in the same run travel better than seconds.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

HERE = Path(__file__).parent
LIMIT = 3600
"""Seconds that one part may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One script of this folder."""

    name: str
    script: str
    beside: str
    """The peer that is measured in the same run; empty where there is none."""
    full: tuple[str, ...] = ()
    quick: tuple[str, ...] | None = None
    """Arguments for the short run; None: not part of it."""


# Left out, since they need films, models or weights of others: wav2lip.py, live2d.py with a model, evidence.py traces.
PARTS = (
    Part(name="start-up", script="startup.py", beside="a bare click program", quick=()),
    Part(name="signing and reading credentials", script="provenance.py", beside="the bare SDK", full=("--large",)),
    Part(name="gate", script="gate.py", beside="Cedar alone", quick=("--seconds", "1")),
    Part(name="log", script="ledger.py", beside="the disk's own flushes", quick=("--entries", "2000")),
    Part(
        name="watermark: what it survives",
        script="watermark.py",
        beside="dwtDct, dwtDctSvd and rivaGan of invisible-watermark (audiowmark is no Python package: not run)",
        full=("--html", "{folder}/watermark.html", "--json", "{folder}/watermark.json"),
        quick=(
            "--clips", "cast:ada", "--seconds", "1", "--peers", "dwtDct", "dwtDctSvd",
            "--attacks", "x264 CRF 28|half size",
        ),
    ),
    Part(name="watermark: speed", script="watermark_speed.py", beside="", quick=()),
    Part(name="watermark: sound", script="watermark_sound.py", beside="", full=("--json", "{folder}/sound.json")),
    Part(name="verification", script="detector.py", beside="", full=("speed",)),
    Part(name="batches", script="batch.py", beside="one worker; Ray", full=("--ray",), quick=("--files", "100")),
    Part(
        name="look-ups", script="lookup.py", beside="comparing with every look",
        quick=("--outputs", "10000", "--asked", "10"),
    ),
    Part(name="generation", script="generation.py", beside="the engine without marks"),
    Part(
        name="generation: bars", script="engine_speed.py", beside="networks of SadTalker and LivePortrait",
        quick=("--no-peers", "--brief"),
    ),
    Part(name="generation: quality", script="quality.py", beside="", quick=("ada",)),
    Part(name="generation: profile", script="profile_engine.py", beside="", quick=("512", "50")),
    Part(name="neural engines", script="neural.py", beside="batches of one"),
    Part(name="figures", script="live2d.py", beside="", quick=("--count", "100")),
    Part(name="comparison", script="compare.py", beside=""),
    Part(name="lips and sound", script="evidence.py", beside="", full=("lipsync",)),
    Part(name="server", script="serve.py", beside="", full=("60", "50")),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What one script printed."""

    name: str
    command: str
    beside: str
    about: str
    exit_code: int
    seconds: float
    load: float
    """Load average when it began: above the number of cores others were at work, too."""
    output: str


def run(part: Part, folder: Path, *, quick: bool) -> Result:
    """Run one script in a process of its own."""
    given = [word.format(folder=folder) for word in (part.quick or () if quick else part.full)]
    load, began = os.getloadavg()[0], time.monotonic()
    try:
        done = subprocess.run(
            [sys.executable, HERE / part.script, *given], capture_output=True, text=True, check=False, timeout=LIMIT
        )
        code, printed = done.returncode, done.stdout + (done.stderr[-4000:] if done.returncode else "")
    except subprocess.TimeoutExpired as late:
        code, printed = 124, f"stopped after {LIMIT} s\n{(late.stdout or b'').decode(errors='replace')}"
    about = (HERE / part.script).read_text(encoding="utf-8").split('"""')[1].strip().split("\n\n")[0]
    return Result(
        name=part.name,
        command=" ".join(["python", f"benchmarks/{part.script}", *given]),
        beside=part.beside,
        about=" ".join(about.replace("``", "").split()),
        exit_code=code,
        seconds=round(time.monotonic() - began, 1),
        load=round(load, 1),
        output=printed.strip(),
    )


def machine() -> dict[str, str]:
    """What the figures were taken on."""
    packages = ("thsafe", "numpy", "torch", "av", "opencv-python", "c2pa-python", "cedarpy", "invisible-watermark")
    versions = []
    for name in packages:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            versions.append(f"{name} not installed")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, {_memory()} GB of memory, {platform.system()}",
        "python": platform.python_version(),
        "packages": ", ".join(versions),
    }


def _memory() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)


def page(about: dict[str, str], results: list[Result]) -> str:
    """The report as one HTML file that needs nothing else."""
    rows = "".join(f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>" for name, text in about.items())
    links = "".join(
        f'<li><a href="#part{number}">{html.escape(item.name)}</a> {item.seconds:.0f} s'
        f"{'' if item.exit_code == 0 else f', <b>exit {item.exit_code}</b>'}</li>"
        for number, item in enumerate(results)
    )
    parts = "".join(
        f'<section id="part{number}"><h2>{html.escape(item.name)}</h2><p>{html.escape(item.about)}</p>'
        f"<p class=meta><code>{html.escape(item.command)}</code> · {item.seconds:.0f} s · load {item.load}"
        f"{f' · beside {html.escape(item.beside)}' if item.beside else ''}"
        f"{'' if item.exit_code == 0 else f' · <b>ended with exit code {item.exit_code}</b>'}</p>"
        f"<pre>{html.escape(item.output)}</pre></section>"
        for number, item in enumerate(results)
    )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>thsafe: benchmarks</title>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse}th{text-align:left;padding:.2rem 1rem .2rem 0;vertical-align:top}"
        "pre{overflow-x:auto;background:#8881;padding:1rem;border-radius:.4rem;font-size:.85rem}"
        ".meta{color:#767676}section{break-inside:avoid-page}"
        "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}a{color:#8bf}.meta{color:#999}}</style>"
        f"<h1>thsafe: benchmarks</h1><table>{rows}</table><p>Nothing here is a test. Where the load is above the "
        "number of cores, the machine had other work, too: trust ratios, not seconds.</p>"
        f"<ul>{links}</ul>{parts}</html>\n"
    )


def main() -> None:
    """Run what is asked for and write the report after each part."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("build/bench"))
    parser.add_argument("--quick", action="store_true", help="a short run of the parts that have one")
    parser.add_argument("--only", nargs="*", default=[], metavar="NAME", help="parts whose name holds one of these")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    chosen = [
        part
        for part in PARTS
        if (not given.quick or part.quick is not None)
        and (not given.only or any(word in part.name for word in given.only))
    ]
    about, results = machine(), []
    for part in chosen:
        print(f"{part.name} …", file=sys.stderr, flush=True)
        results.append(run(part, given.folder, quick=given.quick))
        print(f"\n## {part.name}\n\n{results[-1].output}", flush=True)
        report = {"schema": "thsafe.bench/1", **about, "parts": [asdict(item) for item in results]}
        (given.folder / "bench.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        (given.folder / "bench.html").write_text(page(about, results), encoding="utf-8")
    sys.exit(1 if any(item.exit_code for item in results) else 0)


if __name__ == "__main__":
    main()
