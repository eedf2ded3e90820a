"""What the requester states about the content: in the job's digest, in the log, and refused where it is a closed use."""

from __future__ import annotations

import pytest

from thsafe.cli.main import run
from thsafe.core.errors import PolicyRefused, UsageError


def _events(installation):
    return [installation.ledger.entry(number).event for number in range(installation.ledger.size)]


@pytest.mark.parametrize("word", ["sexual", "fraud", "election", "celebrity"])
def test_an_honest_yes_is_refused_and_logged(tiny, installation, tmp_path, word):
    with pytest.raises(PolicyRefused) as caught:
        tiny.Tiny(home=installation.home, declares=[word]).say(tmp_path / "out.mp4")
    assert caught.value.code == f"use.{word}"
    event = _events(installation)[-1]
    assert event["type"] == "refusal"
    assert event["declared"][word] is True
    assert list(tmp_path.glob("*.mp4")) == []


@pytest.mark.parametrize(("declares", "explicit"), [(None, False), ((), True)])
def test_nothing_of_the_kind_is_recorded_as_said_or_unsaid(tiny, installation, tmp_path, declares, explicit):
    tiny.Tiny(home=installation.home, declares=declares).say(tmp_path / "out.mp4")
    declared = next(event for event in _events(installation) if event["type"] == "intent")["declared"]
    assert declared == {"sexual": False, "fraud": False, "election": False, "celebrity": False, "explicit": explicit}


def test_an_unknown_word_is_a_usage_error(tiny, installation, tmp_path):
    with pytest.raises(UsageError) as caught:
        tiny.Tiny(home=installation.home, declares=["harmless"]).say(tmp_path / "out.mp4")
    assert caught.value.code == "usage.declaration"


def test_the_command_line_says_it_too(installation, tmp_path, capsys):
    words = ["generate", "say", "--person", "ada", "--text", "x", "-o", str(tmp_path / "out.mp4")]
    assert run([*words, "--declares", "fraud"]) == 20
    assert "error[use.fraud]" in capsys.readouterr().err
    assert run([*words, "--declares", "harmless"]) == 2
