"""The studio: who gets in, what its form refuses, what a worker that dies leaves, what a film carries."""

from __future__ import annotations

import hashlib
import io
import re
import signal
import socket
import subprocess
import sys
import time
import wave

import httpx
import pytest

from thsafe.core.errors import UsageError

PAGE = {"accept": "text/html"}
SOME_ID = "A" * 24


@pytest.fixture
def visitor(studio):
    """Somebody on this machine with a token of the studio."""
    with httpx.Client(base_url=studio.address, timeout=120, headers=PAGE, follow_redirects=True) as client:
        client.headers["Authorization"] = f"Bearer {studio.token()}"
        yield client


@pytest.fixture
def espeak():
    """The voice that speaks texts."""
    pytest.importorskip("espeakng_loader", reason="the optional voice is not installed")


def word_of(page):
    return page.text.split('name="word" value="')[1].split('"')[0]


def send(visitor, files=None, **fields):
    """The studio's form, filled in."""
    fields = {"portrait": "ada", "speech": "text", "text": "Hi.", "size": "256", "purpose": "demonstration", **fields}
    given = {"word": word_of(visitor.get("/studio")), **fields}
    return visitor.post("/studio/films", data=given, files=files or {"picture": ("", b"")})


def wav(seconds=0.6):
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(range(256)) * int(16000 * seconds / 128))
    return data.getvalue()


def ended(visitor, address, seconds=240):
    """The state of a film once nothing more comes."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        film = visitor.get(f"{address}/state", headers={"accept": "application/json"}).json()
        if film["state"] in {"done", "failed"}:
            return film
        time.sleep(0.2)
    raise AssertionError(film)


# ---- who gets in

ROUTES = [
    ("GET", "/studio"), ("POST", "/studio/films"), ("GET", f"/studio/films/{SOME_ID}"),
    ("GET", f"/studio/films/{SOME_ID}/state"), ("GET", f"/studio/films/{SOME_ID}/film.mp4"),
    ("GET", f"/studio/films/{SOME_ID}/film.vtt"), ("POST", f"/studio/films/{SOME_ID}/delete"),
    ("GET", "/studio/cast/ada.jpg"), ("GET", "/consent"), ("POST", "/consent"), ("GET", f"/consent/{SOME_ID}"),
    ("PUT", f"/consent/{SOME_ID}/recording?offset=0"), ("POST", f"/consent/{SOME_ID}/sign"),
    ("GET", f"/consent/{SOME_ID}/signed.json"), ("POST", f"/consent/{SOME_ID}/leave"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nothing_answers_without_a_token(studio, method, path):
    nobody = httpx.request(method, studio.address + path)
    assert nobody.status_code == 401
    assert nobody.json()["code"] == "service.token"
    wrong = httpx.request(method, studio.address + path, headers={"Authorization": "Bearer thsafe_guess"})
    assert wrong.status_code == 401
    person = httpx.request(method, studio.address + path, headers=PAGE)
    assert person.status_code == 401
    assert 'type="password"' in person.text


def test_every_route_of_the_studio_is_in_the_list_above(studio):
    from fastapi.routing import APIRoute

    from thsafe.web import capture
    from thsafe.web import studio as rooms

    there = {
        (m, r.path)
        for part in (rooms, capture)
        for r in part.router.routes
        if isinstance(r, APIRoute)
        for m in r.methods
    }
    listed = {(m, re.sub(SOME_ID, "{number}", p.partition("?")[0]).replace("ada.jpg", "{name}.jpg")) for m, p in ROUTES}
    assert there == listed


def test_a_token_of_another_scope_opens_nothing(studio):
    from thsafe.web.tokens import Scope, Tokens

    other = Tokens(studio.server.settings.tokens).new("other", [Scope.VERIFY, Scope.METRICS], days=1)[1]
    answer = httpx.get(studio.address + "/studio", headers={"Authorization": f"Bearer {other}"})
    assert (answer.status_code, answer.json()["code"]) == (403, "service.scope")


@pytest.fixture
def settings(tmp_path):
    """Of a studio that this test starts itself."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing
    from thsafe.web.settings import Settings

    home = Home(tmp_path / "home")
    home.prepare()
    KeyRing.create(home)
    return Settings(home=home, data=tmp_path / "data", workers=1)


def inside(settings, ticket=None, client=("127.0.0.1", 5000)):
    """A browser in a studio of its own."""
    from starlette.testclient import TestClient

    from thsafe.web.stagedoor import create_studio

    app = create_studio(settings, ticket)
    app.state.service.schedule.sandbox.start = lambda: None  # nothing is verified here: spare its start
    return TestClient(app, base_url="http://127.0.0.1:8010", client=client, headers=PAGE)


def test_the_printed_address_works_once(settings):
    from thsafe.web.stagedoor import Ticket
    from thsafe.web.tokens import Tokens

    ticket = Ticket()
    with inside(settings, ticket) as browser:
        assert browser.get("/studio/enter/" + "x" * 32).status_code == 403
        assert browser.get("/studio/enter/\u00e4").status_code == 403
        assert browser.get(f"/studio/enter/{ticket.word}").url.path == "/studio"
        assert browser.get(f"/studio/enter/{ticket.word}").url.path == "/studio"
        browser.cookies.clear()
        assert browser.get(f"/studio/enter/{ticket.word}").status_code == 403
        page = browser.get("/studio")
        assert page.status_code == 401
        wrong = browser.post("/studio/login", data={"word": word_of(page), "token": "thsafe_guess"})
        assert wrong.status_code == 403
        assert len(Tokens(settings.tokens).all()) == 1
    assert Tokens(settings.tokens).all() == ()


def test_what_a_killed_studio_left_opens_nothing(settings):
    from thsafe.web.tokens import Scope, Tokens

    with inside(settings):
        (page,) = Tokens(settings.tokens).all()
    left = Tokens(settings.tokens).new(page.name, [Scope.STUDIO], days=1)[1]
    other = Tokens(settings.tokens).new("studio page of another folder", [Scope.STUDIO], days=1)[1]
    (settings.data / "capture" / "somebody").mkdir(parents=True)
    (settings.data / "capture" / "somebody" / "recording").write_bytes(b"a face")
    half = settings.data / "films" / SOME_ID
    half.mkdir(parents=True)
    (half / "film.mp4").write_bytes(b"half")
    with inside(settings) as browser:
        assert browser.get("/studio", headers={"Authorization": f"Bearer {left}"}).status_code == 401
        assert browser.get("/studio", headers={"Authorization": f"Bearer {other}"}).status_code == 200
        assert not (settings.data / "capture" / "somebody").exists()
        assert not half.exists()


def test_never_in_public_never_for_others(settings):
    from dataclasses import replace

    from thsafe.web.app import create_app
    from thsafe.web.stagedoor import create_studio

    for wrong in (replace(settings, public=True), replace(settings, hosts=("studio.example.org",))):
        with pytest.raises(UsageError) as refused:
            create_studio(wrong)
        assert refused.value.code == "studio.public"
    paths = {getattr(route, "path", "") for route in create_app(replace(settings, data=settings.data / "other")).routes}
    assert not [path for path in paths if path.startswith(("/studio", "/consent"))]
    with inside(settings, client=("192.0.2.7", 5000)) as stranger:
        for path in ("/studio", "/consent", "/studio/enter/x", "/studio/static/studio.css"):
            assert stranger.get(path).status_code == 403, path


def test_the_command_cannot_listen_elsewhere(home, capsys):
    from thsafe.cli.main import run

    assert run(["studio", "--host", "0.0.0.0"]) == 2
    assert run(["studio", "--public"]) == 2
    assert run(["serve", "--studio"]) == 2
    capsys.readouterr()
    assert run(["studio"]) == 33
    assert "thsafe keys new" in capsys.readouterr().err


def test_other_names_proxies_and_sites_are_refused(studio, visitor):
    assert visitor.get("/studio", headers={"host": "evil.example"}).status_code == 421
    for name in ("x-forwarded-for", "forwarded", "via"):
        answer = visitor.get("/studio", headers={name: "127.0.0.1"})
        assert answer.status_code == 403
        assert "service.elsewhere" in answer.text
    word = word_of(visitor.get("/studio"))
    other = {"origin": "http://evil.example"}
    assert visitor.post("/studio/films", data={"word": word}, headers=other).status_code == 403
    assert visitor.post("/consent", data={"word": word}, headers={"sec-fetch-site": "same-site"}).status_code == 403


def test_only_our_own_forms_count(studio, visitor):
    word = word_of(visitor.get("/studio"))
    for given in ("", "0" * 64, word[:-1], "\u00e4"):
        for path in ("/studio/films", "/consent", f"/studio/films/{SOME_ID}/delete", f"/consent/{SOME_ID}/sign"):
            answer = visitor.post(path, data={"word": given, "portrait": "ada"})
            assert answer.status_code == 403
            assert "service.form" in answer.text
    visitor.cookies.clear()
    assert visitor.post("/studio/films", data={"word": word, "portrait": "ada"}).status_code == 403
    assert visitor.put(f"/consent/{SOME_ID}/recording?offset=0", content=b"x").status_code == 403
    assert studio.files() == []


# ---- what the form refuses


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"portrait": "../../../../etc/passwd"}, "person.unknown"),
        ({"portrait": "..%2f..%2fetc"}, "person.unknown"),
        ({"portrait": "<img src=x onerror=alert(1)>"}, "person.unknown"),
        ({"portrait": ""}, "person.unknown"),
        ({"portrait": "own"}, "upload.empty"),
        ({"text": ""}, "text.empty"),
        ({"text": " \n\t"}, "text.empty"),
        ({"text": "a" * 4001}, "studio.text"),
        ({"text": "a" * 70_000}, "upload.form"),
        ({"voice": "../voice"}, "studio.choice"),
        ({"size": "100000"}, "studio.choice"),
        ({"size": "-1"}, "studio.choice"),
        ({"purpose": "<b>"}, "studio.choice"),
        ({"territories": "EU, ../x"}, "studio.word"),
        ({"channel": "a b"}, "studio.word"),
        ({"language": "\u202ede"}, "studio.word"),
        ({"declares": "everything"}, "studio.choice"),
        ({"speech": "audio"}, "upload.empty"),
    ],
)
def test_a_wrong_form_is_told_on_a_page_and_leaves_nothing(studio, visitor, fields, code):
    answer = send(visitor, **fields)
    assert answer.status_code == 400
    assert f"<code>{code}</code>" in answer.text
    assert "<img src=x" not in answer.text
    assert studio.files() == []


def test_names_in_addresses_lead_nowhere(visitor):
    for path in (
        "/studio/cast/..%2f..%2f..%2fetc%2fpasswd.jpg", "/studio/cast/nobody.jpg", "/studio/static/..%2fstudio.py",
        "/studio/static/page.js", "/studio/films/..%2f..%2fx", "/studio/films/%2e%2e/state", f"/studio/films/{SOME_ID}",
        "/consent/..%2f..%2fkeys", f"/consent/{SOME_ID}/signed.json",
    ):  # fmt: skip
        assert visitor.get(path).status_code == 404, path


def test_bodies_that_are_no_form(studio, visitor):
    word = word_of(visitor.get("/studio"))
    for kind, data in [
        ("multipart/form-data; boundary=x", b"--x\r\nbroken"),
        ("multipart/form-data", b"--x"),
        ("application/json", b"{}"),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' * 60 + b"--x--\r\n",
        ),
    ]:
        assert visitor.post("/studio/films", content=data, headers={"content-type": kind}).status_code in {400, 403}
    chunked = visitor.post("/studio/films", content=iter([b"word=" + word.encode()]))
    assert "upload.form" in chunked.text
    with socket.create_connection(("127.0.0.1", studio.server.port), timeout=30) as line:
        head = (
            f"POST /studio/films HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: {visitor.headers['authorization']}\r\n"
        )
        line.sendall(f"{head}Content-Length: {1 << 33}\r\n\r\n".encode())
        assert b" 413 " in line.recv(1000).partition(b"\r\n")[0]
    assert studio.files() == []


def test_what_is_no_picture_and_no_sound_is_refused(studio, visitor, photo):
    notes = send(visitor, {"picture": ("me.png", b"these are notes " * 20)}, portrait="own")
    assert "input.not-media" in notes.text
    sound = send(visitor, {"picture": ("me.png", wav())}, portrait="own")
    assert "input.kind" in sound.text
    picture = send(visitor, {"audio": ("a.wav", photo)}, speech="audio")
    film = ended(visitor, picture.url.path)
    assert film["problem"]["code"] == "input.kind"
    assert visitor.get(picture.url.path).status_code == 422
    assert studio.files() == []


def test_a_person_who_has_not_agreed_is_refused_with_the_next_step(studio, visitor, photo, espeak):
    answer = send(visitor, {"picture": ("../../<b>.png", photo)}, portrait="own")
    film = ended(visitor, answer.url.path)
    assert film["state"] == "failed"
    assert film["problem"]["code"].startswith("consent.")
    page = visitor.get(answer.url.path)
    assert page.status_code == 403
    assert "thsafe consent" in page.text
    assert 'href="/consent?lang=en"' in page.text
    assert "<b>.png" not in page.text
    assert studio.files() == []
    number = answer.url.path.rpartition("/")[2]
    assert number in visitor.get("/studio").text
    visitor.post(f"{answer.url.path}/delete", data={"word": word_of(page)})
    assert number not in visitor.get("/studio").text
    closed = send(visitor, {"picture": ("me.png", photo)}, portrait="own", consent="self", purpose="advertising")
    assert "consent.self-reach" in closed.text
    junk = send(visitor, {"picture": ("me.png", photo), "record": ("c.json", b"{}")}, portrait="own", consent="record")
    assert ended(visitor, junk.url.path)["state"] == "failed"
    assert studio.files() == []


# ---- films


def test_a_film_of_ones_own_picture_carries_every_mark(studio, visitor):
    """The one film that is made whole here: own picture, own consent, own recording."""
    import cv2

    from thsafe.desk import Desk
    from thsafe.registry import draw_person
    from thsafe.verification import verify

    picture = cv2.imencode(".png", draw_person("tariq", 256))[1].tobytes()
    files = {"picture": ("me.png", picture), "audio": ("a.wav", wav())}
    made = send(visitor, files, portrait="own", speech="audio", consent="self", territories="EU", declares="nothing")
    film = ended(visitor, made.url.path)
    assert film["state"] == "done", film
    folder = f"films/{made.url.path.rpartition('/')[2]}"
    assert studio.files() == [f"{folder}/film.json", f"{folder}/film.mp4"]
    page = visitor.get(made.url.path)
    assert "film.vtt" not in page.text
    whole = visitor.get(f"{made.url.path}/film.mp4", params={"download": ""})
    assert whole.headers["content-disposition"].startswith("attachment")
    part = visitor.get(f"{made.url.path}/film.mp4", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, whole.content[100:200])
    path = studio.server.settings.data / "check.mp4"
    path.write_bytes(whole.content)
    report = verify(path, home=studio.home)
    path.unlink()
    assert report.verdict == "disclosed"
    found = {item.check: item.status for item in report.evidence}
    assert {name for name, status in found.items() if status == "found"} >= {"credentials", "watermark"}
    (record,) = Desk(home=studio.home).store.find_for(hashlib.sha256(picture).hexdigest())
    assert (record.terms.scope.max_uses, record.terms.scope.purposes) == (1, ("demonstration",))
    assert "Own picture" in visitor.get("/studio").text
    gone = visitor.post(f"{made.url.path}/delete", data={"word": word_of(page)})
    assert gone.status_code in {200, 303}
    assert studio.files() == []
    assert visitor.get(made.url.path).status_code == 404


# ---- the line and its workers

SLOW = """
import json, os, sys, time
from pathlib import Path
job = json.loads(sys.stdin.readline())
Path(job["output"]).with_suffix(".part").write_bytes(b"half")
print(json.dumps({"stage": "rendering", "total": 4, "done": 0}), flush=True)
print(json.dumps({"done": 3}), flush=True)
if "die" in sys.argv: os._exit(9)
if "babble" in sys.argv: print("this is not JSON", flush=True)
time.sleep(600)
"""


@pytest.fixture
def films(tmp_path):
    """A line of films whose workers are small scripts: ``films(steps, "die")`` runs ``steps(productions)``."""
    import asyncio

    from thsafe.web import productions

    def run(steps, how="sleep"):
        async def whole():
            line = productions.Productions(tmp_path / "films")
            await line.start()
            try:
                await asyncio.wait_for(steps(line), 60)
            finally:
                await line.stop()

        saved, productions._COMMAND = productions._COMMAND, (sys.executable, "-c", SLOW, how)
        try:
            asyncio.run(whole())
        finally:
            productions._COMMAND = saved
        return sorted(path.name for path in (tmp_path / "films").rglob("*"))

    return run


async def _until(film, ready):
    import asyncio

    for _ in range(3000):
        if ready(film):
            return
        await asyncio.sleep(0.02)
    raise AssertionError(film)


def _begun(line):
    film = line.new("ada")
    line.submit(film, {"output": str(line.video(film))})
    return film


def test_stopping_a_film_leaves_nothing_and_lets_the_next_begin(films):
    async def steps(line):
        first, second = _begun(line), _begun(line)
        await _until(first, lambda film: film.done == 3)
        assert first.facts() == {"state": "running", "stage": "rendering", "done": 3, "total": 4}
        worker = first.worker
        await line.delete(first)
        assert worker.returncode == -signal.SIGTERM  # asked, not killed
        assert not line.folder(first).exists()
        await _until(second, lambda film: film.done == 3)

    assert films(steps) == []  # the second was being made when the studio ended


@pytest.mark.parametrize(("how", "code"), [("die", "studio.worker"), ("babble", "studio.failed")])
def test_a_worker_that_dies_or_babbles_is_told_of(films, how, code):
    async def steps(line):
        film = _begun(line)
        await _until(film, lambda film: film.problem)
        assert film.problem["error"] == code
        assert not line.folder(film).exists()

    assert films(steps, how) == []


def test_the_line_is_short(films):
    from thsafe.web.problems import ServiceError

    async def steps(line):
        await _until(_begun(line), lambda film: film.done == 3)
        for _ in range(8):
            _begun(line)
        with pytest.raises(ServiceError, match="Too many films"):
            line.new("ada")

    assert films(steps) == []


def test_a_killed_studio_leaves_no_half_film(settings, espeak):
    """Killed outright while a film is drawn: its worker notices and stops, the next studio clears the folder away."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "thsafe", "studio", "--port", str(port), "--data", str(settings.data)]
    import os

    environment = {**os.environ, "THSAFE_HOME": str(settings.home.path)}
    environment.pop("THSAFE_DB", None)
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http://\S+", process.stderr.readline()).group()
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=PAGE, follow_redirects=True, timeout=60
        ) as browser:
            browser.get(address)
            made = send(browser, text="This will not be said to its end. " * 20)
            assert made.status_code == 200, made.text
            until = time.monotonic() + 60
            while browser.get(f"{made.url.path}/state").json()["stage"] == "" and time.monotonic() < until:
                time.sleep(0.1)
            workers = _children(process.pid, "thsafe.web.rendering")
            assert len(workers) == 1
            process.send_signal(signal.SIGKILL)
            process.wait(timeout=15)
    finally:
        process.kill()
        process.stderr.close()
    until = time.monotonic() + 60
    while _alive(workers[0]) and time.monotonic() < until:
        time.sleep(0.2)
    assert not _alive(workers[0])
    from thsafe.installation import Installation

    log = Installation.open(settings.home).ledger
    (intent,), (failed,) = log.find("intent"), log.find("failed")
    assert intent.event["job"] == failed.event["job"]
    assert not list((settings.data / "films").rglob("film.json"))
    with inside(settings):
        assert list((settings.data / "films").iterdir()) == []


def _children(parent, word):
    from pathlib import Path

    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            status, line = (folder / "status").read_text(), (folder / "cmdline").read_text()
        except OSError:
            continue
        if f"PPid:\t{parent}\n" in status and word in line:
            found.append(int(folder.name))
    return found


def _alive(number):
    from pathlib import Path

    try:
        return "State:\tZ" not in Path(f"/proc/{number}/status").read_text()
    except OSError:
        return False


def test_the_small_pictures_are_of_todays_cast():
    """Run ``python docs/make_thumbnails.py`` when this fails."""
    from importlib import resources

    from thsafe.registry import drawn_person_digests

    folder = resources.files("thsafe.web").joinpath("static", "cast")
    there = {item.name for item in folder.iterdir()}
    assert there == {f"{name}-{digest[:12]}.jpg" for name, digest in drawn_person_digests().items()}
