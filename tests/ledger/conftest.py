"""A log to work on, on both stores, with a clock that tests can move."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.home import Home
from thsafe.ledger.log import Ledger
from thsafe.store.outputs import OutputRecord

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


@pytest.fixture(params=["sqlite", "postgresql"])
def any_home(request, home: Path, monkeypatch):
    """A home whose log is on the one store, then on the other."""
    if request.param == "postgresql":
        monkeypatch.setenv("THSAFE_DB", request.getfixturevalue("postgres_url"))
    return Home(home)


@pytest.fixture
def log(any_home: Home, clock, key):
    with Ledger.open(any_home, key=key, clock=clock) as ledger:
        yield ledger


@pytest.fixture
def make_record():
    """A row of the manifest store, with any field changed."""
    return _record


@pytest.fixture
def make_event():
    """The entry that belongs to such a row."""
    return _event


def _record(**changes):
    fields = {
        "manifest_id": "urn:c2pa:1",
        "watermark_id": "00112233aabbccdd",
        "sha256": "ab" * 32,
        "essence_hash": "cd" * 32,
        "fingerprint": None,
        "manifest": b"jumbf",
        "media_type": "video/mp4",
        "created_at": "2026-08-03T12:00:00.000Z",
        "ledger_index": -1,
        "path": "out.mp4",
        "duration": 3.5,
        "engine": "portrait",
        "task": "say",
        "thumbnail": b"png",
    }
    return OutputRecord(**{**fields, **changes})


def _event(job="j", made=None):
    made = made or _record()
    return {
        "type": "output",
        "job": job,
        "sha256": made.sha256,
        "manifest_id": made.manifest_id,
        "watermark_id": made.watermark_id,
    }
