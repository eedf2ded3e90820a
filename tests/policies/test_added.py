"""Policies that a customer adds: stricter only, approved by name, decided by, compared, explained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from policies.approval import FILE
from policies.bundle import PolicyBundle
from thsafe.cli.main import run
from thsafe.core.errors import PolicyRefused
from thsafe.home import Home
from thsafe.keys import KeyRing
from thsafe.rulebook import policies_of

NO_NEWS = """
@id("acme.news")
@words("Acme makes no news.")
@next("ask the press office")
forbid (principal, action in Action::"generate", resource)
when { context.purpose == "news" };
"""


@pytest.fixture
def place(home: Path) -> Home:
    found = Home(home)
    KeyRing.create(found)
    found.policies.mkdir()
    (found.policies / "acme.cedar").write_text(NO_NEWS)
    return found


def test_an_added_forbid_is_loaded_and_counted_in_the_digest(place):
    bundle = policies_of(place)
    assert bundle.notes["acme.news"].file == "added/acme.cedar"
    assert bundle.digest != PolicyBundle.load().digest


def test_an_added_forbid_refuses(world):
    world.home.policies.mkdir()
    (world.home.policies / "acme.cedar").write_text(NO_NEWS)
    world.gate = world.new_gate()
    world.consent(scope={"purposes": ("news", "demonstration")})
    with pytest.raises(PolicyRefused) as caught:
        world.ask(world.request(purpose="news"))
    assert caught.value.code == "acme.news"
    assert "ask the press office" in caught.value.next_step
    assert world.ask().decision.allowed


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('@id("acme.all") permit (principal, action, resource);', "policy.permit"),
        (NO_NEWS.replace("acme.news", "use.purpose"), "policy.id"),
        (NO_NEWS.replace("forbid", "permit"), "policy.permit"),
        (NO_NEWS.replace("context.purpose", "context.purpos"), "policy.schema"),
        (NO_NEWS + "forbid (", "policy.schema"),
        (NO_NEWS.replace('@next("ask the press office")\n', ""), "policy.words"),
    ],
)
def test_what_would_loosen_or_err_is_not_loaded(place, text, code):
    (place.policies / "acme.cedar").write_text(text)
    with pytest.raises(PolicyRefused) as caught:
        policies_of(place)
    assert caught.value.code == code


def test_an_added_file_cannot_take_a_package_files_place(place):
    (place.policies / "00-permit.cedar").write_text('@id("acme.all") permit (principal, action, resource);')
    with pytest.raises(PolicyRefused):
        policies_of(place)


def test_approved_files_load_and_changed_ones_do_not(place, capsys):
    assert run(["policy", "sign"]) == 0
    assert "version 1: 1 files" in capsys.readouterr().out
    policies_of(place)
    (place.policies / "acme.cedar").write_text(NO_NEWS.replace("news", "satire"))
    assert run(["policy", "list"]) == 20
    assert "thsafe policy sign" in capsys.readouterr().err
    assert run(["policy", "sign"]) == 0
    assert "version 2" in capsys.readouterr().out
    (place.policies / "more.cedar").write_text(NO_NEWS.replace("acme.", "acme.more."))
    with pytest.raises(PolicyRefused) as caught:
        policies_of(place)
    assert caught.value.code == "policy.approval"


@pytest.mark.parametrize("fault", ["signature", "version", "signatures", "json", "gone", "stranger"])
def test_a_forged_approval_is_refused(place, fault, capsys):
    from thsafe.installation import Installation

    assert run(["policy", "sign"]) == 0
    capsys.readouterr()
    mine = Installation.open(place).ring.gate_did
    place.approvers.write_text(json.dumps({"approvers": [mine]}))
    policies_of(place)
    path = place.policies / FILE
    document = json.loads(path.read_text())
    if fault == "signature":
        document["signatures"][0]["signature"] = "1" * 88
    elif fault == "version":
        document["version"] = 7
    elif fault == "signatures":
        document["signatures"] = []
    elif fault == "stranger":
        place.approvers.write_text(json.dumps({"approvers": [mine, "did:key:z6MkSomebodyElse"]}))
    path.write_text("{" if fault == "json" else json.dumps(document))
    if fault == "gone":
        path.unlink()
    with pytest.raises(PolicyRefused) as caught:
        policies_of(place)
    assert caught.value.code == "policy.approval"


def test_two_approvers_sign_one_folder(place, tmp_path, monkeypatch, capsys):
    other = Home(tmp_path / "other")
    dids = [KeyRing.open(place).gate_did, KeyRing.create(other).gate_did]
    assert run(["policy", "sign"]) == 0
    monkeypatch.setenv("THSAFE_HOME", str(other.path))
    assert run(["policy", "sign", str(place.policies)]) == 0
    assert all(did in capsys.readouterr().out for did in dids[1:])
    place.approvers.write_text(json.dumps({"approvers": dids}))
    assert "acme.news" in policies_of(place).notes


def test_unsound_policies_are_not_approved(place, capsys):
    (place.policies / "acme.cedar").write_text('@id("acme.all") permit (principal, action, resource);')
    assert run(["policy", "sign"]) == 20
    assert "policy.permit" in capsys.readouterr().err
    assert not (place.policies / FILE).exists()


def test_nothing_to_approve(home, capsys):
    KeyRing.create(Home(home))
    assert run(["policy", "sign"]) == 2
    assert "policy.nothing" in capsys.readouterr().err


def test_tables_and_differences_from_the_command_line(place, tmp_path, capsys):
    assert run(["policy", "test", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert whole["cases"] > 50
    assert whole["wrong"] == []
    tables = place.policies / "tests"
    tables.mkdir()
    (tables / "acme.yaml").write_text(
        "base: {task: say, purpose: news, requester: x, performer: none, media_intact: true, now: 2026-11-22}\n"
        "cases:\n  - {name: no news, denied: [acme.news]}\n  - {name: wrong, allowed: true}\n"
    )
    assert run(["policy", "test", str(place.policies)]) == 20
    shown = capsys.readouterr().out
    assert "1 of 2 cases" in shown
    assert "got      denied by acme.news" in shown
    older = tmp_path / "older"
    older.mkdir()
    assert run(["policy", "diff", str(older), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"kind": "policy", "id": "acme.news", "what": "added"}]
    assert run(["policy", "lint"]) == 0


def test_a_decision_is_explained_and_asked_again(place, tmp_path, capsys):
    words = ["generate", "say", "--person", "ada", "--text", "x", "-o", str(tmp_path / "out.mp4"), "--purpose", "news"]
    assert run(words) == 20
    capsys.readouterr()
    from thsafe.installation import Installation

    job = str(Installation.open(place).ledger.entry(0).event["job"])
    assert run(["policy", "explain", job]) == 0
    shown = capsys.readouterr().out
    assert "refused" in shown
    assert "Acme makes no news." in shown
    assert "asked again: refused by acme.news, by the same policies" in shown
    (place.policies / "acme.cedar").unlink()
    assert run(["policy", "explain", job]) == 0
    assert "allowed, by other policies; the log says otherwise" in capsys.readouterr().out
    assert run(["policy", "explain", "nothing-of-that-name"]) == 2


def test_a_fault_is_told_once_with_the_rules_own_name(tmp_path):
    from policies.bundle import ADDED, PACKAGE_FOLDER, read_files
    from policies.lint import lint

    good = '@id("x.good")\n@words("w w.")\n@next("n n")\nforbid (principal, action in Action::"generate", resource)\n'
    own = {
        f"{ADDED}a.cedar": good + 'when { context.purpose == "news" };',
        f"{ADDED}b.cedar": good.replace("good", "bad") + 'when { context.pupose == "news" };',
    }
    (finding,) = lint(read_files(PACKAGE_FOLDER) | own)
    assert finding.code == "policy.schema"
    assert finding.text.startswith("added/b.cedar @id x.bad: ")
    assert "pupose" in finding.text
    broken = {f"{ADDED}c.cedar": "forbid (principal,", f"{ADDED}d.cedar": "permit permit"}
    assert [item.text.partition(":")[0] for item in lint(read_files(PACKAGE_FOLDER) | broken)] == [
        "added/c.cedar",
        "added/d.cedar",
    ]


def test_a_heap_of_policies_is_not_read(tmp_path):
    from policies.bundle import LARGEST_ADDED, read_added

    with (tmp_path / "heap.cedar").open("wb") as opened:
        opened.truncate(LARGEST_ADDED + 1)
    with pytest.raises(PolicyRefused) as caught:
        read_added(tmp_path)
    assert caught.value.code == "policy.unreadable"
