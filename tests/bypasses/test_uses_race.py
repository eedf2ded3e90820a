"""Sixteen jobs at once on five allowed uses: exactly five are permitted, and all others are refused by name."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

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
