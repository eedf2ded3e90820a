"""Attack: a photograph is declared a puppet, which nobody has to consent to, or a puppet speaks politics."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import pytest

from thsafe import Live2D
from thsafe.core.errors import ConsentRefused, Refused
from thsafe.core.types import MediaKind, MediaRef, Task
from thsafe.generation import media_input
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys.ring import KeyRing
from thsafe.media.digest import hash_file
from thsafe.registry import draw_person


@pytest.fixture
def ready(home: Path) -> Home:
    KeyRing.create(Home(home))
    return Home(home)


@pytest.mark.parametrize("kind", [MediaKind.IMAGE, MediaKind.VIDEO])
def test_a_photograph_is_a_person_whatever_is_stated_of_it(ready: Home, tmp_path: Path, kind: MediaKind) -> None:
    face = tmp_path / "me.png"
    cv2.imwrite(str(face), draw_person("ada", 256))
    stated = replace(media_input("portrait", face, MediaKind.IMAGE), performer="puppet", kind=kind)
    with pytest.raises(ConsentRefused) as caught:
        Live2D(home=ready).run(Task.ANIMATE, [stated], {}, tmp_path / "out.mp4")
    assert caught.value.code == "consent.missing"
    refusal = list(Installation.open(ready).ledger.find("refusal"))[-1].event
    assert refusal["facts"]["depictions"][0]["performer"] == "person"


@pytest.mark.parametrize("performer", ["synthetic", "cartoon", "none"])
def test_a_model_is_no_other_kind_of_nobody(ready: Home, tmp_path: Path, performer: str) -> None:
    path = tmp_path / "x.model3.json"
    path.write_text(json.dumps({"Version": 3}))
    ref = MediaRef(role="portrait", path=path, sha256=hash_file(path), kind=MediaKind.MODEL, performer=performer)
    with pytest.raises(Refused) as caught:
        Live2D(home=ready).run(Task.ANIMATE, [ref], {}, tmp_path / "out.mp4")
    assert caught.value.code in {"consent.synthetic-proof", "consent.performer"}


@pytest.mark.parametrize(("purpose", "code"), [("political", "use.political"), ("fraud", "use.fraud")])
def test_a_puppet_may_not_what_nobody_may(ready: Home, tmp_path: Path, purpose: str, code: str) -> None:
    path = tmp_path / "x.model3.json"
    path.write_text("{}")
    ref = MediaRef(role="portrait", path=path, sha256=hash_file(path), kind=MediaKind.MODEL, performer="puppet")
    with pytest.raises(Refused) as caught:
        Live2D(home=ready, purpose=purpose).run(Task.ANIMATE, [ref], {}, tmp_path / "out.mp4")
    assert caught.value.code == code
    with pytest.raises(Refused):
        Live2D(home=ready, declares=["celebrity"]).run(Task.ANIMATE, [ref], {}, tmp_path / "out.mp4")
