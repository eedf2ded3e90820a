"""Piper voices: a tiny model made here speaks with the times that it predicts itself; broken ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from generators.speech.espeak import SAMPLE_RATE
from generators.speech.piper import PREFIX, Piper
from generators.speech.voices import Voices
from thsafe.core.errors import InputError, UsageError
from thsafe.home import Home

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytest.importorskip("espeakng_loader")

SYMBOLS = "_^$ !',-.:;?abdefhijklmnopstuvwzæçðŋɐɑɔəɚɛɜɡɪɫɹɾʃʊʌʒθˈˌː"
RATE, HOP = 16000, 128
STEPS = 6
"""Steps of sound that the model gives each symbol at normal length; pauses (id 0) get one."""


def model(path: Path, *, durations: bool = True, speakers: int = 1) -> None:
    """Each symbol lasts ``STEPS`` steps times the length scale, rounded up, and is a sine."""
    from onnx import TensorProto, helper

    def constant(name: str, values: list[float], kind: int = TensorProto.FLOAT) -> onnx.NodeProto:
        tensor = helper.make_tensor(name, kind, [len(values)] if len(values) > 1 else [], values)
        return helper.make_node("Constant", [], [name], value=tensor)

    int64 = TensorProto.INT64
    nodes = [
        constant("one", [1], int64),
        constant("steps", [STEPS - 1.0]),
        constant("unit", [1.0]),
        constant("hop", [float(HOP)]),
        constant("zero", [0.0]),
        constant("pitch", [0.09]),
        constant("loud", [0.3]),
        constant("axes", [0, 1, 2], int64),
        helper.make_node("Cast", ["input"], ["ids"], to=TensorProto.FLOAT),
        helper.make_node("Min", ["ids", "unit"], ["voiced"]),
        helper.make_node("Mul", ["voiced", "steps"], ["more"]),
        helper.make_node("Add", ["more", "unit"], ["plain"]),
        helper.make_node("Gather", ["scales", "one"], ["length"]),
        helper.make_node("Mul", ["plain", "length"], ["stretched"]),
        helper.make_node("Ceil" if durations else "Round", ["stretched"], ["durations"]),
        helper.make_node("ReduceSum", ["durations"], ["total"], keepdims=0),
        helper.make_node("Mul", ["total", "hop"], ["samples"]),
        helper.make_node("Range", ["zero", "samples", "unit"], ["time"]),
        helper.make_node("Mul", ["time", "pitch"], ["phase"]),
        helper.make_node("Sin", ["phase"], ["wave"]),
        helper.make_node("Mul", ["wave", "loud"], ["sound"]),
        helper.make_node("Unsqueeze", ["sound", "axes"], ["output"]),
    ]
    inputs = [
        helper.make_tensor_value_info("input", int64, ["batch", "symbols"]),
        helper.make_tensor_value_info("input_lengths", int64, ["batch"]),
        helper.make_tensor_value_info("scales", TensorProto.FLOAT, [3]),
    ]
    if speakers > 1:
        inputs.append(helper.make_tensor_value_info("sid", int64, ["batch"]))
    outputs = [helper.make_tensor_value_info("output", TensorProto.FLOAT, None)]
    graph = helper.make_graph(nodes, "voice", inputs, outputs)
    path.write_bytes(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()
    )
    names = {f"speaker{number}": number for number in range(speakers)} if speakers > 1 else {}
    manual = {
        "audio": {"sample_rate": RATE},
        "espeak": {"voice": "en-us"},
        "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
        "phoneme_type": "espeak",
        "phoneme_id_map": {symbol: [number] for number, symbol in enumerate(SYMBOLS)},
        "speaker_id_map": names,
        "hop_length": HOP,
    }
    path.with_name(path.name + ".json").write_text(json.dumps(manual))


@pytest.fixture
def place(tmp_path: Path) -> Home:
    folder = tmp_path / "home" / "models" / "piper"
    folder.mkdir(parents=True)
    model(folder / "tiny.onnx")
    return Home(tmp_path / "home")


def speak(place: Home, text: str, name: str = "tiny", rate: int = 165) -> list:
    voice = Voices(place)[PREFIX + name]
    return list(voice.iter_speech(text, voice=PREFIX + name, rate=rate, pitch=50, range=50))


def test_times_are_those_that_the_model_predicts(place: Home) -> None:
    (said,) = speak(place, "Bob met Pam.")
    assert said.sample_rate == SAMPLE_RATE
    assert np.abs(said.samples).max() == pytest.approx(0.3, abs=0.02)
    assert said.phones[0].start == 0
    assert said.phones[-1].end == pytest.approx(said.duration)
    for before, after in zip(said.phones, said.phones[1:], strict=False):
        assert before.end == after.start
    sounds = [phone for phone in said.phones if phone.ipa]
    assert [phone.ipa for phone in sounds][:4] == ["b", "ɑ", "b", "m"]
    step = HOP / RATE
    # a consonant lasts its own steps and the one of the pause symbol behind it
    assert sounds[3].end - sounds[3].start == pytest.approx((STEPS + 1) * step, abs=1e-3)
    # a vowel has the stress mark before it as well
    assert sounds[1].end - sounds[1].start >= 2 * (STEPS + 1) * step - 1e-3
    (slow,) = speak(place, "Bob met Pam.", rate=83)
    assert slow.duration == pytest.approx(2 * said.duration, rel=0.1)


def test_words_have_times(place: Home) -> None:
    (said,) = speak(place, "Bob met Pam.")
    assert [word.text for word in said.words] == ["Bob", "met", "Pam."]
    assert all(word.start < word.end for word in said.words)
    assert said.words[0].end <= said.words[1].start + 1e-9


def test_sentences_come_one_by_one_with_pauses(place: Home) -> None:
    first, second = speak(place, "One. Two.")
    assert first.phones[-1].ipa == second.phones[-1].ipa == ""
    assert first.phones[-1].end - first.phones[-1].start > 0.2


def test_a_model_that_does_not_tell_its_times_is_spoken_all_the_same(place: Home) -> None:
    model(place.models / "piper" / "mute.onnx", durations=False)
    (said,) = speak(place, "Bob met Pam.", "mute")
    assert [word.text for word in said.words] == ["Bob", "met", "Pam."]
    assert said.phones[-1].end == pytest.approx(said.duration)


def test_the_same_words_sound_the_same(place: Home) -> None:
    (one,), (two,) = speak(place, "Again."), speak(place, "Again.")
    assert np.array_equal(one.samples, two.samples)


def test_speakers_are_named(place: Home) -> None:
    model(place.models / "piper" / "many.onnx", speakers=2)
    assert speak(place, "Hello.", "many#speaker1")
    with pytest.raises(UsageError) as caught:
        Piper("piper:many#nobody", place)
    assert caught.value.code == "speech.voice"


@pytest.mark.parametrize(
    ("name", "content", "described"),
    [
        ("absent", None, None),
        ("../tiny", None, None),
        ("bare", b"junk", None),
        ("junk", b"junk", "{"),
        ("list", b"junk", "[]"),
        ("text", b"junk", '{"phoneme_type": "text", "phoneme_id_map": {}}'),
    ],
)
def test_what_is_no_voice_is_refused(place: Home, name: str, content: bytes | None, described: str | None) -> None:
    path = place.models / "piper" / f"{name}.onnx"
    if content is not None:
        path.write_bytes(content)
    if described is not None:
        path.with_name(path.name + ".json").write_text(described)
    with pytest.raises(InputError) as caught:
        Piper(PREFIX + name, place)
    assert caught.value.code == "speech.piper-voice"


def test_a_damaged_model_is_refused_when_it_is_loaded(place: Home) -> None:
    path = place.models / "piper" / "tiny.onnx"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError) as caught:
        speak(place, "Hello.")
    assert caught.value.code == "speech.piper-voice"


def test_a_portrait_speaks_with_it(place: Home) -> None:
    from fractions import Fraction

    from generators.embedded.soundtrack import Manner, Spoken, frame_count
    from thsafe.core.types import Silent

    track = Spoken("Bob met Pam.", Manner(voice="piper:tiny"), Silent(), place)
    table = next(track.posteriors())
    assert table[:, 1].sum() > 5, "b, m and p close the lips"
    assert [caption.text for caption in track.captions] == ["Bob", "met", "Pam."]
    assert frame_count(track, Fraction(25)) > 10
