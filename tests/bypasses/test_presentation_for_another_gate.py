"""A presentation made for one gate is carried to another that trusts the same collector."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.consent.collectors import trust_collector
from thsafe.consent.files import write_json
from thsafe.consent.present import present
from thsafe.consent.status import bits_of, make_list
from thsafe.core.errors import ConsentRefused
from thsafe.keys.did import did_from_public_key


def collected(world):
    collector = Ed25519PrivateKey.generate()
    trust_collector(world.home, did_from_public_key(collector.public_key()))
    for purpose in ("revocation", "suspension"):
        world.store.statuses.put(make_list(collector, purpose, bits_of(()), now=world.now))
    return world.consent(collector=collector, keep=False)


@pytest.mark.parametrize("domain", ["", "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"])
def test_the_domain_must_be_this_gate(world, domain):
    record = collected(world)
    request = world.request()
    shown = world.folder / "shown.json"
    write_json(shown, present(record, world.ring.gate_key(), job=request.digest(), gate=domain, created=world.now))
    with pytest.raises(ConsentRefused) as caught:
        world.ask(request, [shown])
    assert caught.value.code == "consent.holder-proof"
    write_json(
        shown, present(record, world.ring.gate_key(), job=request.digest(), gate=world.gate.did, created=world.now)
    )
    assert world.ask(request, [shown]).decision.allowed
