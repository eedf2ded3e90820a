"""How many decisions a CPU second the gate makes: Cedar alone, the whole gate, and with a thousand added policies.

    python benchmarks/gate.py [--seconds 3]

"Whole gate" is hashing, proofs, status lists, presentation and Cedar for one consented portrait, as every job runs it.
The log is stubbed there (kept in memory), since a durable append is bound by the disk; the same with the real log in
SQLite is given beside it.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from policies.bundle import PolicyBundle
from policies.engine import ask_cedar
from policies.tables import build_facts
from thsafe.consent.grant import create_self_consent
from thsafe.core.clock import system_clock
from thsafe.core.types import Json, MediaKind, MediaRef, Request, Task
from thsafe.gate import Gate
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.ledger.log import Ledger
from thsafe.media.digest import hash_file

ADDED = 1000


@dataclass
class MemoryLog:
    """A log that keeps counts in memory."""

    size: int = 0
    counted: dict[str, int] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The newest entry's place."""
        return self.size

    def append(self, event: Mapping[str, Json], *, uses: Mapping[str, int | None] | None = None) -> MemoryLog:
        """Count."""
        json.dumps(dict(event))
        self.size += 1
        for name in uses or {}:
            self.counted[name] = self.counted.get(name, 0) + 1
        return self

    def uses(self, consent_id: str) -> int:
        """The count."""
        return self.counted.get(consent_id, 0)

    def last_time(self) -> datetime | None:
        """Nothing was logged before."""
        return None


def rate(once: Callable[[], object], seconds: float) -> float:
    """Calls a CPU second: the median of five stretches. CPU time, so that what else the machine does counts little."""
    once()
    found = []
    for _ in range(5):
        count, start = 0, time.process_time()
        while time.process_time() - start < seconds / 5:
            once()
            count += 1
        found.append(count / (time.process_time() - start))
    return statistics.median(found)


def cedar(bundle: PolicyBundle) -> Callable[[], object]:
    """One Cedar request of a job that a good consent covers."""
    now = system_clock()
    truths = ("present", "subject_proof", "collector_proof", "holder_proof", "media_match", "evidence")
    facts = build_facts(
        {
            "task": "say",
            "purpose": "demonstration",
            "requester": "did:key:z6MkBench",
            "media_intact": True,
            "now": now,
            "consent": {
                **dict.fromkeys((*truths, "uses_described"), True),
                "licensees": ["did:key:z6MkBench"],
                "valid_from": now.replace(year=now.year - 1),
                "valid_until": now.replace(year=now.year + 1),
                "modes": ["say"],
                "purposes": ["demonstration"],
                "languages": ["*"],
                "channels": ["any"],
                "territories": ["WORLD"],
                "uses_left": 1,
                "assurance": "collector",
                "age_class": "adult",
                "status": {"available": True, "signed": True, "fresh": True},
            },
        }
    )
    context = facts.context(facts.shown()[0])
    allowed, ids = ask_cedar(bundle, "say", context, facts.requester, facts.job)
    if not allowed:
        raise RuntimeError(f"the benchmark's own job is refused: {ids}")
    return lambda: ask_cedar(bundle, "say", context, facts.requester, facts.job)


def job(gate: Gate, portrait: Path) -> Callable[[], object]:
    """One whole question to the gate, a new job each time."""
    digest = hash_file(portrait)
    numbers = iter(range(10**9))

    def ask() -> object:
        number = next(numbers)
        return gate.ask(
            Request(
                task=Task.SAY,
                engine="embedded",
                inputs=(MediaRef(role="portrait", path=portrait, sha256=digest, kind=MediaKind.IMAGE),),
                purpose="demonstration",
                requester=gate.did,
                job_id=f"job-{number}",
                nonce=f"{number:032x}",
            )
        )

    return ask


def added_policies(folder: Path) -> Path:
    """A folder with a thousand forbids that a customer might write."""
    folder.mkdir()
    text = "\n".join(
        f'@id("customer.rule-{number}")\n@words("Rule {number} of the customer.")\n@next("ask the customer")\n'
        f'forbid (principal, action in Action::"generate", resource)\n'
        f'when {{ context.purpose == "customer-{number}" && context.channel == "channel-{number}" }};'
        for number in range(ADDED)
    )
    (folder / "customer.cedar").write_text(text, encoding="utf-8")
    return folder


def main() -> None:
    """Measure and print one JSON object."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3.0, help="for each figure")
    seconds = arguments.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        home = Home(folder / "home")
        ring = KeyRing.create(home)
        portrait = folder / "me.png"
        portrait.write_bytes(bytes(200_000))
        create_self_consent(home, portrait=portrait, keys=ring)
        more = PolicyBundle.load(added=added_policies(folder / "added"))
        plain = PolicyBundle.load()
        alone, burdened = rate(cedar(plain), seconds), rate(cedar(more), seconds)
        gate = Gate(home, ledger=MemoryLog(), keys=ring, bundle=plain)
        heavy = Gate(home, ledger=MemoryLog(), keys=ring, bundle=more)
        with Ledger.open(home, key=ring.log_key()) as log:
            durable = rate(job(Gate(home, ledger=log, keys=ring, bundle=plain), portrait), seconds)
        whole, whole_heavy = rate(job(gate, portrait), seconds), rate(job(heavy, portrait), seconds)
    json.dump(
        {
            "cedar alone, decisions/CPU s": round(alone),
            f"cedar with {ADDED} added policies, decisions/CPU s": round(burdened),
            "cedar, cost of the added policies": round(alone / burdened, 2),
            "whole gate, log stubbed, decisions/CPU s": round(whole),
            "whole gate, log in SQLite, decisions/CPU s": round(durable),
            f"whole gate with {ADDED} added policies, log stubbed, decisions/CPU s": round(whole_heavy),
            "whole gate, cost of the added policies": round(whole / whole_heavy, 2),
        },
        sys.stdout,
        indent=2,
    )


if __name__ == "__main__":
    main()
