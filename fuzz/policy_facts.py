"""Fuzz the gate's question to policy: ``python fuzz/policy_facts.py CORPUS [libFuzzer options]``.

Facts come from a log entry of any shape. Either they are refused as no facts, or they are answered; and what is allowed
has, for every person shown, a consent that is there, proved, unrevoked and unexpired.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from harness import fuzz

from policies.engine import PolicyBundle, decide
from policies.facts import ConsentFacts, Depiction, PolicyFacts, StatusFacts
from policies.logged import from_log, to_log

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def prepare(_folder: Path | None = None) -> tuple[Callable[[bytes], None], list[bytes]]:
    """The function to fuzz, and entries of decisions that were allowed and refused."""
    bundle = PolicyBundle.load()

    def one_input(data: bytes) -> None:
        try:
            facts = from_log(json.loads(data))
        except (ValueError, RecursionError, AttributeError, TypeError):
            return
        answer = decide(bundle, facts)
        if not answer.allowed:
            if not answer.reasons:
                raise AssertionError("denied without a reason")
            return
        for shown in facts.shown():
            consent = shown.consent
            proved = (
                consent.present
                and consent.subject_proof
                and consent.holder_proof
                and not consent.status.revoked
                and consent.valid_from <= facts.now < consent.valid_until
            )
            if shown.performer == "person" and not proved:
                raise AssertionError("allowed without consent")

    return one_input, [json.dumps(_entry(facts)).encode() for facts in (_good(), _drawn(), _bare())]


def _entry(facts: PolicyFacts) -> dict[str, object]:
    declared = {name: getattr(facts.declared, name) for name in ("sexual", "fraud", "election", "celebrity")}
    return {
        "type": "intent",
        "task": facts.task,
        "requester": facts.requester,
        "request": facts.job,
        "purpose": facts.purpose,
        "territories": list(facts.territories),
        "declared": declared,
        "facts": to_log(facts),
    }


def _facts(depiction: Depiction) -> PolicyFacts:
    return PolicyFacts(
        task="say",
        requester="did:key:z6Mk",
        job="ab" * 32,
        purpose="demonstration",
        territories=("DE",),
        language="en",
        channel="file",
        media="V",
        now=NOW,
        last_logged=NOW - timedelta(minutes=1),
        media_intact=True,
        depictions=(depiction,),
    )


def _good() -> PolicyFacts:
    consent = ConsentFacts(
        present=True,
        subject_proof=True,
        collector_proof=True,
        holder_proof=True,
        media_match=True,
        evidence=True,
        uses_described=True,
        licensees=frozenset({"did:key:z6Mk"}),
        modes=frozenset({"say"}),
        purposes=frozenset({"demonstration"}),
        languages=frozenset({"en"}),
        channels=frozenset({"file"}),
        territories=frozenset({"DE"}),
        assurance="collector",
        age_class="adult",
        valid_from=NOW - timedelta(days=1),
        valid_until=NOW + timedelta(days=1),
        comes_of_age=NOW - timedelta(days=9000),
        uses_left=3,
        status=StatusFacts(available=True, signed=True, fresh=True),
    )
    return _facts(Depiction(media="input 0", performer="person", consent=consent))


def _drawn() -> PolicyFacts:
    return _facts(Depiction(media="input 0", performer="synthetic", synthetic_proof=True))


def _bare() -> PolicyFacts:
    return _facts(Depiction(media="input 0", performer="person"))


if __name__ == "__main__":
    fuzz(*prepare())
