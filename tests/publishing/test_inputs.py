"""What the manifest says of the inputs: their part in the output, their thumbnails, their own history."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from thsafe.consent.grant import create_self_consent
from thsafe.core.errors import MarkError
from thsafe.core.ids import new_manifest_label
from thsafe.core.types import MediaKind, Task, Verdict
from thsafe.generation import drawn_portrait, media_input, text_input
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.media.boxes import find_boxes, read_keys
from thsafe.media.decode import VideoReader
from thsafe.media.image import encode_jpeg, write_png
from thsafe.media.tags import read_tags
from thsafe.media.wav import write_wav
from thsafe.provenance.manifest import ManifestFacts
from thsafe.provenance.read import read_credentials
from thsafe.provenance.rubric import check_manifest
from thsafe.provenance.sign import sign
from thsafe.provenance.tree import tree_lines
from thsafe.readback import frames_of_label
from thsafe.verification import verify

PHOTO_AND_VOICE = "compositeWithTrainedAlgorithmicMedia"


@pytest.fixture
def make(installation, tiny, tmp_path):
    """Publishes one output of a task and inputs, as an engine that says ``facts`` of it would."""

    class Telling(tiny.Tiny):
        def render(self, request, permit, progress):
            draft = super().render(request, permit, progress)
            return dataclasses.replace(draft, facts={**draft.facts, **self.facts})

    def publish(task, inputs, name="out.mp4", *, territories=(), language="und", frames=30, **facts):
        engine = Telling(frames, territories=territories, language=language)
        engine.facts = facts
        return engine.run(task, inputs, {}, tmp_path / name)

    return publish


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "jane-doe.wav"
    tone = 0.2 * np.sin(2 * np.pi * 220 * np.arange(16000) / 16000)
    write_wav(path, tone.astype(np.float32), sample_rate=16000)
    return media_input("voice", path, MediaKind.AUDIO)


@pytest.fixture
def portrait(installation, tmp_path):
    path = tmp_path / "jane-doe.png"
    picture = np.random.default_rng(3).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    write_png(path, picture)
    create_self_consent(installation.home, portrait=path, keys=installation.ring)
    return media_input("portrait", path, MediaKind.IMAGE)


def said(installation, output):
    """(credentials, ingredients by title, actions by name) of an output that meets all 31 requirements."""
    assert [result.id for result in check_manifest(output.path) if not result.ok] == []
    found = read_credentials(output.path, trust=installation.trust())
    active = found.raw["manifests"][found.active_label]
    assert b"jane" not in json.dumps(found.raw).encode()
    actions = {
        action["action"]: action
        for item in active["assertions"]
        if item["label"].startswith("c2pa.actions")
        for action in item["data"]["actions"]
    }
    return found, {item["title"]: item for item in active["ingredients"]}, actions


def test_a_photo_with_a_recorded_voice(installation, make, portrait, voice) -> None:
    output = make(
        Task.ANIMATE, (portrait, voice), voice="recorded", digital_source_type="trainedAlgorithmicMedia", model_name="m"
    )
    _, inputs, actions = said(installation, output)
    assert (inputs["portrait"]["relationship"], inputs["voice"]["relationship"]) == ("inputTo", "componentOf")
    assert inputs["portrait"]["thumbnail"]["format"] == "image/jpeg"
    assert "thumbnail" not in inputs["voice"]
    assert actions["c2pa.created"]["digitalSourceType"].endswith("/" + PHOTO_AND_VOICE)
    assert "c2pa.placed" in actions


def test_a_drawn_person_with_a_recorded_voice(installation, make, voice) -> None:
    output = make(Task.ANIMATE, (drawn_portrait("ada"), voice), voice="recorded")
    found, inputs, actions = said(installation, output)
    assert actions["c2pa.created"]["digitalSourceType"].endswith("/composite")
    assert inputs["portrait"]["digital_source_type"].endswith("/digitalCreation")
    assert not any(
        item["label"] == "c2pa.ai-disclosure" for item in found.raw["manifests"][found.active_label]["assertions"]
    )


def test_a_synthetic_voice_is_an_input_only(installation, make) -> None:
    output = make(Task.SAY, (drawn_portrait("ada"), text_input("x")), voice="espeak-ng en-us")
    _, inputs, actions = said(installation, output)
    assert {item["relationship"] for item in inputs.values()} == {"inputTo"}
    assert set(inputs) == {"portrait", "script"}
    assert actions["c2pa.created"]["digitalSourceType"].endswith("/digitalCreation")
    assert "c2pa.placed" not in actions


@pytest.mark.parametrize("changed", [False, True])
def test_a_portrait_of_another_generator_keeps_its_history(installation, make, tmp_path, changed) -> None:
    """A picture from elsewhere with credentials of its own, as it is, or edited since by something that kept them."""
    picture, path = tmp_path / "plain.jpg", tmp_path / "jane-doe.jpg"
    picture.write_bytes(encode_jpeg(np.random.default_rng(3).integers(0, 255, (300, 400, 3)).astype(np.uint8), 90))
    theirs = ManifestFacts(
        label=new_manifest_label(),
        title="Picture",
        task=Task.SAY,
        media_type="image/jpeg",
        digital_source_type="trainedAlgorithmicMedia",
        software_agent={"name": "Another generator", "version": "9"},
    )
    sign(picture, path, facts=theirs, ring=KeyRing.create(Home(tmp_path / "stranger")), timestamp="off")
    if changed:
        data = bytearray(path.read_bytes())
        data[-500] ^= 0x11
        path.write_bytes(data)
    create_self_consent(installation.home, portrait=path, keys=installation.ring)
    output = make(Task.SAY, (media_input("portrait", path, MediaKind.IMAGE), text_input("x")))
    found, inputs, _ = said(installation, output)
    assert (inputs["portrait"]["relationship"], inputs["portrait"]["active_manifest"]) == ("inputTo", theirs.label)
    assert "digital_source_type" not in inputs["portrait"]
    (node,) = [item for item in found.ingredients if item.title == "portrait"]
    assert node.manifest_label == theirs.label
    # What went into a model is no history of the output, but that it was changed is said.
    assert not found.history_broken
    assert any("input of the making was changed" in reason for reason in found.reasons) is changed
    report = verify(output.path, home=installation.home, record=False)
    assert report.verdict is Verdict.DISCLOSED


def test_footage_is_opened_and_keeps_its_history(installation, make, voice, tmp_path) -> None:
    first = make(Task.SAY, (drawn_portrait("ada"), text_input("x")), "first.mp4")
    create_self_consent(installation.home, portrait=first.path, keys=installation.ring)
    footage = media_input("target", first.path, MediaKind.VIDEO)
    output = make(
        Task.LIPSYNC,
        (footage, voice),
        language="de",
        digital_source_type="trainedAlgorithmicMedia",
        source_language="en",
    )
    found, inputs, actions = said(installation, output)
    assert inputs["footage"]["relationship"] == "parentOf"
    assert inputs["footage"]["active_manifest"] == first.manifest_id
    assert "digital_source_type" not in inputs["footage"]
    assert inputs["voice"]["relationship"] == "inputTo"
    assert set(actions) >= {"c2pa.opened", "c2pa.dubbed", "c2pa.translated", "c2pa.transcoded"}
    assert actions["c2pa.dubbed"]["digitalSourceType"].endswith("/" + PHOTO_AND_VOICE)
    assert actions["c2pa.dubbed"]["changes"][0]["region"][0]["item"]["value"] == "lips"
    assert actions["c2pa.translated"]["parameters"] == {"sourceLanguage": "en", "targetLanguage": "de"}
    tree = "\n".join(tree_lines(found))
    assert "parentOf: footage (video/mp4), signed by" in tree
    assert "inputTo: script" in tree
    assert not found.history_broken


@pytest.fixture
def latin(monkeypatch):
    """China's label in letters that every machine can draw; its times and metadata stay."""
    import policies.engine

    real = policies.engine.oblige

    def obliged(*args, **options):
        found = real(*args, **options)
        labels = (
            dataclasses.replace(label, text=label.text.encode("ascii", "replace").decode()) for label in found.labels
        )
        return dataclasses.replace(found, labels=tuple(labels))

    monkeypatch.setattr(policies.engine, "oblige", obliged)


def test_china_gets_compact_json_and_a_label_that_is_read_in_its_time(installation, make, latin) -> None:
    output = make(Task.SAY, (drawn_portrait("ada"), text_input("x")), territories=("CN",), frames=150)
    [label] = [item for item in output.decision.obligations.labels if item.seconds is not None]
    assert label.seconds < output.duration
    with VideoReader(output.path) as reader:
        times = [seconds for seconds, _ in frames_of_label(reader, label, output.duration)]
    assert len(times) == 8
    assert max(times) < label.start + label.seconds
    # By the boxes themselves, by FFmpeg and the boxes together, and as it stands in the log.
    assert find_boxes(output.path, "moov/udta/meta")
    text = read_keys(output.path)["AIGC"]
    assert read_tags(output.path)["AIGC"] == text
    assert " " not in text
    value = json.loads(text)
    assert value["Label"] == "1"
    assert value["ProduceID"] == output.manifest_id
    assert value["ContentProducer"] == installation.ring.gate_did
    marks = installation.ledger.entry(output.ledger_index).event["marks"]
    assert marks["metadata.AIGC"] == "as written"
    assert any(label.text in words for name, words in marks.items() if name.startswith("label."))


def test_metadata_that_is_not_read_back_stops_the_output(installation, make, latin, monkeypatch, tmp_path) -> None:
    import thsafe.media.tags

    monkeypatch.setattr(thsafe.media.tags, "read_tags", lambda path: {})
    with pytest.raises(MarkError) as caught:
        make(Task.SAY, (drawn_portrait("ada"), text_input("x")), territories=("CN",), frames=60)
    assert caught.value.code == "mark.metadata"
    assert not (tmp_path / "out.mp4").exists()
