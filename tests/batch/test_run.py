"""The driver alone, on both databases: rows as the checkpoint, each result once in the log, whatever is killed."""

import os
import random
import signal
import subprocess
import time
from collections import deque
from pathlib import Path

import pytest
from sqlalchemy import make_url

from thsafe.batch import plan_verification, run_batch
from thsafe.batch.driver import this_driver
from thsafe.batch.executors import Answer
from thsafe.core.errors import StoreError, UsageError
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.store import batches as store
from thsafe.store import failures


def plan(home, folder):
    return plan_verification([str(folder)], recursive=True, home=home).batch.id


def test_everything_once(place, many, rows, logged, scripted):
    folder = many(30)
    batch = plan(place, folder)
    summary = run_batch(batch, home=place, opened=scripted())
    assert summary.counts == {"done": 30}
    assert summary.verdicts == {"inconclusive": 30}
    assert len(logged(place)) == len(set(logged(place))) == 30
    found = rows(place)
    positions = {result.position for result in found.results(item.key for item in found.items(batch)).values()}
    assert len(positions) == 30
    assert None not in positions
    again = scripted()
    assert run_batch(batch, home=place, opened=again).done_now == 0
    assert again.made[0].seen == []
    assert len(logged(place)) == 30


def test_the_same_content_is_one_result(place, many, logged, scripted):
    folder = many(5)
    for path in list(folder.iterdir()):
        (folder / f"copy-of-{path.name}").write_bytes(path.read_bytes())
    summary = run_batch(plan(place, folder), home=place, opened=scripted())
    assert summary.counts == {"done": 10}
    assert len(logged(place)) == 5


def test_asked_again_it_goes_on_with_what_is_unfinished(place, many, scripted):
    folder = many(10)
    first = plan_verification([str(folder)], recursive=True, home=place)
    (folder / "later.jpg").write_bytes(b"later")
    second = plan_verification([str(folder)], recursive=True, home=place)
    assert (second.batch.id, second.resumed, second.new, second.total) == (first.batch.id, True, 1, 11)
    assert run_batch(second.batch.id, home=place, opened=scripted()).counts == {"done": 11}
    assert not plan_verification([str(folder)], recursive=True, home=place).resumed


def test_driver_killed_at_twenty_moments(place, many, rows, logged, scripted, monkeypatch):
    monkeypatch.setattr("thsafe.batch.run.GROUP", 7)
    folder, chance = many(200), random.Random(3)
    batch = plan(place, folder)
    slowly = scripted({"*": lambda item: time.sleep(0.002)})
    kills = 0
    for number in range(20):
        child = os.fork()
        if child == 0:
            try:
                run_batch(batch, home=place, opened=slowly)
            finally:
                os._exit(0)
        time.sleep(0.02 + 0.004 * number + 0.08 * chance.random())
        os.kill(child, signal.SIGKILL)
        kills += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert kills >= 10
    missing = {item.source for item in rows(place).items(batch, "waiting")}
    last = scripted()
    summary = run_batch(batch, home=place, opened=last)
    assert set(last.made[0].seen) == missing
    assert summary.counts == {"done": 200}
    assert sorted(set(logged(place))) == sorted(logged(place))
    assert len(logged(place)) == 200


def test_a_deadly_item_is_set_aside(place, many, scripted):
    folder = many(20)
    bad = sorted(folder.iterdir())[3].name
    opened = scripted({bad: lambda item: Answer(number=item.number, result=None, key="ab" * 32, reason="it ended")})
    batch = plan(place, folder)
    summary = run_batch(batch, home=place, opened=opened)
    assert summary.counts == {"done": 19, "poison": 1}
    assert sum(source.endswith(bad) for source in opened.made[0].seen) == 3


def test_a_lost_node_is_nobodys_fault(place, many, scripted):
    folder = many(5)
    lost = []

    def lose(item):
        lost.append(item)
        return Answer(number=item.number, result=None, blameless=True) if len(lost) < 6 else None

    name = min(folder.iterdir()).name
    summary = run_batch(plan(place, folder), home=place, opened=scripted({name: lose}))
    assert summary.counts == {"done": 5}


def test_two_drivers(place, many, rows, scripted):
    batch = plan(place, many(3))
    found = rows(place)
    other = this_driver()
    assert found.hold(batch, other, instead_of=None)
    with pytest.raises(UsageError) as caught:
        run_batch(batch, home=place, opened=scripted())
    assert caught.value.code == "batch.running"
    assert str(os.getpid()) in caught.value.found
    # One that is dead is replaced at once, one elsewhere once it has been silent.
    assert found.hold(batch, other | {"pid": 2**22 + 1}, instead_of=other)
    assert run_batch(batch, home=place, opened=scripted()).counts == {"done": 3}


def test_a_silent_driver_elsewhere_is_replaced(place, many, rows, scripted, monkeypatch):
    batch = plan(place, many(3))
    assert rows(place).hold(batch, this_driver() | {"place": "elsewhere", "host": "far"}, instead_of=None)
    with pytest.raises(UsageError) as caught:
        run_batch(batch, home=place, opened=scripted())
    assert "far" in caught.value.found
    monkeypatch.setattr("thsafe.batch.driver.SILENCE", 0.0)
    assert run_batch(batch, home=place, opened=scripted()).counts == {"done": 3}


def test_whoever_lost_the_batch_writes_nothing(place, many, rows, logged, scripted):
    batch, found = plan(place, many(5)), rows(place)

    def take_over(item):
        now = found.get(batch).driver
        assert found.hold(batch, this_driver(), instead_of=now)

    with pytest.raises(StoreError) as caught:
        run_batch(batch, home=place, opened=scripted({"00000-fine.jpg": take_over}))
    assert caught.value.code == "batch.lost"
    assert logged(place) == []
    assert found.counts(batch) == {"waiting": 5}


def test_cancelled_meanwhile(place, many, rows, scripted, monkeypatch):
    monkeypatch.setattr("thsafe.batch.run.GROUP", 1)
    batch, found = plan(place, many(40)), rows(place)
    opened = scripted({"00009-fine.jpg": lambda item: found.cancel(batch) and None})
    summary = run_batch(batch, home=place, opened=opened)
    assert summary.cancelled
    assert summary.counts["cancelled"] > 0
    assert sum(summary.counts.values()) == 40
    with pytest.raises(UsageError) as caught:
        run_batch(batch, home=place, opened=scripted())
    assert caught.value.code == "batch.cancelled"
    found.go_on(batch)
    found.retry(batch, ["cancelled"])
    assert run_batch(batch, home=place, opened=scripted()).counts == {"done": 40}


def test_failures_are_tried_again_on_request(place, many, rows, scripted):
    folder = many(4)
    error = {"error": "input.x", "message": "no", "exit_code": 30}
    fail = scripted({"*": lambda item: Answer(number=item.number, result={"state": "failed", "error": error})})
    batch = plan(place, folder)
    assert run_batch(batch, home=place, opened=fail).unsuccessful == 4
    assert run_batch(batch, home=place, opened=scripted()).done_now == 0
    assert rows(place).retry(batch, [store.FAILED]) == 4
    assert run_batch(batch, home=place, opened=scripted()).counts == {"done": 4}


def test_disk_full(lite, many, rows, logged, scripted, monkeypatch):
    batch = plan(lite, many(30))

    def full(*_args, **_kwargs):
        raise StoreError("The disk that holds the database is full", code="store.full")

    with monkeypatch.context() as broken:
        broken.setattr(store, "keep_results", full)
        with pytest.raises(StoreError) as caught:
            run_batch(batch, home=lite, opened=scripted())
    assert caught.value.code == "store.full"
    assert logged(lite) == []
    assert rows(lite).counts(batch) == {"waiting": 30}
    assert run_batch(batch, home=lite, opened=scripted()).counts == {"done": 30}


def test_database_away_for_a_while(lite, many, logged, scripted, monkeypatch):
    batch, away = plan(lite, many(30)), []
    keep = store.keep_results

    def restarting(*args, **kwargs):
        away.append(1)
        if len(away) < 4:
            raise StoreError("The database cannot be reached", code="store.unavailable")
        keep(*args, **kwargs)

    monkeypatch.setattr(store, "keep_results", restarting)
    assert run_batch(batch, home=lite, opened=scripted()).counts == {"done": 30}
    assert len(logged(lite)) == 30
    assert failures.BUSY_SECONDS


def test_database_restarted_under_the_driver(home, many, logged, scripted, postgres_server, postgres_url, monkeypatch):
    """Debian's server itself, ended and started again while a batch runs."""
    folder = Path(make_url(postgres_server).query.get("host", "/nowhere"))
    if not (folder / "data").is_dir():
        pytest.skip("the PostgreSQL server is not ours to restart (THSAFE_TEST_POSTGRES)")
    monkeypatch.setenv("THSAFE_DB", postgres_url)
    monkeypatch.setattr("thsafe.batch.run.GROUP", 5)
    KeyRing.create(Home(home))
    program = max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))
    user = "postgres" if os.geteuid() == 0 else None

    def restart(item):
        command = [program, "-D", folder / "data", "-m", "fast", "-w", "-l", folder / "log", "restart"]
        subprocess.run(command, user=user, cwd=folder, check=True, stdout=subprocess.DEVNULL)

    place = Home(home)
    opened = scripted({"00010-fine.jpg": restart, "00020-fine.jpg": restart})
    summary = run_batch(plan(place, many(30)), home=place, opened=opened)
    assert summary.counts == {"done": 30}
    assert len(logged(place)) == len(set(logged(place))) == 30


def test_memory_does_not_grow_with_the_batch(lite, many, scripted, monkeypatch):
    """A driver keeps what is in flight, one page and one group: not more for 800 items than for 100."""
    import tracemalloc

    monkeypatch.setattr("thsafe.batch.run.GROUP", 20)
    monkeypatch.setattr(store, "_PAGE", 20)
    monkeypatch.setattr(store.Batches.page, "__kwdefaults__", {"most": 20})
    made = scripted({"*": lambda item: None})

    def forgetful(*brief):
        executor = made(*brief)
        executor.seen = deque(maxlen=1)  # what the stand-in itself would keep is not the driver's
        return executor

    run_batch(plan(lite, many(30)), home=lite, opened=forgetful)
    peaks = []
    for count in (100, 800):
        batch = plan(lite, many(count))
        tracemalloc.start()
        run_batch(batch, home=lite, opened=forgetful)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] * 1.5, peaks
