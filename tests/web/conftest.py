"""Servers for the tests: real sockets on loopback, in a thread of the test process."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")


class Server:
    """One server and how to talk to it."""

    def __init__(self, settings, address, app):
        self.settings, self.address, self.app = settings, address, app
        self.sandbox = app.state.service.schedule.sandbox
        self.port = int(address.rpartition(":")[2])
        self.client = httpx.Client(base_url=address, timeout=60)

    def verify(self, data, headers=None):
        """Upload bytes and wait for the end."""
        headers = {"content-type": "application/octet-stream", **(headers or {})}
        taken = self.client.post("/v1/verifications", content=data, headers=headers)
        assert taken.status_code == 202, taken.text
        headers.pop("content-type")
        return self.client.get(taken.headers["location"], params={"wait": 30}, headers=headers).json()

    def form(self, path="/"):
        """The word that a form must carry; its cookie is kept by the client."""
        page = self.client.get(path, headers={"accept": "text/html"}).text
        return page.split('name="word" value="')[1].split('"')[0]

    def cleared(self):
        """Whether nothing is left on disk, once what follows the last answer is done."""
        until = time.monotonic() + 5
        while self.left() and time.monotonic() < until:
            time.sleep(0.02)
        return self.left() == []

    def folders(self):
        """The folders of jobs, whatever is being written in them."""
        return sorted(path.name for path in self.settings.jobs.iterdir())

    def left(self):
        """Everything that is on disk for jobs."""
        return sorted(str(path.relative_to(self.settings.jobs)) for path in self.settings.jobs.rglob("*"))


@contextlib.contextmanager
def running(settings, *, host="127.0.0.1", make=None):
    """A server with these settings: the verification application unless another is to be made."""
    import uvicorn

    from thsafe.web.app import create_app
    from thsafe.web.listener import configure

    with socket.socket() as probe:
        probe.bind((host, 0))
        port = probe.getsockname()[1]
    app = (make or create_app)(settings)
    config = configure(app, host=host, port=port)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 30
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    talking = Server(settings, f"http://{host}:{port}", app)
    try:
        yield talking
    finally:
        talking.client.close()
        server.should_exit = True
        thread.join(timeout=15)


def settings_for(folder, **options):
    """Settings over a home of their own, without keys unless some were made."""
    from thsafe.home import Home
    from thsafe.web.settings import Settings

    home = Home(folder / "home")
    home.prepare()
    return Settings(home=home, data=folder / "data", **options)


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """For one machine: verifying needs no token, reports are kept."""
    folder = tmp_path_factory.mktemp("private-server")
    with running(settings_for(folder, max_upload=4 << 20, idle_seconds=1.5)) as started:
        yield started


@pytest.fixture
def asleep(tmp_path):
    """Asks a server that takes jobs but does not begin any: ``asleep(requests, workers=1)`` gives the answers."""

    def ask(requests, **options):
        import asyncio

        from thsafe.web.app import create_app

        async def run():
            app = create_app(settings_for(tmp_path, **options))
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                answers = [await client.request(method, path, **how) for method, path, how in requests]
            app.state.service.schedule.folders.release()
            return answers

        return asyncio.run(run())

    return ask


@pytest.fixture(scope="session")
def closed_server():
    """A server over a folder with a home in it: ``with closed_server(folder) as server``; tokens are needed."""

    def start(folder):
        return running(settings_for(folder, token_needed=True))

    return start


@pytest.fixture(scope="session")
def site(photo):
    """A site that has one photograph, under any name but ``private``."""
    import http.server

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status = 302 if self.path == "/private" else 200
            self.send_response(status)
            self.send_header("Location", "http://169.254.169.254/latest")
            self.send_header("Content-Length", str(len(photo)))
            self.end_headers()
            self.wfile.write(photo)

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def public(tmp_path_factory, site):
    """For everyone: nothing is kept; it may fetch from the site."""
    from thsafe.remote import RemoteRules

    ports = (443, int(site.rpartition(":")[2]))
    rules = RemoteRules(schemes=("http", "https"), ports=ports, networks=("127.0.0.1/32",), seconds=10)
    folder = tmp_path_factory.mktemp("public-server")
    with running(settings_for(folder, public=True, per_minute=1000, remote=rules)) as started:
        yield started


class Studio:
    """A studio, its way in, and what lies in its folders."""

    def __init__(self, server, word):
        self.server, self.address, self.home = server, server.address, server.settings.home
        self.entrance = f"{server.address}/studio/enter/{word}"

    def token(self):
        """A token of scope studio."""
        from thsafe.web.tokens import Scope, Tokens

        return Tokens(self.server.settings.tokens).new("test", [Scope.STUDIO], days=1)[1]

    def files(self):
        """Everything that lies in the studio's folders."""
        data = self.server.settings.data
        return sorted(str(path.relative_to(data)) for path in data.rglob("*") if path.is_file() and path.name != "lock")


@pytest.fixture(scope="session")
def studio(tmp_path_factory):
    """A studio with keys of its own, and one drawing kept ready."""
    from generators.embedded.cast.cache import framed_person
    from thsafe.keys import KeyRing
    from thsafe.web.stagedoor import Ticket, create_studio

    ticket = Ticket()
    settings = settings_for(tmp_path_factory.mktemp("studio"), workers=1, max_upload=8 << 20)
    KeyRing.create(settings.home)
    framed_person("ada", short_side=256, home=settings.home)
    with running(settings, make=lambda given: create_studio(given, ticket)) as started:
        yield Studio(started, ticket.word)


@pytest.fixture(scope="session")
def photo():
    """A small unsigned photograph."""
    picture = np.random.default_rng(3).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    done, data = cv2.imencode(".png", cv2.resize(picture, (160, 120), interpolation=cv2.INTER_CUBIC))
    assert done
    return data.tobytes()


@pytest.fixture(scope="module")
def chromium():
    """Debian's browser, driven by playwright; it keeps an event loop running, so no longer than one module needs it."""
    path = Path("/usr/bin/chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    if not path.exists():
        pytest.skip("no /usr/bin/chromium (apt-get install chromium)")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=str(path), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()
