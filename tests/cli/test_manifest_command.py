"""``thsafe manifest check`` and ``show`` on every kind of file that thsafe signs."""

from __future__ import annotations

import json
from pathlib import Path

import av
import c2pa
import cv2
import numpy as np
import pytest

from thsafe.cli.main import run
from thsafe.core.ids import new_manifest_label
from thsafe.core.types import Task
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.provenance.manifest import ManifestFacts
from thsafe.provenance.sign import sign

MEDIA_TYPES = {
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "m4a": "audio/mp4",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "jpg": "image/jpeg",
    "png": "image/png",
    "webp": "image/webp",
}
_CODECS = {"m4a": "aac", "wav": "pcm_s16le", "mp3": "libmp3lame"}


def write_media(path: Path) -> Path:
    """A second of something, in the kind that the name's ending says."""
    kind = path.suffix[1:]
    random = np.random.default_rng(2)
    image = cv2.resize(random.integers(0, 255, (6, 8, 3), dtype=np.uint8), (320, 240))
    if MEDIA_TYPES[kind].startswith("image"):
        cv2.imwrite(str(path), image)
        return path
    with av.open(str(path), "w", format="mp4" if kind == "m4a" else kind) as container:
        if MEDIA_TYPES[kind].startswith("video"):
            video = container.add_stream("libx264", rate=10)
            video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
            for number in range(10):
                container.mux(video.encode(av.VideoFrame.from_ndarray(np.roll(image, number, 1), "bgr24")))
            container.mux(video.encode())
        else:
            audio = container.add_stream(_CODECS[kind], rate=16000, layout="mono")
            noise = random.normal(0, 8000, (1, 16000)).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(noise, "s16", "mono")
            frame.sample_rate, frame.pts = 16000, 0
            resampler = av.AudioResampler(format=audio.codec_context.format, layout="mono", rate=16000)
            fifo = av.AudioFifo()
            for piece in resampler.resample(frame):
                fifo.write(piece)
            while (part := fifo.read(audio.codec_context.frame_size or 1024, partial=True)) is not None:
                container.mux(audio.encode(part))
            container.mux(audio.encode())
    return path


@pytest.fixture
def signed(home, tmp_path):
    """Signs one file of a kind, as the publishing loop would."""
    ring = KeyRing.create(Home(home))

    def make(kind: str) -> Path:
        target = tmp_path / f"out.{kind}"
        facts = ManifestFacts(
            label=new_manifest_label(),
            title="Talking head",
            task=Task.SAY,
            digital_source_type="trainedAlgorithmicMedia",
            media_type=MEDIA_TYPES[kind],
            watermark_id="0123456789abcdef",
            label_texts=("AI-generated",),
        )
        sign(write_media(tmp_path / f"in.{kind}"), target, facts=facts, ring=ring)
        return target

    return make


@pytest.mark.parametrize("kind", MEDIA_TYPES)
def test_every_kind_of_output_meets_all_requirements(signed, kind, capsys) -> None:
    path = signed(kind)
    assert run(["manifest", "check", str(path), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert (shown["met"], shown["of"]) == (31, 31)
    assert run(["manifest", "show", str(path)]) == 0
    assert "INTACT" in capsys.readouterr().out


def test_a_table_for_people(signed, capsys) -> None:
    assert run(["manifest", "check", str(signed("png"))]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "out.png: 31 of 31 requirements are met"
    assert len(lines) == 32


def test_a_naive_manifest_is_a_finding(home, tmp_path, capsys) -> None:
    ring = KeyRing.create(Home(home))
    key = (home / "keys" / "claim.key.pem").read_bytes()
    info = c2pa.C2paSignerInfo(b"es256", ring.signing_chain_pem, key, None)
    source = write_media(tmp_path / "in.png")
    created = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation",
    }
    naive = {"assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [created]}}]}
    with c2pa.Builder(naive) as builder, c2pa.Signer.from_info(info) as signer:
        builder.sign_file(str(source), str(tmp_path / "naive.png"), signer)
    assert run(["manifest", "check", str(tmp_path / "naive.png")]) == 10
    shown = capsys.readouterr().out
    assert "FAILS  mandatory_all_actions_included" in shown
    assert "FAILS  mandatory_spec_version" in shown


def test_show_as_json_and_crjson(signed, capsys) -> None:
    path = signed("jpg")
    assert run(["manifest", "show", str(path), "--as", "json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert plain["active_manifest"] in plain["manifests"]
    assert run(["manifest", "show", str(path), "--as", "crjson"]) == 0
    assert json.loads(capsys.readouterr().out)["manifests"][0]["label"] == plain["active_manifest"]


@pytest.mark.parametrize("command", ["check", "show"])
def test_without_credentials_or_file(command, home, tmp_path, capsys) -> None:
    plain = write_media(tmp_path / "in.png")
    assert run(["manifest", command, str(plain)]) == 30
    assert "provenance.none" in capsys.readouterr().err
    assert run(["manifest", command, str(tmp_path / "none.png")]) == 30
    assert "input.missing" in capsys.readouterr().err


def test_as_of_another_day(signed, capsys) -> None:
    path = str(signed("png"))
    assert run(["verify", path, "--at", "2020-01-01", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    credentials = next(item for item in report["evidence"] if item["check"] == "credentials")
    assert credentials["code"] == "INTACT-UNKNOWN-SIGNER"
    assert "signed later" in credentials["summary"]
    assert any("as of 2020-01-01" in limit for limit in report["limits"])
    for command in (["inspect", path], ["manifest", "show", path]):
        assert run([*command, "--at", "2020-01-01T00:00:00+00:00"]) == 0
        assert "signed later" in capsys.readouterr().out


@pytest.mark.parametrize("date", ["yesterday", "2020-13-01", "2020-01-01T10:00"])
def test_dates_that_are_none(date, home, capsys) -> None:
    assert run(["verify", "x.png", "--at", date]) == 2
    assert "--at" in capsys.readouterr().err


def test_the_signpost_stands_in_what_is_signed_from_then_on(home, capsys) -> None:
    assert run(["manifest", "signpost"]) == 0
    assert capsys.readouterr().out == "pkg:pypi/thsafe\n"
    assert run(["manifest", "signpost", "https://newsroom.example/detector"]) == 0
    assert run(["manifest", "signpost"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "https://newsroom.example/detector"
    assert run(["manifest", "signpost", "javascript:x"]) == 2
    assert "provenance.signpost" in capsys.readouterr().err
