"""A time-stamp authority for development keys: RFC 3161 requests answered on the loopback interface.

Signing asks an authority over HTTP (RFC 3161 §3.4). With development keys there is no outside one that would make the
result any more trusted, so thsafe answers itself, offline; the stamps chain to the installation's own root.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from asn1crypto import algos, cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from thsafe.core.clock import Clock, system_clock
from thsafe.keys import KeyRing

_POLICY = "2.25.276149857345290631782096551284915370116"
"""A policy OID below the UUID arc (ITU-T X.667 §7): unique without registration, and it promises nothing."""
_DIGEST_SIZES = {"sha256": 32, "sha384": 48, "sha512": 64}
_PROXY_VARIABLES = ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_MAX_REQUEST = 64 * 1024
_QUERY_TYPE = "application/timestamp-query"
_REPLY_TYPE = "application/timestamp-reply"


def respond(request_der: bytes, ring: KeyRing, *, clock: Clock = system_clock) -> bytes:
    """Answer one TimeStampReq (DER) with a TimeStampResp (DER); an unfit request gets a rejection, not an exception."""
    try:
        request = tsp.TimeStampReq.load(request_der, strict=True)
        imprint = request["message_imprint"]
        digest_name = str(imprint["hash_algorithm"]["algorithm"].native)
        digest = bytes(imprint["hashed_message"].native)
        nonce = request["nonce"].native
        wants_certificates = bool(request["cert_req"].native)
        policy = request["req_policy"].native
    except (ValueError, TypeError, KeyError):
        return _rejection("bad_data_format")
    if digest_name not in _DIGEST_SIZES:
        return _rejection("bad_alg")
    if len(digest) != _DIGEST_SIZES[digest_name]:
        return _rejection("bad_data_format")
    if policy is not None and policy != _POLICY:
        return _rejection("unaccepted_policy")

    info = tsp.TSTInfo(
        {
            "version": "v1",
            "policy": _POLICY,
            "message_imprint": imprint,
            "serial_number": secrets.randbits(63),
            "gen_time": clock().replace(microsecond=0),
            "accuracy": {"seconds": 1},
            "ordering": False,
            **({} if nonce is None else {"nonce": nonce}),
        }
    )
    token = _signed(info, ring, clock(), wants_certificates=wants_certificates)
    response = tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token})
    return bytes(response.dump())


def _signed(info: tsp.TSTInfo, ring: KeyRing, now: datetime, *, wants_certificates: bool) -> cms.ContentInfo:
    chain = x509.load_pem_x509_certificates(ring.time_stamp_chain_pem)
    leaf_der = chain[0].public_bytes(Encoding.DER)
    leaf = asn1_x509.Certificate.load(leaf_der)
    content = info.dump()
    # RFC 5816: the signing certificate is bound by its SHA-256, or another of the same name could take its place.
    bound = tsp.SigningCertificateV2(
        {"certs": [{"hash_algorithm": {"algorithm": "sha256"}, "cert_hash": hashlib.sha256(leaf_der).digest()}]}
    )
    attributes = cms.CMSAttributes(
        [
            cms.CMSAttribute({"type": "content_type", "values": ["tst_info"]}),
            cms.CMSAttribute({"type": "message_digest", "values": [hashlib.sha256(content).digest()]}),
            cms.CMSAttribute({"type": "signing_time", "values": [core.UTCTime(now.replace(microsecond=0))]}),
            cms.CMSAttribute({"type": "signing_certificate_v2", "values": [bound]}),
        ]
    )
    # The signature covers the attributes as a plain SET (RFC 5652 §5.4), not under their implicit tag.
    signature = ring.time_stamp_key().sign(attributes.dump(), ec.ECDSA(hashes.SHA256()))
    signer = {
        "version": "v1",
        "sid": {"issuer_and_serial_number": {"issuer": leaf.issuer, "serial_number": leaf.serial_number}},
        "digest_algorithm": algos.DigestAlgorithm({"algorithm": "sha256"}),
        "signed_attrs": attributes,
        "signature_algorithm": algos.SignedDigestAlgorithm({"algorithm": "sha256_ecdsa"}),
        "signature": signature,
    }
    fields: dict[str, Any] = {
        "version": "v3",
        "digest_algorithms": [{"algorithm": "sha256"}],
        "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(content)},
        "signer_infos": [signer],
    }
    if wants_certificates:
        fields["certificates"] = [asn1_x509.Certificate.load(item.public_bytes(Encoding.DER)) for item in chain]
    return cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(fields)})


def _rejection(failure: str) -> bytes:
    return bytes(_Refusal({"status": {"status": "rejection", "fail_info": {failure}}}).dump())


class _Refusal(core.Sequence):  # type: ignore[misc]  # asn1crypto has no types
    """A TimeStampResp without token (RFC 3161 §2.4.2), which asn1crypto's own class does not allow for."""

    _fields = [("status", tsp.PKIStatusInfo)]  # noqa: RUF012 - as asn1crypto wants it


class LoopbackAuthority:
    """A time-stamp authority on 127.0.0.1 while the ``with`` block runs.

    ``url`` is where it listens; a ``port`` of 0 takes any free one. It answers from this installation's keys and only
    to this machine.
    """

    def __init__(self, ring: KeyRing, *, port: int = 0, clock: Clock = system_clock) -> None:
        self._ring = ring
        self._port = port
        self._clock = clock
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """The address to ask; raises RuntimeError outside the ``with`` block."""
        if self._server is None:
            raise RuntimeError("the time-stamp authority is not running")
        return f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        _keep_from_proxies()
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), _handler(self._ring, self._clock))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), name="thsafe-tsa", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


def _keep_from_proxies() -> None:
    """Tell the SDK's HTTP client, by the only means it has, not to ask a proxy for this machine.

    Only where a proxy is set. It stays: nothing on 127.0.0.1 is ever a proxy's business, and taking it back would race
    with other threads that sign.
    """
    if not any(os.environ.get(name) for name in _PROXY_VARIABLES):
        return
    known = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    if "127.0.0.1" not in [item.strip() for item in known.split(",")]:
        known = f"{known},127.0.0.1".lstrip(",")
    os.environ["NO_PROXY"] = os.environ["no_proxy"] = known


def _handler(ring: KeyRing, clock: Clock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            if self.headers.get_content_type() != _QUERY_TYPE or not 0 < length <= _MAX_REQUEST:
                self.send_error(400)
                return
            reply = respond(self.rfile.read(length), ring, clock=clock)
            self.send_response(200)
            self.send_header("Content-Type", _REPLY_TYPE)
            self.send_header("Content-Length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
            """Nothing: the library is silent."""

    return Handler
