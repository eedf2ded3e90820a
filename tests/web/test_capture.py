"""The consent page: what is shown, what is recorded, what is signed, and that nothing of a face stays."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import httpx
import pytest

PAGE = {"accept": "text/html"}
HOSTILE = "Three videos. <script>alert(1)</script> \u202ereversed"


def voice(seconds=0.5):
    """A recording with sound in it."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(range(256)) * int(seconds * 16000 / 128))
    return data.getvalue()


@pytest.fixture
def person(studio):
    """Somebody at this machine."""
    with httpx.Client(base_url=studio.address, timeout=60, headers=PAGE, follow_redirects=True) as client:
        client.headers["Authorization"] = f"Bearer {studio.token()}"
        yield client


@pytest.fixture
def ask(studio, tmp_path, monkeypatch, capsys):
    """A request as the command makes it."""
    from thsafe.cli.main import run

    def make(*options):
        monkeypatch.setenv("THSAFE_HOME", str(studio.home.path))
        path = tmp_path / "request.json"
        words = ["consent", "request", "--purpose", "training-video", "--uses", HOSTILE, *options, "-o", str(path)]
        assert run(words) == 0, capsys.readouterr().err
        return path.read_bytes()

    return make


def word_of(page):
    return page.text.split('name="word" value="')[1].split('"')[0]


def _files_that_hold(folder, *needles):
    """Names of files below a folder with any of these bytes.

    Looked for in a process of its own: closing a database file would let go of the server's locks on it, which is in
    this process.
    """
    look = (
        "import pathlib, sys; needles = [pathlib.Path(name).read_bytes() for name in sys.argv[2:]]\n"
        "for path in pathlib.Path(sys.argv[1]).rglob('*'):\n"
        "    if path.is_file() and any(needle in path.read_bytes() for needle in needles): print(path)"
    )
    with tempfile.TemporaryDirectory() as elsewhere:
        names = [Path(elsewhere) / f"{number}" for number in range(len(needles))]
        for name, needle in zip(names, needles, strict=True):
            name.write_bytes(needle)
        return subprocess.run(
            [sys.executable, "-c", look, folder, *names], check=True, capture_output=True, text=True
        ).stdout


def give(person, request, **more):
    given = {"word": word_of(person.get("/consent")), **more}
    return person.post("/consent", data=given, files={"request": ("request.json", request)})


def send(person, page, data, piece=7000):
    """The recording in pieces, as the page sends it."""
    headers = {"x-form-word": word_of(page), "accept": "application/json"}
    for offset in range(0, len(data), piece):
        answer = person.put(
            f"{page.url.path}/recording",
            params={"offset": offset},
            content=data[offset : offset + piece],
            headers=headers,
        )
        assert answer.json() == {"size": min(len(data), offset + piece)}


def sign(person, page, picture, **fields):
    given = {"word": word_of(page), "agree": "yes", **fields}
    return person.post(f"{page.url.path}/sign", data=given, files={"picture": ("../../me.png", picture)})


def kept(studio):
    return [name for name in studio.files() if name.startswith("capture")]


def test_terms_and_words_are_shown_as_the_command_shows_them(person, ask):
    from thsafe.consent.collect import parse_request
    from thsafe.consent.words import in_words

    request = ask("--max-uses", "3")
    asked = parse_request(json.loads(request))
    page = give(person, request)
    assert asked.phrase in page.text
    for heading, text in in_words(asked.terms):
        if heading in {"modes", "territories"}:  # said in words, with the vocabulary's own beside them
            assert all(f"({word})" in page.text for word in text.split(", "))
            continue
        assert text.replace("<", "&lt;").replace(">", "&gt;") in page.text.replace("&#39;", "'")
    assert "<script>alert" not in page.text
    assert "\u202e" not in page.text
    assert "camera=(self), microphone=(self)" in page.headers["permissions-policy"]
    assert "camera=()" in person.get("/studio").headers["permissions-policy"]
    german = person.get(page.url.path, params={"lang": "de"}).text
    assert "höchstens 3 Ergebnisse" in german
    assert "Schulungsfilm (training-video)" in german
    assert "<noscript>" in german


def test_a_signed_record_and_nothing_of_a_face_stays(studio, person, ask, photo):
    from thsafe.consent.record import ConsentRecord
    from thsafe.desk import Desk

    page = give(person, ask())
    recording = voice()
    send(person, page, recording)
    assert kept(studio) != []
    signed = sign(person, page, photo, name="A. Colleague")
    assert signed.status_code == 200, signed.text
    assert kept(studio) == []
    document = person.get(f"{page.url.path}/signed.json").json()
    record = ConsentRecord.parse(document)
    assert record.evidence.recording_sha256 == hashlib.sha256(recording).hexdigest()
    assert [item.sha256 for item in record.terms.references] == [hashlib.sha256(photo).hexdigest()]
    assert "Colleague" not in json.dumps(document)
    desk = Desk(home=studio.home)
    assert desk.store.get(record.id).digest == record.digest
    assert _files_that_hold(studio.home.path, recording, photo) == ""
    again = sign(person, page, photo)
    assert record.id in again.text
    assert len([item for item in desk.store.list() if item.id == record.id]) == 1
    late = person.put(f"{page.url.path}/recording?offset=0", content=b"x", headers={"x-form-word": word_of(page)})
    assert late.status_code == 409

    # The collector at this machine, with what the person saved.
    heard = studio.server.settings.data / "heard.wav"
    heard.write_bytes(recording)
    done = desk.countersign(document, recording=heard)
    heard.unlink()
    assert desk.state(done) == "active"
    person.post(f"{page.url.path}/leave", data={"word": word_of(again)})
    assert person.get(page.url.path).status_code == 404


@pytest.mark.parametrize("agree", ["", "no"])
def test_who_does_not_agree_signs_nothing(studio, person, ask, photo, agree):
    page = give(person, ask())
    send(person, page, voice())
    assert "capture.agree" in sign(person, page, photo, agree=agree).text
    assert person.get(f"{page.url.path}/signed.json").status_code == 404
    left = person.post(f"{page.url.path}/leave", data={"word": word_of(page)})
    assert left.url.path == "/consent"
    assert kept(studio) == []


def test_what_is_no_recording_signs_nothing_and_is_deleted(studio, person, ask, photo):
    page = give(person, ask())
    assert "consent.recording" in sign(person, page, photo).text
    for data, code in [(b"these are words " * 9, "input."), (photo, "consent.recording")]:
        send(person, page, data)
        answer = sign(person, page, photo)
        assert answer.status_code in {400, 422}
        assert code in answer.text
        assert kept(studio) == []
    for picture, code in [(b"", "consent.picture"), (b"no picture at all", "input."), (voice(), "input.kind")]:
        send(person, page, voice())
        answer = sign(person, page, picture)
        assert code in answer.text
        assert kept(studio) == []
    send(person, page, voice())
    assert "capture.name" in sign(person, page, photo, name="a\nb").text
    silent = sign(person, page, photo, check="yes")
    assert "consent.phrase" in silent.text or "consent.recording" in silent.text
    assert kept(studio) == []
    assert person.get(f"{page.url.path}/signed.json").status_code == 404


def test_pieces_come_in_their_order_and_have_limits(studio, person, ask, monkeypatch):
    from thsafe.web import capture

    page = give(person, ask())
    headers = {"x-form-word": word_of(page), "accept": "application/json"}

    def put(offset, data, **more):
        return person.put(
            f"{page.url.path}/recording", params={"offset": offset}, content=data, headers={**headers, **more}
        )

    assert put(0, b"12345").status_code == 200
    for wrong in (3, 6, -1):
        assert put(wrong, b"x").status_code == 409
    assert put("many", b"x").status_code == 404
    assert put(5, b"6").json() == {"size": 6}
    assert put(0, b"anew").json() == {"size": 4}
    assert put(4, b"x", **{"x-form-word": "0" * 64}).status_code == 403
    assert put(4, bytes(capture.MOST_PIECE + 1)).status_code == 413
    monkeypatch.setattr(capture, "MOST_RECORDING", 6)
    assert put(4, b"123").status_code == 413
    person.post(f"{page.url.path}/leave", data={"word": word_of(page)})
    assert kept(studio) == []


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "upload.empty"),
        (b"{", "consent.malformed"),
        (b"[]", "consent.malformed"),
        (b"[" * 100_000, "consent.malformed"),
        (b"{}", "consent.malformed"),
        (b"\xff\xfe", "consent.malformed"),
        (b" " * (1 << 20) + b"{}", "consent.malformed"),
    ],
)
def test_what_is_no_request(studio, person, data, code):
    answer = give(person, data)
    assert answer.status_code in {400, 422}
    assert code in answer.text
    assert kept(studio) == []


def test_a_changed_request_and_one_for_a_wallet(person, ask):
    changed = json.loads(ask())
    changed["terms"]["scope"]["maxUses"] = 1_000_000
    assert "consent.malformed" in give(person, json.dumps(changed).encode()).text
    wallet = give(person, ask("--assurance", "wallet"))
    assert "capture.wallet" in wallet.text
    assert "--wallet" in wallet.text


def test_only_few_requests_are_open(studio, person, ask):
    request = ask()
    pages = [give(person, request) for _ in range(9)]
    send(person, pages[-1], b"part of a face")
    assert person.get(pages[0].url.path).status_code == 404
    assert person.get(pages[-1].url.path).status_code == 200
    for page in pages[1:]:
        person.post(f"{page.url.path}/leave", data={"word": word_of(pages[-1])})
    assert kept(studio) == []
