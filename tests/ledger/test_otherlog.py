"""Another log as witness: it takes checkpoints that extend the last one, signs them, and shows an insider's rewrite."""

import json
import time

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, update

from thsafe.cli import log as commands
from thsafe.core.canonical import canonical_bytes
from thsafe.core.clock import system_clock
from thsafe.core.errors import InputError, LedgerBroken, UsageError
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.ledger import merkle
from thsafe.ledger.log import Ledger
from thsafe.ledger.note import Verifier, cosigned_at, open_note, parse_checkpoint, verify_checkpoint
from thsafe.ledger.otherlog import address_of, read_witnesses, witness_in
from thsafe.store import schema
from thsafe.store.engine import open_engine, writing


@pytest.fixture
def other(tmp_path):
    """A partner's installation with a log of its own: its database and its key."""
    home = Home(tmp_path / "partner")
    ring = KeyRing.create(home)
    url = f"sqlite:///{home.path / 'thsafe.db'}"
    with Ledger(open_engine(url), key=ring.log_key(), clock=system_clock) as log:
        log.append({"type": "verify"})
    return url, ring.log_key()


def rewrite(log, key):
    """An insider's work: one leaf changed, everything above it computed and signed anew."""
    entries = [entry.event for entry in log.entries()]
    entries[0] = {**entries[0], "n": 99}
    with writing(log._engine) as connection:
        for table in (schema.node, schema.entry, schema.checkpoint):
            connection.execute(delete(table))
        frontier = merkle.Frontier()
        for event in entries:
            leaf = canonical_bytes(event)
            row = {"position": event["seq"], "leaf": leaf, "leaf_hash": merkle.leaf_hash(leaf), "at": event["ts"]}
            connection.execute(schema.entry.insert().values(type=event["type"], **row))
            frontier, made = frontier.append(row["leaf_hash"])
            for node, value in made:
                connection.execute(schema.node.insert().values(number=merkle.number(node), hash=value))
        head = {"size": frontier.size, "root": frontier.root(), "frontier": frontier.packed()}
        connection.execute(update(schema.head).values(**head))


def test_cosigned_and_proven(log, other):
    url, key = other
    log.append_many({"type": "verify", "n": n} for n in range(5))
    said = witness_in(log, url, key=key)
    assert said.cosigned
    partner = Verifier.of(said.origin, key)
    assert abs(cosigned_at(said.checkpoint.note, partner) - time.time()) < 60
    open_note(said.checkpoint.note, log.verifier)  # our own signature still stands
    sealed = verify_checkpoint(said.other, partner)
    assert said.proof.holds()
    assert (said.proof.size, said.proof.root) == (sealed.size, sealed.root)
    assert merkle.leaf_hash(said.entry.leaf).hex() == said.proof.leaf_hash
    assert json.loads(said.entry.leaf)["root"] == said.checkpoint.root
    assert witness_in(log, url, key=key).entry == said.entry  # the same state is taken once
    with pytest.raises(ValueError, match="does not fit"):
        cosigned_at(said.checkpoint.note.replace("\n5\n", "\n6\n"), partner)
    with pytest.raises(ValueError, match="not cosigned"):
        cosigned_at(log.checkpoint().note, partner)


def test_an_insiders_rewrite_is_found_and_not_taken_again(log, other, key):
    url, partner = other
    log.append_many({"type": "verify", "n": n} for n in range(5))
    witness_in(log, url, key=partner)
    log.append({"type": "verify"})
    assert log.verify(witnessed=read_witnesses(url, log.origin)).ok
    rewrite(log, key)
    assert log.verify().ok  # alone it shows nothing
    report = log.verify(witnessed=read_witnesses(url, log.origin))
    assert {problem.code for problem in report.problems} == {"INCONSISTENT"}
    with pytest.raises(LedgerBroken) as caught:
        witness_in(log, url, key=partner)
    assert caught.value.code == "log.inconsistent"


def test_a_log_under_another_key_is_not_taken(log, other, any_home, clock):
    url, partner = other
    log.append({"type": "verify"})
    witness_in(log, url, key=None)
    with Ledger.open(any_home, key=Ed25519PrivateKey.generate(), clock=clock) as stranger:
        stranger.append({"type": "verify"})
        with pytest.raises(LedgerBroken) as caught:
            witness_in(stranger, url, key=partner)
    assert caught.value.code == "log.witness-key"


def test_a_witness_that_was_tampered_with(log, other):
    url, partner = other
    log.append({"type": "verify"})
    witness_in(log, url, key=partner)
    engine = open_engine(url)
    with writing(engine) as connection:
        forged = update(schema.entry).where(schema.entry.c.type == "witness").values(leaf_hash=b"\0" * 32)
        connection.execute(forged)
    engine.dispose()
    with pytest.raises(LedgerBroken):
        read_witnesses(url, log.origin)


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_no_log_is_its_own_witness(log, any_home, tmp_path):
    with pytest.raises(InputError):
        witness_in(log, any_home.database_url, key=None)
    with pytest.raises(InputError):
        read_witnesses(any_home.database_url, log.origin)
    with pytest.raises(InputError):
        witness_in(log, f"sqlite:///{tmp_path / 'nothing.db'}", key=None)
    assert not (tmp_path / "nothing.db").exists()
    with pytest.raises(InputError):
        read_witnesses(str(tmp_path / "nowhere"), log.origin)
    # What is no checkpoint says nothing about the log: a name misspelt must not look like a log that was changed.
    (tmp_path / "letter.txt").write_text("Dear auditor,\n", encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_witnesses(str(tmp_path / "letter.txt"), log.origin)
    assert "letter.txt" in caught.value.message


@pytest.mark.parametrize("any_home", ["postgresql"], indirect=True)
def test_the_other_log_may_be_on_a_server(log, other, any_home):
    """Both ways: ours on PostgreSQL is witnessed by a file, and witnesses that one by its URL."""
    url, partner = other
    log.append({"type": "verify"})
    with Ledger(open_engine(url), key=partner, clock=system_clock) as theirs:
        said = witness_in(theirs, any_home.database_url, key=None)
        assert not said.cosigned
        assert said.proof.root == said.other
        assert theirs.verify(witnessed=read_witnesses(any_home.database_url, theirs.origin)).witnessed == 1
    assert address_of(any_home.database_url) == any_home.database_url


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_commands(log, other, tmp_path, monkeypatch):
    monkeypatch.setattr(commands, "_ledger", lambda: log)

    def run(*words):
        return CliRunner().invoke(commands.log, words, standalone_mode=False)

    log.append({"type": "verify"})
    partner = str(tmp_path / "partner")
    said = run("witness", partner, "-o", str(tmp_path / "cosigned.json"))
    assert "signed by it" in said.output
    kept = json.loads((tmp_path / "cosigned.json").read_text(encoding="utf-8"))
    assert parse_checkpoint(kept["note"]).size == 1
    assert "intact: 1 entries" in run("verify", "--witness", partner).output
    assert json.loads(run("verify", "--witness", f"{partner}/thsafe.db", "--json").output)["witnessed"] == 1
    assert "not signed by it" in run("witness", other[0]).output
    assert isinstance(run("witness", partner, "--tsa", "http://127.0.0.1:1").exception, UsageError)
