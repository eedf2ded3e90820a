"""``thsafe log witness`` and ``verify --witness``: what an operator and an auditor type."""

import json

import pytest
from click.testing import CliRunner

from thsafe.cli import log as commands
from thsafe.core.errors import LedgerBroken
from thsafe.ledger.log import Ledger


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
