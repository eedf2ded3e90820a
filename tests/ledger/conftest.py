"""A log to work on, with a clock that tests can move."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.home import Home
from thsafe.ledger.log import Ledger

_KEY = Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)


class MovingClock:
    """Ticks a second at each look."""

    def __init__(self):
        self.now = datetime(2026, 8, 3, 12, tzinfo=UTC)

    def __call__(self):
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock():
    return MovingClock()


@pytest.fixture
def key():
    """Signs checkpoints; the same in every test."""
    return _KEY


@pytest.fixture
def log(home: Path, clock, key):
    with Ledger.open(Home(home), key=key, clock=clock) as ledger:
        yield ledger
