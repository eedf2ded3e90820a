"""How fast the audit log is: appends alone, in batches and by eight writers; proofs in a long log; verifying; auditing.

    python benchmarks/ledger.py [--entries 1000000] [--database postgresql://USER@HOST/NAME] [--writers-only]

Auditing is timed without the files themselves, whose measuring takes as long as verifying each of them does.

Durable appends are bound by the disk, which is timed by itself first, and by the processor, whose seconds are shown
beside: figures of another machine, or of one that others use too, say little about yours.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.home import Home
from thsafe.ledger.log import Ledger
from thsafe.media.digest import hash_file

EVENT = {
    "type": "verify",
    "sha256": "ab" * 32,
    "verdict": "disclosed",
    "inputs": [{"role": f"input-{n}", "sha256": f"{n:02x}" * 32, "kind": "image"} for n in range(6)],
    "policy": "cd" * 32,
    "rules": [f"consent.rule-{n}" for n in range(12)],
}
"""About a kilobyte, as a decision is."""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--entries", type=int, default=20_000, help="length of the log for proofs and verifying")
    arguments.add_argument("--database", help="PostgreSQL URL; default: SQLite in a temporary folder")
    arguments.add_argument("--writers-only", action="store_true", help="eight writers and their peer, three times")
    options = arguments.parse_args()
    if options.database:
        os.environ["THSAFE_DB"] = options.database
    else:
        os.environ.pop("THSAFE_DB", None)
    machine()
    if options.writers_only:
        for _ in range(3):
            eight_writers(options.database)
        return
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Home(Path(folder) / "home"), key=Ed25519PrivateKey.generate()) as log,
    ):
        busy = time.process_time()
        alone = [timed(lambda: log.append(EVENT)) for _ in range(1000)]
        busy = time.process_time() - busy
        show(
            "append alone", f"{1 / statistics.mean(alone):,.0f}/s", f"{spread(alone)}; {busy:.2f} ms of processor each"
        )
        batches = [
            timed(lambda: log.append_many([EVENT] * 500)) for _ in range(max(1, (options.entries - 1000) // 500))
        ]
        rate, best = 500 / statistics.mean(batches), 500 / min(batches)
        show("append, 500 at a time", f"{rate:,.0f}/s", f"best {best:,.0f}/s; {spread(batches)}")
        size = log.size
        random = Random(1)
        busy = time.process_time()
        proofs = [timed(lambda: log.prove(random.randrange(size))) for _ in range(1000)]
        busy = time.process_time() - busy
        detail = f"{spread(proofs)}; {busy:.2f} ms of processor each"
        show(f"inclusion proof in {size:,}", f"{statistics.median(proofs) * 1000:.2f} ms", detail)
        consistency = [timed(lambda: log.prove_consistency(random.randrange(1, size))) for _ in range(100)]
        show(f"consistency proof in {size:,}", f"{statistics.median(consistency) * 1000:.2f} ms", spread(consistency))
        verifying = timed(log.verify)
        show(f"verify {size:,}", f"{verifying:.1f} s", f"{size / verifying:,.0f} entries/s")
    eight_writers(options.database)
    if not options.database:
        for entries in (1000, 3000, 10_000):
            audit(entries)


def machine(seconds: float = 1.0) -> None:
    """What the figures below stand on."""
    with tempfile.TemporaryFile() as file:
        started, writes = time.perf_counter(), 0
        while time.perf_counter() - started < seconds:
            file.write(b"x" * 4096)
            file.flush()
            os.fdatasync(file.fileno())
            writes += 1
    print(f"{platform.machine()}, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}, "
          f"Python {platform.python_version()}; disk: {writes / seconds:,.0f} fdatasync/s")  # fmt: skip


def eight_writers(database: str | None, each: int = 1000) -> None:
    """Processes of their own, as on a busy host; nothing may be lost. On PostgreSQL beside plain rows."""
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        with Ledger.open(home, key=Ed25519PrivateKey.generate()) as log:
            before = log.size

        def write() -> None:
            with Ledger.open(home) as log:
                for _ in range(each):
                    log.append(EVENT)

        seconds = in_processes(write)
        with Ledger.open(home) as log:
            report = log.verify()
            if not report.ok or log.size - before != 8 * each:
                raise SystemExit(f"the log lost entries or does not verify: {report.problems}")
    show(f"append, 8 writers x {each:,}", f"{8 * each / seconds:,.0f}/s", "nothing lost, root verifies")
    if database:
        plain = in_processes(lambda: plain_rows(database, each))
        detail = f"one transaction each, no order, no tree; the log took {seconds / plain:.2f} times as long"
        show(f"plain INSERT, 8 writers x {each:,}", f"{8 * each / plain:,.0f}/s", detail)


def in_processes(write: Callable[[], None], count: int = 8) -> float:
    """Seconds until all have done it."""
    started = time.perf_counter()
    children = []
    for _ in range(count):
        child = os.fork()
        if child == 0:
            write()
            os._exit(0)
        children.append(child)
    for child in children:
        if os.waitpid(child, 0)[1] != 0:
            raise SystemExit("a writer failed")
    return time.perf_counter() - started


def plain_rows(database: str, each: int) -> None:
    """What the server takes of these rows if nobody asks for a log."""
    import psycopg

    text = json.dumps(EVENT)
    with psycopg.connect(database, autocommit=True) as connection:
        with suppress(psycopg.errors.UniqueViolation):  # eight make it at once
            connection.execute("CREATE TABLE IF NOT EXISTS plain_rows (number bigserial PRIMARY KEY, event text)")
        for _ in range(each):
            connection.execute("INSERT INTO plain_rows (event) VALUES (%s)", (text,))


def audit(entries: int) -> None:
    """Half decisions, half outputs, under the policies and rules of today."""
    from policies.engine import Depiction, PolicyBundle, PolicyFacts, decide
    from policies.logged import to_log
    from thsafe.audit.model import Measurement
    from thsafe.audit.run import run_audit
    from thsafe.core.clock import system_clock
    from thsafe.store.outputs import OutputRecord

    bundle = PolicyBundle.load()
    nobody = Depiction(media="a", performer="synthetic", synthetic_proof=True)
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder) / "home")
        with Ledger.open(home, key=Ed25519PrivateKey.generate()) as log:
            facts = PolicyFacts(
                task="say", requester="did:key:z6Mk", job="ab" * 32, purpose="demonstration", territories=("DE",),
                now=system_clock(), media_intact=True, depictions=(nobody,),
            )  # fmt: skip
            answer = decide(bundle, facts)
            decision = {
                "type": "intent", "request": facts.job, "task": "say", "engine": "embedded", "purpose": facts.purpose,
                "territories": ["DE"], "requester": facts.requester, "consents": [], "screened": False,
                "inputs": [{"role": "portrait", "sha256": "ab" * 32, "kind": "image", "performer": "synthetic"}],
                "declared": {"sexual": False, "fraud": False, "election": False, "celebrity": False, "explicit": True},
                "facts": to_log(facts), "rules": list(answer.rule_ids), "duties": list(answer.obligations.rule_ids),
                "policy": bundle.digest,
            }  # fmt: skip
            log.append_many({**decision, "job": f"job-{n}"} for n in range(entries // 2))
            for n in range(entries // 2):
                path = Path(folder) / f"{n}.mp4"
                path.write_bytes(b"%d" % n)
                record = OutputRecord(
                    manifest_id=f"urn:c2pa:{n}", watermark_id=f"{n:016x}", sha256=hash_file(path), essence_hash=None,
                    fingerprint=None, manifest=b"manifest", media_type="video/mp4", ledger_index=-1,
                    created_at="2026-11-22T00:00:00.000Z", path=str(path), duration=4.0, engine="embedded", task="say",
                )  # fmt: skip
                names = ("sha256", "manifest_id", "watermark_id")
                log.append(
                    {"type": "output", "job": f"job-{n}", **{name: getattr(record, name) for name in names}},
                    output=record,
                )
            seconds = timed(lambda: run_audit(home, measure=lambda _path, labels: Measurement(), ledger=log))  # noqa: ARG005
    show(f"audit of {entries:,} entries", f"{seconds:.1f} s", f"{entries / seconds:,.0f} entries/s")


def timed(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def spread(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 99
    return f"p50 {cuts[49] * 1000:.2f} ms, p99 {cuts[98] * 1000:.2f} ms"


def show(what: str, figure: str, detail: str) -> None:
    print(f"{what:<32} {figure:>12}   {detail}")


if __name__ == "__main__":
    main()
