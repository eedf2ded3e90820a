"""What strangers send: names, forms, bodies and headers that were made to break something."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import struct
import threading
import time
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

LIMIT = 4 << 20


def talk(server, data, *, seconds=10, then=b""):
    """Send bytes as they are; returns what comes back until the other side closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=seconds) as line:
        line.sendall(data)
        got = b""
        try:
            while piece := line.recv(65536):
                got += piece
                if then and b"\r\n\r\n" in got:
                    break
        except (TimeoutError, ConnectionError):
            pass
        return got


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/passwd",
        "..\\..\\windows\\win.ini",
        "/etc/passwd",
        "a/../../b.png",
        "nul\x00byte.png",
        "x" * 3000 + ".png",
        "\u202egnp.exe",
        "con.png ",
        "",
        "%2e%2e%2fx",
    ],
)
def test_names_are_labels_never_paths(server, photo, name):

    body = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="'
        + name.encode().replace(b"\\", b"\\\\")
        + b'"\r\n\r\n'
        + photo
        + b"\r\n--x--\r\n"
    )
    taken = server.client.post(
        "/v1/verifications", content=body, headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert taken.status_code == 202, taken.text
    done = server.client.get(taken.headers["location"], params={"wait": 30}).json()
    shown = done["report"]["file"]
    assert "/" not in shown
    assert "\\" not in shown
    assert shown.isprintable()
    assert len(shown) <= 120
    after = {path.parent.parent for path in server.settings.data.rglob("*.json")}
    assert after <= {server.settings.jobs}


def test_a_zip_bomb_is_no_media(server):
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(64 << 20))
    done = server.verify(bomb.getvalue())
    assert done["problem"]["code"] == "input.not-media"


def png(width, height, rows):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("width", "height"), [(60000, 60000), (2_000_000_000, 1), (16000, 16000)])
def test_a_picture_bomb_is_refused_by_its_header(server, width, height):
    done = server.verify(png(width, height, bytes(1000)))
    assert done["problem"]["code"].startswith("input.")


def test_a_video_that_claims_to_last_for_years_is_refused(server):
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        frame = av.VideoFrame(64, 64, "yuv420p")
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    data = bytearray(buffer.getvalue())
    place = data.index(b"mvhd") + 4 + 4 + 8  # version and flags, two times; then time scale and duration
    data[place : place + 8] = struct.pack(">II", 1, 0x7FFFFFFF)
    done = server.verify(bytes(data))
    assert done["problem"]["code"] in {"input.too-long", "input.impossible-duration"}


def test_a_body_of_two_gigabytes_is_refused_before_it_is_sent(server):
    head = (
        f"POST /v1/verifications HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: video/mp4\r\n"
        f"Content-Length: {2 << 30}\r\n\r\n"
    )
    began = time.monotonic()
    answer = talk(server, head.encode(), then=b"{")
    assert b" 413 " in answer.split(b"\r\n")[0]
    assert b"connection: close" in answer.lower()
    assert time.monotonic() - began < 5


def test_a_body_without_a_length_stops_at_the_limit(server):
    before = server.folders()

    def pieces():
        for _ in range(200):
            yield bytes(65536)

    with contextlib.suppress(httpx.WriteError, httpx.ReadError):  # the server may close while we still send
        answer = server.client.post("/v1/verifications", content=pieces(), headers={"content-type": "video/mp4"})
        assert answer.status_code == 413
    time.sleep(0.2)
    assert server.folders() == before


def test_a_sender_that_pauses_is_cut_off(server):
    before = server.folders()
    head = (
        f"POST /v1/verifications HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: video/mp4\r\n"
        "Content-Length: 1000\r\n\r\nabc"
    )
    began = time.monotonic()
    answer = talk(server, head.encode())
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert time.monotonic() - began < 8
    assert server.folders() == before


def test_a_sender_that_hangs_up_leaves_nothing(server):
    before = server.folders()
    head = (
        f"POST /v1/verifications HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Type: video/mp4\r\n"
        "Content-Length: 100000\r\n\r\nabc"
    )
    with socket.create_connection(("127.0.0.1", server.port)) as line:
        line.sendall(head.encode())
        time.sleep(0.3)
    until = time.monotonic() + 5
    while server.folders() != before and time.monotonic() < until:
        time.sleep(0.05)
    assert server.folders() == before


def test_sixty_four_uploads_at_once(server, photo):
    bodies = [photo if number % 5 == 0 else b"no media %d " % number * 5000 for number in range(64)]
    with ThreadPoolExecutor(64) as pool:
        done = list(pool.map(server.verify, bodies))
    assert [item["state"] for item in done] == ["done" if number % 5 == 0 else "failed" for number in range(64)]
    assert {item["problem"]["code"] for item in done if item["problem"]} == {"input.not-media"}
    assert len({item["id"] for item in done}) == 64


def test_too_many_waiting_are_turned_away_in_words(asleep, photo):
    answers = asleep([("POST", "/v1/verifications", {"content": photo})] * 4, most_waiting=2)
    assert [answer.status_code for answer in answers] == [202, 202, 503, 503]
    assert answers[3].json()["code"] == "service.busy"
    assert answers[3].headers["retry-after"]


def test_one_client_is_slowed_down_in_public(asleep, photo):
    asked = [("POST", "/v1/verifications", {"content": photo})] * 5 + [("GET", "/v1/health", {})]
    answers = asleep(asked, public=True, per_minute=3)
    assert [answer.status_code for answer in answers] == [202, 202, 202, 429, 429, 200]
    assert "retry-after" in answers[3].headers


def test_clients_are_counted_by_subscriber():
    from thsafe.web.rate import Rate, network_of

    assert network_of("2001:db8:1:2:3::4") == network_of("2001:db8:1:2:ffff::1") != network_of("2001:db8:1:3::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1")
    now = [0.0]
    rate = Rate(2, clock=lambda: now[0])
    assert [rate.take("a"), rate.take("a")] == [0, 0]
    assert 0 < rate.take("a") <= 30
    assert rate.take("b") == 0
    now[0] = 31
    assert rate.take("a") == 0


@pytest.mark.parametrize(
    "value",
    ["bytes=", "bytes=-", "bytes=9-1", "bytes=a-b", "bytes=0-,0-,0-,0-", "bytes=" + "0-0," * 2000, "lines=1-2",
     "bytes=99999999999999999999-", "bytes=-99999999999999999999", "\x7f"],
)  # fmt: skip
def test_malformed_ranges_get_the_whole_thing(server, value):
    answer = server.client.get("/static/style.css", headers={"range": value})
    assert answer.status_code == 200
    assert len(answer.content) > 1000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"--x",
        b"--x\r\n\r\n\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"\r\n\r\nabc',
        b"--x\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"a" * 10000 + b"\r\n--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="' + b"a" * 10000 + b'"\r\n\r\nb\r\n--x--\r\n',
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n' * 50 + b"--x--\r\n",
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nb\r\n' * 2 + b"--x--\r\n",
        b"\x00\xff" * 500,
    ],
)
@pytest.mark.parametrize("kind", ["multipart/form-data; boundary=x", "multipart/form-data"])
def test_malformed_forms_are_refused_in_words(server, body, kind):
    answer = server.client.post("/v1/verifications", content=body, headers={"content-type": kind})
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] in {"upload.form", "upload.empty"}


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost:80:80", "[::1", "127.0.0.1@evil"]
)
def test_other_names_are_refused(server, host):
    answer = talk(server, f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    assert b" 421 " in answer.split(b"\r\n")[0] or b" 400 " in answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
@pytest.mark.parametrize("path", ["/v1/verifications", "/verifications", "/login", "/sbr/matches/byContent"])
def test_other_sites_cannot_send(server, photo, headers, path):
    answer = server.client.post(path, content=photo, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "service.origin")


def test_a_form_needs_the_word_of_our_page(server, photo):
    files = {"file": ("a.png", photo)}
    for word in ("", "0" * 64):
        answer = server.client.post("/verifications", data={"word": word}, files=files)
        assert (answer.status_code, answer.json()["code"]) == (403, "service.form")
    word = server.form()
    server.client.cookies.clear()
    assert server.client.post("/verifications", data={"word": word}, files=files).status_code == 403
    word = server.form()
    taken = server.client.post("/verifications", data={"word": word}, files=files)
    assert taken.status_code == 303


def test_a_form_without_its_word_writes_no_file(server):
    before = server.folders()
    server.client.post("/verifications", files={"file": ("a.png", bytes(2 << 20))})
    assert server.folders() == before


@pytest.mark.parametrize("target", ["delete", "DELETE"])
def test_deleting_needs_the_word_or_the_api(server, photo, target):
    done = server.verify(photo)
    if target == "delete":
        answer = server.client.post(f"/verifications/{done['id']}/delete", data={"word": "x"})
        assert answer.status_code == 403
        assert server.client.get(f"/v1/verifications/{done['id']}").status_code == 200


NASTY = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'{{7*7}}"


def test_markup_in_names_stays_text(server, photo):
    word = server.form()
    body = photo
    taken = server.client.post("/verifications", data={"word": word}, files={"file": (NASTY, body)})
    page = server.client.get(taken.headers["location"], headers={"accept": "text/html"})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "<img src=x" not in page.text
    assert "49" not in page.text.split("</h1>")[0].split("<h1")[-1]


@pytest.mark.parametrize(
    "path", ["/", "/login", "/verifications/" + "A" * 24, "/static/page.js", "/v1/health", "/v1/openapi.json", "/x"]
)
def test_headers_bind_the_browser(server, path):
    headers = server.client.get(path, headers={"accept": "text/html"}).headers
    policy = headers["content-security-policy"]
    assert "unsafe-inline" not in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers or "uvicorn" not in headers["server"]


def test_pages_hold_no_inline_script_style_or_handler(server, photo):
    import re

    word = server.form()
    taken = server.client.post("/verifications", data={"word": word}, files={"file": ("a.png", photo)})
    for path in ("/", "/login", taken.headers["location"], "/nothing"):
        page = server.client.get(path, headers={"accept": "text/html"}).text
        assert not re.search(r"<script(?![^>]*\bsrc=)", page)
        assert "<style" not in page
        assert not re.search(r"\son\w+=|\sstyle=", page)
        assert not re.search(r'(?:src|href)="(?:https?:)?//', page)


def test_a_polyglot_is_what_its_bytes_say_and_never_comes_back(server, photo):
    polyglot = photo + b"<html><script>alert(1)</script></html>"
    done = server.verify(polyglot, headers={"content-type": "text/html"})
    assert done["state"] in {"done", "failed"}
    if done["state"] == "done":
        assert done["report"]["media"]["media_type"] == "image/png"
    page = server.client.get(f"/verifications/{done['id']}", headers={"accept": "text/html"}).text
    assert "<script>alert" not in page
    gif = b"GIF89a/*" + b"\x00" * 100 + b"*/=alert(1)//"
    assert server.verify(gif)["state"] == "failed"


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/style.css%00",
        "/verifications/..%2f..",
        "//etc/passwd",
    ],
)
def test_paths_lead_nowhere_else(server, path):
    answer = talk(server, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in answer.split(b"\r\n")[0]
    assert b"root:" not in answer
    assert b"import" not in answer


def test_a_head_that_never_ends_is_cut_off(server, monkeypatch):
    monkeypatch.setattr("thsafe.web.listener._SECONDS_TO_ASK", 0.5)
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
        began = time.monotonic()
        assert line.recv(1000) == b""
        assert time.monotonic() - began < 5


def test_many_listeners_do_not_stop_others(server, photo):
    stop = threading.Event()
    done = server.verify(photo)

    def listen():
        with server.client.stream("GET", f"/v1/verifications/{done['id']}/events") as stream:
            for _ in stream.iter_lines():
                if stop.is_set():
                    return

    with ThreadPoolExecutor(20) as pool:
        for _ in range(20):
            pool.submit(listen)
        assert server.client.get("/v1/health").status_code == 200
        stop.set()


def test_deeply_nested_json_is_refused(server):
    body = b'{"url":' + b"[" * 8000 + b"]" * 8000 + b"}"
    answer = server.client.post("/v1/verifications", content=body, headers={"content-type": "application/json"})
    assert answer.status_code in {400, 413}
    assert json.loads(answer.text)["code"] in {"upload.json", "service.too-large"}
