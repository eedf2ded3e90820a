"""Traces as one finding of a report: context, no strength, and a drawing of where they lie."""

from __future__ import annotations

import base64
import xml.etree.ElementTree as ET

import av
import numpy as np
import pytest

from thsafe.core.types import Evidence, Status
from thsafe.examination import Examination
from thsafe.forensics import check_lip_sync
from thsafe.home import Home
from thsafe.media.image import write_png
from thsafe.media.probe import probe
from thsafe.registry import draw_person
from thsafe.report.figures import figure_of
from thsafe.traces.check import check_traces


def _examined(path, tmp_path):
    return Examination(path=path, info=probe(path), sha256="0" * 64, home=Home(tmp_path / "home"), installation=None)


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """A pattern that stops for a second, with a voice that has a hole."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    random = np.random.default_rng(0)
    time = np.arange(6 * 16000) / 16000
    sound = (0.2 * np.sin(2 * np.pi * 150 * time) * np.sin(np.pi * 3 * time) ** 2).astype(np.float32)
    sound += random.normal(0, 0.01, len(sound)).astype(np.float32)
    with av.open(str(path), "w") as target:
        picture = target.add_stream("libx264", rate=25)
        picture.width, picture.height, picture.pix_fmt = 160, 96, "yuv420p"
        voice = target.add_stream("aac", rate=16000, layout="mono")
        y, x = np.mgrid[0:96, 0:160]
        for place in range(150):
            moment = min(place, 75) if place < 100 else place
            waves = 128 + 60 * np.sin((x + 3 * moment) / 13) + 30 * np.cos((y + moment) / 9)
            frame = av.VideoFrame.from_ndarray(waves.clip(0, 255).astype(np.uint8), format="gray")
            target.mux(picture.encode(frame.reformat(format="yuv420p")))
        target.mux(picture.encode())
        for start in range(0, len(sound) - 1024, 1024):
            block = av.AudioFrame.from_ndarray(sound[None, start : start + 1024], format="fltp", layout="mono")
            block.sample_rate, block.pts = 16000, start
            target.mux(voice.encode(block))
        target.mux(voice.encode())
    return path


def test_a_film_that_stops_says_when(film, tmp_path):
    found = check_traces(_examined(film, tmp_path))
    assert (found.status, found.code, found.strength) == (Status.FOUND, "CONTEXT", None)
    assert "stands still" in found.summary
    assert "not a sign of forgery" in found.summary
    (still,) = [part for part in found.detail["segments"] if part["words"] == "stands still"]
    assert (still["start"], still["end"]) == (pytest.approx(3.0, abs=0.1), pytest.approx(3.96, abs=0.1))
    assert found.detail["frames looked at"] == 150
    words, picture = figure_of(found, 6.0)
    assert "time line" in words
    assert ET.fromstring(base64.b64decode(picture.partition(",")[2])).tag.endswith("svg")


def test_a_drawn_picture_has_no_traces(tmp_path):
    path = tmp_path / "face.png"
    write_png(path, draw_person("mei", 256))
    found = check_traces(_examined(path, tmp_path))
    assert (found.status, found.detail["segments"]) == (Status.ABSENT, [])
    assert "does not say that there were none" in found.summary
    assert figure_of(found, None) is None
    assert check_lip_sync(_examined(path, tmp_path)).code == "NOT-APPLICABLE"


def test_a_film_without_a_face_is_not_assessed(film, tmp_path):
    found = check_lip_sync(_examined(film, tmp_path))
    assert found.status is Status.NOT_EVALUATED
    assert found.code in {"NO-FACE", "NO-SPEECH"}


def test_drawings_hold_no_foreign_markup():
    evidence = Evidence(
        check="traces",
        status=Status.FOUND,
        summary="",
        detail={"segments": [{"start": 0.0, "end": 1.0, "words": "<script>alert(1)</script>"}]},
    )
    drawn = base64.b64decode(figure_of(evidence, 2.0)[1].partition(",")[2]).decode()
    assert "<script>" not in drawn
    curve = {"lags": [-1.0, 0.0, 1.0], "agreement": [0.0, 2.0, 1.0]}
    facts = {"lag_curve": curve, "offset_ms": 20, "offset_ms_interval": [-40, 90]}
    lips = Evidence(check="lip-sync", status=Status.ABSENT, summary="", detail=facts)
    assert ET.fromstring(base64.b64decode(figure_of(lips, 2.0)[1].partition(",")[2])).tag.endswith("svg")
