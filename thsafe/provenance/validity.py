"""Who vouched for a signer at a given moment.

The SDK judges certificates by its own clock and, for one that has expired since, does not even look for an anchor. To
tell what held on another day, the signer's chain is taken out of the signature (COSE_Sign1, header ``x5chain``,
RFC 9360 §2) and followed here, by the rules of the certificate lint (C2PA 2.4 §14.5).
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from thsafe.core.types import Json
from thsafe.keys.lint import Use, lint, signed_by
from thsafe.provenance.jumbf import claim_signature

if TYPE_CHECKING:
    from thsafe.provenance.trust import Trust, TrustList

_X5CHAIN = (33, "x5chain")
_MOST_CERTIFICATES = 8


def chain_of(store: bytes, label: str) -> tuple[x509.Certificate, ...]:
    """The certificates in the signature of one manifest, the leaf first.

    Args:
        store: a manifest store.
        label: the manifest's.

    Raises:
        ValueError: the store holds no such manifest, or its signature no certificates.
    """
    try:
        message = cbor2.load(io.BytesIO(claim_signature(store, label)))
        parts = message.value if isinstance(message, cbor2.CBORTag) else message
        protected, unprotected = cbor2.loads(parts[0]), parts[1]
        found = next(headers[name] for headers in (protected, unprotected) for name in _X5CHAIN if name in headers)
        ders = [found] if isinstance(found, bytes) else list(found)
        return tuple(x509.load_der_x509_certificate(der) for der in ders[:_MOST_CERTIFICATES])
    except (cbor2.CBORDecodeError, StopIteration, TypeError, KeyError, IndexError, RecursionError) as problem:
        raise ValueError(f"the signature holds no chain of certificates: {type(problem).__name__}") from problem


def vouching_at(chain: tuple[x509.Certificate, ...], trust: Trust, moment: datetime) -> TrustList | None:
    """The list whose anchor stood behind a chain at a moment, for claims; None where none did."""
    pem = b"".join(certificate.public_bytes(Encoding.PEM) for certificate in chain)
    if not chain or lint(pem, None, use=Use.CLAIM, now=moment) or not all(map(_is_authority, chain[1:])):
        return None
    for certificate in chain:
        for place, (_, anchors) in enumerate(trust.anchor_sets()):
            if _stands_on(certificate, anchors, moment):
                found = trust.claim_list(trust.uri(place))
                if found is not None:
                    return found
    return None


def _stands_on(certificate: x509.Certificate, anchors: Iterable[x509.Certificate], moment: datetime) -> bool:
    """Whether an anchor that was valid at the moment is this certificate or signed it."""
    for anchor in anchors:
        valid = anchor.not_valid_before_utc <= moment <= anchor.not_valid_after_utc
        issued = anchor.subject == certificate.issuer and _is_authority(anchor) and signed_by(certificate, anchor)
        if valid and (anchor == certificate or issued):
            return True
    return False


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError, x509.DuplicateExtension):
        return False


def validity_of(certificate_info: Json) -> tuple[str, str]:
    """Begin and end of a certificate's validity as the SDK tells them, RFC 3339; empty where it does not."""
    validity = (certificate_info or {}).get("validity") or {}
    return str(validity.get("notBefore") or ""), str(validity.get("notAfter") or "")
