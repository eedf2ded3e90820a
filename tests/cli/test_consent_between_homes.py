"""Another person's consent as people type it: a studio and a colleague, each at a machine of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from thsafe.cli.main import run
from thsafe.media.image import write_png

Person = Callable[..., tuple[int, str, str]]


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[[str], Person]:
    """``at("studio")("consent", "list")``: a command at somebody's own machine."""
    monkeypatch.delenv("THSAFE_DB", raising=False)
    monkeypatch.delenv("THSAFE_CONSENT", raising=False)

    def machine(name: str) -> Person:
        def command(*words: object) -> tuple[int, str, str]:
            monkeypatch.setenv("THSAFE_HOME", str(tmp_path / name))
            code = run([str(word) for word in words])
            shown = capsys.readouterr()
            return code, shown.out, shown.err

        return command

    return machine


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    """Where files pass from one to the other, with the colleague's picture and recording."""
    folder = tmp_path / "mail"
    folder.mkdir()
    write_png(folder / "me.png", np.full((64, 64, 3), 128, np.uint8))
    (folder / "me.wav").write_bytes(b"six words, spoken")
    return folder


def _ask(studio: Person, mail: Path, *options: object) -> None:
    assert studio("keys", "new")[0] == 0
    code, shown, problem = studio(
        "consent", "request", "--purpose", "training-video", "--uses", "Three videos for new staff.",
        *options, "-o", mail / "request.json",
    )  # fmt: skip
    assert code == 0, problem
    assert "thsafe consent record" in shown


def _agree(colleague: Person, mail: Path, name: str = "request.json") -> tuple[int, str, str]:
    return colleague(
        "consent", "record", mail / name, "--agree", "--portrait", mail / "me.png",
        "--recording", mail / "me.wav", "--name", "A. Colleague", "-o", mail / "signed.json",
    )  # fmt: skip


def _countersign(studio: Person, mail: Path) -> dict:
    code, shown, problem = studio(
        "consent", "countersign", mail / "signed.json", "--recording", mail / "me.wav", "--json"
    )
    assert code == 0, problem
    return json.loads(shown)


def _states(person: Person) -> list[str]:
    return [item["state"] for item in json.loads(person("consent", "list", "--json")[1])]


def test_a_colleague_agrees_from_afar_and_takes_it_back(at, mail) -> None:
    studio, colleague = at("studio"), at("colleague")
    _ask(studio, mail, "--max-uses", 2, "--on-withdrawal", "takedown")

    code, shown, _ = colleague("consent", "record", mail / "request.json")
    assert code == 0
    assert "Three videos for new staff." in shown
    assert "at most 2 outputs" in shown
    assert "taken down" in shown
    assert "To agree" in shown
    assert not (mail / "signed.json").exists(), "reading the terms signs nothing"

    code, shown, problem = _agree(colleague, mail)
    assert code == 0, problem
    assert "A. Colleague" not in (mail / "signed.json").read_text()
    record = _countersign(studio, mail)
    assert len(record["proof"]) == 2
    assert _states(studio) == ["active"]
    assert _states(colleague) == ["unknown"], "the lists are at the studio"

    code, shown, _ = studio("consent", "export", record["id"])
    assert json.loads(shown)["schema_version"].startswith("ISO/IEC TS 27560")
    assert studio("consent", "show", record["id"])[0] == 0

    code, shown, _ = studio("consent", "revoke", record["id"], "--statement", mail / "request.json")
    assert code == 30, "a request is no withdrawal"
    code, shown, problem = colleague("consent", "revoke", record["id"], "-o", mail / "withdrawal.json")
    assert code == 0, problem
    assert _states(colleague) == ["revoked"]
    assert _states(studio) == ["active"], "not told yet"
    assert studio("consent", "suspend", record["id"], "--statement", mail / "withdrawal.json")[0] == 30
    code, shown, problem = studio("consent", "revoke", record["id"], "--statement", mail / "withdrawal.json", "--json")
    assert code == 0, problem
    assert json.loads(shown) == {"id": record["id"], "state": "revoked", "outputs": [], "takedown": True}
    assert studio("consent", "suspend", record["id"], "--lift")[0] == 0
    assert _states(studio) == ["revoked"], "a revocation is for good"


def test_a_kept_lift_does_not_end_a_later_suspension(at, mail) -> None:
    studio, colleague = at("studio"), at("colleague")
    _ask(studio, mail)
    assert _agree(colleague, mail)[0] == 0
    consent = _countersign(studio, mail)["id"]
    for name, more in (("pause.json", []), ("lift.json", ["--lift"]), ("again.json", [])):
        assert colleague("consent", "suspend", consent, *more, "-o", mail / name)[0] == 0
        assert studio("consent", "suspend", consent, *more, "--statement", mail / name)[0] == 0
    assert _states(studio) == ["suspended"]
    code, _, problem = studio("consent", "suspend", consent, "--lift", "--statement", mail / "lift.json")
    assert code == 21
    assert "consent.older" in problem
    assert _states(studio) == ["suspended"]


def test_a_collector_elsewhere_is_trusted_by_name_and_by_its_lists(at, mail) -> None:
    studio, agency, colleague = at("studio"), at("agency"), at("colleague")
    assert agency("keys", "new")[0] == 0
    keys = json.loads(agency("keys", "list", "--json")[1])
    collector = next(
        row["fingerprint"] for row in keys if str(row["fingerprint"]).startswith("did:key:") and row["name"] == "gate"
    )
    _ask(studio, mail, "--collector", collector)
    assert _agree(colleague, mail)[0] == 0
    code, _, problem = studio("consent", "countersign", mail / "signed.json", "--recording", mail / "me.wav")
    assert code == 21
    assert "consent.collector-signature" in problem
    consent = _countersign(agency, mail)["id"]
    assert agency("consent", "export", consent, "--format", "record", "-o", mail / "me.consent.json")[0] == 0
    assert agency("consent", "export", consent, "--format", "status", "-o", mail / "status.json")[0] == 0

    generate = (
        "generate", "say", "--image", mail / "me.png", "--text", "Welcome.", "--purpose", "training-video",
        "-o", mail / "out.mp4",
    )  # fmt: skip
    code, _, problem = studio(*generate)
    assert code == 21
    assert "@id consent.collector-signature" in problem
    assert "@id status.unavailable" in problem
    assert "thsafe consent import-status FILE" in problem
    assert studio("consent", "trust", "did:web:nobody")[0] == 2
    assert studio("consent", "trust", collector)[0] == 0
    assert studio("consent", "import-status", mail / "status.json")[0] == 0
    code, _, problem = studio(*generate)
    assert "@id " not in problem, "the gate has nothing against it; a grey square is no face"
    assert "face" in problem

    assert studio("consent", "import-status", mail / "signed.json")[0] == 30


def test_a_guardian_signs_at_a_third_place(at, mail) -> None:
    studio, minor, guardian = at("studio"), at("minor"), at("guardian")
    did = guardian("consent", "key")[1].strip()
    _ask(studio, mail, "--guardian", did, "--court-reference", "F 12/26", "--comes-of-age", "2030-01-01")
    code, shown, problem = _agree(minor, mail)
    assert code == 0, problem
    assert f"still to sign: {did}" in shown
    code, _, problem = studio("consent", "countersign", mail / "signed.json", "--recording", mail / "me.wav")
    assert code == 21
    assert did in problem
    assert minor("consent", "record", mail / "signed.json", "--agree", "-o", mail / "signed.json")[0] == 21
    shown = guardian("consent", "record", mail / "signed.json")[1]
    assert "F 12/26" in shown
    assert guardian("consent", "record", mail / "signed.json", "--agree", "-o", mail / "signed.json")[0] == 0
    assert len(_countersign(studio, mail)["proof"]) == 3


def test_what_is_left_out_is_named(at, mail) -> None:
    studio, colleague = at("studio"), at("colleague")
    code, _, problem = studio("consent", "request", "--purpose", "news", "--uses", "x", "-o", mail / "request.json")
    assert code == 33
    assert "thsafe keys new" in problem
    _ask(studio, mail)
    code, _, problem = colleague("consent", "record", mail / "request.json", "--agree", "-o", mail / "signed.json")
    assert code == 2
    assert "--portrait FILE" in problem
    code, _, problem = colleague("consent", "record", mail / "request.json", "--agree", "--portrait", mail / "me.png")
    assert code == 2
    assert "-o signed.json" in problem
    code, _, problem = colleague("consent", "revoke", "urn:uuid:" + "0" * 36)
    assert code in {2, 30}


def test_a_presentation_for_a_gate_elsewhere(at, mail) -> None:
    studio, colleague = at("studio"), at("colleague")
    _ask(studio, mail)
    assert _agree(colleague, mail)[0] == 0
    record = _countersign(studio, mail)
    gate = record["credentialSubject"]["licensee"]
    shown = ("-o", mail / "shown.json")
    code, _, problem = studio("consent", "present", record["id"], "--job", "12", "--gate", gate, *shown)
    assert (code, "consent.present" in problem) == (2, True)
    assert studio("consent", "present", record["id"], "--job", "ab" * 32, "--gate", gate, *shown)[0] == 0
    document = json.loads((mail / "shown.json").read_text())
    assert document["proof"][0]["challenge"] == "ab" * 32
    assert document["proof"][0]["domain"] == gate
