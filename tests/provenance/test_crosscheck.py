"""The optional second reader: agrees, disagrees, cannot judge; decides nothing and leaves nothing behind."""

import json
import subprocess

import pytest

from thsafe.core.types import Status
from thsafe.provenance import crosscheck

pytestmark = pytest.mark.skipif(not crosscheck.is_installed(), reason="encypher-c2pa is not installed")


def test_agrees_on_intact_and_on_changed(signed, tmp_path) -> None:
    path, _ = signed
    found = crosscheck.crosscheck_evidence(path, "video/mp4", ours=True)
    assert (found.status, found.code) == (Status.FOUND, "AGREES")
    assert found.detail["hard_binding"] == "match"
    data = bytearray(path.read_bytes())
    data[-100] ^= 255
    changed = tmp_path / "changed.mp4"
    changed.write_bytes(data)
    assert crosscheck.crosscheck_evidence(changed, "video/mp4", ours=False).code == "AGREES"
    conflict = crosscheck.crosscheck_evidence(changed, "video/mp4", ours=True)
    assert (conflict.status, conflict.code) == (Status.CONFLICT, "DISAGREES")


def test_without_credentials_it_judges_nothing(clip) -> None:
    assert crosscheck.second_reading(clip, "video/mp4").intact is None


def test_private_home_no_telemetry_no_roots_no_network(signed, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ENCYPHER_C2PA_ONLINE", "on")
    real, seen = subprocess.run, []

    def noted(command, **options):
        seen.append((command, options["env"]))
        return real(command, **options)

    monkeypatch.setattr(subprocess, "run", noted)
    crosscheck.second_reading(signed[0], "video/mp4")
    [(command, environment)] = seen
    assert environment["HOME"] != str(tmp_path)
    assert environment["ENCYPHER_C2PA_ONLINE"] == "off"
    assert "telemetry=False, online=False, no_default_trust=True" in " ".join(command)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("answer", ["", "[", json.dumps({"present": True, "integrity": "perhaps"})])
def test_nonsense_is_no_verdict(signed, monkeypatch, answer) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, answer, ""))
    assert crosscheck.second_reading(signed[0], "video/mp4").intact is None
