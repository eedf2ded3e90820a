"""``thsafe db``: versions, backups while others write, and a log that moves without losing an entry."""

import json
import stat
import threading

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import text, update

from thsafe.cli.db import db
from thsafe.core.errors import LedgerBroken, StoreError, UsageError
from thsafe.home import Home
from thsafe.ledger.log import Ledger
from thsafe.ledger.transfer import backup, migrate, standing, upgrade
from thsafe.provenance.fingerprint import fingerprint
from thsafe.provenance.lookup import search_fingerprint
from thsafe.store import schema
from thsafe.store.engine import connect, writing
from thsafe.store.migrations import first

PICTURE = cv2.resize(np.random.default_rng(4).integers(0, 255, (12, 16, 3), dtype=np.uint8), (320, 240))
PRINT = fingerprint([(0.0, PICTURE), (1.0, PICTURE[:, ::-1])])
SMALLER = fingerprint([(0.0, cv2.resize(PICTURE, (160, 120), interpolation=cv2.INTER_AREA))])


@pytest.fixture
def filled(log, make_record, make_event):
    """A log with a row in every table."""
    log.append({"type": "intent", "job": "j"}, uses={"c": 3})
    log.append(make_event(), output=make_record(fingerprint=PRINT))
    log.append({"type": "consent.created"}, personal={"name": "Mara"}, subject="did:key:mara")
    log.append_many({"type": "verify", "n": n} for n in range(700))
    log.checkpoint()
    return log


def everything(log):
    return (
        [(entry.leaf, entry.leaf_hash) for entry in log.entries()],
        log.checkpoints(),
        list(log.outputs.all()),
        log.uses("c"),
        log.personal(2),
        log.origin,
        log.verify(witnessed=log.checkpoints()),
    )


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_sqlite_to_postgresql_and_on(filled, any_home, postgres_url, key, clock, monkeypatch, make_record, make_event):
    before = everything(filled)
    proof = filled.prove(1)
    moved = migrate(any_home.database_url, postgres_url)
    assert (moved.size, moved.root) == (703, before[-1].root)
    with pytest.raises(StoreError) as caught:
        filled.append({"type": "verify"})  # by a program that has it open
    assert caught.value.code == "store.moved"
    with pytest.raises(StoreError) as caught:
        Ledger.open(any_home)
    assert caught.value.code == "store.moved"
    assert "postgresql" in caught.value.next_step
    assert standing(any_home.database_url).moved_to == postgres_url
    monkeypatch.setenv("THSAFE_DB", postgres_url)
    with Ledger.open(any_home, key=key, clock=clock) as log:
        assert everything(log) == before
        assert log.append({"type": "verify"}).index == 703
        assert log.prove(1, 703) == proof
        again = make_record(fingerprint=PRINT, manifest_id="urn:again", watermark_id="0")
        log.append(make_event("k", made=again), output=again)
        assert [item.manifest_id for item in search_fingerprint(SMALLER, log.outputs)] == ["urn:again", "urn:c2pa:1"]
        assert log.verify().ok


@pytest.mark.parametrize("any_home", ["postgresql"], indirect=True)
def test_postgresql_to_sqlite(filled, any_home, tmp_path):
    before = everything(filled)
    to = f"sqlite:///{tmp_path / 'moved.db'}"
    assert migrate(any_home.database_url, to).root == before[-1].root
    with pytest.raises(StoreError) as caught:
        filled.append({"type": "verify"})
    assert caught.value.code == "store.moved"
    with pytest.raises(UsageError):
        migrate(to, to)
    assert standing(to).moved_to is None


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_a_log_moves_only_into_an_empty_place_and_only_whole(filled, any_home, tmp_path):
    other = Home(tmp_path / "other")
    with Ledger.open(other) as occupied:
        occupied.append({"type": "verify"})
    with pytest.raises(StoreError) as caught:
        migrate(any_home.database_url, other.database_url)
    assert caught.value.code == "store.not-empty"
    with writing(filled._engine) as connection:
        connection.execute(update(schema.entry).where(schema.entry.c.position == 9).values(leaf=b"{}"))
    with pytest.raises(LedgerBroken) as caught:
        migrate(any_home.database_url, f"sqlite:///{tmp_path / 'new.db'}")
    assert caught.value.code == "log.copy"
    with pytest.raises(LedgerBroken):
        backup(any_home.database_url, tmp_path / "copy.db")
    assert not list(tmp_path.glob("*copy.db*"))
    assert filled.append({"type": "verify"}).index == 703  # it stayed where it was


def test_backup_while_others_write(filled, any_home, tmp_path):
    stop = threading.Event()

    def write():
        while not stop.is_set():
            filled.append({"type": "verify"})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        made = backup(any_home.database_url, tmp_path / "copy.db")
    finally:
        stop.set()
        writer.join()
    assert 703 <= made.size <= filled.size
    assert filled.prove(0, made.size).root == made.root
    assert stat.S_IMODE((tmp_path / "copy.db").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.db"]
    engine = connect(f"sqlite:///{tmp_path / 'copy.db'}")
    with Ledger(engine, key=None, clock=lambda: None) as copy:
        assert copy.verify().root == made.root
        assert copy.personal(2) == {"name": "Mara"}


@pytest.fixture
def old(tmp_path):
    """A database as the first version made it."""
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    url = f"sqlite:///{tmp_path / 'old.db'}"
    engine = connect(url)
    with writing(engine) as connection:
        first.upgrade(Operations(MigrationContext.configure(connection)))
        connection.execute(text("INSERT INTO thsafe_schema (version, made_at) VALUES (1, '')"))
        head = {"one": 1, "origin": "thsafe/old", "size": 0, "root": b"\1" * 32, "frontier": b"", "last_at": ""}
        connection.execute(schema.head.insert().values(head))
    engine.dispose()
    return url


def test_an_older_database_is_brought_up(old, tmp_path, monkeypatch):
    monkeypatch.setenv("THSAFE_DB", old)
    with pytest.raises(StoreError) as caught:
        Ledger.open(Home(tmp_path))
    assert caught.value.code == "store.older-schema"
    assert "thsafe db upgrade" in caught.value.next_step
    assert backup(old, tmp_path / "before.db").root == "01" * 32
    assert standing(f"sqlite:///{tmp_path / 'before.db'}").version == 1
    assert upgrade(old) == 1
    assert standing(old).version == schema.SCHEMA_VERSION
    assert upgrade(old) == schema.SCHEMA_VERSION
    with Ledger.open(Home(tmp_path)) as log:
        assert log.origin == "thsafe/old"


def test_what_was_published_before_is_found_by_its_looks(old, tmp_path, monkeypatch):
    engine = connect(old)
    with writing(engine) as connection:
        for place, text in enumerate([PRINT, "AAAA", None]):
            entry = {"position": place, "leaf_hash": b"", "at": "", "type": "output", "leaf": b""}
            connection.execute(schema.entry.insert().values(entry))
            row = {
                "manifest_id": f"urn:{place}", "watermark_id": str(place), "sha256": "", "fingerprint": text,
                "manifest": b"", "media_type": "", "created_at": "", "ledger_index": place, "path": "",
                "duration": 1.0, "engine": "", "task": "",
            }  # fmt: skip
            connection.execute(schema.output.insert().values(row))
    engine.dispose()
    upgrade(old)
    monkeypatch.setenv("THSAFE_DB", old)
    with Ledger.open(Home(tmp_path)) as log:
        found = search_fingerprint(SMALLER, log.outputs)
    assert [item.manifest_id for item in found] == ["urn:0"]


def test_a_newer_one_is_left_alone(old):
    engine = connect(old)
    with writing(engine) as connection:
        connection.execute(text("UPDATE thsafe_schema SET version = 99"))
    engine.dispose()
    for look in (standing, upgrade):
        with pytest.raises(StoreError) as caught:
            look(old)
        assert caught.value.code == "store.newer-schema"


def test_commands(home, tmp_path):
    def run(*words):
        return CliRunner().invoke(db, words, catch_exceptions=False, standalone_mode=False)

    assert "empty" in run("status").output
    assert not home.exists()  # looking made nothing
    assert "upgraded: version 0" in run("upgrade").output
    with Ledger.open(Home(home)) as log:
        log.append({"type": "verify"})
    said = json.loads(run("status", "--json").output)
    assert (said["version"], said["known"], said["size"]) == (schema.SCHEMA_VERSION, schema.SCHEMA_VERSION, 1)
    assert "already" in run("upgrade").output
    assert "1 entries" in run("backup", str(tmp_path / "copy.db")).output
    assert run("migrate", "--to", f"sqlite:///{tmp_path / 'new.db'}").output.startswith("moved to")
    assert "goes on in" in run("status").output
