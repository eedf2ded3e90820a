"""Batches on PostgreSQL: real workers of this machine, and a batch that moves there half done."""

import os

import pytest

from thsafe.batch import plan_verification, run_batch
from thsafe.batch.executors import Staff
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.ledger.transfer import migrate


def _plan(home, folder):
    return plan_verification([str(folder)], recursive=True, home=home).batch.id


@pytest.fixture
def elsewhere(home, monkeypatch, postgres_url):
    """A home whose log is on the server."""
    monkeypatch.setenv("THSAFE_DB", postgres_url)
    KeyRing.create(Home(home))
    return Home(home)


def test_workers_of_this_machine(elsewhere, many, logged):
    summary = run_batch(_plan(elsewhere, many(40, broken=2)), home=elsewhere, staff=Staff(workers=2))
    assert summary.counts == {"done": 38, "failed": 2}
    assert len(logged(elsewhere)) == len(set(logged(elsewhere))) == 38


def test_a_batch_moves_half_done(lite, many, rows, logged, scripted, postgres_url, monkeypatch):
    folder = many(20)
    batch = _plan(lite, folder)

    def interrupt(_item):
        raise KeyboardInterrupt

    monkeypatch.setattr("thsafe.batch.run.GROUP", 4)
    with pytest.raises(KeyboardInterrupt):
        run_batch(batch, home=lite, opened=scripted({"00012-fine.jpg": interrupt}))
    done = len(logged(lite))
    assert 0 < done < 20
    migrate(lite.database_url, postgres_url)
    monkeypatch.setenv("THSAFE_DB", postgres_url)
    assert os.environ["THSAFE_DB"] == lite.database_url
    summary = run_batch(batch, home=lite, opened=scripted())
    assert summary.counts == {"done": 20}
    assert summary.done_now == 20 - done, "what was done before is not done again"
    assert len(logged(lite)) == len(set(logged(lite))) == 20
    assert {item.state for item in rows(lite).items(batch)} == {"done"}
