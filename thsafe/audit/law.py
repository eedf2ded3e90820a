"""Which rules a file must meet, and which labels that means looking for.

A rule is asked where it was law both on the day of the audit's choice and when the file was made. A rule whose text
was read only second-hand can never fail a file.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from importlib.resources import files

from policies.obligations import HOUSE, NAMED_ONLY, labels_of
from policies.rules import IN_FORCE, LabelSpec, Rule, parse_rules
from policies.territories import WORLD, enclosing
from thsafe.core.errors import UsageError
from thsafe.core.types import Label

__all__ = ["labels_of", "load_rules", "select", "serves", "unread"]


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


def serves(drawn: Label, wanted: Label | LabelSpec) -> bool:
    """Whether one label says what another one must, at its place; how large and how long is measured."""
    same = (drawn.text, drawn.position) == (wanted.text, wanted.position)
    return same and (drawn.icon or not wanted.icon)
