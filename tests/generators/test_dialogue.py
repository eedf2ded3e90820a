"""Dialogues: scripts that are read, faces that speak in turn, and scripts that are refused with their line."""

from __future__ import annotations

import functools
import itertools
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from generators.embedded import cast
from generators.embedded.cast import cache
from generators.embedded.dialogue import parse_script, render_dialogue, speaker_at
from generators.embedded.engine import Portrait, render_say
from generators.embedded.performance import Performance
from generators.embedded.pose import CHANNELS
from generators.embedded.soundtrack import RATE, Manner, Spoken, frame_count
from thsafe.core.errors import InputError, UsageError
from thsafe.core.types import MediaKind, MediaRef, Request, Silent, Task

SCRIPT = """
# a comment
[cast]
ADA: person=ada, voice=en-us+f3
KOFI: person=kofi, voice=en-gb-x-rp, rate=180, pitch=30

[script]
ADA: Mama and papa.
KOFI: Oh, we
   know.
"""
JAW = CHANNELS.index("jaw")
drawn_once = functools.cache(cast.draw)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")
    monkeypatch.setattr(cache, "DRAWN_SIZE", 256)
    monkeypatch.setattr(cast, "draw", drawn_once)


def request(script: str, **params: object) -> Request:
    portrait = MediaRef(role="portrait", path=None, sha256="0" * 64, kind=MediaKind.IMAGE, performer="synthetic")
    words = MediaRef(role="text", path=None, sha256="0" * 64, kind=MediaKind.TEXT, text=script)
    return Request(
        task=Task.SAY,
        engine="embedded",
        inputs=(portrait, portrait, words),
        params={"dialogue": True, "layout": "side-by-side", "short_side": 128, **params},
        purpose="demonstration",
        job_id="j",
        nonce="n",
    )


def test_a_script_is_read() -> None:
    script = parse_script(SCRIPT)
    assert [member.name for member in script.cast] == ["ADA", "KOFI"]
    assert script.turns == (("ADA", "Mama and papa."), ("KOFI", "Oh, we know."))
    first, second = script.utterances()
    assert (first.voice, first.pause, first.speaker) == ("en-us+f3", 0.0, "ADA")
    assert (second.rate, second.pitch, second.pause) == (180, 30, 0.35)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "script.cast"),
        ("ADA: hello", "script.cast"),
        ("[cast]\nADA\n[script]\nADA: x", "script.cast"),
        ("[cast]\nADA: person=ada, image=a.png\n[script]\nADA: x", "script.cast"),
        ("[cast]\nADA: voice=de\n[script]\nADA: x", "script.cast"),
        ("[cast]\nADA: person=ada, mood=happy\n[script]\nADA: x", "script.cast"),
        ("[cast]\nADA: person=ada, rate=fast\n[script]\nADA: x", "script.cast"),
        ("[cast]\nADA: person=ada\nADA: person=ada\n[script]\nADA: x", "script.cast"),
        (
            "[cast]\nA: person=ada\nB: person=ada\nC: person=ada\nD: person=ada\nE: person=ada\n[script]\nA: x",
            "script.cast",
        ),
        ("[cast]\nADA: person=ada\n[script]\nBO: x", "script.line"),
        ("[cast]\nADA: person=ada\n[script]\nADA: x\nBO: y", "script.line"),
        ("[cast]\nADA: person=ada\n[script]\n", "script.empty"),
        ("[cast]\nADA: person=ada\n[script]\nADA: ...", "script.empty"),
    ],
)
def test_what_is_wrong_with_a_script_is_told(text: str, code: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_script(text)
    assert caught.value.code == code
    assert "line " in (caught.value.found or "")


@pytest.mark.usefixtures("stage")
def test_each_mouth_moves_in_its_own_turn_alone() -> None:
    track = Spoken(parse_script(SCRIPT).utterances(), Manner(), Silent())
    frames = frame_count(track, Fraction(25))
    (start, end, _), (later, last, _) = track.turns
    assert later - end == pytest.approx(0.35, abs=0.01)
    for name, (on, off) in (("ADA", (start, end)), ("KOFI", (later, last))):
        poses = list(
            Performance(track.posteriors_of(name), track.level_of(name), fps=Fraction(25), frames=frames, seed=1)
        )
        jaw = np.array([pose.expression[JAW] for pose in poses])
        times = np.arange(frames) / 25
        inside = (times > on) & (times < off)
        assert jaw[inside].max() > 0.05
        assert np.abs(jaw[(times < on - 0.25) | (times > off + 0.25)]).max(initial=0) < 0.005
        assert np.ptp([pose.yaw for pose in poses]) > 0.05
    assert [speaker_at(track, when) for when in (0.0, start + 0.1, later + 0.1, 99.0)] == ["ADA", "ADA", "KOFI", "KOFI"]
    assert "ADA" in track.captions[0].text


@pytest.mark.usefixtures("stage")
@pytest.mark.parametrize(("layout", "width"), [("side-by-side", 256), ("cut", 128)])
def test_layouts(layout: str, width: int) -> None:
    draft = render_dialogue(request(SCRIPT, layout=layout), Silent())
    assert (draft.width, draft.height) == (width, 128)
    x0, y0, x1, y1 = draft.face_box or (0, 0, 0, 0)
    assert 0 <= x0 < x1 <= 1
    assert 0 <= y0 < y1 <= 1
    frames = list(draft.frames)
    assert len(frames) == draft.frame_count
    assert {frame.shape for frame in frames} == {(128, width, 3)}
    assert draft.sound is not None
    assert sum(len(block) for block in draft.sound) == len(frames) * RATE // 25
    jumps = [float(np.abs(a.astype(int) - b).mean()) for a, b in itertools.pairwise(frames)]
    assert (max(jumps) > 15) is (layout == "cut")


@pytest.mark.usefixtures("stage")
def test_marked_up_text_is_spoken_in_its_manners() -> None:
    def seconds(words: str) -> float:
        script = request("", person="ada", ssml=True)
        ref = MediaRef(role="text", path=None, sha256="0" * 64, kind=MediaKind.TEXT, text=words)
        draft = render_say(
            Request(
                task=Task.SAY,
                engine="embedded",
                inputs=(script.inputs[0], ref),
                params=script.params,
                purpose="demonstration",
                job_id="j",
                nonce="n",
            ),
            Silent(),
        )
        return (draft.frame_count or 0) / 25

    plain = seconds("<speak>One two three four.</speak>")
    assert seconds('<speak><prosody rate="50%">One two three four.</prosody></speak>') > 1.4 * plain
    paused = seconds('<speak>One two <break time="2s"/> three four.</speak>')
    assert 1.9 < paused - plain < 3


@pytest.mark.usefixtures("stage")
def test_what_is_wrong_is_told_before_the_gate(tmp_path: Path, home: Path) -> None:
    script = tmp_path / "talk.txt"
    for text, layout, code in (
        (SCRIPT, "stacked", "dialogue.layout"),
        (SCRIPT.replace("en-us+f3", "xx"), "cut", "speech.voice"),
        (SCRIPT.replace("person=ada", "person=nobody"), "cut", "person.unknown"),
        (SCRIPT.replace("person=ada", "image=none.png"), "cut", "input.missing"),
    ):
        script.write_text(text)
        with pytest.raises((InputError, UsageError)) as caught:
            Portrait().dialogue(script, layout=layout, output_path=tmp_path / "o.mp4")
        assert caught.value.code == code
    with pytest.raises(InputError) as unread:
        Portrait().dialogue(tmp_path / "none.txt", output_path=tmp_path / "o.mp4")
    assert unread.value.code == "script.unreadable"
    assert not home.exists()
