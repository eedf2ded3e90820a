"""A log to work on, on both stores, with a clock that tests can move.

PostgreSQL is the server named by ``THSAFE_TEST_POSTGRES``, else a throwaway cluster started from Debian's binaries;
where there is neither, its half of the suite skips with the reason.
"""

import os
import secrets
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import create_engine, make_url, text

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


@pytest.fixture(scope="session")
def postgres_server():
    """URL of a PostgreSQL server on which databases may be made and dropped."""
    named = os.environ.get("THSAFE_TEST_POSTGRES")
    if named:
        yield named
        return
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed (thsafe[postgres])")
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not versions:
        pytest.skip("no PostgreSQL: set THSAFE_TEST_POSTGRES or apt-get install postgresql")
    programs = versions[-1].parent
    # The server refuses to run as root; Debian's package made a user for it.
    user = "postgres" if os.geteuid() == 0 else None
    folder = Path(tempfile.mkdtemp(prefix="thsafe-pg-"))
    if user is not None:
        shutil.chown(folder, user, user)

    def call(program, *arguments):
        command = [programs / program, *arguments]
        subprocess.run(command, check=True, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)

    data = folder / "data"
    call("initdb", "-D", data, "-A", "trust", "-U", "thsafe", "--no-sync", "-E", "UTF8", "--locale=C")
    settings = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off -c max_connections=50"
    call("pg_ctl", "-D", data, "-w", "-l", folder / "log", "-o", settings, "start")
    try:
        yield f"postgresql://thsafe@/postgres?host={folder}"
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server):
    """An empty database of this test's own."""
    address = make_url(postgres_server).set(drivername="postgresql+psycopg")
    name = f"thsafe_test_{secrets.token_hex(6)}"
    server = create_engine(address, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    yield address.set(drivername="postgresql", database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    server.dispose()


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
