"""What each place's law asks of an output, measured again in the finished file by means of the test's own."""

from __future__ import annotations

import dataclasses
import json
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from thsafe import __version__
from thsafe.core.clock import from_text
from thsafe.core.errors import MarkError, MissingError, UsageError
from thsafe.core.types import Output
from thsafe.label import measure_label
from thsafe.media.decode import VideoReader
from thsafe.provenance.read import read_credentials

AIGC_FIELDS = {
    "Label", "ContentProducer", "ProduceID", "ReservedCode1", "ContentPropagator", "PropagateID", "ReservedCode2",
}  # fmt: skip
FRAMES = {"CN": 100, "WORLD": 100}
"""At 25 a second: beyond the end of the label that shows for three seconds."""


@pytest.fixture
def chinese() -> None:
    from thsafe.label.glyphs import find_face

    try:
        find_face("AI生成")
    except MissingError:
        pytest.skip("no font with Chinese characters on this machine (apt-get install fonts-wqy-microhei)")


def publish(tiny, folder: Path, place: str, **options) -> Output:
    return tiny.Tiny(FRAMES.get(place, 30), territories=(place,), **options).say(folder / "out.mp4")


def labels_found(output: Output) -> dict[str, object]:
    with VideoReader(output.path) as reader:
        timed = list(reader.iter_bgr())
    size = (timed[0][1].shape[1], timed[0][1].shape[0])
    obligations = output.decision.obligations
    assert obligations is not None
    return {label.text: (label, measure_label(timed, label, size)) for label in obligations.labels}


def boxes(data: bytes) -> dict[str, bytes]:
    """The boxes of one level: a walk that shares nothing with the code it checks."""
    found, at = {}, 0
    while at + 8 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        elif size == 0:
            size = len(data) - at
        found.setdefault(kind.decode("latin-1"), data[at + head : at + size])
        at += size
    return found


def container_keys(path: Path) -> dict[str, str]:
    """``moov/udta/meta``: names of ``keys``, values of ``ilst`` by their number."""
    meta = boxes(boxes(boxes(path.read_bytes())["moov"]).get("udta", b"")).get("meta", b"")
    inside = boxes(meta[4:] if meta[4:8] != b"hdlr" else meta)
    if "keys" not in inside:
        return {}
    names, at = [], 8
    for _ in range(struct.unpack_from(">I", inside["keys"], 4)[0]):
        size = struct.unpack_from(">I", inside["keys"], at)[0]
        names.append(inside["keys"][at + 8 : at + size].decode())
        at += size
    values = {}
    for number, item in boxes(inside["ilst"]).items():
        place = int.from_bytes(number.encode("latin-1"), "big")
        values[names[place - 1]] = boxes(item)["data"][8:].decode()
    return values


@pytest.mark.parametrize("place", ["EU", "DE", "US-CA", "US-WA", "US-NY", "IN", "KR"])
def test_a_label_from_the_first_frame_to_the_last(installation, tiny, tmp_path, place) -> None:
    found = labels_found(publish(tiny, tmp_path, place))
    assert set(found) == {"AI-generated"}
    label, measure = found["AI-generated"]
    assert label.seconds is None
    assert measure.present
    assert measure.share == 1.0, "in every single frame"
    assert measure.first_seen == 0.0
    assert measure.text_height_share >= 0.05 - 0.5 / 256, "5 % of the shorter side, to half a pixel"
    assert measure.contrast >= 3.0


def test_china_gets_its_label_and_its_key(installation, tiny, tmp_path, chinese) -> None:
    output = publish(tiny, tmp_path, "CN")
    found = labels_found(output)
    assert set(found) == {"AI-generated", "AI生成"}
    label, measure = found["AI生成"]
    assert label.position == "bottom-right"
    assert measure.first_seen == 0.0, "from the first frame (GB 45438-2025 §5.4)"
    assert 2.0 <= measure.last_seen < 3.2, "at least two seconds"
    assert measure.share == 1.0
    assert measure.text_height_share >= 0.05 - 0.5 / 256
    text = container_keys(output.path)["AIGC"]
    fields = json.loads(text)
    assert set(fields) == AIGC_FIELDS
    assert fields["Label"] == "1"
    assert fields["ProduceID"] == fields["PropagateID"] == output.manifest_id
    assert fields["ContentProducer"] == installation.ring.gate_did
    assert all(value.isascii() and not set(value) & set(" \"'\\") for value in fields.values())


def test_the_whole_world_gets_all_of_it(installation, tiny, tmp_path, chinese) -> None:
    output = publish(tiny, tmp_path, "WORLD", purpose="advertising")
    found = labels_found(output)
    assert set(found) == {"AI-generated", "AI生成", "Synthetic performer (AI)"}
    assert all(measure.present and measure.first_seen == 0.0 for _, measure in found.values())
    assert set(container_keys(output.path)) >= {"AIGC"}


def test_new_york_advertising_names_the_synthetic_performer(installation, tiny, tmp_path) -> None:
    found = labels_found(publish(tiny, tmp_path, "US-NY", purpose="advertising"))
    assert set(found) == {"AI-generated", "Synthetic performer (AI)"}
    _, measure = found["Synthetic performer (AI)"]
    assert measure.share == 1.0


@pytest.mark.parametrize("place", ["EU", "US-CA"])
def test_no_chinese_key_where_nobody_asked(installation, tiny, tmp_path, place) -> None:
    assert "AIGC" not in container_keys(publish(tiny, tmp_path, place).path)


def test_california_latent_disclosure(installation, tiny, tmp_path) -> None:
    """SB 942 as amended: (A) provider (B) system and version (C) time (D) unique id (E) created or altered."""
    before = datetime.now(UTC) - timedelta(minutes=1)
    output = publish(tiny, tmp_path, "US-CA")
    read = read_credentials(output.path, trust=installation.trust())
    assert read.state.intact
    assert read.signer is not None
    assert read.signer.name, "A"
    active = read.raw["manifests"][read.active_label]
    actions = next(item for item in active["assertions"] if item["label"].startswith("c2pa.actions"))["data"]["actions"]
    created = next(item for item in actions if item["action"] == "c2pa.created")
    agent = created["softwareAgent"]
    assert (agent["name"], agent["version"]) == ("tiny", "1"), "B"
    assert "thsafe" in json.dumps(active.get("claim_generator_info", "")), "B"
    assert __version__ in json.dumps(active.get("claim_generator_info", "")), "B"
    assert read.time_stamped, "C"
    assert before < from_text(str(read.signed_at)) < datetime.now(UTC) + timedelta(minutes=1), "C"
    assert read.active_label == output.manifest_id, "D"
    assert created["digitalSourceType"].startswith("http://cv.iptc.org/newscodes/digitalsourcetype/"), "E"


def test_the_font_that_is_missing_is_named_and_nothing_is_written(installation, tiny, tmp_path, monkeypatch) -> None:
    from thsafe.label import glyphs

    monkeypatch.setattr(glyphs, "_folders", lambda: (*glyphs._wheel_folders(),))
    glyphs._find_face.cache_clear()
    with pytest.raises(MissingError) as caught:
        publish(tiny, tmp_path, "CN")
    glyphs._find_face.cache_clear()
    assert caught.value.code == "label.font"
    assert "apt-get install fonts-" in caught.value.next_step
    assert list(tmp_path.glob("*.mp4")) == []


def test_a_film_that_must_speak_is_not_written(installation, tiny, tmp_path) -> None:
    from thsafe.core.types import Obligations
    from thsafe.marking import choose_marks

    with pytest.raises(UsageError):
        tiny.Tiny(30).say(tmp_path / "out.wav")
    duty = Obligations(labels=(), spoken_notice="This audio was generated by AI.")
    with pytest.raises(MarkError) as caught:
        choose_marks(duty, "video/mp4", installation)
    assert caught.value.code == "mark.spoken"
    assert choose_marks(dataclasses.replace(duty, spoken_notice=None), "video/mp4", installation).labels == ()
