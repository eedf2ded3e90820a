"""``thsafe doctor --fix`` mends what loses nothing, says what it did, and leaves the rest to the person."""

from __future__ import annotations

import json

import pytest

from thsafe.cli.main import run
from thsafe.core.errors import StoreError
from thsafe.diagnosis import diagnose
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.ledger.log import Ledger
from thsafe.mending import mend
from thsafe.store import schema


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("THSAFE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("THSAFE_DB", raising=False)
    return Home(tmp_path / "home")


def test_missing_keys_are_made_once(home, capsys):
    assert run(["doctor", "--fix"]) == 0
    assert "made development keys" in capsys.readouterr().out
    ring = KeyRing.open(home)
    assert run(["doctor", "--fix"]) == 0
    assert "fixed" not in capsys.readouterr().out
    assert KeyRing.open(home).signing_chain_pem == ring.signing_chain_pem


def test_without_fix_nothing_is_changed(home):
    run(["doctor"])
    assert not home.keys.exists()


def test_open_key_files_are_closed(home):
    KeyRing.create(home)
    secret = home.keys / "claim.key.pem"
    secret.chmod(0o644)
    home.keys.chmod(0o755)
    assert any(item.state == "bad" for item in diagnose(home))
    done = mend(home)
    assert len(done) == 2
    assert secret.stat().st_mode & 0o777 == 0o600
    assert not [item for item in diagnose(home) if item.state == "bad"]


def test_an_older_database_is_copied_then_brought_up(home, monkeypatch):
    KeyRing.create(home)
    now = schema.SCHEMA_VERSION
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now - 1)
    with Ledger.open(home) as log:
        origin = log.origin
    monkeypatch.setattr(schema, "SCHEMA_VERSION", now)
    assert [item.state for item in diagnose(home) if item.part == "database"] == ["bad"]
    done = mend(home)
    assert len(done) == 1
    assert "brought the database" in done[0]
    assert len(list(home.path.glob("before-*.db"))) == 1
    with Ledger.open(home) as log:
        assert log.origin == origin
        assert log.verify().ok
    assert mend(home) == ()


def test_what_cannot_be_closed_is_said(home, monkeypatch):
    KeyRing.create(home)
    (home.keys / "claim.key.pem").chmod(0o644)

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("pathlib.Path.chmod", refuse)
    with pytest.raises(StoreError) as problem:
        mend(home)
    assert problem.value.code == "store.mode"


def test_json_stays_json(home, capsys):
    assert run(["doctor", "--fix", "--json"]) == 0
    told = capsys.readouterr()
    assert {"part", "state", "found", "next"} == set(json.loads(told.out)[0])
    assert "made development keys" in told.err
