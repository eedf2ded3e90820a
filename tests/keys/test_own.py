"""Keys elsewhere: in a token, in a key service, in files; and the certificate of one's own that publishing signs with."""

from __future__ import annotations

import importlib.metadata
import shutil
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives import serialization as form
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from thsafe.cli.main import run
from thsafe.core.errors import MissingError, SigningError, UsageError
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.keys.authority import _key_usage, make_root
from thsafe.keys.choice import SigningChoice, use_development
from thsafe.keys.signers import _try, open_signer, pem_signer

NOW = datetime.now(UTC)
KINDS = {
    "es256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "es384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "ps256": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}
PIN = "1234"


@dataclass
class Pair:
    key: Path
    chain: Path
    root: bytes


@pytest.fixture
def issue(tmp_path):
    def make(algorithm: str, *, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION) -> Pair:
        key, root = KINDS[algorithm](), make_root("Outside", NOW)
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Outside")])
        leaf = (
            x509.CertificateBuilder(root.certificate.subject, name, key.public_key(), 7)
            .not_valid_before(NOW - timedelta(hours=1))
            .not_valid_after(NOW + timedelta(days=1))
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.key.public_key()), critical=False)
            .add_extension(_key_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .sign(root.key, hashes.SHA256())
        )
        pair = Pair(tmp_path / f"{algorithm}.key.pem", tmp_path / f"{algorithm}.pem", root.certificate_pem)
        pair.key.write_bytes(key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption()))
        pair.chain.write_bytes(leaf.public_bytes(form.Encoding.PEM))
        return pair

    return make


@pytest.fixture(scope="module")
def token(tmp_path_factory):
    """The path of SoftHSM's module, with an empty token called studio."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra hsm)")
    module = next(iter(Path("/usr/lib").glob("**/libsofthsm2.so")), None)
    if module is None or shutil.which("softhsm2-util") is None:
        pytest.skip("SoftHSM is not installed (apt-get install softhsm2)")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    patch = pytest.MonkeyPatch()
    patch.setenv("SOFTHSM2_CONF", str(folder / "softhsm2.conf"))
    patch.setenv("TOKEN_PIN", PIN)
    _softhsm("--init-token", "--free", "--label", "studio", "--so-pin", PIN, "--pin", PIN)
    yield module
    patch.undo()


def _softhsm(*arguments: str) -> None:
    subprocess.run(["softhsm2-util", *arguments], check=True, capture_output=True)


def _uri(module: Path, label: str, pin: str = "env:TOKEN_PIN") -> str:
    return f"pkcs11:token=studio;object={label}?module-path={module}&pin-source={pin}"


def _import(pair: Pair, label: str, number: str) -> None:
    _softhsm("--import", str(pair.key), "--token", "studio", "--label", label, "--id", number, "--pin", PIN)


@pytest.mark.parametrize(
    ("algorithm", "number"), [("es256", "01"), ("es384", "02"), ("ps256", "03"), ("ed25519", "04")]
)
def test_a_key_in_a_token_signs(token, issue, algorithm, number, monkeypatch) -> None:
    pair = issue(algorithm)
    _import(pair, algorithm, number)
    signer = open_signer(_uri(token, algorithm), chain=pair.chain)
    assert signer.algorithm == algorithm
    assert signer.chain_pem == pair.chain.read_bytes()
    other = x509.load_pem_x509_certificates(issue(algorithm).chain.read_bytes())[0]
    with pytest.raises(SigningError) as caught:
        _try(signer, other)
    assert "key: belongs to another certificate" in caught.value.found
    monkeypatch.setenv("TOKEN_PIN", "9999")
    with pytest.raises(SigningError) as caught:
        signer.sign(b"x")
    assert caught.value.code == "keys.token"
    monkeypatch.delenv("TOKEN_PIN")
    with pytest.raises(SigningError) as caught:
        signer.sign(b"x")
    assert caught.value.code == "keys.pin"


def test_what_a_token_uri_may_not_be(issue, tmp_path) -> None:
    chain = issue("es256").chain
    for uri in (
        "pkcs11:token=studio?module-path=/x&pin-source=env:P",
        "pkcs11:token=studio;object=a?module-path=/x",
        "pkcs11:token=studio;object=a?module-path=/x&pin-source=env:P&pin-value=1234",
    ):
        with pytest.raises(UsageError) as caught:
            open_signer(uri, chain=chain)
        assert caught.value.code == "keys.uri"
    with pytest.raises(MissingError):
        open_signer(_uri(tmp_path / "none.so", "a"), chain=chain)


class _Service:
    """A key service as a plug-in would reach it; ``used`` counts its calls."""

    def __init__(self, pair: Pair) -> None:
        self._inner = pem_signer(pair.chain.read_bytes(), pair.key.read_bytes(), now=NOW)
        self.used = 0

    def __call__(self, uri: str, chain_pem: bytes) -> _Service:
        assert uri == "examplekms:projects/studio/key/1"
        self.algorithm, self.chain_pem = self._inner.algorithm, chain_pem
        return self

    def sign(self, data: bytes) -> bytes:
        self.used += 1
        return self._inner.sign(data)


@pytest.fixture
def service(monkeypatch):
    """Registers a key service under the scheme examplekms."""

    def register(pair: Pair) -> _Service:
        found = _Service(pair)

        class Entry:
            name = "examplekms"

            def load(self):
                return found

        monkeypatch.setattr(
            importlib.metadata, "entry_points", lambda *, group: [Entry()] if group == "thsafe.keys" else []
        )
        return found

    return register


@pytest.mark.parametrize("algorithm", KINDS)
def test_a_key_service_signs_through_an_entry_point(issue, service, algorithm) -> None:
    pair = issue(algorithm)
    found = service(pair)
    signer = open_signer("examplekms:projects/studio/key/1", chain=pair.chain)
    assert signer.algorithm == algorithm
    assert found.used == 1
    with pytest.raises(SigningError) as caught:
        open_signer("examplekms:projects/studio/key/1", chain=issue(algorithm).chain)
    assert caught.value.code == "keys.unfit"


def test_an_unknown_scheme(issue) -> None:
    with pytest.raises(UsageError) as caught:
        open_signer("nowhere:key", chain=issue("es256").chain)
    assert caught.value.code == "keys.uri"


def test_the_bad_field_is_named_before_anything_is_kept(home, issue, capsys) -> None:
    KeyRing.create(Home(home))
    bad = issue("es256", usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    given = ["keys", "use", "--signer", f"file:{bad.key}", "--chain", str(bad.chain), "--tsa", "http://127.0.0.1:9/"]
    assert run(given) == 33
    assert "leaf.extendedKeyUsage" in capsys.readouterr().err
    assert SigningChoice.of_home(Home(home)) is None
    good = issue("es256")
    given[3:6] = [f"file:{good.key}", "--chain", str(good.chain)]
    assert run(given[:6]) == 2
    assert "error[keys.tsa]" in capsys.readouterr().err
    assert run(given) == 0
    assert SigningChoice.of_home(Home(home)).tsa_policy == "required"
    assert b"PRIVATE" not in (home / "signer.json").read_bytes()
    assert run(["keys", "use", "--development"]) == 0
    assert SigningChoice.of_home(Home(home)) is None
    assert run(["keys", "use"]) == 2


def test_no_policy_drops_the_time_stamp_that_a_law_wants() -> None:
    for policy in ("off", "best-effort", "required"):
        bare = SigningChoice(signer="file:k", chain="c", tsa_policy=policy)
        assert bare.time_stamp(()) == policy
        with pytest.raises(UsageError) as caught:
            bare.time_stamp(("HOUSE-LABEL", "EU-COP-1.1.1b"))
        assert caught.value.code == "keys.tsa"
        named = SigningChoice(signer="file:k", chain="c", tsa_policy=policy, tsa_url="http://tsa.example.org")
        assert named.time_stamp(("EU-COP-1.1.1b",)) == "required"


def test_the_rule_of_the_time_stamp_is_in_the_law_table() -> None:
    from policies.bundle import PolicyBundle
    from thsafe.keys.choice import TIME_STAMP_RULES

    assert {rule.id for rule in PolicyBundle.load().rules} >= TIME_STAMP_RULES


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "thsafe.signer/1", "tsa_policy": "never"}', "[]"])
def test_a_damaged_choice_is_never_passed_over(home, text) -> None:
    home.mkdir()
    (home / "signer.json").write_text(text)
    with pytest.raises(SigningError) as caught:
        SigningChoice.of_home(Home(home))
    assert caught.value.code == "keys.damaged"
    use_development(Home(home))
    assert SigningChoice.of_home(Home(home)) is None
