"""The machine's clock is set back into the consent's time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from thsafe.core.errors import PolicyRefused, StoreError


class Forgetful:
    """A log that does not look at its own clock, so that the gate's rule is what is tested."""

    def __init__(self, inner, last):
        self.inner, self.last = inner, last

    def last_time(self):
        return self.last

    def uses(self, name):
        return self.inner.uses(name)

    def append(self, event, *, uses=None):
        return self.inner.append(event, uses=uses)


def test_time_does_not_run_backwards(world):
    from thsafe.gate import Gate

    world.consent()
    late = Forgetful(world.ledger, world.now + timedelta(days=1))
    gate = Gate(world.home, ledger=late, keys=world.ring, clock=world.clock)
    with pytest.raises(PolicyRefused) as caught:
        gate.ask(world.request())
    assert caught.value.code == "clock.rollback"


def test_the_real_log_refuses_too(world):
    world.consent()
    world.ask()
    world.now -= timedelta(minutes=5)
    before = world.ledger.size
    with pytest.raises(PolicyRefused) as caught:
        world.ask()
    assert caught.value.code == "clock.rollback"
    assert caught.value.exit_code == 20
    assert "not logged (log.clock)" in caught.value.log
    assert world.ledger.size == before


def test_a_log_that_fails_otherwise_is_no_refusal(world, monkeypatch):
    def broken(*args, **options):
        raise StoreError("The disk is full.", code="store.disk-full")

    monkeypatch.setattr(world.ledger, "append", broken)
    with pytest.raises(StoreError):
        world.ask()
