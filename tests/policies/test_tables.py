"""The decision tables of the bundle hold, and a table that is wrong says so."""

from __future__ import annotations

import pytest

from policies.bundle import PolicyBundle
from policies.tables import run_tables
from thsafe.core.errors import InputError


@pytest.fixture(scope="module")
def bundle():
    return PolicyBundle.load()


def test_every_case_of_every_table(bundle):
    results = run_tables(bundle)
    assert len(results) > 70
    assert [result for result in results if not result.passed] == []


def test_every_forbid_has_a_case_that_it_alone_refuses(bundle):
    alone = {result.expected for result in run_tables(bundle)}
    forbids = {note.id for note in bundle.notes.values() if note.effect == "forbid"}
    assert {name for name in forbids if f"denied by {name}" not in alone} == set()


def test_a_wrong_expectation_fails(bundle, tmp_path):
    (tmp_path / "wrong.yaml").write_text(
        "base: {task: say, requester: x, purpose: demonstration, now: 2026-11-22, media_intact: true}\n"
        "cases: [{name: open door, allowed: true}]\n"
    )
    [result] = run_tables(bundle, tmp_path)
    assert not result.passed
    assert result.got == "denied by consent.missing"


@pytest.mark.parametrize(
    "text",
    ["", "cases: []", "base: {}\ncases: [{name: x}]", "base: {porpoise: x}\ncases: [{name: x, allowed: true}]", "{"],
)
def test_a_table_that_cannot_be_run(bundle, tmp_path, text):
    (tmp_path / "broken.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        run_tables(bundle, tmp_path)
    assert caught.value.code == "policy.table"
