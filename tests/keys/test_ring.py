import json
import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from thsafe.cli.main import run
from thsafe.core.errors import SigningError, UsageError
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.keys.did import public_key_from_did
from thsafe.watermark import PUBLIC_KEY


@pytest.fixture
def folder(home):
    return Home(home)


def test_open_without_keys_names_the_next_step(folder):
    with pytest.raises(SigningError) as caught:
        KeyRing.open(folder)
    assert caught.value.code == "keys.missing"
    assert caught.value.next_step == "thsafe keys new"


def test_create_and_open(folder):
    made = KeyRing.create(folder, organisation="Example Studio")
    ring = KeyRing.open(folder)
    assert ring.signing_chain_pem == made.signing_chain_pem
    assert ring.sign_algorithm == "es256"
    assert ring.development
    assert ring.problems(datetime.now(UTC)) == ()
    assert public_key_from_did(ring.gate_did).public_bytes_raw() == ring.gate_key().public_key().public_bytes_raw()
    assert ring.log_key().private_bytes_raw() != ring.gate_key().private_bytes_raw()
    names = [fact.name for fact in ring.describe()]
    assert names == ["root", "claim", "tsa", "log", "gate", "watermark current"]


def test_everything_is_private(folder):
    KeyRing.create(folder)
    assert stat.S_IMODE(folder.keys.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.keys.iterdir()} == {0o600}


def test_certificates_follow_the_profile(folder):
    ring = KeyRing.create(folder, organisation="Example Studio")
    leaf, root = x509.load_pem_x509_certificates(ring.signing_chain_pem)
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc <= timedelta(days=366)
    usages = {usage.dotted_string for usage in leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value}
    assert usages == {"1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.4"}
    for kind in (x509.SubjectKeyIdentifier, x509.AuthorityKeyIdentifier, x509.KeyUsage, x509.BasicConstraints):
        assert leaf.extensions.get_extension_for_class(kind)
    assert root.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0
    for certificate in (leaf, root):
        assert "development" in certificate.subject.rfc4514_string()
        assert "Example Studio development" in certificate.subject.rfc4514_string()
    stamper = x509.load_pem_x509_certificates(ring.time_stamp_chain_pem)[0]
    extended = stamper.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert extended.critical
    assert [usage.dotted_string for usage in extended.value] == ["1.3.6.1.5.5.7.3.8"]


def test_nothing_personal_in_certificates(folder):
    ring = KeyRing.create(folder)
    text = ring.signing_chain_pem + ring.time_stamp_chain_pem
    names = {item.subject.rfc4514_string() for item in x509.load_pem_x509_certificates(text)}
    assert names == {
        "CN=thsafe development claim signer,O=thsafe development",
        "CN=thsafe development time stamp,O=thsafe development",
        "CN=thsafe development root,O=thsafe development",
    }


@pytest.mark.parametrize("name", ["", " ", "jane@example.org", "x" * 49, "a\x00b"])
def test_refuses_organisations(folder, name):
    with pytest.raises(UsageError):
        KeyRing.create(folder, organisation=name)
    assert not folder.keys.exists()


def test_create_does_not_overwrite(folder):
    ring = KeyRing.create(folder)
    before = ring.signing_chain_pem
    with pytest.raises(SigningError) as caught:
        KeyRing.create(folder)
    assert caught.value.code == "keys.exist"
    assert KeyRing.open(folder).signing_chain_pem == before


def test_overwrite_keeps_what_identifies_earlier_outputs(folder):
    first = KeyRing.create(folder)
    mark, did, root = first.watermark_keys()["current"], first.gate_did, first.root_pem
    second = KeyRing.create(folder, overwrite=True)
    assert second.watermark_keys()["retired-1"] == mark
    assert second.watermark_keys()["current"] != mark
    assert second.gate_did == did
    assert second.root_pem.endswith(root)
    assert len([path for path in folder.path.iterdir() if path.name.startswith("keys.replaced-")]) == 1


def test_failed_create_leaves_nothing(folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SigningError) as caught:
        KeyRing.create(folder)
    assert caught.value.code == "keys.write"
    assert list(folder.path.iterdir()) == []


def test_watermark_keys_rotate(folder):
    ring = KeyRing.create(folder)
    keys = [ring.watermark_keys()["current"]]
    for _ in range(2):
        ring.rotate_watermark_key()
        keys.insert(0, ring.watermark_keys()["current"])
    assert list(ring.watermark_keys()) == ["current", "retired-2", "retired-1"]
    assert list(ring.watermark_keys().values()) == keys
    assert {len(key) for key in keys} == {32}


def test_renewal_keeps_the_root(folder):
    ring = KeyRing.create(folder)
    root, chain = ring.root_pem, ring.signing_chain_pem
    ring.renew_certificates()
    assert ring.root_pem == root
    assert ring.signing_chain_pem != chain
    assert ring.problems(datetime.now(UTC)) == ()
    assert ring.claim_signer().sign(b"data")


def test_problems_are_named(folder):
    ring = KeyRing.create(folder)
    (folder.keys / "claim.key.pem").chmod(0o644)
    late = datetime.now(UTC) + timedelta(days=400)
    fields = {problem.field for problem in ring.problems(late)}
    assert fields == {"mode of claim.key.pem", "leaf.notAfter"}
    (folder.keys / "claim.key.pem").write_bytes((folder.keys / "tsa.key.pem").read_bytes())
    assert "key" in {problem.field for problem in ring.problems(datetime.now(UTC))}


def test_expired_certificates_do_not_sign(folder):
    ring = KeyRing.create(folder)
    with pytest.raises(SigningError) as caught:
        ring.claim_signer(clock=lambda: datetime.now(UTC) + timedelta(days=400))
    assert caught.value.code == "keys.unfit"
    assert "leaf.notAfter" in caught.value.found


@pytest.mark.parametrize(
    ("name", "content"),
    [("ring.json", b"{}"), ("ring.json", b"\xff"), ("watermark.json", b'{"keys": []}'), ("log.key.pem", b"no key")],
)
def test_damage_is_an_error_with_a_code(folder, name, content):
    KeyRing.create(folder)
    (folder.keys / name).write_bytes(content)
    with pytest.raises(SigningError) as caught:
        KeyRing.open(folder).describe()
    assert caught.value.code == "keys.damaged"


def test_missing_file_is_named(folder):
    KeyRing.create(folder)
    (folder.keys / "gate.key.pem").unlink()
    with pytest.raises(SigningError, match="incomplete") as caught:
        KeyRing.open(folder)
    assert "gate.key.pem" in caught.value.found


def test_describe_shows_no_secret(folder):
    ring = KeyRing.create(folder)
    secrets = json.loads((folder.keys / "watermark.json").read_text())["keys"]
    shown = " ".join(str(fact) for fact in ring.describe())
    assert not any(secret in shown for secret in secrets)


def test_the_list_shows_the_public_mark_as_a_constant(folder, capsys):
    KeyRing.create(folder)
    assert run(["keys", "list", "--json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out) if row["name"] == "watermark public")
    assert row["fingerprint"] == PUBLIC_KEY.hex()
    assert "public constant" in row["kind"]
    page = Path(__file__).parents[2] / row["kind"].rpartition(" ")[2]
    assert PUBLIC_KEY.hex() in page.read_text(encoding="utf-8")
    assert run(["keys", "list"]) == 0
    assert row["kind"] in capsys.readouterr().out
