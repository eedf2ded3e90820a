"""The same presentation, or the same request, is handed in twice."""

from __future__ import annotations

import pytest

from thsafe.consent.files import write_json
from thsafe.consent.present import present
from thsafe.core.errors import ConsentRefused


def test_the_same_presentation_serves_once(world):
    record = world.consent(keep=False)
    request = world.request()
    shown = world.folder / "shown.json"
    write_json(
        shown, present(record, world.ring.gate_key(), job=request.digest(), gate=world.gate.did, created=world.now)
    )
    assert world.ask(request, [shown]).decision.allowed
    with pytest.raises(ConsentRefused) as caught:
        world.ask(request, [shown])
    assert caught.value.code == "consent.replay"
    assert world.last_event()["rules"] == ["consent.replay"]


def test_a_restart_does_not_forget(world):
    world.own_consent()
    request = world.request()
    world.ask(request)
    with pytest.raises(ConsentRefused) as caught:
        world.new_gate().ask(request)
    assert caught.value.code == "consent.replay"
