"""Uses and withdrawals taken back out of the log, by somebody who can write its database."""

from __future__ import annotations

import contextlib
import sqlite3

import pytest

from thsafe.core.errors import ThsafeError
from thsafe.ledger.witness import read_checkpoints, witness


@pytest.fixture
def used(world, tmp_path):
    """A consent for one output, used, and the log as a witness saw it."""
    world.consent(scope={"max_uses": 1})
    world.ask()
    witness(world.ledger, tmp_path / "auditor")
    return tmp_path / "auditor"


def problems(world, auditor):
    return {problem.code for problem in world.ledger.verify(witnessed=read_checkpoints(auditor)).problems}


def test_the_log_is_whole_before(world, used):
    assert problems(world, used) == set()


def erase(world, *tables):
    with contextlib.closing(sqlite3.connect(world.home.path / "thsafe.db")) as database:
        for name in tables:
            database.execute(f"DELETE FROM {name}")
        database.commit()


TABLES = [("log_entry",), ("log_entry", "log_node"), ("log_entry", "log_node", "log_checkpoint", "consent_use")]


@pytest.mark.parametrize("tables", TABLES, ids=len)
def test_entries_cut_out_of_the_log_are_noticed(world, used, tables):
    erase(world, *tables)
    # whether the gate still answers or not: whoever checks the log sees it
    with contextlib.suppress(ThsafeError):
        world.ask()
    assert problems(world, used)


def test_a_count_set_back_is_noticed_even_if_it_grants_one_more(world, used):
    erase(world, "consent_use")
    with contextlib.suppress(ThsafeError):
        world.ask()
    assert problems(world, used)
