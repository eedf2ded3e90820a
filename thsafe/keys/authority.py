"""The development PKI: an own root, a claim-signing leaf and a time-stamping leaf.

Good for trying thsafe and for closed circles that import the root; nobody else trusts it, and every name in it says
"development". The leaf fields follow the C2PA certificate profile (C2PA 2.4 §14.5.1 and the conformance programme's
claim-signing leaf, assurance level 1), less what only the programme may assign (its policy, record and level OIDs).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CLAIM_SIGNING = x509.ObjectIdentifier("1.3.6.1.4.1.62558.2.1")
"""c2pa-kp-claimSigning (C2PA 2.4 §14.4.1)."""

LEAF_VALIDITY = timedelta(days=365)
"""The profile allows at most 366 days."""
_ROOT_VALIDITY = timedelta(days=5 * 365)
_CLOCK_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """PKCS#8, unencrypted: the one form that the C2PA SDK reads."""
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def make_root(organisation: str, now: datetime) -> Issued:
    """A self-signed P-256 root that may sign leaves only (path length 0)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(organisation, "thsafe development root")
    usage = _key_usage(key_cert_sign=True, crl_sign=True)
    certificate = (
        _builder(name, name, key.public_key(), now, _ROOT_VALIDITY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Issued(certificate=certificate, key=key)


def issue_claim_signer(root: Issued, organisation: str, now: datetime, validity: timedelta = LEAF_VALIDITY) -> Issued:
    """A leaf that signs C2PA claims with ES256."""
    # emailProtection beside claimSigning: verifiers with default settings know no other usage for claims.
    usages = (ExtendedKeyUsageOID.EMAIL_PROTECTION, CLAIM_SIGNING)
    return _issue(root, _name(organisation, "thsafe development claim signer"), usages, now, validity, critical=False)


def issue_time_stamper(root: Issued, organisation: str, now: datetime, validity: timedelta = LEAF_VALIDITY) -> Issued:
    """A leaf that signs time stamps and nothing else (RFC 3161 §2.3: one usage, critical)."""
    usages = (ExtendedKeyUsageOID.TIME_STAMPING,)
    return _issue(root, _name(organisation, "thsafe development time stamp"), usages, now, validity, critical=True)


def _issue(
    root: Issued,
    name: x509.Name,
    usages: Sequence[x509.ObjectIdentifier],
    now: datetime,
    validity: timedelta,
    *,
    critical: bool,
) -> Issued:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _builder(name, root.certificate.subject, key.public_key(), now, validity)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(digital_signature=True, content_commitment=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
                root.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
            ),
            critical=False,
        )
        .sign(root.key, hashes.SHA256())
    )
    return Issued(certificate=certificate, key=key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, validity: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(now + validity)
    )


def _name(organisation: str, common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def _key_usage(
    *,
    digital_signature: bool = False,
    content_commitment: bool = False,
    key_cert_sign: bool = False,
    crl_sign: bool = False,
) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=content_commitment,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
