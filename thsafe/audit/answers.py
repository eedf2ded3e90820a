"""What is known of an output when a rule asks, and the four ways to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from policies.rules import Rule
from thsafe.audit.model import FileState, Measurement, Standing, Verdict
from thsafe.core.types import Json
from thsafe.store.outputs import OutputRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that is known of one output."""

    record: OutputRecord
    state: FileState
    measurement: Measurement | None
    intent: Mapping[str, Json]
    """The logged decision; empty if there is none."""
    intent_index: int | None
    output_index: int
    consents: tuple[Standing, ...]
    log_intact: bool

    @property
    def media(self) -> str:
        """``I``, ``A`` or ``V``: as measured, else as published."""
        if self.measurement is not None:
            return self.measurement.media
        return {"image": "I", "audio": "A"}.get(self.record.media_type.partition("/")[0], "V")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A checker's own words, before the rules about rules are applied."""

    verdict: Verdict
    reason: str
    evidence: Mapping[str, Json]


Checker = Callable[[Rule, Facts], Answer]
"""A pure function: does this output meet this rule?"""


def passed(reason: str, **evidence: Json) -> Answer:
    """The rule is met."""
    return Answer(verdict=Verdict.PASS, reason=reason, evidence=evidence)


def failed(reason: str, **evidence: Json) -> Answer:
    """The rule is broken."""
    return Answer(verdict=Verdict.FAIL, reason=reason, evidence=evidence)


def undetermined(reason: str, **evidence: Json) -> Answer:
    """It cannot be told: never a pass and never a failure."""
    return Answer(verdict=Verdict.UNDETERMINED, reason=reason, evidence=evidence)


def beside(reason: str) -> Answer:
    """The rule does not reach this output."""
    return Answer(verdict=Verdict.NOT_APPLICABLE, reason=reason, evidence={})


def decide(holds: bool, good: str, bad: str, **evidence: Json) -> Answer:
    """Pass or fail."""
    return passed(good, **evidence) if holds else failed(bad, **evidence)


def unmeasured(facts: Facts, what: str) -> Answer:
    """What to say when the file could not be measured for something."""
    if facts.state is FileState.MISSING:
        return undetermined("The file was not found, so nothing could be measured.")
    notes = facts.measurement.notes if facts.measurement is not None else ()
    return undetermined(f"The {what} could not be measured.", notes=list(notes))
