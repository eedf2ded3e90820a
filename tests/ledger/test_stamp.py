"""Time stamps on checkpoints, from a loopback authority: asked for, kept beside, verified, and every way to be wrong."""

import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from asn1crypto import tsp
from cryptography import x509

from thsafe.cli.main import run
from thsafe.core.errors import LedgerBroken, StoreError, UsageError
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.ledger.stamp import ask_for_stamp, beside, read_stamps, verify_stamp
from thsafe.ledger.witness import witness
from thsafe.provenance.timestamp import LoopbackAuthority, respond


@pytest.fixture(scope="module")
def ring(tmp_path_factory):
    return KeyRing.create(Home(tmp_path_factory.mktemp("tsa")))


@pytest.fixture(scope="module")
def authority(ring):
    with LoopbackAuthority(ring) as running:
        yield running.url


@pytest.fixture
def roots(ring):
    return x509.load_pem_x509_certificates((ring.folder / "root.pem").read_bytes())


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_a_witnessed_checkpoint_is_stamped(log, authority, roots, tmp_path):
    log.append({"type": "verify"})
    made = witness(log, tmp_path / "auditor", tsa=authority, anchors=roots)
    (note, reply) = sorted((tmp_path / "auditor").iterdir())
    assert reply == beside(note)
    (stamp,) = read_stamps(tmp_path / "auditor", roots)
    assert stamp.trusted
    assert read_stamps(note, []) == (verify_stamp(reply.read_bytes(), made.note, []),)
    assert not read_stamps(note, [])[0].trusted
    before = reply.read_bytes()
    witness(log, tmp_path / "auditor", tsa=authority, anchors=roots)
    assert reply.read_bytes() == before  # never overwritten
    log.append({"type": "verify"})
    witness(log, tmp_path / "auditor")
    assert len(read_stamps(tmp_path / "auditor", roots)) == 1


def test_a_stamp_of_something_else(authority, roots):
    reply = ask_for_stamp(authority, "one\n")
    assert verify_stamp(reply, "one\n", roots).trusted
    with pytest.raises(LedgerBroken) as caught:
        verify_stamp(reply, "two\n", roots)
    assert caught.value.code == "log.stamp"


def test_a_changed_byte_is_never_a_valid_trusted_stamp_of_another_time(authority, roots):
    reply = ask_for_stamp(authority, "one\n")
    good = verify_stamp(reply, "one\n", roots)
    refused = 0
    for place in range(0, len(reply), 3):
        data = bytearray(reply)
        data[place] ^= 0x01
        try:
            stamp = verify_stamp(bytes(data), "one\n", roots)
        except LedgerBroken:
            refused += 1
        else:
            # Bytes that no signature covers, such as those of a root that comes along, may differ.
            assert (stamp.at, stamp.authority) == (good.at, good.authority)
    assert refused > len(reply) / 3 * 0.5
    for data in (b"", b"\0", reply[:-1], reply[:200]):
        with pytest.raises(LedgerBroken):
            verify_stamp(data, "one\n", roots)


def serve(answer):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            data = answer(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    return server


def replayed(ring):
    query = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": b"\0" * 32},
            "nonce": 7,
            "cert_req": True,
        }
    )
    return lambda _request: respond(query.dump(), ring)


@pytest.mark.parametrize("kind", ["garbage", "refusal", "replay", "huge"])
def test_authorities_that_give_none(ring, kind):
    answers = {
        "garbage": lambda _request: b"hello",
        "refusal": lambda _request: respond(b"no request", ring),
        "replay": replayed(ring),
        "huge": lambda _request: b"\0" * (300 * 1024),
    }
    server = serve(answers[kind])
    try:
        with pytest.raises(StoreError) as caught:
            ask_for_stamp(f"http://127.0.0.1:{server.server_port}/", "one\n")
        assert caught.value.code == "log.tsa"
    finally:
        server.shutdown()
        server.server_close()


def test_addresses(authority):
    for url in ("file:///etc/passwd", "ftp://host/", "nonsense", ""):
        with pytest.raises(UsageError):
            ask_for_stamp(url, "one\n")
    with pytest.raises(StoreError):
        ask_for_stamp("http://127.0.0.1:9/", "one\n")


def test_on_the_command_line(home, tmp_path, capsys):
    assert run(["keys", "new"]) == 0
    with LoopbackAuthority(KeyRing.open(Home(home))) as running:
        assert run(["log", "witness", str(tmp_path / "auditor"), "--tsa", running.url]) == 0
    capsys.readouterr()
    assert run(["log", "verify", "--witness", str(tmp_path / "auditor"), "--json"]) == 0
    (stamp,) = json.loads(capsys.readouterr().out)["stamps"]
    assert stamp["trusted"]
    (reply,) = (tmp_path / "auditor").glob("*.tsr")
    reply.write_bytes(reply.read_bytes()[:-2] + b"\0\0")
    assert run(["log", "verify", "--witness", str(tmp_path / "auditor")]) == 40
    assert "log.stamp" in capsys.readouterr().err
