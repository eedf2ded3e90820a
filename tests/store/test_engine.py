"""Opening the store, and each way in which it can fail with the words that a person gets."""

import os
import sqlite3
import stat
import threading
import time

import pytest
from sqlalchemy import event, insert, make_url, select, text, update

from thsafe.core.errors import StoreError
from thsafe.store import failures, schema
from thsafe.store.engine import open_engine, reading, writing
from thsafe.store.failures import translated


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "thsafe.db"


@pytest.fixture
def engine(path):
    opened = open_engine(f"sqlite:///{path}")
    yield opened
    opened.dispose()


def failure(url):
    with pytest.raises(StoreError) as caught:
        open_engine(url)
    assert caught.value.next_step
    return caught.value


def test_settings_of_every_connection(engine, path):
    with engine.connect() as connection:
        asked = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "secure_delete")
        }
    assert asked == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    with writing(engine) as connection:
        connection.execute(update(schema.head).values(size=1))
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in path.parent.iterdir())


def test_an_exception_undoes_the_whole_transaction(engine):
    def change_and_fail():
        with writing(engine) as connection:
            connection.execute(update(schema.head).values(size=9))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        change_and_fail()
    with reading(engine) as connection:
        assert connection.execute(select(schema.head.c.size)).scalar_one() == 0


def test_references_are_enforced(engine):
    with pytest.raises(StoreError) as caught, writing(engine) as connection:
        connection.execute(insert(schema.consent_use).values(consent="c", position=77))
    assert caught.value.code == "store.failed"


def test_a_reader_sees_one_moment(engine):
    with reading(engine) as connection:
        assert connection.execute(select(schema.head.c.size)).scalar_one() == 0
        with writing(engine) as other:
            other.execute(update(schema.head).values(size=9))
        assert connection.execute(select(schema.head.c.size)).scalar_one() == 0


def test_opened_twice_at_once(path):
    opened, barrier = [], threading.Barrier(4)

    def open_one():
        barrier.wait()
        opened.append(open_engine(f"sqlite:///{path}"))

    threads = [threading.Thread(target=open_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    origins = set()
    for engine in opened:
        with reading(engine) as connection:
            origins.add(connection.execute(select(schema.head.c.origin)).scalar_one())
        engine.dispose()
    assert len(opened) == 4
    assert len(origins) == 1


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://host/db", "sqlite://", "sqlite:///:memory:"])
def test_addresses_that_are_none(url):
    assert failure(url).code == "store.url"


def test_secrets_in_an_address_are_not_shown():
    error = failure("mysql://user:sesame@host/db")
    assert "sesame" not in error.explain()
    for address in ("postgresql://u:sesame@h/db", "postgresql://u@h/db?password=sesame&sslmode=require"):
        for words in (failures.shown(make_url(address)), failures.kept(make_url(address))):
            assert "sesame" not in words
            assert "/db" in words


def test_not_a_database(path):
    path.parent.mkdir()
    path.write_text("a letter to the editor\n" * 100)
    error = failure(f"sqlite:///{path}")
    assert error.code == "store.not-a-database"
    assert str(path) in error.message


def test_database_of_another_program(path):
    path.parent.mkdir()
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE output (x)")
    other.close()
    assert failure(f"sqlite:///{path}").code == "store.foreign"


def test_newer_schema(engine, path):
    with writing(engine) as connection:
        connection.execute(update(schema.schema).values(version=schema.SCHEMA_VERSION + 1))
    assert failure(f"sqlite:///{path}").code == "store.newer-schema"


def test_no_such_folder(tmp_path):
    (tmp_path / "file").write_text("")
    assert failure(f"sqlite:///{tmp_path / 'file' / 'thsafe.db'}").code == "store.unavailable"
    found = failure(f"sqlite:///{tmp_path}")
    assert found.code == "store.unavailable"
    assert "make a copy" in found.next_step


def test_locked(engine, path, monkeypatch):
    monkeypatch.setattr(failures, "BUSY_SECONDS", 0.05)
    impatient = open_engine(f"sqlite:///{path}")
    with writing(engine), pytest.raises(StoreError) as caught, writing(impatient):
        pass
    impatient.dispose()
    assert caught.value.code == "store.locked"


def test_full_disk(engine):
    with engine.connect() as connection:
        connection.execute(text("PRAGMA max_page_count=1"))
        connection.commit()
        with pytest.raises(StoreError) as caught, translated(engine):
            connection.execute(update(schema.head).values(frontier=b"\0" * 1_000_000))
        connection.rollback()
    assert caught.value.code == "store.full"


def test_read_only(engine):
    @event.listens_for(engine, "connect")
    def forbid(connection, _entry):
        connection.execute("PRAGMA query_only=ON")

    engine.dispose()
    with pytest.raises(StoreError) as caught, writing(engine) as connection:
        connection.execute(update(schema.head).values(size=1))
    assert caught.value.code == "store.read-only"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_without_write_permission(tmp_path):
    tmp_path.chmod(0o500)
    assert failure(f"sqlite:///{tmp_path / 'thsafe.db'}").code == "store.unavailable"


def test_no_server(tmp_path):
    pytest.importorskip("psycopg", reason="the PostgreSQL driver is not installed (thsafe[postgres])")
    error = failure(f"postgresql://someone:sesame@/db?host={tmp_path}")
    assert error.code == "store.unavailable"
    assert "sesame" not in error.explain()


@pytest.mark.parametrize("rest", [0.0, 1.2])
def test_connections_that_the_server_ended_are_replaced(postgres_url, rest):
    """At once after their last use as well: a restart takes less than the rest after which a connection is asked."""
    ours, other = open_engine(postgres_url), open_engine(postgres_url)
    try:
        with reading(ours) as connection:
            first = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        time.sleep(rest)
        with writing(other) as connection:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": first})
        with reading(ours) as connection:
            assert connection.execute(text("SELECT pg_backend_pid()")).scalar_one() != first
    finally:
        ours.dispose()
        other.dispose()
