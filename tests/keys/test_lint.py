"""One certificate per row of what the C2PA SDK refuses; the lint names the field that is wrong."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import ExtendedKeyUsageOID as Usage
from cryptography.x509.oid import NameOID

from thsafe.core.errors import SigningError, UsageError
from thsafe.keys.authority import CLAIM_SIGNING
from thsafe.keys.lint import Use, lint
from thsafe.keys.signers import open_signer, pem_signer

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_usage(**given):
    names = [
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    ]
    return x509.KeyUsage(**{item: given.get(item, False) for item in names})


class Maker:
    def __init__(self, root_key=None):
        self.root_key = root_key or ec.generate_private_key(ec.SECP256R1())
        self.root = (
            x509.CertificateBuilder(name("root"), name("root"), self.root_key.public_key(), 1)
            .not_valid_before(NOW - DAY)
            .not_valid_after(NOW + 100 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self.root_key, None if isinstance(self.root_key, ed25519.Ed25519PrivateKey) else hashes.SHA512())
        )

    def leaf(
        self,
        *,
        key=None,
        aki=True,
        ku=("digital_signature",),
        ca=False,
        eku=(Usage.EMAIL_PROTECTION,),
        critical=False,
        start=NOW - DAY,
        end=NOW + DAY,
        digest=None,
        issuer="root",
    ):
        key = key or ec.generate_private_key(ec.SECP256R1())
        builder = (
            x509.CertificateBuilder(name(issuer), name("leaf"), key.public_key(), 2)
            .not_valid_before(start)
            .not_valid_after(end)
        )
        if aki:
            identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.root_key.public_key())
            builder = builder.add_extension(identifier, critical=False)
        if ku is not None:
            builder = builder.add_extension(key_usage(**dict.fromkeys(ku, True)), critical=True)
        if ca is not None:
            builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        if eku is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(eku), critical=critical)
        if digest is None and not isinstance(self.root_key, ed25519.Ed25519PrivateKey):
            digest = hashes.SHA256()
        return builder.sign(self.root_key, digest), key


def pem(*certificates):
    return b"".join(item.public_bytes(Encoding.PEM) for item in certificates)


def pkcs8(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def fields(chain, key=None, use=Use.CLAIM):
    return [problem.field for problem in lint(chain, key, use=use, now=NOW)]


@pytest.fixture(scope="module")
def maker():
    return Maker()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"aki": False}, "leaf.authorityKeyIdentifier"),
        ({"ku": None}, "leaf.keyUsage"),
        ({"ku": ("content_commitment",)}, "leaf.keyUsage"),
        ({"ku": ("digital_signature", "key_cert_sign")}, "leaf.keyUsage"),
        ({"ca": True}, "leaf.basicConstraints"),
        ({"eku": None}, "leaf.extendedKeyUsage"),
        ({"eku": (Usage.CLIENT_AUTH,)}, "leaf.extendedKeyUsage"),
        ({"eku": (Usage.TIME_STAMPING,)}, "leaf.extendedKeyUsage"),
        ({"eku": (Usage.EMAIL_PROTECTION, Usage.ANY_EXTENDED_KEY_USAGE)}, "leaf.extendedKeyUsage"),
        ({"end": NOW - timedelta(hours=1)}, "leaf.notAfter"),
        ({"start": NOW + timedelta(hours=1)}, "leaf.notBefore"),
        ({"issuer": "somebody else"}, "chain[1]"),
        ({"key": ec.generate_private_key(ec.SECP256K1())}, "leaf.publicKey"),
        ({"key": rsa.generate_private_key(65537, 1024)}, "leaf.publicKey"),
    ],
)
def test_names_the_field(maker, change, field):
    leaf, _ = maker.leaf(**change)
    assert set(fields(pem(leaf, maker.root))) == {field}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"ca": None},
        {"eku": (CLAIM_SIGNING,)},
        {"eku": (Usage.EMAIL_PROTECTION, Usage.CLIENT_AUTH)},
        {"key": ec.generate_private_key(ec.SECP384R1())},
        {"key": rsa.generate_private_key(65537, 2048)},
        {"key": ed25519.Ed25519PrivateKey.generate()},
    ],
)
def test_accepts_and_signs(maker, change):
    leaf, key = maker.leaf(**change)
    for chain in (pem(leaf, maker.root), pem(leaf)):
        assert fields(chain, pkcs8(key)) == []
        assert pem_signer(chain, pkcs8(key), now=NOW).sign(b"data")


def test_wrong_order(maker):
    leaf, _ = maker.leaf()
    found = fields(pem(maker.root, leaf))
    assert "leaf.basicConstraints" in found
    assert "chain[1]" in found


def test_same_name_other_key(maker):
    leaf, _ = maker.leaf()
    assert fields(pem(leaf, Maker().root)) == ["chain[1]"]


def test_p521_issuer_with_sha256():
    maker = Maker(ec.generate_private_key(ec.SECP521R1()))
    leaf, _ = maker.leaf()
    assert fields(pem(leaf, maker.root)) == ["chain[0].signatureAlgorithm"]
    leaf, _ = maker.leaf(digest=hashes.SHA512())
    assert fields(pem(leaf, maker.root)) == []


def test_ed25519_root(maker):
    other = Maker(ed25519.Ed25519PrivateKey.generate())
    leaf, key = other.leaf()
    assert fields(pem(leaf, other.root), pkcs8(key)) == []


def test_keys(maker):
    leaf, key = maker.leaf()
    other = ec.generate_private_key(ec.SECP256R1())
    sec1 = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    locked = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word"))
    assert fields(pem(leaf), pkcs8(other)) == ["key"]
    assert fields(pem(leaf), sec1) == ["key.format"]
    assert fields(pem(leaf), locked) == ["key.format"]
    assert fields(pem(leaf), b"") == ["key.format"]


def test_time_stamper(maker):
    good, _ = maker.leaf(eku=(Usage.TIME_STAMPING,), critical=True)
    assert fields(pem(good), use=Use.TIME_STAMP) == []
    for change in (
        {"eku": (Usage.TIME_STAMPING,)},
        {"eku": (Usage.TIME_STAMPING, Usage.CODE_SIGNING), "critical": True},
    ):
        leaf, _ = maker.leaf(**change)
        assert fields(pem(leaf), use=Use.TIME_STAMP) == ["leaf.extendedKeyUsage"]


def test_garbage():
    assert fields(b"nothing") == ["chain"]


def test_signers_by_uri(maker, tmp_path, monkeypatch):
    leaf, key = maker.leaf()
    (tmp_path / "chain.pem").write_bytes(pem(leaf))
    (tmp_path / "key.pem").write_bytes(pkcs8(key))
    monkeypatch.setenv("TEST_CHAIN", pem(leaf).decode())
    monkeypatch.setenv("TEST_KEY", pkcs8(key).decode())
    for uri in (f"file:{tmp_path}/key.pem?chain={tmp_path}/chain.pem", "env:TEST_KEY?chain=TEST_CHAIN"):
        signer = open_signer(uri)
        assert signer.algorithm == "es256"
        key.public_key().verify(signer.sign(b"data"), b"data", ec.ECDSA(hashes.SHA256()))
        assert "PRIVATE" not in repr(signer)
    for uri in ("pkcs11:token", "file:key.pem", "env:?chain=TEST_CHAIN"):
        with pytest.raises(UsageError):
            open_signer(uri)
    for uri in ("env:ABSENT?chain=TEST_CHAIN", f"file:{tmp_path}/absent?chain={tmp_path}/chain.pem"):
        with pytest.raises(SigningError) as caught:
            open_signer(uri)
        assert caught.value.code == "keys.missing"
