"""How fast the audit log is: appends alone and in batches, proofs in a long log, verifying, auditing.

    python benchmarks/ledger.py [--entries 100000] [--database postgresql://USER@HOST/NAME]

Durable appends are bound by the disk: figures of another machine say little about yours.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.home import Home
from thsafe.ledger.log import Ledger

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
    options = arguments.parse_args()
    if options.database:
        os.environ["THSAFE_DB"] = options.database
    else:
        os.environ.pop("THSAFE_DB", None)
    with (
        tempfile.TemporaryDirectory() as folder,
        Ledger.open(Home(Path(folder) / "home"), key=Ed25519PrivateKey.generate()) as log,
    ):
        alone = [timed(lambda: log.append(EVENT)) for _ in range(1000)]
        show("append alone", f"{1 / statistics.mean(alone):,.0f}/s", spread(alone))
        batches = [
            timed(lambda: log.append_many([EVENT] * 500)) for _ in range(max(1, (options.entries - 1000) // 500))
        ]
        show("append, 500 at a time", f"{500 / statistics.mean(batches):,.0f}/s", spread(batches))
        size = log.size
        random = Random(1)
        proofs = [timed(lambda: log.prove(random.randrange(size))) for _ in range(300)]
        show(f"inclusion proof in {size:,}", f"{statistics.median(proofs) * 1000:.2f} ms", spread(proofs))
        consistency = [timed(lambda: log.prove_consistency(random.randrange(1, size))) for _ in range(100)]
        show(f"consistency proof in {size:,}", f"{statistics.median(consistency) * 1000:.2f} ms", spread(consistency))
        verifying = timed(log.verify)
        show(f"verify {size:,}", f"{verifying:.1f} s", f"{size / verifying:,.0f} entries/s")


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
