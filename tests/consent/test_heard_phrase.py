"""The spoken phrase, end to end: asked, spoken by a machine's voice, heard offline, signed or sent back."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import soundfile

from thsafe.cli.main import run
from thsafe.consent.collect import ENOUGH
from thsafe.consent.phrase import agreement
from thsafe.consent.transcript import heard_words
from thsafe.core.errors import InputError
from thsafe.registry import speak

pytest.importorskip("pocketsphinx")
pytest.importorskip("espeakng_loader")

PHRASES = ["valley shadow jewel spring carrot tunnel", "zebra acorn comet window honey ladder"]


def spoken(words, path, *, noise=0.0):
    samples, rate = speak(words)
    samples = samples + np.random.default_rng(1).normal(0, noise * samples.std(), len(samples))
    soundfile.write(path, samples, rate)
    return path


@pytest.fixture
def asked(home, tmp_path, capsys):
    """A licensee's request and its phrase."""
    assert run(["keys", "new"]) == 0
    path = tmp_path / "request.json"
    arguments = ["--purpose", "training-video", "--uses", "Two short training videos.", "-o", str(path)]
    assert run(["consent", "request", *arguments]) == 0
    capsys.readouterr()
    assert run(["consent", "record", str(path)]) == 0
    return path, re.search(r'\n  "([a-z ]+)"\n', capsys.readouterr().out)[1]


@pytest.mark.parametrize("noise", [0.0, 0.2])
@pytest.mark.parametrize("phrase", PHRASES)
def test_a_phrase_is_heard_and_another_is_not(tmp_path, phrase, noise):
    other = next(item for item in PHRASES if item != phrase)
    assert agreement(phrase, heard_words(spoken(phrase, tmp_path / "a.wav", noise=noise), phrase)) >= ENOUGH
    assert agreement(phrase, heard_words(spoken(other, tmp_path / "b.wav", noise=noise), phrase)) <= 0.5


def test_silence_and_long_recordings(tmp_path):
    soundfile.write(tmp_path / "still.wav", np.zeros(16000 * 3), 16000)
    assert heard_words(tmp_path / "still.wav", PHRASES[0]) == ()
    soundfile.write(tmp_path / "long.wav", np.zeros(8000 * 121), 8000)
    with pytest.raises(InputError) as caught:
        heard_words(tmp_path / "long.wav", PHRASES[0])
    assert caught.value.code == "consent.recording"


def test_from_request_to_signature(asked, tmp_path, capsys):
    request, phrase = asked
    (tmp_path / "me.png").write_bytes(b"a picture")
    signed, voice = tmp_path / "signed.json", tmp_path / "voice.wav"
    arguments = [
        *("consent", "record", str(request), "--agree", "--portrait", str(tmp_path / "me.png")),
        *("--recording", str(voice), "--check-words", "-o", str(signed)),
    ]
    spoken(" ".join(reversed(PHRASES[0].split())), voice)
    assert run(arguments) == 21
    told = capsys.readouterr().err
    assert "consent.phrase" in told
    assert phrase in told
    assert not signed.exists()
    spoken(phrase, voice)
    assert run(arguments) == 0
    evidence = json.loads(signed.read_text())["credentialSubject"]["evidence"]
    assert evidence["method"] == "phrase-transcribed"
    assert evidence["transcriptScore"] >= ENOUGH
