"""PostgreSQL's stage: one sequencer at a time, replaced when it dies; what fails fails alone."""

import os
import signal
import subprocess
import sys
import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import func, insert, select, text

from thsafe.core.errors import ConsentRefused, StoreError
from thsafe.ledger.log import Ledger
from thsafe.store import failures, schema, stage
from thsafe.store.engine import LOCK, reading, talking

pytestmark = pytest.mark.parametrize("any_home", ["postgresql"], indirect=True)

AT = "2026-08-03T12:00:00.000Z"

LEADER = """
import sys, time
from sqlalchemy import create_engine, text
from thsafe.store.engine import open_engine, talking
from thsafe.store.stage import elect
with talking(open_engine(sys.argv[1])) as connection:
    assert elect(connection, insist=True)
    print("leading", flush=True)
    time.sleep(600)
"""


def staged(log, **event):
    with talking(log._engine) as connection:
        return stage.put(connection, event='{"type":"verify"}', uses="{}", at=AT, latest="9999", **event)


def waiting(log):
    with reading(log._engine) as connection:
        return connection.execute(select(func.count()).select_from(schema.stage)).scalar_one()


def test_a_dead_sequencer_is_replaced(log, postgres_url):
    leader = subprocess.Popen([sys.executable, "-c", LEADER, postgres_url], stdout=subprocess.PIPE, text=True)
    try:
        assert leader.stdout.readline() == "leading\n"
        done = []
        writers = [threading.Thread(target=lambda: done.append(log.append({"type": "verify"}))) for _ in range(4)]
        for writer in writers:
            writer.start()
        time.sleep(0.3)
        assert not done  # one holds the log and does nothing
        os.kill(leader.pid, signal.SIGKILL)
        for writer in writers:
            writer.join(20)
        assert sorted(entry.index for entry in done) == [0, 1, 2, 3]
    finally:
        leader.kill()
        leader.wait()
        leader.stdout.close()
    assert log.verify().ok
    assert waiting(log) == 0


def test_one_commit_for_all_that_wait(log):
    """What others staged before is written with one's own; a dead writer's event gets its place, too."""
    for _ in range(3):
        staged(log)
    assert log.append({"type": "verify"}).index == 3
    assert log.size == 4
    assert log.verify().ok


def test_who_gives_up_is_not_written_later(log, any_home, monkeypatch):
    monkeypatch.setattr(failures, "BUSY_SECONDS", 0.2)
    with Ledger.open(any_home) as impatient, talking(log._engine) as leader:
        assert stage.elect(leader, insist=True)
        with pytest.raises(StoreError) as caught:
            impatient.append({"type": "verify"})
        assert caught.value.code == "store.locked"
        stage.resign(leader)
    assert waiting(log) == 0
    assert log.append({"type": "verify"}).index == 0


def test_what_cannot_be_stored_fails_alone(log):
    staged(log)
    with talking(log._engine) as connection:
        poison = stage.put(connection, event='{"type":"' + "x" * 65 + '"}', uses="{}", at=AT, latest="9999")
    assert log.append({"type": "verify"}).index == 1
    with talking(log._engine) as connection:
        assert "store.failed" in stage.take(connection, poison)
    with pytest.raises(StoreError) as caught:
        log.append({"type": "x" * 65})
    assert caught.value.code == "store.failed"
    assert log.verify().ok
    assert log.size == 2


def test_uses_are_counted_across_one_batch(log):
    with talking(log._engine) as connection:
        for _ in range(3):
            stage.put(connection, event='{"type":"intent"}', uses='{"c": 3}', at=AT, latest="9999")
    with pytest.raises(ConsentRefused):
        log.append({"type": "intent"}, uses={"c": 3})
    assert log.uses("c") == 3 == log.size
    assert [entry.event["uses"] for entry in log.entries()] == [{"c": 1}, {"c": 2}, {"c": 3}]


def test_a_writer_held_up_is_not_called_back_in_time(log, clock):
    """Its clock was read before another's entry came in; read again, it is right."""
    log.append({"type": "verify"})
    late = clock.now - timedelta(hours=1)
    readings = iter([late, clock()])
    object.__setattr__(log._writer, "clock", lambda: next(readings, clock()))
    assert log.append({"type": "verify"}).index == 1


def test_the_server_ends_a_sequencer_that_stands_still(log):
    with talking(log._engine) as connection, stage.batch(connection):
        limit = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
    assert limit == "20s"


def test_answers_nobody_came_for_are_swept(log):
    with talking(log._engine) as connection:
        old = {"event": "{}", "uses": "{}", "at": AT, "answer": "{}"}
        connection.execute(insert(schema.stage).values(**old, staged_at=text("now() - interval '2 hours'")))
        connection.execute(insert(schema.stage).values(**old))
    log.append({"type": "verify"})
    assert waiting(log) == 1


def test_what_was_answered_leaves_no_room_behind(log, monkeypatch):
    """A sequencer reads through the stage: it must not grow with all that ever went through it."""

    def pages_after(count):
        for _ in range(count):
            log.append({"type": "verify", "rules": ["x" * 1500]})
        with reading(log._engine) as connection:
            return int(connection.execute(text("SELECT pg_relation_size('log_stage') / 8192")).scalar_one())

    monkeypatch.setattr("thsafe.ledger.sequencer._TIDY_EVERY", 1 << 40)
    untidy = pages_after(80)
    monkeypatch.setattr("thsafe.ledger.sequencer._TIDY_EVERY", 10)
    assert pages_after(160) <= untidy + 15  # some 80 more if all of it stayed
    assert log.verify().ok


def test_nobody_keeps_the_lock(log):
    log.append({"type": "verify"})
    with pytest.raises(ValueError, match="type"):
        log.append({})
    with talking(log._engine) as connection:
        held = connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one()
        assert held == 0
        assert connection.execute(text(f"SELECT pg_try_advisory_lock({LOCK})")).scalar_one()
        stage.resign(connection)


def test_elected_though_already_answered(log, any_home, monkeypatch):
    """Another writes one's event and resigns just before one is elected oneself: the answer must not be waited for again."""
    original = stage.elect_or_take

    def late(connection, number):
        with Ledger.open(any_home) as other, talking(other._engine) as leader:
            assert stage.elect(leader, insist=True)
            other._sequencer._lead(leader)
        elected, answer = original(connection, number)
        assert elected
        assert answer is not None
        return elected, answer

    monkeypatch.setattr(stage, "elect_or_take", late)
    done = []
    writer = threading.Thread(target=lambda: done.append(log.append({"type": "verify"})), daemon=True)
    writer.start()
    writer.join(20)
    assert [entry.index for entry in done] == [0]
    assert log.size == 1
    monkeypatch.undo()
    test_nobody_keeps_the_lock(log)
