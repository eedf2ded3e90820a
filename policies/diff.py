"""What differs between two bundles, in terms of rules and not of text: for those who must approve a change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from policies.bundle import PolicyBundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One rule that one bundle has otherwise than the other."""

    kind: str
    """``policy`` or ``law``."""
    id: str
    what: str
    """``added``, ``removed``, ``decides otherwise`` or ``reworded``."""


def diff(old: PolicyBundle, new: PolicyBundle) -> tuple[Change, ...]:
    """Every policy and row of the law table that was added, removed or changed, by kind and id."""
    policies_old = {name: (note.digest, note) for name, note in old.notes.items()}
    policies_new = {name: (note.digest, note) for name, note in new.notes.items()}
    laws_old = {rule.id: (rule.digest, rule) for rule in old.rules}
    laws_new = {rule.id: (rule.digest, rule) for rule in new.rules}
    return (*_changes("policy", policies_old, policies_new), *_changes("law", laws_old, laws_new))


def _changes(kind: str, old: Mapping[str, tuple[str, object]], new: Mapping[str, tuple[str, object]]) -> list[Change]:
    found = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            what = "added"
        elif name not in new:
            what = "removed"
        elif old[name][0] != new[name][0]:
            what = "decides otherwise"
        elif old[name][1] != new[name][1]:
            what = "reworded"
        else:
            continue
        found.append(Change(kind=kind, id=name, what=what))
    return found
