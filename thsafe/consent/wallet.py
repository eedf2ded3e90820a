"""A wallet's word for who agreed: an SD-JWT VC with key binding, read strictly; what cannot be mapped is refused.

RFC 9901 (SD-JWT) §7 and the SD-JWT VC draft: an issuer-signed JWT, disclosures, a key-binding JWT by the holder. Its
nonce is the digest of the terms that the person agrees to, its audience the collector: it fits no other request. Only
flat claims of the list below are read; nested disclosures, status references, chains of certificates and everything
else in the credential or its headers is a refusal, since nothing here could look it up.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn

from thsafe.consent.files import MAX_BYTES, parse_object
from thsafe.core.errors import ConsentRefused, InputError
from thsafe.core.types import Json

if TYPE_CHECKING:
    from collections.abc import Iterable

METHOD: Final = "sd-jwt-vc"
"""The word for it in a record's evidence."""
TYPES: Final = frozenset({"urn:eudi:pid:1", "urn:eu.europa.ec.eudi:pid:1"})
"""Credentials that say who a person is: the EU's person identification data."""
_CLAIMS: Final = frozenset({"given_name", "family_name", "birthdate", "age_over_18"})
_TIMES: Final = frozenset({"iat", "nbf", "exp"})
_REGISTERED: Final = frozenset({"iss", "vct", "cnf", "_sd", "_sd_alg"}) | _TIMES
_ALGORITHMS: Final = {"ES256": "EC", "EdDSA": "OKP", "Ed25519": "OKP"}
_ISSUER_TYPES: Final = frozenset({"dc+sd-jwt", "vc+sd-jwt"})
_MOST_DISCLOSURES: Final = 32
_SKEW: Final = timedelta(minutes=1)
_LASTS: Final = timedelta(days=7)
"""How old a presentation may be when the collector reads it."""
_PLAIN: Final = re.compile(rb"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class WalletClaims:
    """What the wallet has shown; names stay with the collector, the record holds the presentation's digest alone."""

    issuer: str
    kind: str
    claims: Mapping[str, Json]

    def adult_at(self, now: datetime) -> bool | None:
        """Whether the person is of age; None where the credential does not tell."""
        if "age_over_18" in self.claims:
            return self.claims["age_over_18"] is True
        if "birthdate" not in self.claims:
            return None
        born = date.fromisoformat(self.claims["birthdate"])
        today = now.astimezone(UTC).date()
        return (today.year - born.year - ((today.month, today.day) < (born.month, born.day))) >= 18


def read_wallet(
    data: bytes, *, issuer_key: Mapping[str, Json], nonce: str, audience: str, now: datetime
) -> WalletClaims:
    """Check a presentation from end to end.

    Args:
        data: ``<issuer JWT>~<disclosure>~…~<key-binding JWT>``.
        issuer_key: the issuer's public key as a JWK (P-256 or Ed25519), had from the issuer itself.
        nonce: what the holder must have signed over.
        audience: DID of the collector.
        now: the time.

    Raises:
        ConsentRefused: ``consent.wallet``, naming what does not hold or cannot be mapped.
    """
    try:
        return _read(data, issuer_key, nonce, audience, now)
    except (ValueError, TypeError, KeyError, RecursionError, OverflowError, InputError) as problem:
        what = problem.found if isinstance(problem, InputError) else str(problem)
        raise _refused(f"no field {what}" if isinstance(problem, KeyError) else what) from problem


def _read(data: bytes, issuer_key: Mapping[str, Json], nonce: str, audience: str, now: datetime) -> WalletClaims:
    if len(data) > MAX_BYTES:
        raise ValueError("it is larger than any presentation")
    parts = data.strip().split(b"~")
    if not 3 <= len(parts) <= _MOST_DISCLOSURES + 2 or not parts[-1]:
        raise ValueError("not an issuer's JWT, disclosures and a key-binding JWT, joined by ~")
    credential = _verified(parts[0], issuer_key, types=_ISSUER_TYPES, headers={"alg", "typ", "kid"})
    claims = _disclosed(credential, parts[1:-1])
    _in_time(credential, now)
    cnf = credential["cnf"]
    if not isinstance(cnf, dict) or set(cnf) != {"jwk"} or not isinstance(cnf["jwk"], dict):
        raise ValueError("cnf holds something else than one jwk")
    binding = _verified(parts[-1], cnf["jwk"], types={"kb+jwt"}, headers={"alg", "typ"})
    if set(binding) != {"iat", "aud", "nonce", "sd_hash"} or not all(
        isinstance(binding[name], str) for name in ("aud", "nonce", "sd_hash")
    ):
        raise ValueError("the key-binding JWT holds something else than iat, aud, nonce and sd_hash")
    shown = b"~".join(parts[:-1]) + b"~"
    for name, wanted in (("aud", audience), ("nonce", nonce), ("sd_hash", _digest(shown))):
        if not hmac.compare_digest(binding[name].encode(), wanted.encode()):
            raise ValueError(f"{name} of the key binding is for something else")
    made = _moment(binding, "iat")
    if not now - _LASTS <= made <= now + _SKEW:
        raise ValueError("the key binding is not of these seven days")
    return WalletClaims(issuer=credential["iss"], kind=credential["vct"], claims=claims)


def _disclosed(credential: Mapping[str, Json], disclosures: Iterable[bytes]) -> dict[str, Json]:
    """Plain and disclosed claims together, each of the few that mean something here (RFC 9901 §7.1)."""
    digests = credential.get("_sd", [])
    if credential.get("_sd_alg", "sha-256") != "sha-256":
        raise ValueError("_sd_alg is not sha-256")
    if not isinstance(digests, list) or not all(isinstance(item, str) for item in digests):
        raise TypeError("_sd is not a list of digests")
    if len(set(digests)) != len(digests):
        raise ValueError("a digest stands twice in _sd")
    unknown = set(credential) - _REGISTERED - _CLAIMS
    if unknown:
        raise ValueError(f"it holds what cannot be mapped: {', '.join(sorted(unknown))[:80]}")
    if not isinstance(credential["iss"], str) or credential["vct"] not in TYPES:
        raise ValueError(f"vct is none of {', '.join(sorted(TYPES))}")
    claims = {name: credential[name] for name in _CLAIMS & set(credential)}
    left = set(digests)
    for disclosure in disclosures:
        digest = _digest(disclosure)
        if digest not in left:
            raise ValueError("a disclosure is not the issuer's, or stands twice")
        left.remove(digest)
        # wrapped, since what is read here is an object whose names stand once each
        whole = parse_object(b'{"disclosure":' + _decoded(disclosure) + b"}", "disclosure", METHOD)
        item = whole["disclosure"]
        if (
            len(whole) != 1
            or not isinstance(item, list)
            or len(item) != 3
            or not all(isinstance(part, str) for part in item[:2])
        ):
            raise ValueError("a disclosure is not [salt, name, value]")
        if item[1] not in _CLAIMS or item[1] in claims:
            raise ValueError(f"it discloses what cannot be mapped: {item[1][:40]!r}")
        claims[item[1]] = item[2]
    for name, value in claims.items():
        if not isinstance(value, bool if name == "age_over_18" else str):
            raise TypeError(f"{name} has a value of another kind")
    if "birthdate" in claims:
        date.fromisoformat(claims["birthdate"])
    return claims


def _verified(token: bytes, jwk: Mapping[str, Json], *, types: Iterable[str], headers: set[str]) -> Mapping[str, Json]:
    """The payload of a compact JWS whose signature holds; its header says only what is known here."""
    pieces = token.split(b".")
    if len(pieces) != 3:
        raise ValueError("a JWT has three parts")
    header = parse_object(_decoded(pieces[0]), "header", METHOD)
    if set(header) - headers or str(header.get("typ")) not in types:
        raise ValueError(f"a header of a {'/'.join(sorted(types))} says more or other than it may")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or _ALGORITHMS.get(algorithm) != jwk.get("kty"):
        raise ValueError("alg is not ES256 or Ed25519, or does not fit the key")
    _check_signature(jwk, _decoded(pieces[2]), pieces[0] + b"." + pieces[1])
    return parse_object(_decoded(pieces[1]), "payload", METHOD)


def _check_signature(jwk: Mapping[str, Json], signature: bytes, message: bytes) -> None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
    from cryptography.hazmat.primitives.hashes import SHA256

    if len(signature) != 64:
        raise ValueError("the signature has not 64 bytes")
    try:
        if jwk["kty"] == "OKP" and jwk["crv"] == "Ed25519":
            Ed25519PublicKey.from_public_bytes(_coordinate(jwk, "x")).verify(signature, message)
        elif jwk["kty"] == "EC" and jwk["crv"] == "P-256":
            x, y = (int.from_bytes(_coordinate(jwk, name), "big") for name in ("x", "y"))
            r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key = EllipticCurvePublicNumbers(x, y, SECP256R1()).public_key()
            key.verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))
        else:
            raise ValueError("the key is neither P-256 nor Ed25519")
    except InvalidSignature as problem:
        raise ValueError("a signature does not hold") from problem


def _coordinate(jwk: Mapping[str, Json], name: str) -> bytes:
    value = jwk[name]
    data = _decoded(value.encode()) if isinstance(value, str) else b""
    if len(data) != 32:
        raise ValueError(f"{name} of the key has not 32 bytes")
    return data


def _in_time(credential: Mapping[str, Json], now: datetime) -> None:
    moments = {name: _moment(credential, name) for name in _TIMES & set(credential)}
    if "exp" not in moments or now >= moments["exp"]:
        raise ValueError("the credential has expired, or does not say when it will")
    if any(moments[name] > now + _SKEW for name in ("iat", "nbf") if name in moments):
        raise ValueError("the credential is not valid yet")


def _moment(holder: Mapping[str, Json], name: str) -> datetime:
    value = holder[name]
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**33:
        raise ValueError(f"{name} is no time")
    return datetime.fromtimestamp(value, UTC)


def _decoded(text: bytes) -> bytes:
    """Base64url without padding, in its one canonical spelling."""
    if not _PLAIN.fullmatch(text):
        raise ValueError("not base64url")
    try:
        data = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except binascii.Error as problem:
        raise ValueError("not base64url") from problem
    if base64.urlsafe_b64encode(data).rstrip(b"=") != text:
        raise ValueError("not base64url in its one spelling")
    return data


def _digest(text: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text).digest()).rstrip(b"=").decode()


def _refused(found: str) -> ConsentRefused:
    return ConsentRefused(
        "The wallet's presentation is not accepted.",
        code="consent.wallet",
        found=found[:200],
        rule="an SD-JWT VC with key binding, for these terms and this collector; nothing in it that cannot be mapped",
        next_step="have it presented again for this request: thsafe consent record REQUEST shows nonce and audience",
        log="nothing was written",
    )


def refuse_wallet(found: str) -> NoReturn:
    """Raise for a presentation that is sound and does not fit the record.

    Raises:
        ConsentRefused: ``consent.wallet``.
    """
    raise _refused(found)
