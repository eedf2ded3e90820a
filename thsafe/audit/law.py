"""Which rules a file must meet, and which labels that means looking for.

A rule is asked where it was law both on the day of the audit's choice and when the file was made. A rule whose text
was read only second-hand can never fail a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from importlib.resources import files

from policies.obligations import HOUSE, NAMED_ONLY
from policies.rules import IN_FORCE, Rule, parse_rules
from policies.territories import WORLD, enclosing
from thsafe.core.errors import UsageError
from thsafe.core.types import Label


def load_rules() -> tuple[Rule, ...]:
    """The law table that ships with thsafe."""
    return parse_rules(files("policies").joinpath("rules.yaml").read_text(encoding="utf-8"))


def select(rules: Iterable[Rule], scope: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of some packs (``eu``, ``us-ca``) or with some ids; all of them for an empty scope.

    Raises:
        UsageError: a word of the scope names neither.
    """
    table = tuple(rules)
    known = {rule.pack.upper() for rule in table} | {rule.id.upper() for rule in table}
    wanted = {word.upper() for word in scope}
    if unknown := sorted(wanted - known):
        packs = sorted({rule.pack for rule in table})
        raise UsageError(
            "There are no rules by that name.",
            code="audit.rules",
            found=", ".join(unknown),
            next_step=f"choose from {', '.join(packs)}, or rule ids",
        )
    return tuple(rule for rule in table if not wanted or {rule.pack.upper(), rule.id.upper()} & wanted)


def concerns(rule: Rule, territories: Collection[str]) -> bool:
    """Whether a job for these places meets the rule; the same reading as when its duties were chosen."""
    if rule.pack == HOUSE or WORLD in territories:
        return True
    if not territories:
        return rule.pack not in NAMED_ONLY
    return any(rule.pack in enclosing(place) or place in enclosing(rule.pack) for place in territories)


def out_of_time(rule: Rule, *, made: datetime, as_of: datetime) -> str | None:
    """Why the rule does not bind the file on account of its dates or state; None if it does."""
    if rule.status in {"draft", "bill"}:
        return f"A {rule.status}, not law."
    moment = min(made, as_of)
    day = moment.date()
    if rule.since is not None and day < rule.since:
        if as_of.date() < rule.since:
            return f"Not in force on {as_of.date()}: it binds from {rule.since}."
        return f"The file is older than the rule, which binds from {rule.since}."
    if rule.until is not None and as_of.date() >= rule.until:
        return f"No longer in force since {rule.until}."
    return None


def unread(rule: Rule) -> str | None:
    """What was read instead of the rule's own text; None if that was read."""
    if rule.source_read and rule.status in IN_FORCE:
        return None
    return rule.read_instead or "its text or its state was not verified"


def labels_of(rules: Iterable[Rule]) -> tuple[Label, ...]:
    """The labels that some rules want; those that say the same at the same place are one, the largest and longest."""
    merged: dict[tuple[str, str], Label] = {}
    for rule in rules:
        spec = rule.label
        if spec is None:
            continue
        key = (spec.text, spec.position)
        have = merged.get(key)
        merged[key] = Label(
            text=spec.text,
            position=spec.position,
            height=max(spec.height, have.height if have else 0.0),
            seconds=None
            if spec.seconds is None or (have and have.seconds is None)
            else max(spec.seconds, have.seconds or 0.0 if have else 0.0),
            rule_ids=(*(have.rule_ids if have else ()), rule.id),
        )
    return tuple(merged.values())
