"""Decisions asked again: from the gate's own entries, whole, changed, under other policies, and without their facts."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.engine import ConsentFacts, Depiction, PolicyBundle, PolicyFacts, decide
from policies.logged import from_log, to_log
from thsafe.audit.replay import Decisions
from thsafe.audit.run import run_audit
from thsafe.core.errors import ConsentRefused, Refused

BUNDLE = PolicyBundle.load()
START = datetime(2026, 11, 22, 12, tzinfo=UTC)


def replayed(events, bundle=BUNDLE):
    decisions = Decisions(bundles={bundle.digest: bundle})
    for index, event in enumerate(events):
        decisions.add(index, event)
    return decisions


def asked(world):
    return [entry.event for entry in world.ledger.entries() if entry.type in {"intent", "refusal"}]


def test_what_the_gate_logged_is_answered_the_same(world):
    world.consent(scope={"max_uses": 2, "territories": ("DE", "FR")})
    world.ask(world.request(territories=("DE",), language="de-AT"))
    for changes in (
        {"territories": ("US-CA",)},
        {"purpose": "politics"},
        {"purpose": "no such word " * 9},
        {"params": {"declared": {"sexual": True}}},
        {"language": "x" * 300},
        {"inputs": (world.ref(world.file("other.png", b"other")),)},
    ):
        with pytest.raises(Refused):
            world.ask(world.request(**changes))
    world.now += timedelta(days=900)
    with pytest.raises(Refused):
        world.ask(world.request(territories=("DE",)))
    decisions = replayed(asked(world))
    assert decisions.counts == {"same": 8}
    assert decisions.differences == []


def test_a_request_sent_twice_was_refused_by_counting(world):
    world.consent()
    request = world.request()
    world.ask(request)
    with pytest.raises(ConsentRefused):
        world.ask(request)
    events = asked(world)
    assert events[1]["rules"] == ["consent.replay"]
    assert replayed(events).counts == {"same": 2}
    assert replayed(events[1:]).counts == {"differs": 1}


def test_every_rewritten_part_of_a_decision_is_noticed(world):
    world.consent()
    world.ask()
    (event,) = asked(world)
    consent = event["facts"]["depictions"][0]["consent"]
    for changed in (
        {**event, "type": "refusal"},
        {**event, "rules": ["permit.else"]},
        {**event, "duties": []},
        {**event, "purpose": "politics"},
        {**event, "declared": {**event["declared"], "fraud": True}},
        {**event, "facts": {**event["facts"], "depictions": [{"performer": "person", "synthetic_proof": False, "lends_voice": False, "consent": None}]}},
        {**event, "facts": {**event["facts"], "media_intact": False}},
        *(
            {**event, "facts": {**event["facts"], "depictions": [{**event["facts"]["depictions"][0], "consent": {**consent, name: False}}]}}
            for name in ("subject_proof", "holder_proof", "media_match")
        ),
    ):  # fmt: skip
        decisions = replayed([changed])
        assert decisions.counts == {"differs": 1}, changed
        assert decisions.differences[0].logged != decisions.differences[0].found


def test_other_policies(world):
    world.consent()
    world.ask()
    (event,) = asked(world)
    renamed = dataclasses.replace(BUNDLE, digest="ab" * 32)
    assert replayed([event], renamed).counts == {"other-policy": 1}
    assert replayed([{**event, "type": "refusal"}], renamed).counts == {"other-answer": 1}
    assert replayed([event], renamed).elsewhere[BUNDLE.digest]["other-policy"] == 1


@pytest.mark.parametrize("facts", [None, {}, {"now": "2026-01-01T00:00:00.000Z"}, "words", []])
def test_entries_without_facts_are_not_judged(world, facts):
    world.consent()
    world.ask()
    (event,) = asked(world)
    assert replayed([{**event, "facts": facts}]).counts == {"not-logged": 1}


def test_the_log_holds_nothing_personal(world):
    world.consent(age_class="adult")
    world.ask()
    text = json.dumps(world.last_event())
    for secret in (world.portrait.name, str(world.folder), "marketing writes"):
        assert secret not in text
    minor = ConsentFacts(present=True, valid_until=START, comes_of_age=START + timedelta(days=77))
    facts = PolicyFacts(
        task="say", requester="did", job="j", purpose="x", now=START, media_intact=True,
        depictions=(Depiction(media="mia.png", performer="person", consent=minor),),
    )  # fmt: skip
    text = json.dumps(to_log(facts))
    assert "mia" not in text
    assert "2027-02" not in text  # her birthday


TRUTHS = [field.name for field in dataclasses.fields(ConsentFacts) if field.type == "bool"]


@given(
    truths=st.fixed_dictionaries({name: st.booleans() for name in TRUTHS}),
    age=st.sampled_from(["adult", "minor", "unknown"]),
    days=st.integers(-400, 4000),
    majority=st.integers(-3000, 3000),
    uses=st.integers(-1, 3),
    words=st.frozensets(st.sampled_from(["say", "swap", "demonstration", "advertising", "*", "any", "DE", "WORLD", "did:x"])),
)  # fmt: skip
def test_facts_survive_the_log(truths, age, days, majority, uses, words):
    consent = ConsentFacts(
        **truths,
        age_class=age,
        uses_left=uses,
        valid_from=START - timedelta(days=30),
        valid_until=START + timedelta(days=days),
        comes_of_age=START + timedelta(days=majority),
        **dict.fromkeys(("licensees", "modes", "purposes", "languages", "channels", "territories"), words),
    )
    facts = PolicyFacts(
        task="say", requester="did:x", job="j", purpose="demonstration", territories=("DE",), now=START,
        media_intact=True, depictions=(Depiction(media="a", performer="person", consent=consent),),
    )  # fmt: skip
    event = {
        "task": "say", "requester": "did:x", "request": "j", "purpose": "demonstration", "territories": ["DE"],
        "declared": {"sexual": False, "fraud": False, "election": False, "celebrity": False},
        "facts": json.loads(json.dumps(to_log(facts))),
    }  # fmt: skip
    again = decide(BUNDLE, from_log(event))
    answer = decide(BUNDLE, facts)
    assert (again.allowed, again.rule_ids) == (answer.allowed, answer.rule_ids)


def test_the_audit_says_what_differs(house):
    house.publish("good.mp4")
    house.intent("forged", rules=["permit.forged"])
    house.intent("older", policy="ef" * 32)
    house.intent("bare", facts=None)
    report = run_audit(house.home, measure=house.measure, ledger=house.ledger, clock=house.clock)
    found = {item.code: item for item in report.exceptions if item.code.startswith("decision.")}
    assert {code: item.severity for code, item in found.items()} == {
        "decision.differs": "high",
        "decision.other-policy": "low",
        "decision.facts-missing": "low",
    }
    assert found["decision.differs"].index == 2
    assert "permit.forged" in found["decision.differs"].words
    assert report.decisions == {"differs": 1, "not-logged": 1, "other-policy": 1, "same": 1}
