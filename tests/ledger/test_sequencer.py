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
from thsafe.store.engine import LOCK, reading

pytestmark = pytest.mark.parametrize("any_home", ["postgresql"], indirect=True)

AT = "2026-08-03T12:00:00.000Z"

LEADER = """
import sys, time
from thsafe.store.engine import open_engine
from thsafe.store.lines import Lines
from thsafe.store.stage import insist
with Lines(engine=open_engine(sys.argv[1])).line() as connection:
    assert insist(connection, 0).elected
    print("leading", flush=True)
    time.sleep(600)
"""


def staged(log, event='{"type":"verify"}', uses="{}"):
    """An event whose writer died."""
    row = insert(schema.stage).values(event=event, uses=uses, at=AT).returning(schema.stage.c.number)
    with talking(log) as connection:
        return connection.execute(row).scalar_one()


def talking(log):
    return log._sequencer.lines.line()


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
    with Ledger.open(any_home) as impatient, talking(log) as leader:
        assert stage.insist(leader, 0).elected
        with pytest.raises(StoreError) as caught:
            impatient.append({"type": "verify"})
        assert caught.value.code == "store.locked"
        stage.resign(leader)
    assert waiting(log) == 0
    assert log.append({"type": "verify"}).index == 0


def test_what_cannot_be_stored_fails_alone(log):
    staged(log)
    poison = staged(log, event='{"type":"' + "x" * 65 + '"}')
    assert log.append({"type": "verify"}).index == 1
    with talking(log) as connection:
        assert "store.failed" in stage.take(connection, poison)
    with pytest.raises(StoreError) as caught:
        log.append({"type": "x" * 65})
    assert caught.value.code == "store.failed"
    assert log.verify().ok
    assert log.size == 2


def test_uses_are_counted_across_one_batch(log):
    for _ in range(3):
        staged(log, event='{"type":"intent"}', uses='{"c": 3}')
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
    with talking(log) as connection, stage.batch(connection):
        limit = connection.execute(text("SHOW idle_in_transaction_session_timeout")).scalar_one()
    assert limit == "20s"


def test_answers_nobody_came_for_are_swept(log):
    with talking(log) as connection:
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
    with talking(log) as connection:
        held = connection.execute(text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")).scalar_one()
        assert held == 0
        assert connection.execute(text(f"SELECT pg_try_advisory_lock({LOCK})")).scalar_one()
        stage.resign(connection)


def test_elected_though_already_answered(log, any_home, clock, monkeypatch):
    """Another writes one's event and resigns just before one is elected oneself: the answer must not be waited for again."""
    enter, turn = stage.enter, stage.turn

    def passed_over(connection, number, *, event, uses, **_):
        monkeypatch.setattr(stage, "enter", enter)
        connection.execute(insert(schema.stage).values(number=number, event=event, uses=uses, at=AT))
        return stage.Turn(elected=False, answer=None)

    def late(connection, number):
        monkeypatch.setattr(stage, "turn", turn)
        with Ledger.open(any_home, clock=clock) as other:
            other.append({"type": "verify"})
        mine = stage.insist(connection, number)
        assert mine.elected
        assert mine.answer is not None
        return mine

    monkeypatch.setattr(stage, "enter", passed_over)
    monkeypatch.setattr(stage, "turn", late)
    assert log.append({"type": "verify"}).index == 0
    assert log.size == 2
    test_nobody_keeps_the_lock(log)


def test_who_is_passed_over_insists(log, monkeypatch):
    """Whoever misses its turn again and again gets the lock in the end."""
    looks = []

    def missed(connection, number, *, event, uses, **_):
        connection.execute(insert(schema.stage).values(number=number, event=event, uses=uses, at=AT))
        return stage.Turn(elected=False, answer=None)

    def look(_connection, number):
        looks.append(number)
        return stage.Turn(elected=False, answer=None)

    monkeypatch.setattr(stage, "enter", missed)
    monkeypatch.setattr(stage, "turn", look)
    assert log.append({"type": "verify"}).index == 0
    assert len(set(looks)) == 1
    test_nobody_keeps_the_lock(log)


def test_a_text_that_the_server_cannot_hold_fails_alone(log):
    with pytest.raises(StoreError) as caught:
        log.append({"type": "nul\0"})
    assert caught.value.code == "store.failed"
    assert log.append({"type": "it's a \\ and a % and a ;", "sha256": "'; --"}).index == 0
    assert log.entry(0).event["sha256"] == "'; --"
    assert [entry.index for entry in log.find(sha256="'; --")] == [0]
    assert log.verify().ok


def test_who_is_interrupted_is_not_written_later(log, any_home):
    """Ctrl-C while another is the sequencer: one is told at once, and the event does not get in."""
    with Ledger.open(any_home) as other, talking(other) as leader:
        assert stage.insist(leader, 0).elected
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            log.append({"type": "verify"})
        assert time.monotonic() - started < 5
        stage.resign(leader)
    assert waiting(log) == 0
    assert log.append({"type": "verify"}).index == 0


def test_a_line_whose_server_left_is_not_used_again(log):
    log.append({"type": "verify"})
    with talking(log) as connection:
        mine = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    with reading(log._engine) as connection:
        connection.execute(text(f"SELECT pg_terminate_backend({mine})"))
    time.sleep(0.2)
    assert log.append({"type": "verify"}).index == 1
