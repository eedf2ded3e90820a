"""How fast batches are, what a second worker brings, what Ray costs an item, and a thousand writers before the log.

    python benchmarks/batch.py [--files 1000] [--ray] [--postgres postgresql://USER@HOST/EMPTY] [--table]

Every file is different and small (a JPEG of 160 x 120); of the signed ones each has a manifest of its own. Rates are
taken between the first and the last answer of a run, so that starting processes does not count; seconds of processor
stand beside those of the clock. ``--table`` measures those alone and computes the sizing table of docs/howto/scale.md.

The thousand workers are simulated: the log's one writer is measured (what a batch of 1, 10, 100 and 500 events costs
it), and workers that finish at random times are put before it as a queue. With ``--postgres`` it is measured there.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

import cv2
import numpy as np

from thsafe.batch import plan_verification, run_batch
from thsafe.batch.executors import Staff
from thsafe.batch.settings import VerifySettings
from thsafe.core.ids import new_manifest_label
from thsafe.core.types import Task
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.ledger.log import Ledger
from thsafe.provenance.manifest import ManifestFacts
from thsafe.provenance.sign import sign
from thsafe.store.batches import Batches

DAY = 86_400
CORES = (2, 8, 32, 128, 1000)


@dataclass
class Rate:
    """One run: items and what they cost."""

    items: int
    wall: float
    """Seconds from the first answer to the last."""
    inside: float
    """Mean seconds that an item took inside its worker."""
    driver: float
    """Seconds of processor of the driver, per item."""

    @property
    def each(self) -> float:
        """Items a second."""
        return (self.items - 1) / self.wall


class Answers:
    """A Progress that notes when answers come."""

    def __init__(self) -> None:
        self.began = 0.0
        self.times: list[float] = []
        self.cpu: list[float] = []

    def start(self, stage: str, total: int | None) -> None:
        """When the driver begins to give work out."""
        del stage, total
        self.began = time.perf_counter()

    def advance(self, steps: int = 1) -> None:
        """One more."""
        del steps
        self.times.append(time.perf_counter())
        self.cpu.append(time.process_time())

    def note(self, text: str) -> None:
        """Nothing."""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--files", type=int, default=1000)
    arguments.add_argument("--ray", action="store_true")
    arguments.add_argument("--postgres", help="an empty database for the measurement of the log's writer")
    arguments.add_argument("--table", action="store_true")
    options = arguments.parse_args()
    os.environ.pop("THSAFE_DB", None)
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = Home(folder / "keys")
        ring = KeyRing.create(home)
        plain, signed = pictures(folder, options.files), credentials(folder, ring, options.files)
        few = few_of(folder, plain, 8)
        one = run(folder, ring, signed, workers=1)
        show("verify, signed, local, 1 worker", one)
        if not options.table:
            rates(folder, ring, signed, plain, few, one, ray=options.ray)
        writer = sequencer(folder, options.postgres)
        if options.table:
            costs = {
                name: cost(home, files, checks)
                for name, files, checks in (
                    ("provenance, signed", signed, "provenance"),
                    ("provenance, unsigned", plain, "provenance"),
                    ("marks, none found", few, "marks"),
                )
            }
            table(costs, one, writer)


def rates(folder: Path, ring: KeyRing, signed: Path, plain: Path, few: Path, one: Rate, *, ray: bool) -> None:
    """Items a second, by workers and executors."""
    two = run(folder, ring, signed, workers=2)
    show("verify, signed, local, 2 workers", two)
    show("verify, unsigned, local, 2 workers", run(folder, ring, plain, workers=2))
    marks = {workers: run(folder, ring, few, workers=workers, checks="marks") for workers in (1, 2)}
    for workers, rate in marks.items():
        show(f"marks (CPU-bound), local, {workers} workers", rate)
    gains = marks[2].each / marks[1].each, two.each / one.each
    print(f"  a second worker: x{gains[0]:.2f} on marks, x{gains[1]:.2f} on provenance")
    memory(folder, ring, plain)
    if ray:
        local, over = run(folder, ring, plain, workers=1), run(folder, ring, plain, workers=1, executor="ray")
        for kind, rate in (("local", local), ("Ray", over)):
            show(f"verify, unsigned, {kind}, 1 worker", rate)
            print(f"  {kind} adds {(1 / rate.each - rate.inside) * 1000:.2f} ms to an item")


def pictures(folder: Path, count: int) -> Path:
    """Files without credentials, all different."""
    made = folder / "plain"
    made.mkdir()
    random = np.random.default_rng(1)
    for number in range(count):
        small = random.integers(50, 200, (6, 8, 3)).astype(np.uint8)
        cv2.imwrite(str(made / f"{number:06}.jpg"), cv2.resize(small, (160, 120), interpolation=cv2.INTER_CUBIC))
    return made


def credentials(folder: Path, ring: KeyRing, count: int) -> Path:
    """The same with a manifest each."""
    made = folder / "signed"
    made.mkdir()
    for path in sorted((folder / "plain").iterdir())[:count]:
        facts = ManifestFacts(
            label=new_manifest_label(), title="picture", task=Task.SAY, media_type="image/jpeg",
            digital_source_type="trainedAlgorithmicMedia", software_agent={"name": "benchmark", "version": "1"},
            watermark_id="0123456789abcdef", log_origin="thsafe/benchmark", log_index=1, log_digest="c" * 64,
            log_size=1, policy_digest="a" * 64, consent_digests=(), label_texts=("AI-generated",),
        )  # fmt: skip
        sign(path, made / path.name, facts=facts, ring=ring, timestamp="off")
    return made


def few_of(folder: Path, whole: Path, count: int) -> Path:
    """Some of the files in a folder of their own."""
    made = folder / "few"
    made.mkdir()
    for path in sorted(whole.iterdir())[:count]:
        (made / path.name).write_bytes(path.read_bytes())
    return made


def run(
    folder: Path, ring: KeyRing, files: Path, *, workers: int, executor: str = "local", checks: str = "provenance"
) -> Rate:
    """One batch in a home of its own, whose trust lists and keys are those of ``ring``'s home."""
    import shutil

    del ring
    home = Home(Path(tempfile.mkdtemp(dir=folder)) / "home")
    shutil.copytree(folder / "keys", home.path)
    settings = VerifySettings(checks=checks)
    batch = plan_verification([str(files)], settings=settings, recursive=True, home=home).batch.id
    answers = Answers()
    summary = run_batch(batch, home=home, executor=executor, staff=Staff(workers=workers), progress=answers)
    if summary.unsuccessful:
        raise SystemExit(f"some items failed: {summary.counts}")
    rows = Batches.open(home.database_url)
    inside = statistics.fmean(item.seconds or 0.0 for item in rows.items(batch))
    rows.close()
    # The first answers of every worker hold its start. Where each takes seconds that is little beside the rest.
    first = min(len(answers.times) // 10, 50)
    whole = checks != "provenance"
    return Rate(
        items=len(answers.times) - first + whole,
        wall=answers.times[-1] - (answers.began if whole else answers.times[first]),
        inside=inside,
        driver=(answers.cpu[-1] - answers.cpu[first]) / max(1, len(answers.cpu) - first),
    )


def memory(folder: Path, ring: KeyRing, files: Path) -> None:
    """The driver's memory after a tenth of the files and after all of them."""
    tenth = few_of(Path(tempfile.mkdtemp(dir=folder)), files, max(1, len(list(files.iterdir())) // 10))
    run(folder, ring, tenth, workers=1)
    small = resident()
    run(folder, ring, files, workers=1)
    print(f"  the driver's memory: {small:.0f} MB after a tenth of the files, {resident():.0f} MB after all")


def resident() -> float:
    """Megabytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 1e6


@dataclass
class Writer:
    """What the log's one writer needs: for a batch, and for each event in it."""

    batch: float
    event: float

    def cost(self, events: int) -> float:
        """Seconds."""
        return self.batch + self.event * events


def sequencer(folder: Path, url: str | None) -> Writer:
    """Measure the writer, then put a thousand workers before it."""
    if url is not None:
        os.environ["THSAFE_DB"] = url
    event = {"type": "verify", "sha256": "ab" * 32, "verdict": "disclosed", "batch": "0123456789ab"}
    home = Home(folder / "log")
    KeyRing.create(home)
    sizes = (1, 10, 100, 500)
    with Ledger.open(home, key=KeyRing.open(home).log_key()) as log:
        costs = [statistics.median(timed(log.append_many, [event] * size) for _ in range(20)) for size in sizes]
    os.environ.pop("THSAFE_DB", None)
    slope, base = np.polyfit(sizes, costs, 1)
    writer = Writer(batch=max(float(base), costs[0] / 2), event=float(slope))
    print(f"the log's writer: {writer.batch * 1000:.2f} ms a batch, {writer.event * 1e6:.0f} us an event")
    for workers, seconds in ((100, 20.0), (1000, 20.0), (1000, 5.0), (1000, 1.0)):
        waits, busy = simulate(writer, workers=workers, seconds=seconds)
        cuts = statistics.quantiles(waits, n=100)
        print(
            f"  {workers:>5} workers, a film each {seconds:g} s: {2 * workers / seconds:,.0f} events/s; a worker waits "
            f"{cuts[49] * 1000:.1f} ms (p99 {cuts[98] * 1000:.1f}); the writer is busy {busy:.0%}"
        )
    return writer


def simulate(writer: Writer, *, workers: int, seconds: float, jobs: int = 20) -> tuple[list[float], float]:
    """Workers that log an intent, render, and log an output, before one writer that takes all that wait, 500 at most.

    Args:
        writer: what it costs.
        workers: how many.
        seconds: of a render, in the mean (exponential).
        jobs: each worker's.

    Returns:
        Seconds that each event waited, and the share of the time that the writer was busy.
    """
    import heapq

    random = Random(1)
    # (when the event comes, worker, events that are left to it)
    coming = [(random.expovariate(1 / seconds), worker, 2 * jobs) for worker in range(workers)]
    heapq.heapify(coming)
    now = busy = 0.0
    waits = []
    while coming:
        now = max(now, coming[0][0])
        taken = []
        while coming and coming[0][0] <= now and len(taken) < 500:
            taken.append(heapq.heappop(coming))
        cost = writer.cost(len(taken))
        now += cost
        busy += cost
        for came, worker, left in taken:
            waits.append(now - came)
            if left > 1:
                # After an intent comes the render, after an output at once the next intent.
                pause = random.expovariate(1 / seconds) if left % 2 == 0 else 0.0
                heapq.heappush(coming, (now + pause, worker, left - 1))
    return waits, busy / now


def cost(home: Home, files: Path, checks: str) -> float:
    """Seconds of processor that one file takes, in this process."""
    from thsafe.batch.assignment import Assignment
    from thsafe.batch.work import work_of

    settings = VerifySettings(checks=checks)
    with Ledger.open(home) as log:
        brief = {"kind": "verify", "home": str(home.path), "log": log.origin, "settings": settings.as_json()}
    work = work_of({**brief, "checks": f"{checks} {files}", "models": ""})
    paths = sorted(files.iterdir())[: 100 if checks == "provenance" else 2]
    each = []
    for number, path in enumerate(paths):
        started = time.process_time()
        work.do(Assignment(number=number, source=str(path)), lambda _key: None)
        each.append(time.process_time() - started)
    return statistics.median(each)


def table(costs: dict[str, float], one: Rate, writer: Writer) -> None:
    """Files a day against processors; where the driver or the log would be the bound, that is what counts."""
    most = min(1 / one.driver, 500 / writer.cost(500))
    print(f"one driver takes at most {most:,.0f} answers/s: {1 / one.driver:,.0f} by its own work,")
    print(f"{500 / writer.cost(500):,.0f} by the log. Milliseconds of processor a file, and files a day:\n")
    print("| | a file | " + " | ".join(f"{cores} processors" for cores in CORES) + " |")
    print("|---" * (len(CORES) + 2) + "|")
    for name, seconds in costs.items():
        cells = " | ".join(day(min(most, cores / seconds)) for cores in CORES)
        print(f"| {name} | {seconds * 1000:.1f} ms | {cells} |")


def day(each: float) -> str:
    """Files a day, to two digits."""
    files = each * DAY
    rounded = float(f"{files:.2g}")
    return f"{rounded / 1e6:,g} million" if files >= 1e6 else f"{rounded:,.0f}"


def timed(call: Callable[..., object], *arguments: object) -> float:
    started = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - started


def show(what: str, rate: Rate) -> None:
    print(
        f"{what:<36} {rate.each:>8.1f}/s   {rate.inside * 1000:.1f} ms inside the worker, "
        f"{rate.driver * 1000:.2f} ms of processor in the driver"
    )


if __name__ == "__main__":
    main()
