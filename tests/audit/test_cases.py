"""Exceptions as cases: one for each thing, gravest first, each with a picture and something to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from thsafe.audit.cases import advice, cases_of, kinds_of, summary
from thsafe.audit.html import render_html
from thsafe.audit.model import Measurement, Standing
from thsafe.audit.run import run_audit

PERSON = [{"role": "portrait", "sha256": "aa" * 32, "kind": "image", "performer": "person"}]
CONSENT = [{"id": "urn:uuid:1", "digest": "dd" * 32, "input": "portrait", "match": "digest", "assurance": "collector"}]
PNG = b"\x89PNG\r\n\x1a\n"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def mixed(house):
    """A folder with everything in it that an auditor may meet."""
    for name in ("good.mp4", "stripped.mp4", "edited.mp4", "gone.mp4"):
        house.publish(name, thumbnail=PNG)
    for name, state in (("stripped.mp4", "absent"), ("edited.mp4", "changed after signing")):
        house.change(name, credentials_state=state, credentials_intact=False)
        (house.folder / name).write_bytes(b"other bytes")
    (house.folder / "gone.mp4").unlink()
    house.publish("withdrawn.mp4", thumbnail=PNG, inputs=PERSON, consents=CONSENT)
    house.standings["urn:uuid:1"] = Standing(id="urn:uuid:1", state="revoked", digest="dd" * 32, takedown=True)
    house.intent("killed")
    marked = Measurement(watermark_state="id", watermark_id="feedbeef00112233", credentials_intact=True)
    for name, seen in (("orphan.mp4", marked), ("holiday.mp4", Measurement())):
        (house.folder / name).write_bytes(name.encode())
        house.measured[house.folder / name] = seen
    return run_audit(
        house.home,
        measure=house.measure,
        consent=house.consent,
        ledger=house.ledger,
        folders=(house.folder,),
        clock=house.clock,
    )


def test_every_exception_is_in_one_case(mixed):
    cases = cases_of(mixed)
    assert sorted(id(item) for case in cases for item in case.findings) == sorted(map(id, mixed.exceptions))
    by_title = {case.title: case for case in cases}
    grave = {title: case.severity for title, case in by_title.items() if case.severity != "low"}
    assert grave == {
        "stripped.mp4": "high",
        "edited.mp4": "high",
        "withdrawn.mp4": "high",
        "orphan.mp4": "high",
        "gone.mp4": "medium",
        "A job that never finished": "medium",
    }
    assert [case.severity for case in cases] == sorted(
        (case.severity for case in cases), key=["high", "medium", "low"].index
    )
    assert all(by_title[name].thumbnail == PNG for name in ("stripped.mp4", "gone.mp4", "withdrawn.mp4"))
    assert "Take it down everywhere" in by_title["withdrawn.mp4"].steps[0]
    assert len(by_title["stripped.mp4"].steps) == 1
    assert summary(cases) == "4 outputs, 1 other file, 1 unfinished job"


def test_exceptions_come_first_with_picture_words_and_link(mixed):
    page = render_html(mixed)
    start, end = page.index('id="exceptions"'), page.index('id="rules"')
    exceptions = page[start:end]
    assert exceptions.index("At a glance") < exceptions.index("One by one")
    places = [exceptions.index(f"<b>{case.title}</b>") for case in cases_of(mixed)]
    assert places == sorted(places)
    assert exceptions.count("<img") == 4
    for link in re.findall(r'href="(#(?:output|case)-\d+)"', exceptions):
        assert f'id="{link[1:]}"' in page
    assert exceptions.count("→") >= len(places)


def test_the_rare_is_not_lost_among_the_frequent(house):
    for number in range(70):
        house.publish(name := f"{number:02}.mp4", territories=["EU"])
        house.change(name, time_stamped=False)
    house.publish("gone.mp4")
    (house.folder / "70.mp4").write_bytes(b"rogue")
    house.measured[house.folder / "70.mp4"] = Measurement(watermark_state="id", watermark_id="feedbeef00112233")
    (house.folder / "gone.mp4").unlink()
    report = run_audit(
        house.home, measure=house.measure, ledger=house.ledger, folders=(house.folder,), clock=house.clock
    )
    kinds = kinds_of(cases_of(report))
    assert [(kind.severity, len(kind.cases)) for kind in kinds] == [
        ("high", 1),
        ("high", 70),
        ("medium", 1),
        ("low", 1),
    ]
    assert kinds[0].cases[0][1].title == "70.mp4"
    assert "and 10 more" in render_html(report)


def test_nothing_to_look_at(house):
    house.publish("good.mp4", thumbnail=PNG)
    report = run_audit(house.home, measure=house.measure, ledger=house.ledger, clock=house.clock)
    assert summary(cases_of(report)) == ""
    assert {case.severity for case in cases_of(report)} <= {"low"}


def test_every_code_has_a_next_step():
    """Codes as the sources of findings write them."""
    text = (ROOT / "thsafe" / "audit" / "findings.py").read_text(encoding="utf-8")
    codes = set(re.findall(r'"((?:log|intent|job|decision|file|output|consent)\.[a-z-]+)"', text))
    assert len(codes) > 12
    assert [code for code in sorted({*codes, "rules", "rule.EU-50-2", "log.entry"}) if not advice(code)] == []
