"""``thsafe log witness`` and ``verify --witness``: what an operator and an auditor type."""

import json

import click
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from thsafe.cli import log as commands
from thsafe.core.errors import InputError, LedgerBroken
from thsafe.ledger.log import Ledger
from thsafe.ledger.note import sign_checkpoint


@pytest.fixture
def run(log, monkeypatch):
    monkeypatch.setattr(commands, "_ledger", lambda: log)
    return lambda *words: CliRunner().invoke(commands.log, words, standalone_mode=False)


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_witness_then_verify(run, log, tmp_path):
    log.append({"type": "verify"})
    folder = tmp_path / "auditor"
    said = run("witness", str(folder))
    assert said.exception is None
    assert said.output.startswith("witnessed: 1 entries")
    log.append({"type": "verify"})
    assert json.loads(run("witness", str(folder), "--json").output)["size"] == 2
    found = json.loads(run("verify", "--witness", str(folder), "--json").output)
    assert (found["ok"], found["witnessed"]) == (True, 2)
    (one, _) = sorted(folder.iterdir())
    assert json.loads(run("verify", "--witness", str(one), "--json").output)["witnessed"] == 1


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_witness_refuses_another_past(run, log, tmp_path, monkeypatch):
    log.append({"type": "verify"})
    run("witness", str(tmp_path / "auditor"))
    monkeypatch.setattr(Ledger, "prove_consistency", lambda *_: ("00" * 32,))
    log.append({"type": "verify"})
    assert isinstance(run("witness", str(tmp_path / "auditor")).exception, LedgerBroken)


@pytest.mark.parametrize("any_home", ["sqlite"], indirect=True)
def test_proof_fits_its_checkpoint(run, log):
    log.append_many({"type": "verify", "n": n} for n in range(5))
    said = json.loads(run("prove", "3").output)
    assert said["holds"]
    assert said["proof"]["size"] == int(said["checkpoint"].splitlines()[1]) == 5


def test_a_folder_may_be_the_witness_of_several_logs(run, log, tmp_path):
    folder = tmp_path / "auditor"
    folder.mkdir()
    stranger = sign_checkpoint("thsafe/another", 7, b"\1" * 32, Ed25519PrivateKey.generate())
    (folder / "another.note").write_text(stranger.note, encoding="utf-8")
    # A log that was given another name must not get rid of its witnesses.
    assert not json.loads(run("verify", "--witness", str(folder), "--json").output)["ok"]
    run("witness", str(folder))
    found = json.loads(run("verify", "--witness", str(folder), "--json").output)
    assert (found["ok"], found["witnessed"]) == (True, 1)


def test_a_witness_without_a_checkpoint_does_not_pass_for_one_that_agrees(run, log, tmp_path):
    refused = run("verify", "--witness", str(tmp_path)).exception
    assert isinstance(refused, InputError)
    assert refused.code == "log.witness"


def test_an_index_beyond_all_logs_is_a_wrong_call(run, log):
    assert isinstance(run("prove", "9" * 30).exception, click.BadParameter)
