"""From facts to an answer: Cedar decides, the law table obliges. Pure: no file, no clock, no log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from policies.bundle import PolicyBundle
from policies.facts import ConsentFacts, Declaration, Depiction, PolicyFacts, StatusFacts
from policies.obligations import oblige
from thsafe.core.types import Json, Obligations

__all__ = [
    "ConsentFacts",
    "Declaration",
    "Depiction",
    "PolicyAnswer",
    "PolicyBundle",
    "PolicyFacts",
    "Reason",
    "StatusFacts",
    "ask_cedar",
    "decide",
]

_PLACEHOLDER = re.compile(r"(\{\w+\})")

UNDECIDED = "policy.undecided"
"""Stands for every answer that is neither a clean Allow nor a reasoned Deny."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why a rule said no, for a person."""

    id: str
    words: str
    next_step: str
    file: str = ""
    """The policy file that holds the rule."""
    rule: str = ""
    """The row of ``rules.yaml`` behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyAnswer:
    """The decision on one job."""

    allowed: bool
    rule_ids: tuple[str, ...]
    """Ids of the permits that allowed, or of every forbid that fired."""
    reasons: tuple[Reason, ...]
    obligations: Obligations


def decide(bundle: PolicyBundle, facts: PolicyFacts) -> PolicyAnswer:
    """Answer one job: allowed only if every depiction is, each by a clean Allow.

    All failing rules of all depictions are named at once. Anything but a clean Allow denies.
    """
    allowed = True
    ids: list[str] = []
    reasons: list[Reason] = []
    for depiction in facts.shown():
        granted, fired = ask_cedar(bundle, facts.task, facts.context(depiction), facts.requester, facts.job)
        allowed = allowed and granted
        for name in fired:
            if name not in ids:
                ids.append(name)
            if not granted:
                reason = _reason(bundle, name, facts, depiction)
                if reason not in reasons:
                    reasons.append(reason)
    if not allowed:
        ids = [name for name in ids if not name.startswith("permit.")]
    return PolicyAnswer(
        allowed=allowed,
        rule_ids=tuple(ids),
        reasons=tuple(reasons),
        obligations=oblige(bundle.rules, facts, media=facts.media),
    )


def ask_cedar(
    bundle: PolicyBundle, task: str, context: Mapping[str, Json], requester: str = "", job: str = ""
) -> tuple[bool, tuple[str, ...]]:
    """One Cedar request: whether it is cleanly allowed, and the ids that determined it, in order of the files.

    A clean Allow is: decision Allow, no evaluation error, request validated against the schema (cedarpy answers
    NoDecision for a request that does not fit the schema it is given).
    """
    import cedarpy

    request = {
        "principal": {"type": "Requester", "id": requester},
        "action": {"type": "Action", "id": task},
        "resource": {"type": "Job", "id": job},
        "context": dict(context),
    }
    try:
        result = cedarpy.is_authorized(request, bundle.policies, [], schema=bundle.schema)
        clean = not result.diagnostics.errors
        named = set(result.diagnostics.id_annotations_by_reason.values())
    except (ValueError, TypeError, RuntimeError):
        return False, (UNDECIDED,)
    order = [name for name in bundle.notes if name in named]
    if result.decision == cedarpy.Decision.Allow and clean and order:
        return True, tuple(order)
    if result.decision == cedarpy.Decision.Deny and clean and order:
        return False, tuple(order)
    return False, (*order, UNDECIDED)


def _reason(bundle: PolicyBundle, name: str, facts: PolicyFacts, depiction: Depiction) -> Reason:
    note = bundle.notes.get(name)
    if note is None:
        return Reason(
            id=name,
            words="The policy engine could not decide, so the answer is no.",
            next_step="thsafe policy lint",
        )
    words = {
        "media": depiction.media,
        "task": facts.task,
        "purpose": facts.purpose,
        "language": facts.language,
        "channel": facts.channel,
        "requester": facts.requester,
        "performer": depiction.performer,
    }
    return Reason(
        id=name, words=_fill(note.words, words), next_step=_fill(note.next_step, words), file=note.file, rule=note.rule
    )


def _fill(text: str, words: Mapping[str, str]) -> str:
    # One pass, so that braces inside a value are never read as a placeholder.
    return "".join(words.get(part[1:-1], part) if part.startswith("{") else part for part in _PLACEHOLDER.split(text))
