"""Checks of the record: the logged decision, and the consents it rests on."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from policies.rules import Rule
from thsafe.audit.answers import Answer, Checker, Facts, beside, decide, failed, passed, undetermined
from thsafe.audit.model import Standing, Verdict
from thsafe.core.types import Json

LOG_BROKEN = "The log does not verify, so it proves nothing."
"""The one reason that all outputs share."""


def log(_rule: Rule, facts: Facts) -> Answer:
    """A decision was logged before the output, and the log is whole."""
    if not facts.log_intact:
        return failed(LOG_BROKEN)
    if not facts.intent or facts.intent_index is None:
        return failed("No decision is logged for this output.", output=facts.output_index)
    evidence: dict[str, Json] = {
        "intent": facts.intent_index,
        "output": facts.output_index,
        "policy": facts.intent.get("policy"),
    }
    return decide(
        facts.intent_index < facts.output_index,
        "It was permitted by a logged decision before it was made.",
        "The decision was logged after the output.",
        **evidence,
    )


def from_log(name: str, holds: Callable[[Json], bool], good: str, bad: str) -> Checker:
    """A checker for one field of the logged decision."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = log(rule, facts)
        if first.verdict is not Verdict.PASS:
            return first
        if name not in facts.intent:
            return undetermined(f"The logged decision does not say anything of {name}.")
        value = facts.intent[name]
        return decide(holds(value), good, bad, **{name: value})

    return check


def content(word: str, what: str, *, of_people: bool = False) -> Checker:
    """A checker for what the requester had to declare and the screen looked for."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = log(rule, facts)
        if first.verdict is not Verdict.PASS:
            return first
        if of_people and not any(_shows_somebody(item) for item in facts.intent.get("inputs", ())):
            return beside("It is about real people; this shows a synthetic performer.")
        declared = facts.intent.get("declared", {})
        evidence: dict[str, Json] = {"declared": declared, "screened": facts.intent.get("screened")}
        if declared.get(word) is True:
            return failed(f"It was permitted although declared as {what}.", **evidence)
        if declared.get("explicit") or facts.intent.get("screened"):
            return passed(f"Declared or screened as not {what}; the gate refuses what is.", **evidence)
        return undetermined(f"Nobody declared whether it is {what}, and nothing screened it.", **evidence)

    return check


def synthetic(rule: Rule, facts: Facts) -> Answer:
    """The gate had proof that the performer is synthetic."""
    if facts.intent and not any(item.get("performer") == "synthetic" for item in facts.intent.get("inputs", ())):
        return beside("It shows no synthetic performer.")
    return log(rule, facts)


def consent(_rule: Rule, facts: Facts) -> Answer:
    """Every person shown had consented, the record is the one that was checked, and nothing demands its removal."""
    if not facts.intent:
        return undetermined("No decision is logged for this output, so its consents are not known.")
    people = [item for item in facts.intent.get("inputs", ()) if _shows_somebody(item)]
    if not people:
        if any(item.get("performer") == "puppet" for item in facts.intent.get("inputs", ())):
            return beside("It shows a drawn puppet that the requester stated, on record, to be nobody's likeness.")
        return beside("It shows a synthetic performer, nobody's likeness.")
    logged = facts.intent.get("consents", ())
    evidence: dict[str, Json] = {
        "logged": [{"id": item.get("id"), "digest": item.get("digest"), "match": item.get("match")} for item in logged],
        "now": {item.id: item.state for item in facts.consents},
    }
    uncovered = [item["role"] for item in people if item["role"] not in {each.get("input") for each in logged}]
    if uncovered:
        return failed(f"No consent is logged for: {', '.join(uncovered)}.", **evidence)
    known = {item.get("id"): item.get("digest") for item in logged}
    for standing in facts.consents:
        if standing.digest and standing.digest != known.get(standing.id):
            return failed("The consent record is not the one that was checked.", **evidence)
        if standing.state == "revoked" and standing.takedown:
            return failed("Consent was withdrawn and the record asks that what was made be taken down.", **evidence)
    return passed("Consent was checked for everyone shown when it was made.", **evidence)


def from_consent(holds: Callable[[Standing], bool | None], good: str, bad: str) -> Checker:
    """A checker for one item of the consent records themselves."""

    def check(rule: Rule, facts: Facts) -> Answer:
        first = consent(rule, facts)
        if first.verdict is not Verdict.PASS:
            return first
        answers = {item.id: holds(item) for item in facts.consents}
        if not answers or None in answers.values():
            return undetermined("The consent record cannot be read here.", now=dict(answers))
        return decide(all(answers.values()), good, bad, consents=dict(answers))

    return check


def estate(rule: Rule, facts: Facts) -> Answer:
    """Where somebody shown has died, the heirs consented."""
    first = consent(rule, facts)
    if first.verdict is not Verdict.PASS:
        return first
    if not facts.consents or any(item.deceased is None for item in facts.consents):
        return undetermined("Whether the person is alive cannot be read from the consent record here.")
    dead = [item for item in facts.consents if item.deceased]
    if not dead:
        return beside("Nobody shown is recorded as deceased.")
    return decide(all(item.estate for item in dead), "The estate consented.", "The estate's consent is missing.")


def self_assured(rule: Rule, facts: Facts) -> Answer:
    """Consents that rest on the subject's own word stay within what such a word can cover."""
    first = consent(rule, facts)
    if first.verdict is not Verdict.PASS:
        return first
    own = [item for item in facts.intent.get("consents", ()) if item.get("assurance") == "self"]
    if not own:
        return beside("No consent behind it rests on the subject's own word alone.")
    return log(rule, facts)


def withdrawable(rule: Rule, facts: Facts) -> Answer:
    """Withdrawals are looked up and reach the record."""
    first = consent(rule, facts)
    if first.verdict is not Verdict.PASS:
        return first
    states = {item.id: item.state for item in facts.consents}
    if not states or "unknown" in states.values():
        return undetermined("Whether withdrawals reach this record cannot be seen here.", now=dict(states))
    return passed("The record can be withdrawn or suspended, and how it stands is looked up.", now=dict(states))


def _shows_somebody(item: Mapping[str, Json]) -> bool:
    return item.get("performer") != "synthetic" and item.get("kind") in {"image", "video"}
