"""Addresses that strangers give: where they may lead, how much they may bring, how long they may take."""

from __future__ import annotations

import contextlib
import http.server
import ipaddress
import socket
import threading
import time

import pytest

from thsafe.core.errors import ThsafeError
from thsafe.remote import RemoteRules, fetch, is_address, is_public

HIDDEN = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.88.99.1", "::1", "::", "::ffff:127.0.0.1",
    "::ffff:8.8.8.8", "::127.0.0.1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "2002:7f00:1::1",
    "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "2001::1", "2001:db8::1", "2606:4700::5efe:7f00:1",
    "2a00::200:5efe:a00:1", "fec0::1", "100::1", "3fff::1", "5f00::1",
]  # fmt: skip


@pytest.mark.parametrize("text", HIDDEN)
def test_what_is_not_public(text):
    assert not is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::8a"])
def test_what_is_public(text):
    assert is_public(ipaddress.ip_address(text))


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("https://127.0.0.1/x", "address.private"),
        ("https://localhost/x", "address.private"),
        ("https://2130706433/", "address.private"),
        ("https://0x7f.1/", "address.private"),
        ("https://0177.0.0.1/", "address.private"),
        ("https://127.1/", "address.private"),
        ("https://[::1]/", "address.private"),
        ("https://[::ffff:7f00:1]/", "address.private"),
        ("https://[64:ff9b::7f00:1]/", "address.private"),
        ("https://[2002:7f00:1::]/", "address.private"),
        ("http://media.example/x", "address.scheme"),
        ("ftp://media.example/x", "address.scheme"),
        ("gopher://media.example/x", "address.scheme"),
        ("file:///etc/passwd", "address.form"),
        ("https://user@media.example/", "address.form"),
        ("https://a\\@127.0.0.1/", "address.form"),
        ("https://media.example/a b", "address.form"),
        ("https://media.example/\r\nHost: x", "address.form"),
        ("https://media.example:22/", "address.port"),
        ("https://media.example:99999/", "address.form"),
        ("https://[::1/", "address.form"),
        ("https:///x", "address.form"),
        ("https://①②⑦.⓪.⓪.①/", "address.form"),
        ("https://media.example/" + "a" * 3000, "address.form"),
    ],
)
def test_addresses_that_are_not_asked(address, code, tmp_path):
    with pytest.raises(ThsafeError) as refused:
        fetch(address, tmp_path / "x")
    assert refused.value.code == code
    assert list(tmp_path.iterdir()) == []


def test_names_of_files_are_no_addresses():
    assert is_address("https://x/y")
    assert not is_address("clip.mp4")
    assert not is_address("C:/clip.mp4")


@pytest.fixture(scope="module")
def site():
    """A server on loopback that misbehaves on demand."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            getattr(self, "do_" + self.path.strip("/").partition("?")[0].replace("-", "_"))()

        def _head(self, status=200, **headers):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.end_headers()

        def do_file(self):
            self._head(Content_Length="5")
            self.wfile.write(b"hello")

        def do_chunked(self):
            self._head(Transfer_Encoding="chunked")
            self.wfile.write(b"5\r\nhello\r\n0\r\n\r\n")

        def do_loop(self):
            self._head(302, Location="/loop", Content_Length="0")

        def do_inwards(self):
            self._head(302, Location="http://[::1]/secret", Content_Length="0")

        def do_metadata(self):
            self._head(307, Location="http://169.254.169.254/latest/meta-data", Content_Length="0")

        def do_to_file(self):
            self._head(302, Location="file:///etc/passwd", Content_Length="0")

        def do_on(self):
            self._head(302, Location="/file", Content_Length="0")

        def do_huge(self):
            self._head(Content_Length=str(1 << 40))

        def do_endless(self):
            self._head(Connection="close")
            while True:
                self.wfile.write(b"x" * 65536)

        def do_packed(self):
            self._head(Content_Encoding="gzip", Content_Length="5")
            self.wfile.write(b"\x1f\x8b\x08\x00x")

        def do_short(self):
            self._head(Content_Length="50")
            self.wfile.write(b"hello")
            self.close_connection = True

        def do_missing(self):
            self._head(404, Content_Length="0")

        def do_drip(self):
            self.wfile.write(b"HTTP/1.1 200 OK\r\n")
            for _ in range(200):
                self.wfile.write(b"X-Slow: 1\r\n"[:1])
                self.wfile.flush()
                time.sleep(0.05)

        def do_drip_body(self):
            self._head(Connection="close")
            for _ in range(200):
                self.wfile.write(b"x")
                self.wfile.flush()
                time.sleep(0.05)

        def handle(self):
            with contextlib.suppress(OSError):  # the client hangs up, as it should
                super().handle()

        def log_message(self, *_):
            pass

    class Quiet(http.server.ThreadingHTTPServer):
        daemon_threads = True

    with Quiet(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def rules(site):
    port = int(site.rpartition(":")[2])
    return RemoteRules(
        schemes=("http", "https"), ports=(80, 443, port), networks=("127.0.0.0/8",), max_bytes=1 << 20, seconds=1.5
    )


@pytest.mark.parametrize("path", ["file", "chunked", "on"])
def test_a_file_is_brought(site, rules, path, tmp_path):
    brought = fetch(f"{site}/{path}", tmp_path / "x", rules=rules)
    assert (tmp_path / "x").read_bytes() == b"hello"
    assert brought.size == 5


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("loop", "address.redirects"),
        ("inwards", "address.private"),
        ("metadata", "address.private"),
        ("to-file", "address.form"),
        ("huge", "address.size"),
        ("endless", "address.size"),
        ("packed", "address.encoding"),
        ("short", "network."),
        ("missing", "address.status"),
        ("drip", "address.slow"),
        ("drip-body", "address.slow"),
    ],
)
def test_a_misbehaving_site_brings_nothing(site, rules, path, code, tmp_path):
    began = time.monotonic()
    with pytest.raises(ThsafeError) as refused:
        fetch(f"{site}/{path}", tmp_path / "x", rules=rules)
    assert refused.value.code.startswith(code)
    assert list(tmp_path.iterdir()) == []
    assert time.monotonic() - began < 6


def test_the_checked_address_is_the_one_that_is_connected_to(site, rules, tmp_path, monkeypatch):
    """DNS rebinding: the name is looked up once, whatever it would answer later."""
    asked = []

    def resolver(host, port):
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["10.0.0.1"]

    monkeypatch.setattr(socket, "getaddrinfo", _only_numbers(socket.getaddrinfo))
    address = site.replace("127.0.0.1", "rebind.example") + "/file"
    fetch(address, tmp_path / "x", rules=rules, resolver=resolver)
    assert asked == ["rebind.example"]


def _only_numbers(original):
    def look_up(host, *args, **options):
        ipaddress.ip_address(host)
        return original(host, *args, **options)

    return look_up


def test_one_private_answer_among_public_ones_is_refused(tmp_path):
    with pytest.raises(ThsafeError) as refused:
        fetch("https://mixed.example/x", tmp_path / "x", resolver=lambda _host, _port: ["8.8.8.8", "10.0.0.1"])
    assert refused.value.code == "address.private"


def test_redirects_are_resolved_and_checked_anew(site, rules, tmp_path):
    answers = {"first.example": ["127.0.0.1"], "[::1]": ["::1"]}
    with pytest.raises(ThsafeError) as refused:
        fetch(
            site.replace("127.0.0.1", "first.example") + "/inwards",
            tmp_path / "x",
            rules=rules,
            resolver=lambda host, _port: answers.get(host, ["::1"]),
        )
    assert refused.value.code == "address.private"


@pytest.mark.parametrize(
    ("host", "allowed", "ok"),
    [
        ("media.example", ("media.example",), True),
        ("MEDIA.example.", ("media.example",), True),
        ("a.media.example", (".media.example",), True),
        ("media.example", (".media.example",), False),
        ("evilmedia.example", (".media.example",), False),
        ("media.example.evil", ("media.example",), False),
    ],
)
def test_the_list_of_hosts(host, allowed, ok, tmp_path):
    rules = RemoteRules(hosts=allowed)
    with pytest.raises(ThsafeError) as refused:
        fetch(f"https://{host}/x", tmp_path / "x", rules=rules, resolver=lambda _host, _port: ["10.0.0.1"])
    assert refused.value.code == ("address.private" if ok else "address.host")


def test_fetching_can_be_stopped(site, rules, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(ThsafeError) as refused:
        fetch(f"{site}/endless", tmp_path / "x", rules=rules, cancelled=stop)
    assert refused.value.code == "address.cancelled"
