import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from thsafe.keys.did import base58_decode, base58_encode, did_from_public_key, public_key_from_did


@given(st.binary(max_size=60))
def test_base58_round_trip(data):
    assert base58_decode(base58_encode(data)) == data


@pytest.mark.parametrize(
    ("data", "text"),
    # Test vectors of draft-msporny-base58-03 §5.
    [(b"Hello World!", "2NEpo7TZRRrLZSi2U"), (bytes.fromhex("0000287fb4cd"), "11233QC4")],
)
def test_base58_vectors(data, text):
    assert base58_encode(data) == text


def test_a_known_did_key():
    # The first Ed25519 test vector of the did:key method.
    did = "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"
    assert did_from_public_key(public_key_from_did(did)) == did


@given(st.binary(min_size=32, max_size=32))
def test_round_trip(seed):
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    assert public_key_from_did(did_from_public_key(public)).public_bytes_raw() == public.public_bytes_raw()


@pytest.mark.parametrize(
    "did",
    [
        "",
        "did:web:example.org",
        "did:key:z",
        "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme",  # secp256k1
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooW0",  # 0 is no base58 digit
        "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp11",
        "did:key:z" + "6" * 100_000,
    ],
)
def test_refuses(did):
    with pytest.raises(ValueError, match=r"did:key|base58|Ed25519"):
        public_key_from_did(did)
