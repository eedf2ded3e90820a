"""Our own films as they leave ``thsafe generate``, beside film of the same drawing that bears the same marks.

Both are labelled, watermarked and signed: what tells them apart is how the face was made, not that it is marked.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from detectors.faceforensics.selfmade.camera import Camera, filmed
from thsafe.cli.main import run
from thsafe.consent.grant import create_self_consent
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys import KeyRing
from thsafe.labelling import Labeller
from thsafe.media.encode import Mp4Writer
from thsafe.media.faces import find_faces
from thsafe.media.planes import i420_from_bgr
from thsafe.registry import draw_person
from thsafe.verification import verify


@pytest.fixture
def labelled(home, tmp_path):
    """Film of a drawing before a camera, declared as made by AI: its marks are those of a generated film."""
    picture = draw_person("ada", 320)
    marks = find_faces(picture, max_faces=1)[0].landmarks
    camera = Camera.drawn(np.random.default_rng(6), marks, count=50, face=(118.0, 122.0))
    path, out = tmp_path / "film.mp4", tmp_path / "labelled.mp4"
    frames = [shot.picture for shot in filmed(picture, marks, camera)]
    height, width = frames[0].shape[:2]
    with Mp4Writer(path, width=width, height=height, fps=Fraction(25)) as writer:
        for frame in frames:
            writer.write_picture(i420_from_bgr(frame))
    place = Home(home)
    place.prepare()
    KeyRing.create(place)
    installation = Installation.open(place)
    create_self_consent(installation.home, portrait=path, modes=("label",), keys=installation.ring)
    installation.ledger.close()
    Labeller().label(path, out, origin="generated")
    return out


def test_a_generated_film_scores_above_a_marked_film_of_the_same_drawing(home, tmp_path, labelled, capsys) -> None:
    out = tmp_path / "said.mp4"
    words = ["generate", "say", "--person", "ada", "--size", "320", "--text", "How are you?", "-o", str(out)]
    assert run(words) == 0
    capsys.readouterr()
    reports = {name: verify(path, detectors=True) for name, path in (("made", out), ("marked", labelled))}
    scores = {}
    for name, report in reports.items():
        assert report.verdict.value == "disclosed", name
        found = {item.check: item for item in report.evidence}
        assert found["watermark"].status.value == "found", name
        scores[name] = found["detector.small"].detail["score"]
    assert scores["made"] > scores["marked"] + 1
