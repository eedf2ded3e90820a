"""The law table: ``rules.yaml`` as typed rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

import yaml

from thsafe.core.canonical import canonical_digest
from thsafe.core.types import Json

IN_FORCE = frozenset({"in-force", "house", "code"})
"""States in which a rule obliges; ``draft``, ``bill`` and ``unverified`` inform only."""

STATES = IN_FORCE | {"draft", "bill", "unverified"}


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSpec:
    """The visible label that a rule asks for, as its own text states it."""

    text: str
    position: str = "top-right"
    height: float = 0.05
    seconds: float | None = None
    icon: bool = False
    """Whether the sign of AI stands before the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row: an obligation in words, where it is from, when it binds, and what it makes the loop do."""

    id: str
    pack: str
    """``house``, ``EU``, ``US-CA``, ``US-WA``, ``US-NY``, ``CN``, ``IN``, ``KR`` or another place's code."""
    says: str
    source: str
    accessed: date
    source_read: bool = True
    """Whether the rule's own text was read; an audit never fails a file by one that was not."""
    read_instead: str = ""
    """What was read where that was not."""
    status: str
    since: date | None = None
    until: date | None = None
    media: str = "IAV"
    """Letters of the media it applies to: I picture, A sound, V video."""
    who: str = "provider"
    severity: str = "must"
    checker: str = ""
    """The check of ``thsafe.audit`` that can tell; empty where no file can show it."""
    when: Mapping[str, str] | None = None
    """Facts that must hold for the obligation: ``purpose``, ``performer``."""
    label: LabelSpec | None = None
    metadata: Mapping[str, Json] | None = None
    spoken: str | None = None

    @property
    def acts(self) -> bool:
        """Whether it puts something on the output."""
        return self.label is not None or self.metadata is not None or self.spoken is not None

    @property
    def digest(self) -> str:
        """SHA-256 over what it makes the loop do, and when; words and sources do not count."""
        label = None if self.label is None else asdict(self.label)
        when = None if self.when is None else dict(self.when)
        return canonical_digest(
            {
                "pack": self.pack,
                "status": self.status,
                "since": str(self.since),
                "until": str(self.until),
                "media": self.media,
                "when": when,
                "label": label,
                "metadata": self.metadata,
                "spoken": self.spoken,
            }
        )

    def binds(self, moment: datetime) -> bool:
        """Whether the rule obliges at that time: law is read as of the job, not as of today."""
        day = moment.astimezone(UTC).date()
        return (
            self.status in IN_FORCE
            and (self.since is None or self.since <= day)
            and (self.until is None or day < self.until)
        )


@lru_cache(maxsize=4)
def parse_rules(text: str) -> tuple[Rule, ...]:
    """Read the table; raises ValueError that names the row for anything a row may not hold."""
    try:
        rows = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as problem:
        raise ValueError(f"rules.yaml cannot be read: {type(problem).__name__}: {str(problem)[:200]}") from problem
    if not isinstance(rows, list):
        raise ValueError("rules.yaml is not a list of rules")  # noqa: TRY004  one kind of error for one bad file
    rules = tuple(_rule(row) for row in rows)
    seen: set[str] = set()
    for rule in rules:
        if rule.id in seen:
            raise ValueError(f"rule {rule.id} stands twice in rules.yaml")
        seen.add(rule.id)
    return rules


def _rule(row: object) -> Rule:
    if not isinstance(row, dict) or not isinstance(row.get("id"), str):
        raise ValueError(f"a rule without id: {str(row)[:120]}")  # noqa: TRY004  as above
    label = row.get("label")
    try:
        rule = Rule(**{**row, "label": None if label is None else LabelSpec(**label)})
    except TypeError as problem:
        raise ValueError(f"rule {row['id']}: {problem}") from problem
    if rule.status not in STATES:
        raise ValueError(f"rule {rule.id}: status {rule.status!r} is none of {', '.join(sorted(STATES))}")
    # The row is unchecked YAML: what Rule says of its types is what it should hold.
    if repr(rule.source_read) not in {"True", "False"} or (
        rule.source_read and (rule.read_instead or rule.status == "unverified")
    ):
        raise ValueError(f"rule {rule.id}: source_read is true or false, and false for what is unverified")
    if rule.status in IN_FORCE and not (rule.source_read or rule.read_instead):
        raise ValueError(f"rule {rule.id}: it obliges, so read_instead says what was read instead of its own text")
    dates = (rule.accessed, *(day for day in (rule.since, rule.until) if day is not None))
    if not all(type(day) is date for day in dates) or not set(rule.media) <= set("IAV"):
        raise ValueError(f"rule {rule.id}: dates are dates, and media is made of the letters I, A, V")
    return rule
