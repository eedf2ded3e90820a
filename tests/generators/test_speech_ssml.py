"""SSML: what it changes, what it refuses, and that nothing in it reaches beyond the text."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generators.speech.ssml import LARGEST, utterances
from generators.speech.utterance import Utterance
from thsafe.core.errors import InputError

BASE = Utterance(text="")


def said(inner: str) -> tuple[Utterance, ...]:
    return utterances(f"<speak>{inner}</speak>", BASE)


def test_plain_words_are_one_piece() -> None:
    assert said("Good  morning,\n everyone.") == (Utterance(text="Good morning, everyone."),)


def test_rate_pitch_voice_and_emphasis_change_the_manner() -> None:
    fast, high, other, loud = said(
        '<prosody rate="fast">A</prosody><prosody pitch="+20%">B</prosody>'
        '<voice name="de">C</voice><emphasis level="strong">D</emphasis>'
    )
    assert (fast.rate, fast.pitch) == (231, 50)
    assert (high.rate, high.pitch) == (165, 60)
    assert other.voice == "de"
    assert (loud.rate, loud.pitch) == (135, 62)


def test_manners_nest_and_end() -> None:
    a, b, c = said('<prosody rate="50%">one <prosody pitch="high">two</prosody></prosody> three')
    assert (a.rate, a.pitch, b.rate, b.pitch, c.rate, c.pitch) == (82, 50, 82, 70, 165, 50)


def test_breaks_and_borders_are_silence() -> None:
    a, b, c, d = said('<s>One</s><s>two</s> three <break time="500ms"/><break strength="strong"/> four')
    assert [a.pause, b.pause, c.pause] == [0, 0.35, 0.35]
    assert d.pause == pytest.approx(1.3)


def test_a_full_stop_stays_with_its_word() -> None:
    pieces = said("It is <emphasis>true</emphasis>.")
    assert [piece.text for piece in pieces] == ["It is", "true."]


def test_namespaces_and_the_declaration_are_understood() -> None:
    source = (
        '<?xml version="1.0"?><speak version="1.1" xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en">'
        "<p>a&amp;b</p></speak>"
    )
    assert utterances(source, BASE)[0].text == "a&b"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("hello", "ssml.xml"),
        ("<speak>hello", "ssml.xml"),
        ("<p>hello</p>", "ssml.element"),
        ("<speak></speak>", "ssml.empty"),
        ("<speak>...</speak>", "ssml.empty"),
        ("<speak><audio src='x'/></speak>", "ssml.element"),
        ("<speak><speak>a</speak></speak>", "ssml.element"),
        ("<speak>" + "<s>" * 40 + "a" + "</s>" * 40 + "</speak>", "ssml.element"),
        ("<speak><break time='99s'/>a</speak>", "ssml.value"),
        ("<speak><break time='-1s'/>a</speak>", "ssml.value"),
        ("<speak><prosody rate='quick'>a</prosody></speak>", "ssml.value"),
        ("<speak><emphasis level='huge'>a</emphasis></speak>", "ssml.value"),
        ("<speak><voice>a</voice></speak>", "ssml.value"),
        ('<!DOCTYPE s [<!ENTITY a "b">]><speak>&a;</speak>', "ssml.entities"),
        ('<!DOCTYPE s SYSTEM "file:///etc/hostname"><speak>a</speak>', "ssml.entities"),
        ("<speak>&undefined;</speak>", "ssml.xml"),
        ("<speak><?run me?>a</speak>", "ssml.entities"),
        ("<speak>" + "a" * LARGEST + "</speak>", "ssml.large"),
    ],
)
def test_what_is_refused(source: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        utterances(source, BASE)
    assert caught.value.code == code
    assert caught.value.next_step


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet='<>/&;"= abspeak!?[]', max_size=80))
def test_nothing_crashes_the_reader(text: str) -> None:
    with contextlib.suppress(InputError):
        utterances(f"<speak>{text}</speak>", BASE)
