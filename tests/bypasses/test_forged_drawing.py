"""A picture passed off as drawn by thsafe: stripped, edited, signed by others, signed by oneself, moved, mislabelled."""

from __future__ import annotations

import dataclasses
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest

from thsafe.cli.main import run
from thsafe.core.errors import ConsentRefused, Refused
from thsafe.core.ids import new_job_id, new_manifest_label
from thsafe.core.types import MediaKind, Request, Task
from thsafe.drawing import publish_drawing, shows_nobody
from thsafe.generation import media_input
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.keys import KeyRing
from thsafe.media.image import read_image, write_png


@pytest.fixture
def mine(home: Path) -> Installation:
    KeyRing.create(Home(home))
    return Installation.open()


@pytest.fixture
def drawn(mine, tmp_path) -> Path:
    path = tmp_path / "ada.png"
    publish_drawing("ada", path, size=256, installation=mine)
    return path


def ask(installation: Installation, path: Path, **changes):
    ref = installation.recognised(media_input("portrait", path, MediaKind.IMAGE))
    request = Request(
        task=Task.SAY,
        engine="embedded",
        inputs=(dataclasses.replace(ref, **changes),),
        purpose="demonstration",
        requester=installation.ring.gate_did,
        job_id=new_job_id(),
        nonce="00",
    )
    return installation.gate().ask(request)


def sign_as_drawing(source: Path, target: Path, installation: Installation) -> None:
    """What anyone with keys can do: sign any picture as a digital creation."""
    from thsafe.provenance.manifest import ManifestFacts
    from thsafe.provenance.sign import sign

    facts = ManifestFacts(
        label=new_manifest_label(),
        title="Drawn portrait",
        task=Task.SAY,
        digital_source_type="digitalCreation",
        media_type="image/png",
        software_agent={"name": "thsafe cast", "version": "1"},
    )
    sign(source, target, facts=facts, ring=installation.ring, timestamp="off")


def test_the_drawing_itself_needs_nobodys_consent(mine, drawn):
    permit = ask(mine, drawn)
    assert permit.decision.allowed
    assert permit.decision.consent_ids == ()
    event = mine.ledger.entry(permit.ledger_index).event
    assert event["inputs"][0]["performer"] == "synthetic"


@pytest.mark.parametrize("attack", ["stripped", "edited", "appended", "foreign", "self-signed photo", "re-signed"])
def test_a_forgery_needs_consent_like_any_picture(mine, drawn, tmp_path, attack):
    forged = tmp_path / "forged.png"
    if attack == "stripped":
        write_png(forged, read_image(drawn))
    elif attack == "edited":
        chunk = b"tEXtComment\0a picture like any other"
        whole = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
        data = drawn.read_bytes()
        forged.write_bytes(data[:-12] + whole + data[-12:])
    elif attack == "appended":
        forged.write_bytes(drawn.read_bytes() + b"\0")
    elif attack == "foreign":
        place = Home(tmp_path / "other")
        KeyRing.create(place)
        publish_drawing("ada", forged, size=256, installation=Installation.open(place))
    elif attack == "self-signed photo":
        write_png(tmp_path / "photo.png", np.full((256, 256, 3), 90, np.uint8))
        sign_as_drawing(tmp_path / "photo.png", forged, mine)
    else:
        write_png(tmp_path / "copy.png", read_image(drawn))
        sign_as_drawing(tmp_path / "copy.png", forged, mine)
    with pytest.raises(ConsentRefused) as caught:
        ask(mine, forged)
    assert caught.value.code == "consent.missing"
    with pytest.raises(ConsentRefused) as caught:
        ask(mine, forged, performer="synthetic")
    assert caught.value.code == "consent.synthetic-proof"


def test_a_photograph_under_the_drawings_digest_is_noticed(mine, drawn, tmp_path):
    """The digest of a drawing, the path of a photograph: the gate hashes what lies there."""
    write_png(tmp_path / "photo.png", np.full((256, 256, 3), 90, np.uint8))
    digest = mine.recognised(media_input("portrait", drawn, MediaKind.IMAGE)).sha256
    with pytest.raises(Refused) as caught:
        ask(mine, tmp_path / "photo.png", sha256=digest, performer="synthetic")
    assert "media.job-digest" in caught.value.rule


def test_another_installations_log_does_not_count(mine, drawn, tmp_path):
    place = Home(tmp_path / "other")
    KeyRing.create(place)
    ref = media_input("portrait", drawn, MediaKind.IMAGE)
    assert shows_nobody(ref, mine)
    assert not shows_nobody(ref, Installation.open(place))


def test_the_command_signs_logs_and_keeps_what_is_there(mine, tmp_path, capsys):
    out = tmp_path / "ada.png"
    assert run(["cast", "draw", "ada", "--size", "256", "-o", str(out)]) == 0
    assert [entry.type for entry in mine.ledger.entries()] == ["drawn"]
    before = out.read_bytes()
    assert run(["cast", "draw", "ada", "-o", str(out)]) == 2
    assert out.read_bytes() == before
    assert run(["cast", "draw", "nobody", "-o", str(tmp_path / "x.png")]) == 2
    assert run(["cast", "draw", "ada", "-o", str(tmp_path / "no" / "x.png")]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ada.png", "home"]
