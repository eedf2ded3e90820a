"""RFC 3161 time stamps on checkpoints: an authority outside vouches that the log had this root at that time.

A stamp lies beside its checkpoint (``NAME.note``, ``NAME.tsr``) and is over the note's very bytes. Only their digest
leaves the house. A log rewritten later cannot get a stamp with the earlier time.
"""

from __future__ import annotations

import secrets
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from thsafe.core.clock import to_text
from thsafe.core.errors import LedgerBroken, StoreError, UsageError

_UNFIT = (x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, UnsupportedAlgorithm)
"""What cryptography raises for damaged certificates, none of them a ValueError."""
_SECONDS = 20
_MOST_BYTES = 256 * 1024
_HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """A time stamp that fits its checkpoint."""

    at: datetime
    authority: str
    """Subject of the certificate that signed it."""
    trusted: bool
    """Whether that leads to an authority which the reader trusts."""

    @property
    def words(self) -> str:
        """For people."""
        return (
            f"{to_text(self.at)[:19]}Z by {self.authority}{'' if self.trusted else ', an authority not trusted here'}"
        )


def ask_for_stamp(url: str, note: str) -> bytes:
    """Have an authority stamp a checkpoint; returns its reply (DER TimeStampResp), which must still be verified.

    Raises:
        UsageError: ``log.tsa-url``: not an http or https address.
        StoreError: ``log.tsa``: the authority cannot be reached or refuses.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise UsageError(
            "A time-stamp authority is asked over http or https.",
            code="log.tsa-url",
            found=url[:200],
            next_step="thsafe tsa serve, then --tsa http://127.0.0.1:3161/",
        )
    query = tsp.TimeStampReq(
        {
            "version": "v1",
            "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": _imprint(note)},
            "nonce": secrets.randbits(63),
            "cert_req": True,
        }
    )
    request = urllib.request.Request(  # noqa: S310 - the scheme was checked
        url, data=query.dump(), headers={"Content-Type": "application/timestamp-query"}
    )
    # This machine is never asked through a proxy.
    handlers = [urllib.request.ProxyHandler({})] if _is_loopback(parts.hostname) else []
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_SECONDS) as reply:
            data: bytes = reply.read(_MOST_BYTES + 1)
    except (OSError, urllib.error.URLError, ValueError) as problem:
        raise _no_stamp(url, str(problem)) from problem
    if len(data) > _MOST_BYTES:
        raise _no_stamp(url, "the reply is too large")
    try:
        response = tsp.TimeStampResp.load(data)
        granted = str(response["status"]["status"].native) in {"granted", "granted_with_mods"}
        nonce = _info(response)["nonce"].native if granted else None
    except (ValueError, TypeError, KeyError) as problem:
        raise _no_stamp(url, f"the reply is none: {problem}") from problem
    if not granted:
        raise _no_stamp(url, f"refused: {response['status'].native}")
    if nonce != query["nonce"].native:
        raise _no_stamp(url, "the reply answers another request")
    return data


def verify_stamp(reply: bytes, note: str, anchors: Sequence[x509.Certificate]) -> Stamp:
    """Check a stamp against the note that it is said to be for (RFC 3161 §2.4.2, RFC 5652 §5.4, RFC 5816).

    Args:
        reply: the authority's reply.
        note: the checkpoint's text.
        anchors: roots, or authorities themselves, that are trusted for time.

    Raises:
        LedgerBroken: ``log.stamp``: it is no stamp, of something else, or its signature does not hold.
    """
    try:
        response = tsp.TimeStampResp.load(reply, strict=True)
        signed = response["time_stamp_token"]["content"]
        info = _info(response)
        (signer,) = signed["signer_infos"]
        chain = [x509.load_der_x509_certificate(item.chosen.dump()) for item in signed["certificates"]]
        imprint = info["message_imprint"]
        if (imprint["hash_algorithm"]["algorithm"].native, imprint["hashed_message"].native) != (
            "sha256",
            _imprint(note),
        ):
            raise _bad("it is of something else")
        certificate = _signer_of(signer, chain)
        _check_attributes(signer, signed["encap_content_info"]["content"].parsed.dump(), certificate)
        _check_signature(signer, certificate)
        at: datetime = info["gen_time"].native
        if ExtendedKeyUsageOID.TIME_STAMPING not in _usages(certificate):
            raise _bad("its certificate is not for time stamps")
        trusted = _leads_to(certificate, chain, anchors, at)
    except (ValueError, TypeError, KeyError, AttributeError, InvalidSignature, *_UNFIT) as problem:
        raise _bad(f"{type(problem).__name__}: {problem}") from problem
    return Stamp(at=at, authority=certificate.subject.rfc4514_string(), trusted=trusted)


def beside(note: Path) -> Path:
    """Where the stamp of a checkpoint's file lies."""
    return note.with_suffix(".tsr")


def read_stamps(path: Path, anchors: Sequence[x509.Certificate]) -> tuple[Stamp, ...]:
    """Verify every stamp that lies beside a checkpoint in a folder, or beside one ``.note`` file.

    Raises:
        LedgerBroken: ``log.stamp``.
        StoreError: a file cannot be read.
    """
    notes = sorted(path.glob("*.note")) if path.is_dir() else [path]
    stamps = []
    for note in notes:
        if beside(note).is_file():
            try:
                stamps.append(verify_stamp(beside(note).read_bytes(), note.read_text(encoding="utf-8"), anchors))
            except OSError as problem:
                raise StoreError(
                    f"The time stamp cannot be read: {beside(note)}",
                    code="log.witness",
                    found=str(problem),
                    next_step="check that the folder is mounted and readable",
                ) from problem
    return tuple(stamps)


def _info(response: tsp.TimeStampResp) -> tsp.TSTInfo:
    return response["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed


def _signer_of(signer: cms.SignerInfo, chain: Sequence[x509.Certificate]) -> x509.Certificate:
    name = signer["sid"].chosen
    for certificate in chain:
        if (
            name["serial_number"].native == certificate.serial_number
            and name["issuer"].dump() == certificate.issuer.public_bytes()
        ):
            return certificate
    raise _bad("the certificate that signed it is not in it")


def _check_attributes(signer: cms.SignerInfo, content: bytes, certificate: x509.Certificate) -> None:
    attributes = {item["type"].native: item["values"] for item in signer["signed_attrs"]}
    digest = hashes.Hash(_HASHES[signer["digest_algorithm"]["algorithm"].native])
    digest.update(content)
    if attributes["message_digest"][0].native != digest.finalize():
        raise _bad("its content was changed")
    bound = attributes.get("signing_certificate_v2")
    if bound is not None:
        entry = bound[0]["certs"][0]
        method = _HASHES[entry["hash_algorithm"]["algorithm"].native]
        if entry["cert_hash"].native != certificate.fingerprint(method):
            raise _bad("another certificate was put in")


def _check_signature(signer: cms.SignerInfo, certificate: x509.Certificate) -> None:
    # What is signed is the SET itself, not under its implicit tag (RFC 5652 §5.4).
    data = signer["signed_attrs"].untag().dump()
    signature, method = signer["signature"].native, _HASHES[signer["digest_algorithm"]["algorithm"].native]
    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, data, ec.ECDSA(method))
    elif isinstance(key, rsa.RSAPublicKey):
        key.verify(signature, data, padding.PKCS1v15(), method)
    else:
        raise _bad(f"no way to check a signature of a {type(key).__name__}")


def _usages(certificate: x509.Certificate) -> x509.ExtendedKeyUsage:
    try:
        return certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound as problem:
        raise _bad("its certificate is not for time stamps") from problem


def _leads_to(
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    anchors: Sequence[x509.Certificate],
    at: datetime,
) -> bool:
    """Whether issuers, each in its time, lead from the certificate to an anchor."""
    for _ in range(len(chain) + len(anchors) + 1):
        if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
            return False
        if certificate in anchors:
            return True
        issuer = next((item for item in (*anchors, *chain) if item != certificate and _issued(certificate, item)), None)
        if issuer is None:
            return False
        certificate = issuer
    return False


def _issued(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return True


def _imprint(note: str) -> bytes:
    return sha256(note.encode()).digest()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _bad(found: str) -> LedgerBroken:
    return LedgerBroken(
        "The time stamp does not fit its checkpoint.",
        code="log.stamp",
        found=found,
        next_step="keep the folder as evidence; stamp anew: thsafe log witness FOLDER --tsa URL",
    )


def _no_stamp(url: str, found: str) -> StoreError:
    return StoreError(
        "The time-stamp authority gave no stamp.",
        code="log.tsa",
        found=f"{url}: {found}",
        next_step="check the address, or use the loopback one: thsafe tsa serve",
        log="the checkpoint itself was kept",
    )
