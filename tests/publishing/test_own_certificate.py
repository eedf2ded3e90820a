"""Publishing signs with a user's own certificate and a named authority, and the log says so."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from thsafe.core.errors import UsageError
from thsafe.keys.choice import SigningChoice
from thsafe.provenance.read import read_credentials
from thsafe.provenance.timestamp import LoopbackAuthority


@pytest.fixture
def own(installation, tmp_path):
    """Another installation's certificate stands for one that was bought."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    ring = KeyRing.create(Home(tmp_path / "elsewhere"), organisation="Studio North")
    folder = tmp_path / "elsewhere" / "keys"
    assert load_pem_private_key((folder / "claim.key.pem").read_bytes(), None)
    return ring, f"file:{folder / 'claim.key.pem'}", str(folder / "claim.pem")


def test_an_own_certificate_signs_and_is_stamped_elsewhere(installation, tiny, tmp_path, own) -> None:
    ring, uri, chain = own
    with LoopbackAuthority(ring) as authority:
        SigningChoice(signer=uri, chain=chain, tsa_url=authority.url, tsa_policy="off").save(installation.home)
        output = tiny.Tiny(frames=30, territories=("EU",)).say(tmp_path / "out.mp4")
    found = read_credentials(output.path, trust=installation.trust())
    assert "Studio North" in f"{found.signer.name} {found.signer.issuer}"
    assert found.signed_at
    event = installation.ledger.entry(output.ledger_index).event
    assert event["signer"] == "own"
    assert event["time_stamp"] == {"policy": "required", "stamped": True}


def test_without_an_authority_nothing_is_made_where_a_law_wants_a_time_stamp(installation, tiny, tmp_path, own) -> None:
    _, uri, chain = own
    SigningChoice(signer=uri, chain=chain, tsa_policy="off").save(installation.home)
    with pytest.raises(UsageError) as caught:
        tiny.Tiny(frames=30, territories=("DE",)).say(tmp_path / "out.mp4")
    assert caught.value.code == "keys.tsa"
    assert not (tmp_path / "out.mp4").exists()
    output = tiny.Tiny(frames=30, territories=("IN",)).say(tmp_path / "in.mp4")
    event = installation.ledger.entry(output.ledger_index).event
    assert event["time_stamp"] == {"policy": "off", "stamped": False}
