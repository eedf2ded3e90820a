"""The consent is genuine and the job goes beyond it: time, language, place, channel, mode, purpose, number."""

from __future__ import annotations

from datetime import timedelta

import pytest

from thsafe.core.errors import ConsentRefused, Refused
from thsafe.core.types import Task


@pytest.mark.parametrize(
    ("scope", "job", "rule"),
    [
        ({"languages": ("en",)}, {"language": "de"}, "consent.languages"),
        ({"languages": ("en",)}, {"language": "und"}, "consent.languages"),
        ({"languages": ("en-GB",)}, {"language": "en"}, "consent.languages"),
        ({"territories": ("DE",)}, {"territories": ("FR",)}, "consent.territories"),
        ({"territories": ("DE",)}, {"territories": ("DE", "FR")}, "consent.territories"),
        ({"territories": ("DE",)}, {}, "consent.territories"),
        ({"territories": ("US-CA",)}, {"territories": ("US",)}, "consent.territories"),
        ({"territories": ("EU",)}, {"territories": ("WORLD",)}, "consent.territories"),
        ({"channels": ("intranet",)}, {"channel": "television"}, "consent.channels"),
        ({"channels": ("intranet",)}, {}, "consent.channels"),
        ({"modes": ("say",)}, {"task": Task.SWAP}, "consent.modes"),
        ({"purposes": ("training-video",)}, {}, "consent.purpose"),
        ({"prohibited": ("demonstration",)}, {}, "consent.purpose"),
        ({"purposes": ("*",)}, {}, "consent.purpose"),
        ({"uses_text": "anything"}, {}, "consent.description"),
    ],
)
def test_outside_the_scope(world, scope, job, rule):
    world.consent(scope=scope)
    with pytest.raises(ConsentRefused) as caught:
        world.ask(world.request(**job))
    assert caught.value.code == rule


@pytest.mark.parametrize(
    ("scope", "job"),
    [
        ({"languages": ("en",)}, {"language": "en-GB"}),
        ({"languages": ("*",)}, {"language": "und"}),
        ({"territories": ("EU",)}, {"territories": ("DE", "FR")}),
        ({"territories": ("US",)}, {"territories": ("US-CA",)}),
        ({"channels": ("intranet",)}, {"channel": "intranet"}),
    ],
)
def test_inside_the_scope(world, scope, job):
    world.consent(scope=scope)
    assert world.ask(world.request(**job)).decision.allowed


def test_before_and_after_its_time(world):
    world.consent()
    world.now += timedelta(days=364, hours=23)
    assert world.ask().decision.allowed
    world.now += timedelta(hours=1)
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.window"


def test_not_yet(world):
    world.consent(valid_from=world.now + timedelta(days=1))
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.window"


def test_used_up(world):
    world.consent(scope={"max_uses": 2})
    assert world.ask().decision.allowed
    assert world.ask().decision.allowed
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.uses"


def test_for_ever_is_too_long(world):
    world.consent(valid_until=world.now + timedelta(days=4000))
    with pytest.raises(ConsentRefused) as caught:
        world.ask()
    assert caught.value.code == "consent.term"


def test_political_speech_needs_more_than_self_assurance(world):
    world.own_consent(purposes=["political"])
    with pytest.raises(Refused) as caught:
        world.ask(world.request(purpose="political"))
    assert "@id use.political" in caught.value.rule
