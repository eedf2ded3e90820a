"""Claim signers opened by URI: the port behind which a key may live anywhere.

``file:KEY.pem?chain=CHAIN.pem`` reads PEM files, ``env:KEY_VARIABLE?chain=CHAIN_VARIABLE`` reads PEM text from the
environment, ``pkcs11:token=…;object=…?module-path=…&pin-source=…&chain=CHAIN.pem`` uses a key inside a token (RFC
7512). Any other scheme is looked for among the entry points ``thsafe.keys``, where key services plug in. The key never
leaves the object; only ``sign`` uses it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qs, unquote, urlsplit

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from thsafe.core.clock import Clock, system_clock
from thsafe.core.errors import SigningError, UsageError
from thsafe.keys.lint import Problem, Use, algorithm_of, lint

_HASH_OF = {"es256": hashes.SHA256(), "es384": hashes.SHA384(), "es512": hashes.SHA512()}


class ClaimSigner(Protocol):
    """What signing needs from a key, wherever it lives."""

    @property
    def algorithm(self) -> str:
        """es256, es384, es512, ps256 or ed25519 (C2PA 2.4 §13.2)."""

    @property
    def chain_pem(self) -> bytes:
        """Certificates, leaf first."""

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``; ECDSA as DER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PemSigner:
    """A signer with its key in memory, already linted."""

    algorithm: str
    chain_pem: bytes
    _key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey = field(repr=False)

    def sign(self, data: bytes) -> bytes:
        """The signature over ``data``; ECDSA as DER."""
        match self._key:
            case ed25519.Ed25519PrivateKey() as key:
                return key.sign(data)
            case rsa.RSAPrivateKey() as key:
                digest = hashes.SHA256()
                return key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            case ec.EllipticCurvePrivateKey() as key:
                return key.sign(data, ec.ECDSA(_HASH_OF[self.algorithm]))


def pem_signer(chain_pem: bytes, key_pem: bytes, *, now: datetime) -> PemSigner:
    """A signer from PEM bytes.

    Raises:
        SigningError: ``keys.unfit``; the first problem names the field, all are in ``found``.
    """
    problems = lint(chain_pem, key_pem, use=Use.CLAIM, now=now)
    if problems:
        raise unfit(problems)
    key = load_pem_private_key(key_pem, password=None)
    algorithm = algorithm_of(x509.load_pem_x509_certificates(chain_pem)[0])
    if not isinstance(key, (ec.EllipticCurvePrivateKey, rsa.RSAPrivateKey, ed25519.Ed25519PrivateKey)):
        raise SigningError(
            "The signing key is of a kind that C2PA does not know.", code="keys.unfit", found=type(key).__name__
        )
    return PemSigner(algorithm=algorithm, chain_pem=chain_pem, _key=key)


Opener = Callable[[str, bytes], ClaimSigner]
"""What an entry point of the group ``thsafe.keys`` is, named after its URI scheme: takes URI and chain (PEM)."""
ENTRY_POINTS = "thsafe.keys"
_PROBE = b"thsafe asks whether this key belongs to this certificate"


def open_signer(uri: str, *, chain: Path | None = None, clock: Clock = system_clock) -> ClaimSigner:
    """The signer that a URI names; its certificates are linted and its key is tried before it is returned.

    Args:
        uri: see the module.
        chain: a PEM file of certificates, leaf first, instead of one named by the URI.
        clock: for the certificates' validity.

    Raises:
        UsageError: the scheme is unknown or a part of the URI is missing.
        SigningError: the key or chain is missing or unfit.
        MissingError: the package or module that reaches the key is not installed.
    """
    parts = urlsplit(uri)
    named = str(chain) if chain is not None else parse_qs(parts.query).get("chain", [""])[0]
    where = unquote(parts.path)
    opener = _opener(parts.scheme)
    if not where or not named or (opener is None and parts.scheme not in {"file", "env"}):
        raise UsageError(
            "The signer URI is not understood.",
            code="keys.uri",
            found=f"scheme {parts.scheme or '(none)'}{'' if named else ', no chain'}",
            rule="file:KEY.pem?chain=CHAIN.pem, env:KEY_VARIABLE?chain=CHAIN_VARIABLE or pkcs11:token=…;object=…",
            next_step="see docs/howto/own-certificate.md",
        )
    in_environment = parts.scheme == "env" and chain is None
    chain_pem = _read_variable(named) if in_environment else _read_file(named)
    if opener is None:
        return pem_signer(chain_pem, (_read_file if parts.scheme == "file" else _read_variable)(where), now=clock())
    problems = lint(chain_pem, None, use=Use.CLAIM, now=clock())
    if problems:
        raise unfit(problems)
    signer = opener(uri, chain_pem)
    _try(signer, x509.load_pem_x509_certificates(chain_pem)[0])
    return signer


def _opener(scheme: str) -> Opener | None:
    """What opens URIs of a scheme that is not a PEM file or variable."""
    if scheme == "pkcs11":
        from thsafe.keys.token import open_token_signer

        return open_token_signer
    from importlib.metadata import entry_points

    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == scheme:
            found: Opener = entry.load()
            return found
    return None


def _try(signer: ClaimSigner, leaf: x509.Certificate) -> None:
    """Sign a probe and verify it with the certificate: a key elsewhere cannot be compared with it."""
    signature = signer.sign(_PROBE)
    try:
        match leaf.public_key():
            case ed25519.Ed25519PublicKey() as key:
                key.verify(signature, _PROBE)
            case rsa.RSAPublicKey() as key:
                digest = hashes.SHA256()
                key.verify(signature, _PROBE, padding.PSS(padding.MGF1(digest), digest.digest_size), digest)
            case ec.EllipticCurvePublicKey() as key:
                key.verify(signature, _PROBE, ec.ECDSA(_HASH_OF[signer.algorithm]))
    except (InvalidSignature, ValueError) as problem:
        mismatch = Problem(
            field="key", found="belongs to another certificate", rule="the private key matches the leaf certificate"
        )
        raise unfit((mismatch,)) from problem


def unfit(problems: tuple[Problem, ...]) -> SigningError:
    """The error for keys or certificates that must not sign."""
    return SigningError(
        f"The signing certificate or key is unfit: {problems[0].field}.",
        code="keys.unfit",
        found="\n".join(f"{problem.field}: {problem.found}" for problem in problems),
        rule="\n".join(problem.rule for problem in problems),
        next_step=problems[0].next_step,
    )


def _read_file(name: str) -> bytes:
    try:
        return Path(name).read_bytes()
    except OSError as problem:
        raise SigningError(
            f"A key file cannot be read: {name}",
            code="keys.missing",
            found=problem.strerror or str(problem),
            next_step="check the path in the signer URI, or run: thsafe keys new",
        ) from problem


def _read_variable(name: str) -> bytes:
    value = os.environ.get(name)
    if not value:
        raise SigningError(
            f"The environment variable {name} holds no PEM text.",
            code="keys.missing",
            found="unset or empty",
            next_step=f"export {name} with the PEM text",
        )
    return value.encode()
