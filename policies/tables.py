"""Decision tables: policy written as examples, in ``tests/*.yaml`` of a bundle, for people and for ``policy test``.

A table has a ``base`` job and ``cases``. Each case changes some facts of the base and says what must come out::

    base: {task: say, purpose: demonstration, consent: {present: true, …}}
    cases:
      - name: revoked
        change: {consent: {status: {revoked: true}}}
        denied: [consent.revoked]
      - name: shown in China
        change: {territories: [CN]}
        allowed: true
        labels: ["AI-generated", "AI生成"]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from pathlib import Path

import yaml

from policies.bundle import PACKAGE_FOLDER, PolicyBundle
from policies.engine import PolicyAnswer, decide
from policies.facts import ConsentFacts, Declaration, Depiction, PolicyFacts, StatusFacts
from thsafe.core.errors import InputError
from thsafe.core.types import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseResult:
    """One example and what came of it."""

    table: str
    name: str
    expected: str
    got: str

    @property
    def passed(self) -> bool:
        """Whether the bundle decides as the example says."""
        return self.expected == self.got


def run_tables(bundle: PolicyBundle, folder: Path | None = None) -> list[CaseResult]:
    """Decide every case of every table.

    Args:
        bundle: the policies to try.
        folder: where the tables lie; those of the package if None.

    Raises:
        InputError: ``policy.table``: a table cannot be read or names an unknown fact.
    """
    place = folder or PACKAGE_FOLDER / "tests"
    return [result for path in sorted(place.glob("*.yaml")) for result in _run(bundle, path)]


def _run(bundle: PolicyBundle, path: Path) -> Iterator[CaseResult]:
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        base = table["base"]
        if not base:
            raise _broken(path, "a base without facts")
        for case in table["cases"]:
            answer = decide(bundle, build_facts(_merged(base, case.get("change", {}))))
            yield CaseResult(table=path.stem, name=case["name"], expected=_wanted(case), got=_told(case, answer))
    except (OSError, yaml.YAMLError, KeyError, TypeError, ValueError) as problem:
        raise _broken(path, f"{type(problem).__name__}: {problem}") from problem


def _broken(path: Path, found: str) -> InputError:
    return InputError(
        f"The decision table {path.name} cannot be run.",
        code="policy.table",
        found=found,
        next_step="see policies/tables.py for the form of a table",
    )


def build_facts(values: Mapping[str, Json]) -> PolicyFacts:
    """Facts from plain values; raises TypeError for an unknown name, ValueError for a value of the wrong kind."""
    plain = dict(values)
    consent = dict(plain.pop("consent", {}))
    status = StatusFacts(**consent.pop("status", {}))
    known = {item.name: item.type for item in fields(ConsentFacts)}
    for name, value in consent.items():
        if isinstance(value, list):
            consent[name] = frozenset(value)
        elif isinstance(value, (date, datetime)):
            consent[name] = _moment(value)
        elif name not in known:
            raise TypeError(f"consent has no fact {name}")
    performer = plain.pop("performer", "person")
    depiction = Depiction(
        media=plain.pop("media", "portrait.png"),
        performer=performer,
        synthetic_proof=plain.pop("synthetic_proof", False),
        lends_voice=plain.pop("lends_voice", False),
        consent=ConsentFacts(status=status, **consent),
    )
    declared = Declaration(**plain.pop("declared", {}))
    territories, screened = tuple(plain.pop("territories", ())), frozenset(plain.pop("screened_out", ()))
    rest: dict[str, Json] = {
        name: _moment(value) if isinstance(value, (date, datetime)) else value for name, value in plain.items()
    }
    return PolicyFacts(
        declared=declared,
        territories=territories,
        screened_out=screened,
        job="0" * 64,
        depictions=() if performer == "none" else (depiction,),
        **rest,
    )


def _moment(value: Json) -> datetime:
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    raise ValueError(f"{value!r} is not a date")


def _merged(base: Mapping[str, Json], change: Mapping[str, Json]) -> dict[str, Json]:
    whole = dict(base)
    for name, value in change.items():
        old = whole.get(name)
        whole[name] = _merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return whole


def _wanted(case: Mapping[str, Json]) -> str:
    labels = _labels(case["labels"]) if "labels" in case else ""
    if case.get("allowed"):
        return f"allowed{labels}"
    return f"denied by {', '.join(sorted(case['denied']))}{labels}"


def _told(case: Mapping[str, Json], answer: PolicyAnswer) -> str:
    labels = _labels([label.text for label in answer.obligations.labels]) if "labels" in case else ""
    if answer.allowed:
        return f"allowed{labels}"
    return f"denied by {', '.join(sorted(answer.rule_ids))}{labels}"


def _labels(texts: Sequence[str]) -> str:
    return f", labels {'; '.join(sorted(texts))}"
