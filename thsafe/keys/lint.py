"""Certificates judged before they sign, with the name of the field that is wrong.

The C2PA SDK answers every unfit certificate with one sentence, "the certificate is invalid". The rules here are those
of C2PA 2.4 §14.5 (X.509 certificates) and RFC 5280, one problem per broken field.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from thsafe.core.clock import to_text
from thsafe.keys.authority import CLAIM_SIGNING

_DOCUMENT_SIGNING = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
_CLAIM_USAGES = frozenset({ExtendedKeyUsageOID.EMAIL_PROTECTION, _DOCUMENT_SIGNING, CLAIM_SIGNING})
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_HASHES = ("sha256", "sha384", "sha512")
_MIN_RSA_BITS = 2048


class Use(StrEnum):
    """What a certificate is for."""

    CLAIM = "claim signing"
    TIME_STAMP = "time stamping"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One field that makes a key or certificate unfit."""

    field: str
    """Such as ``leaf.extendedKeyUsage`` or ``key.format``."""
    found: str
    rule: str
    next_step: str = "ask the issuer for a certificate that follows C2PA 2.4 §14.5, or run: thsafe keys new"

    def __str__(self) -> str:
        return f"{self.field}: {self.found} ({self.rule})"


def lint(chain_pem: bytes, key_pem: bytes | None, *, use: Use, now: datetime) -> tuple[Problem, ...]:
    """Every problem of a chain (leaf first, PEM) and, if given, of its private key (PEM)."""
    try:
        chain = x509.load_pem_x509_certificates(chain_pem)
    except ValueError as problem:
        return (
            Problem(field="chain", found=f"not readable as PEM: {problem}", rule="PEM certificates, the leaf first"),
        )
    problems = [*_leaf(chain[0], use), *_validity(chain, now), *_order(chain)]
    if key_pem is not None:
        problems += _key(key_pem, chain[0])
    return tuple(problems)


def algorithm_of(certificate: x509.Certificate) -> str:
    """The COSE algorithm that a certificate's key signs with: es256, es384, es512, ps256 or ed25519.

    Raises:
        ValueError: the key is of a kind that C2PA 2.4 §13.2 does not list.
    """
    match certificate.public_key():
        case ec.EllipticCurvePublicKey() as key if key.curve.name in _CURVES:
            return _CURVES[key.curve.name]
        case rsa.RSAPublicKey() as key if key.key_size >= _MIN_RSA_BITS:
            return "ps256"
        case ed25519.Ed25519PublicKey():
            return "ed25519"
        case other:
            size = getattr(other, "key_size", "")
            curve = getattr(getattr(other, "curve", None), "name", "")
            raise ValueError(f"{type(other).__name__} {curve or size}".strip())


def _leaf(leaf: x509.Certificate, use: Use) -> Iterator[Problem]:
    try:
        algorithm_of(leaf)
    except ValueError as problem:
        yield Problem(
            field="leaf.publicKey", found=str(problem), rule="P-256, P-384, P-521, RSA from 2048 bits, Ed25519"
        )
    if leaf.version is not x509.Version.v3:
        yield Problem(field="leaf.version", found=leaf.version.name, rule="X.509 v3")
    try:
        extensions = leaf.extensions
    except (ValueError, x509.DuplicateExtension) as problem:
        yield Problem(field="leaf.extensions", found=str(problem), rule="RFC 5280 §4.2")
        return
    found = {type(item.value): item for item in extensions}

    self_signed = leaf.subject == leaf.issuer
    if x509.AuthorityKeyIdentifier not in found and not self_signed:
        yield Problem(field="leaf.authorityKeyIdentifier", found="absent", rule="present unless self-signed")

    basic = found.get(x509.BasicConstraints)
    if basic is not None and isinstance(basic.value, x509.BasicConstraints) and basic.value.ca:
        yield Problem(
            field="leaf.basicConstraints",
            found="CA:TRUE",
            rule="the signing certificate is no CA; in a chain the leaf comes first",
        )

    usage = found.get(x509.KeyUsage)
    if usage is None or not isinstance(usage.value, x509.KeyUsage):
        yield Problem(field="leaf.keyUsage", found="absent", rule="digitalSignature is set")
    else:
        if not usage.value.digital_signature:
            yield Problem(field="leaf.keyUsage", found="no digitalSignature", rule="digitalSignature is set")
        if usage.value.key_cert_sign:
            yield Problem(field="leaf.keyUsage", found="keyCertSign", rule="keyCertSign only for CAs")

    extended = found.get(x509.ExtendedKeyUsage)
    if extended is None or not isinstance(extended.value, x509.ExtendedKeyUsage):
        yield Problem(field="leaf.extendedKeyUsage", found="absent", rule="present, with one usage for " + use)
    else:
        yield from _extended_usage(frozenset(extended.value), extended.critical, use)


def _extended_usage(usages: frozenset[x509.ObjectIdentifier], critical: bool, use: Use) -> Iterator[Problem]:
    field = "leaf.extendedKeyUsage"
    words = ", ".join(sorted(usage.dotted_string for usage in usages))
    if ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usages:
        yield Problem(field=field, found="anyExtendedKeyUsage", rule="never anyExtendedKeyUsage (C2PA 2.4 §14.5.1)")
    if use is Use.TIME_STAMP:
        if usages != {ExtendedKeyUsageOID.TIME_STAMPING} or not critical:
            yield Problem(
                field=field, found=words + ("" if critical else ", not critical"), rule="timeStamping alone, critical"
            )
        return
    if not usages & _CLAIM_USAGES:
        yield Problem(field=field, found=words, rule="emailProtection, documentSigning or c2pa-kp-claimSigning")
    if usages & {ExtendedKeyUsageOID.TIME_STAMPING, ExtendedKeyUsageOID.OCSP_SIGNING}:
        yield Problem(field=field, found=words, rule="no timeStamping or OCSPSigning beside claim signing")


def _validity(chain: list[x509.Certificate], now: datetime) -> Iterator[Problem]:
    for place, certificate in enumerate(chain):
        name = "leaf" if place == 0 else f"chain[{place}]"
        if now < certificate.not_valid_before_utc:
            found = f"not valid before {to_text(certificate.not_valid_before_utc)}"
            yield Problem(
                field=f"{name}.notBefore", found=found, rule="valid now", next_step="check this machine's clock"
            )
        if now > certificate.not_valid_after_utc:
            found = f"expired {to_text(certificate.not_valid_after_utc)}"
            step = "thsafe keys renew (development keys), or renew the certificate with its issuer"
            yield Problem(field=f"{name}.notAfter", found=found, rule="valid now", next_step=step)


def _order(chain: list[x509.Certificate]) -> Iterator[Problem]:
    for place, (lower, upper) in enumerate(itertools.pairwise(chain)):
        field = f"chain[{place + 1}]"
        if lower.issuer != upper.subject:
            found = (
                f"is {upper.subject.rfc4514_string()}, but the one before was issued by {lower.issuer.rfc4514_string()}"
            )
            yield Problem(field=field, found=found, rule="leaf first, then each certificate's issuer")
            continue
        if not signed_by(lower, upper):
            yield Problem(
                field=field, found="does not verify the one before it", rule="each certificate signs the last"
            )
    for place, certificate in enumerate(chain):
        digest = certificate.signature_hash_algorithm
        if digest is not None and digest.name not in _HASHES:
            yield Problem(field=f"chain[{place}].signatureAlgorithm", found=digest.name, rule="SHA-256, -384 or -512")
    for place, (lower, upper) in enumerate(itertools.pairwise(chain)):
        key, digest = upper.public_key(), lower.signature_hash_algorithm
        # Measured with the SDK: such a chain signs and is then never trusted.
        p521 = isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp521r1"
        if p521 and digest is not None and digest.name == "sha256":
            yield Problem(
                field=f"chain[{place}].signatureAlgorithm",
                found="a P-521 issuer signed with SHA-256",
                rule="a P-521 issuer signs with SHA-512, or verifiers do not trust the chain",
            )


def signed_by(lower: x509.Certificate, upper: x509.Certificate) -> bool:
    """Whether one certificate's key signed another, whatever padding it used; says nothing about names or dates."""
    try:
        lower.verify_directly_issued_by(upper)
    except (ValueError, TypeError):
        # PSS parameters and the like that verify_directly_issued_by does not know.
        key, digest = upper.public_key(), lower.signature_hash_algorithm
        if not isinstance(key, rsa.RSAPublicKey) or digest is None:
            return False
        scheme = lower.signature_algorithm_parameters
        if not isinstance(scheme, (padding.PSS, padding.PKCS1v15)):
            return False
        try:
            key.verify(lower.signature, lower.tbs_certificate_bytes, scheme, digest)
        except InvalidSignature:
            return False
    except InvalidSignature:
        return False
    return True


def _key(key_pem: bytes, leaf: x509.Certificate) -> Iterator[Problem]:
    step = "openssl pkcs8 -topk8 -nocrypt -in KEY.pem -out KEY.pkcs8.pem"
    rule = "PKCS#8, PEM, not encrypted"
    if b"-----BEGIN PRIVATE KEY-----" not in key_pem:
        first = key_pem.strip().splitlines()[:1]
        marker = first[0].decode("ascii", "replace") if first and first[0].startswith(b"-----BEGIN") else "no PEM key"
        yield Problem(field="key.format", found=marker, rule=rule, next_step=step)
        return
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError) as problem:
        yield Problem(field="key.format", found=str(problem), rule=rule, next_step=step)
        return
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != leaf.public_key().public_bytes(*form):
        yield Problem(
            field="key", found="belongs to another certificate", rule="the private key matches the leaf certificate"
        )
