"""Wallet presentations: a sound one maps, and everything that is odd, stale, moved or more than it may be is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from thsafe.cli.main import run
from thsafe.consent.wallet import read_wallet
from thsafe.core.errors import ConsentRefused

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NONCE, AUDIENCE = "ab" * 32, "did:key:zCollector"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """A P-256 or an Ed25519 key that writes compact JWTs."""

    def __init__(self, kind="ES256"):
        self.alg = kind
        self.key = generate_private_key(SECP256R1()) if kind == "ES256" else Ed25519PrivateKey.generate()

    @property
    def jwk(self):
        public = self.key.public_key()
        if self.alg != "ES256":
            return {"kty": "OKP", "crv": "Ed25519", "x": b64(public.public_bytes_raw())}
        numbers = public.public_numbers()
        return {
            "kty": "EC",
            "crv": "P-256",
            "x": b64(numbers.x.to_bytes(32, "big")),
            "y": b64(numbers.y.to_bytes(32, "big")),
        }

    def jwt(self, header, payload):
        message = f"{b64(json.dumps({'alg': self.alg, **header}).encode())}.{b64(json.dumps(payload).encode())}"
        if self.alg != "ES256":
            return f"{message}.{b64(self.key.sign(message.encode()))}"
        r, s = decode_dss_signature(self.key.sign(message.encode(), ECDSA(SHA256())))
        return f"{message}.{b64(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


ISSUER, HOLDER = Signer(), Signer()


def disclosure(name, value):
    return b64(json.dumps(["c2FsdHNhbHRzYWx0", name, value]).encode())


def sd(item):
    return b64(hashlib.sha256(item.encode()).digest())


def presentation(
    *,
    issuer=ISSUER,
    holder=HOLDER,
    now=NOW,
    shown=None,
    claims=None,
    header=None,
    binding=None,
    binding_header=None,
    drop=(),
    **moved,
):
    shown = [disclosure("age_over_18", True)] if shown is None else shown
    payload = {
        "iss": "https://issuer.example",
        "vct": "urn:eudi:pid:1",
        "iat": int(now.timestamp()) - 1000,
        "exp": int((now + timedelta(days=30)).timestamp()),
        "cnf": {"jwk": holder.jwk},
        "_sd_alg": "sha-256",
        "_sd": [sd(item) for item in shown] + [sd("kept back")],
        **(claims or {}),
    }
    payload = {name: value for name, value in payload.items() if name not in drop}
    whole = "~".join([issuer.jwt({"typ": "dc+sd-jwt", **(header or {})}, payload), *shown]) + "~"
    bound = {
        "iat": int(now.timestamp()),
        "aud": moved.get("audience", AUDIENCE),
        "nonce": moved.get("nonce", NONCE),
        "sd_hash": sd(whole),
        **(binding or {}),
    }
    signer = moved.get("binder", holder)
    return (whole + signer.jwt({"typ": "kb+jwt", **(binding_header or {})}, bound)).encode()


def read(data, *, key=None, now=NOW):
    return read_wallet(data, issuer_key=key or ISSUER.jwk, nonce=NONCE, audience=AUDIENCE, now=now)


@pytest.mark.parametrize("kind", ["ES256", "EdDSA", "Ed25519"])
def test_a_sound_one_is_read(kind):
    issuer, holder = Signer(kind), Signer(kind)
    found = read(presentation(issuer=issuer, holder=holder), key=issuer.jwk)
    assert found.claims == {"age_over_18": True}
    assert found.adult_at(NOW) is True


@pytest.mark.parametrize(("born", "adult"), [("2008-11-22", True), ("2008-11-23", False)])
def test_the_birthday_counts_to_the_day(born, adult):
    shown = [disclosure("birthdate", born), disclosure("given_name", "Erika")]
    assert read(presentation(shown=shown)).adult_at(NOW) is adult


def test_a_credential_that_tells_no_age_tells_none():
    assert read(presentation(shown=[disclosure("given_name", "Erika")])).adult_at(NOW) is None


ODD = {
    "another type": {"claims": {"vct": "urn:library-card:1"}},
    "a status nobody can look up": {"claims": {"status": {"status_list": {"idx": 1, "uri": "https://x"}}}},
    "a claim nobody knows": {"claims": {"nationality": "DE"}},
    "nested disclosures": {"claims": {"age_equal_or_over": {"_sd": ["x"]}}},
    "a disclosed claim nobody knows": {"shown": [disclosure("address", {"_sd": []})]},
    "a disclosure of a registered name": {"shown": [disclosure("exp", 9)]},
    "a disclosure that hides digests": {"shown": [disclosure("_sd", ["x"])]},
    "the same disclosure twice": {"shown": [disclosure("age_over_18", True)] * 2},
    "two ages": {"shown": [disclosure("age_over_18", True)], "claims": {"age_over_18": False}},
    "a truthy age": {"shown": [disclosure("age_over_18", 1)]},
    "a birthday that is none": {"shown": [disclosure("birthdate", "soon")]},
    "a disclosure of two": {"shown": [b64(b'["salt","age_over_18"]')]},
    "a disclosure that breaks out": {"shown": [b64(b'["s","age_over_18",true],"x":[1]')]},
    "another digest": {"claims": {"_sd_alg": "sha-512"}},
    "digests that are none": {"claims": {"_sd": "x"}},
    "expired": {"claims": {"exp": int(NOW.timestamp())}},
    "no end": {"drop": ("exp",)},
    "a time in words": {"claims": {"exp": "2099"}},
    "a time beyond all": {"claims": {"exp": 2**60}},
    "not yet": {"claims": {"nbf": int(NOW.timestamp()) + 3600}},
    "no holder": {"drop": ("cnf",)},
    "a holder by reference": {"claims": {"cnf": {"kid": "x"}}},
    "a chain of certificates": {"header": {"x5c": ["x"]}},
    "a critical extension": {"header": {"crit": ["b64"], "b64": False}},
    "no algorithm": {"header": {"alg": "none"}},
    "a shared secret": {"header": {"alg": "HS256"}},
    "another curve's name": {"header": {"alg": "EdDSA"}},
    "a plain JWT": {"header": {"typ": "JWT"}},
    "another audience": {"audience": "did:key:zOther"},
    "another nonce": {"nonce": "cd" * 32},
    "a binding by another key": {"binder": Signer()},
    "a binding of another presentation": {"binding": {"sd_hash": sd("other")}},
    "a binding that says more": {"binding": {"amount": 9}},
    "a binding of last month": {"binding": {"iat": int(NOW.timestamp()) - 30 * 86400}},
    "a binding of tomorrow": {"binding": {"iat": int(NOW.timestamp()) + 86400}},
    "a binding of another kind": {"binding_header": {"typ": "JWT"}},
    "a binding that brings its key": {"binding_header": {"jwk": HOLDER.jwk}},
}


@pytest.mark.parametrize("name", ODD)
def test_what_is_odd_is_refused(name):
    with pytest.raises(ConsentRefused) as caught:
        read(presentation(**ODD[name]))
    assert caught.value.code == "consent.wallet"
    assert caught.value.found


def test_another_issuer_is_refused():
    with pytest.raises(ConsentRefused):
        read(presentation(), key=Signer().jwk)
    with pytest.raises(ConsentRefused):
        read(presentation(), key={**ISSUER.jwk, "crv": "P-384"})
    with pytest.raises(ConsentRefused):
        read(presentation(), key={**ISSUER.jwk, "x": b64(b"1" * 32)})


def test_every_cut_and_every_flipped_part_is_refused():
    whole = presentation()
    for place in range(0, len(whole), 7):
        changed = bytearray(whole)
        changed[place] ^= 1
        for data in (bytes(changed), whole[:place], whole[:place] + b"~" + whole[place:]):
            with pytest.raises(ConsentRefused):
                read(data)


def test_no_key_binding_and_too_much_are_refused():
    whole = presentation()
    for data in (whole.rsplit(b"~", 1)[0] + b"~", b"", b"~~", b"a" * 300_000, whole + b"~" + whole):
        with pytest.raises(ConsentRefused):
            read(data)


@pytest.fixture
def asked(home, tmp_path, capsys):
    """A request with assurance ``wallet``, and what the person is told: nonce and audience."""
    assert run(["keys", "new"]) == 0
    path = tmp_path / "request.json"
    arguments = ["--purpose", "advertising", "--uses", "One film about boots.", "--assurance", "wallet"]
    assert run(["consent", "request", *arguments, "--collector", AUDIENCE_DID, "-o", str(path)]) == 0
    capsys.readouterr()
    assert run(["consent", "record", str(path)]) == 0
    told = dict(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith(("  nonce", "  aud")))
    return path, told["nonce"], told["audience"]


COLLECTOR = Ed25519PrivateKey.generate()


def _did(key):
    from thsafe.keys.did import did_from_public_key

    return did_from_public_key(key.public_key())


AUDIENCE_DID = _did(COLLECTOR)


def _signed(asked, tmp_path, **changes):
    request, nonce, audience = asked
    shown = tmp_path / "shown.sdjwt"
    shown.write_bytes(presentation(**{"now": datetime.now(UTC), "nonce": nonce, "audience": audience, **changes}))
    (tmp_path / "me.png").write_bytes(b"a picture")
    signed = tmp_path / "signed.json"
    arguments = ["--portrait", str(tmp_path / "me.png"), "--wallet", str(shown), "-o", str(signed)]
    assert run(["consent", "record", str(request), "--agree", *arguments]) == 0
    return json.loads(signed.read_text()), shown


def test_from_request_to_countersignature(asked, tmp_path):
    from thsafe.consent.collect import countersign, phrase_fits

    document, shown = _signed(asked, tmp_path)
    evidence = document["credentialSubject"]["evidence"]
    assert evidence["method"] == "sd-jwt-vc"
    assert "issuer.example" not in json.dumps(document)
    now = datetime.now(UTC)
    record = countersign(document, COLLECTOR, now=now, recording=shown, issuer_key=ISSUER.jwk)
    assert phrase_fits(record)
    for changes in ({"issuer_key": None}, {"issuer_key": Signer().jwk}):
        with pytest.raises(ConsentRefused) as caught:
            countersign(document, COLLECTOR, now=now, recording=shown, **changes)
        assert caught.value.code == "consent.wallet"


@pytest.mark.parametrize(
    "changes",
    [
        {"nonce": "ab" * 32},
        {"audience": "did:key:zOther"},
        {"shown": [disclosure("age_over_18", False)]},
        {"shown": [disclosure("given_name", "Erika")]},
    ],
)
def test_a_presentation_for_other_terms_or_of_no_adult_is_not_countersigned(asked, tmp_path, changes):
    from thsafe.consent.collect import countersign

    document, shown = _signed(asked, tmp_path, **changes)
    with pytest.raises(ConsentRefused) as caught:
        countersign(document, COLLECTOR, now=datetime.now(UTC), recording=shown, issuer_key=ISSUER.jwk)
    assert caught.value.code == "consent.wallet"


def test_a_recording_is_no_wallet_and_a_wallet_no_recording(world):
    from thsafe.consent.collect import countersign, parse_request, record_consent, request_consent

    for assurance, wallet in (("wallet", False), ("collector", True)):
        asked = request_consent(
            world.terms(),
            world.ring.gate_key(),
            collector=world.ring.gate_did,
            now=world.now,
            assurance=assurance,
        )
        signed = record_consent(
            parse_request(asked), [world.colleague], now=world.now, recording=world.recording, wallet=wallet
        )
        with pytest.raises(ConsentRefused) as caught:
            countersign(signed, world.ring.gate_key(), now=world.now, recording=world.recording)
        assert caught.value.code == "consent.wallet"
