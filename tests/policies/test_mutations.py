"""No malformed context is allowed: every attribute of the schema is dropped, nulled and given every wrong type."""

from __future__ import annotations

import copy
import re
from datetime import UTC, datetime, timedelta

import pytest

from policies.bundle import PACKAGE_FOLDER, PolicyBundle
from policies.engine import UNDECIDED, ConsentFacts, Depiction, PolicyFacts, StatusFacts, ask_cedar
from thsafe.core.types import Task

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TASKS = tuple(str(task) for task in Task)
VALUES = {
    "Bool": [True, False],
    "Long": [0, 1],
    "String": ["", "x"],
    "datetime": [{"__extn": {"fn": "datetime", "arg": "2026-01-01"}}],
    "Set": [[], ["x"]],
    "record": [{}, {"x": 1}],
    "no type": [None, 1.5, {"__extn": {"fn": "datetime", "arg": "soon"}}, {"__extn": {"fn": "decimal", "arg": "1.0"}}],
    "entity": [{"__entity": {"type": "Job", "id": "x"}}],
}


def schema_types() -> dict[str, dict[str, str]]:
    text = re.sub(r"//.*", "", (PACKAGE_FOLDER / "schema.cedarschema").read_text())
    return {
        name: dict(re.findall(r"(\w+)\s*:\s*([\w<>]+)", body))
        for name, body in re.findall(r"type (\w+) = \{(.*?)\};", text, re.DOTALL)
    }


def attributes(types, record="Facts", path=()):
    for name, kind in types[record].items():
        yield (*path, name), kind
        if kind in types:
            yield from attributes(types, kind, (*path, name))


def good_facts() -> PolicyFacts:
    consent = ConsentFacts(
        present=True,
        subject_proof=True,
        collector_proof=True,
        holder_proof=True,
        media_match=True,
        evidence=True,
        licensees=frozenset({"did"}),
        valid_from=NOW - timedelta(days=1),
        valid_until=NOW + timedelta(days=1),
        modes=frozenset(TASKS),
        purposes=frozenset({"demonstration"}),
        languages=frozenset({"*"}),
        channels=frozenset({"any"}),
        territories=frozenset({"WORLD"}),
        uses_left=1,
        uses_described=True,
        assurance="collector",
        age_class="adult",
        status=StatusFacts(available=True, signed=True, fresh=True),
    )
    return PolicyFacts(
        task="say",
        requester="did",
        job="job",
        purpose="demonstration",
        now=NOW,
        media_intact=True,
        depictions=(Depiction(media="p.png", performer="person", consent=consent),),
    )


@pytest.fixture(scope="module")
def bundle():
    return PolicyBundle.load()


@pytest.fixture
def context():
    facts = good_facts()
    return facts.context(facts.depictions[0])


def changed(context, path, value=None, *, drop=False):
    whole = copy.deepcopy(context)
    inner = whole
    for name in path[:-1]:
        inner = inner[name]
    if drop:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return whole


def test_the_unharmed_context_is_allowed(bundle, context):
    for task in TASKS:
        assert ask_cedar(bundle, task, {**context, "task": task}) == (True, (f"permit.{task}",))


def test_the_facts_have_exactly_the_schemas_attributes(context):
    def names(value, path=()):
        for name, inner in value.items():
            yield (*path, name)
            if isinstance(inner, dict) and "__extn" not in inner:
                yield from names(inner, (*path, name))

    assert set(names(context)) == {path for path, _ in attributes(schema_types())}


def test_no_attribute_is_optional():
    text = (PACKAGE_FOLDER / "schema.cedarschema").read_text()
    assert "?:" not in text


def test_no_mutation_is_allowed(bundle, context):
    types = schema_types()
    tried = 0
    for path, kind in attributes(types):
        own = "record" if kind in types else "Set" if kind.startswith("Set") else kind
        wrong = [value for name, values in VALUES.items() if name != own for value in values]
        if own == "Set":
            wrong += [[1], [True], ["x", 1], [["x"]], [None]]
        mutants = [changed(context, path, drop=True), *(changed(context, path, value) for value in wrong)]
        for mutant in mutants:
            tried += 1
            allowed, ids = ask_cedar(bundle, "say", mutant)
            assert not allowed, (path, mutant)
            assert UNDECIDED in ids or ids, path
    assert tried > 500


@pytest.mark.parametrize("extra", [{"override": True}, {"consent": None}, {}])
def test_unknown_attributes_and_empty_contexts_are_refused(bundle, context, extra):
    assert not ask_cedar(bundle, "say", {**context, **extra} if extra else {})[0]


@pytest.mark.parametrize("task", ["generate", "publish", "", "say ", "SAY", 'say"; permit'])
def test_unknown_actions_are_refused(bundle, context, task):
    assert ask_cedar(bundle, task, context) == (False, (UNDECIDED,))


HARMLESS = {
    ("consent", "prohibited"): "an empty prohibition",
    ("consent", "comesOfAge"): "of an adult",
    ("consent", "guardianProof"): "of an adult",
    ("consent", "courtReference"): "of an adult",
    ("consent", "deceased"): "the living need no estate",
    ("consent", "estateProof"): "of the living",
    ("consent", "status", "revoked"): "not revoked",
    ("consent", "status", "suspended"): "not suspended",
    ("consent", "uncovered"): "computed against the job",
    ("consent", "validFrom"): "a long past start fails by the term alone",
}


def test_absence_of_any_evidence_refuses(bundle, context):
    """Each consent attribute set to what an absent consent has: the job falls, but for those named harmless."""
    absent = PolicyFacts(
        task="say", requester="did", job="j", purpose="demonstration", now=NOW, media_intact=True
    ).context(Depiction(media="p", performer="person"))["consent"]
    for path, kind in attributes(schema_types()):
        if path[0] != "consent" or kind in schema_types() or path in HARMLESS:
            continue
        value = absent
        for name in path[1:]:
            value = value[name]
        assert not ask_cedar(bundle, "say", changed(context, path, value))[0], path
