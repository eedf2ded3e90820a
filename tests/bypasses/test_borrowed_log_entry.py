"""A stranger's manifest names an entry of our log, to look as if consent and policy had been asked."""

from __future__ import annotations

from hashlib import sha256

import pytest

from thsafe.core.types import Status
from thsafe.provenance.references import log_reference_of
from thsafe.provenance.sign import sign


@pytest.fixture
def plain(scene, attacks, tmp_path):
    attacks.remux(scene.path, tmp_path / "plain.mp4")
    return tmp_path / "plain.mp4"


def test_our_own_reference_holds(scene, judged):
    finding = judged(scene.path)[3].finding("log-entry")
    assert (finding.status, finding.code) == (Status.FOUND, "AGREES")
    entry = scene.installation.ledger.entry(finding.detail["index"])
    assert entry.type == "intent"
    assert sha256(entry.leaf).hexdigest() == finding.detail["sha256"]


@pytest.mark.parametrize("index", [0, 1, 99])
def test_an_entry_that_says_something_else(scene, judged, plain, tmp_path, index):
    ledger = scene.installation.ledger
    facts = scene.facts(log_origin=ledger.origin, log_index=index, log_digest="c" * 64, log_size=9)
    sign(plain, tmp_path / "x.mp4", facts=facts, ring=scene.stranger, timestamp="off")
    finding = judged(tmp_path / "x.mp4")[3].finding("log-entry")
    assert (finding.status, finding.code) == (Status.CONFLICT, "ANOTHER-ENTRY")


def test_another_log_is_not_ours_to_judge(scene, judged, plain, tmp_path):
    facts = scene.facts(log_digest="c" * 64, log_size=9)
    sign(plain, tmp_path / "x.mp4", facts=facts, ring=scene.stranger, timestamp="off")
    report = judged(tmp_path / "x.mp4")[3]
    assert report.finding("log-entry").status is Status.NOT_EVALUATED
    assert "elsewhere.test/log" in report.finding("log-entry").summary


def test_nothing_personal_in_what_is_named(scene):
    from thsafe.provenance.read import read_credentials
    from thsafe.provenance.trust import Trust

    named = log_reference_of(read_credentials(scene.path, trust=Trust.of_home(scene.home)))
    entry = scene.installation.ledger.entry(named.index)
    assert str(scene.path.parent).encode() not in entry.leaf
    assert set(entry.event) & {"name", "path", "file", "text", "email"} == set()
