"""Sixteen jobs at once on five allowed uses: exactly five are permitted, and all others are refused by name."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from thsafe.core.clock import system_clock
from thsafe.core.errors import Refused


def test_five_of_sixteen(world):
    world.consent(scope={"max_uses": 5})
    requests = [world.request() for _ in range(16)]

    def attempt(request):
        try:
            return world.new_gate().ask(request).decision.allowed
        except Refused as problem:
            return problem.code

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(attempt, requests))
    assert answers.count(True) == 5
    assert answers.count("consent.uses") == 11
    kinds = [entry.event["type"] for entry in world.ledger.entries()]
    assert kinds.count("intent") == 5
    assert kinds.count("refusal") == 11


PROCESSES = """
import os, sys
from pathlib import Path
from policies.bundle import PolicyBundle
from thsafe.core.errors import Refused
from thsafe.core.types import MediaKind, MediaRef, Request, Task
from thsafe.gate import Gate
from thsafe.home import Home
from thsafe.keys.ring import KeyRing
from thsafe.ledger.log import Ledger

place, portrait, digest = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
bundle = PolicyBundle.load()
children = []
for number in range(16):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        home = Home(place)
        ring = KeyRing.open(home)
        gate = Gate(home, ledger=Ledger.open(home, key=ring.log_key()), keys=ring, bundle=bundle)
        ref = MediaRef(role="portrait", path=portrait, sha256=digest, kind=MediaKind.IMAGE)
        request = Request(
            task=Task.SAY, engine="embedded", inputs=(ref,), purpose="demonstration",
            requester=gate.did, job_id=f"job-{number}", nonce=f"nonce-{number}",
        )
        try:
            answer = str(gate.ask(request).decision.allowed)
        except Refused as problem:
            answer = problem.code
        except BaseException as problem:
            answer = repr(problem)
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    children.append((pid, reading))
for pid, reading in children:
    print(os.read(reading, 500).decode())
    os.waitpid(pid, 0)
"""


def test_five_of_sixteen_processes(world):
    world.now = system_clock()
    record = world.own_consent(max_uses=5)
    world.ledger.close()
    done = subprocess.run(
        [sys.executable, "-c", PROCESSES, str(world.home.path), str(world.portrait), world.ref().sha256],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    answers = done.stdout.split("\n")[:-1]
    assert sorted(answers) == ["True"] * 5 + ["consent.uses"] * 11
    from thsafe.ledger.log import Ledger

    with Ledger.open(world.home, key=world.ring.log_key()) as log:
        assert log.uses(record.id) == 5
        assert not log.verify().problems
