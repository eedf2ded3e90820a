"""What somebody does who wants the audit to find nothing: by the files, by the tables, by the period."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from tests.audit.test_run import audit, codes, judgements
from thsafe.audit import files
from thsafe.audit.cases import cases_of
from thsafe.audit.model import FileState, Measurement, Verdict
from thsafe.core.errors import LedgerBroken, UsageError
from thsafe.store import schema
from thsafe.store.engine import writing


def tamper(house, statement):
    with writing(house.ledger._engine) as connection:
        connection.execute(statement)


def test_a_good_copy_in_the_archive_does_not_cover_for_what_is_shown(house, tmp_path):
    record = house.publish("a.mp4")
    shown, archive = Path(record.path), tmp_path / "archive"
    archive.mkdir()
    (archive / "a.mp4").write_bytes(shown.read_bytes())
    house.measured[archive / "a.mp4"] = house.measured[shown]
    shown.write_bytes(b"another film")
    house.measured[shown] = Measurement(watermark_state="absent", credentials_intact=False)
    for folders in ((archive,), (archive, house.folder)):
        report = audit(house, folders=folders)
        (output,) = report.outputs
        assert (output.state, output.path) == (FileState.CHANGED, shown)
        assert judgements(output)["HOUSE-MARKS"] is Verdict.FAIL
        assert report.strays == ()
    shown.unlink()
    (output,) = audit(house, folders=(archive,)).outputs
    assert (output.state, output.path) == (FileState.INTACT, archive / "a.mp4")


def test_an_output_in_the_place_of_an_older_one_is_no_change_of_it(house):
    older, newer = house.publish("a.mp4"), house.publish("b.mp4")
    Path(newer.path).replace(older.path)
    house.measured[Path(older.path)] = house.good(newer)
    first, second = audit(house).outputs
    assert (first.state, second.state) == (FileState.MISSING, FileState.INTACT)


def test_a_folder_that_cannot_be_looked_into_is_named(house, monkeypatch):
    house.publish("a.mp4")

    def walk(folder, onerror):
        onerror(PermissionError(13, "Permission denied", str(Path(folder, "closed"))))
        return iter(())

    monkeypatch.setattr(files.os, "walk", walk)
    assert codes(audit(house), "closed") == {"file.unreadable"}


def test_the_time_in_a_table_takes_no_output_out_of_the_period(house):
    house.publish("a.mp4")
    tamper(house, update(schema.output).values(created_at="2020-01-01T00:00:00.000Z"))
    assert len(audit(house, since=house.now.date()).outputs) == 1
    tamper(house, update(schema.output).values(created_at="2099-01-01T00:00:00.000Z"))
    house.now += timedelta(days=2)
    assert audit(house, since=house.now.date()).outputs == ()


def test_a_period_that_has_not_begun_is_no_clean_audit(house):
    with pytest.raises(UsageError) as caught:
        audit(house, since=date(2099, 1, 1))
    assert caught.value.code == "audit.since"


def test_a_broken_log_comes_first_and_once(house):
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        house.publish(name)
    tamper(house, delete(schema.node))
    report = audit(house)
    assert [item.code for item in report.exceptions][:2] == ["log.node", "log.proves-nothing"]
    assert "3 outputs fail" in report.exceptions[1].words
    assert {item.code for item in report.exceptions if item.file} == set()
    assert [case.title for case in cases_of(report)][:2] == ["The log", "The log"]
    assert all(judgements(output)["HOUSE-PURPOSE"] is Verdict.FAIL for output in report.outputs)


@pytest.mark.parametrize("leaf", [b"\xff", b"[]", b'{"type":1}'])
def test_an_entry_that_cannot_be_read_stops_the_audit_in_words(house, leaf):
    house.publish("a.mp4")
    tamper(house, update(schema.entry).where(schema.entry.c.position == 0).values(leaf=leaf))
    with pytest.raises(LedgerBroken) as caught:
        audit(house)
    assert caught.value.code == "log.entry"
