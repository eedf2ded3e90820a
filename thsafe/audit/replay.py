"""Re-performing decisions: the policy engine is asked again with the logged facts and must answer as it did.

What the log alone decided (a use that a parallel job had just taken, a request sent twice) is looked up there instead.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from policies.engine import PolicyBundle, decide
from policies.logged import from_log
from thsafe.core.types import Json

COUNTED = frozenset({"consent.replay", "consent.uses"})
"""Rules that the log itself may apply, while it counts a use."""


class Replay(StrEnum):
    """What asking again came to."""

    SAME = "same"
    """The same answer by the same rules."""
    DIFFERS = "differs"
    """Another answer, or other rules, under the very policies that were asked then."""
    OTHER_POLICY = "other-policy"
    """Decided under policies that are not at hand; those at hand answer the same."""
    OTHER_ANSWER = "other-answer"
    """Decided under policies that are not at hand; those at hand answer otherwise."""
    NOT_LOGGED = "not-logged"
    """The entry does not hold the facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One decision that today's answer contradicts."""

    index: int
    logged: str
    found: str


@dataclass(slots=True, kw_only=True)
class Decisions:
    """Collects what re-performing came to, entry by entry."""

    bundles: Mapping[str, PolicyBundle]
    """The policies at hand by digest, the present ones first."""
    counts: Counter[Replay] = field(default_factory=Counter)
    elsewhere: dict[str, Counter[Replay]] = field(default_factory=dict)
    """By digest of policies that are not at hand."""
    differences: list[Difference] = field(default_factory=list)
    _requests: set[str] = field(default_factory=set)
    """Digests of permitted requests, to tell a request sent twice."""

    def add(self, index: int, event: Mapping[str, Json], *, counted: bool = True) -> None:
        """Ask again about one ``intent`` or ``refusal``; with ``counted`` False it is only remembered."""
        request = str(event.get("request", ""))
        if counted:
            self._count(index, event, sent_before=request in self._requests)
        if event.get("type") == "intent":
            self._requests.add(request)

    def _count(self, index: int, event: Mapping[str, Json], *, sent_before: bool) -> None:
        digest = str(event.get("policy", ""))
        at_hand = self.bundles.get(digest)
        bundle = at_hand or next(iter(self.bundles.values()))
        try:
            facts = from_log(event)
        except ValueError:
            self.counts[Replay.NOT_LOGGED] += 1
            return
        answer = decide(bundle, facts)
        allowed, rules = event.get("type") == "intent", tuple(event.get("rules", ()))
        same = (allowed, rules) == (answer.allowed, answer.rule_ids)
        if same and allowed:
            same = tuple(event.get("duties", ())) == answer.obligations.rule_ids
        elif not allowed and answer.allowed and set(rules) <= COUNTED and rules:
            same = rules != ("consent.replay",) or sent_before
        if at_hand is None:
            state = Replay.OTHER_POLICY if same else Replay.OTHER_ANSWER
            self.elsewhere.setdefault(digest, Counter())[state] += 1
        else:
            state = Replay.SAME if same else Replay.DIFFERS
        self.counts[state] += 1
        if state is Replay.DIFFERS:
            duties = tuple(event.get("duties", ())) if allowed else ()
            wanted = answer.obligations.rule_ids if answer.allowed else ()
            logged = _words(allowed, rules, answer.allowed, answer.rule_ids, duties, wanted)
            found = _words(answer.allowed, answer.rule_ids, allowed, rules, wanted, duties)
            self.differences.append(Difference(index=index, logged=logged, found=found))


def _words(
    allowed: bool,
    rules: tuple[str, ...],
    other: bool,
    other_rules: tuple[str, ...],
    duties: tuple[str, ...],
    other_duties: tuple[str, ...],
) -> str:
    """One answer, said by what it has and the other has not."""
    said = "permitted" if allowed else "refused"
    own = [rule for rule in rules if rule not in other_rules]
    if own or not rules:
        said += f" by {_some(own)}"
    elif allowed == other and rules != other_rules:
        said += f" by {len(rules)} rules"
    if allowed and other and (more := [duty for duty in duties if duty not in other_duties]):
        said += f" with the duties {_some(more)}"
    elif allowed and other and (fewer := [duty for duty in other_duties if duty not in duties]):
        said += f" without the duties {_some(fewer)}"
    return said


def _some(names: list[str]) -> str:
    """The first few, so that a line stays one."""
    rest = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest if names else "no rule"
