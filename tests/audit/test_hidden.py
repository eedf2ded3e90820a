"""What somebody does who wants the audit to find nothing: by the files, by the tables, by the period."""

import csv
import io
import json
import os
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update

from policies.bundle import PACKAGE_FOLDER, read_files
from tests.audit.test_pack import KEY
from tests.audit.test_run import audit, codes, judgements
from thsafe.audit import files, verify_pack
from thsafe.audit.cases import cases_of
from thsafe.audit.export import as_csv, as_json_lines, write_csv, write_json_lines
from thsafe.audit.html import COLUMNS, render_html, write_html
from thsafe.audit.model import FileState, Measurement, Verdict
from thsafe.audit.oscal import as_oscal, write_oscal
from thsafe.audit.pack import write_pack
from thsafe.core.errors import StoreError, UsageError
from thsafe.ledger.entry import RESERVED
from thsafe.store import schema
from thsafe.store.engine import reading, writing


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
def test_an_entry_that_cannot_be_read_hides_no_other_finding(house, leaf):
    house.publish("a.mp4")
    house.publish("b.mp4")
    (house.folder / "b.mp4").unlink()
    tamper(house, update(schema.entry).where(schema.entry.c.position == 0).values(leaf=leaf))
    report = audit(house)
    found = {(item.code, item.index) for item in report.exceptions}
    assert found >= {("log.entry", 0), ("output.no-intent", 1), ("file.missing", 3)}
    assert [output.intent_index for output in report.outputs] == [None, 2]
    for write in (as_csv, render_html, as_oscal):
        assert write(report)


def test_whether_a_rule_concerns_an_unlogged_job_is_not_guessed(house):
    house.publish("a.mp4", intent=False)
    house.publish("b.mp4", purpose="advertising")
    rogue, permitted = audit(house).outputs
    assert judgements(rogue)["NY-396b"] is Verdict.UNDETERMINED
    assert judgements(permitted)["NY-396b"] is Verdict.FAIL


def test_on_paper_of_many_outputs_only_the_exceptions_have_their_evidence(house):
    house.publish("bad.mp4", territories=["DE"])
    house.change("bad.mp4", credentials_intact=False, credentials_state="broken")
    for number in range(COLUMNS - 1):
        house.publish(f"{number}.mp4", territories=["DE"])
    few = render_html(audit(house))
    assert few.count('<section class="output" id=') == COLUMNS
    assert "printed in short" not in few
    house.publish("one-more.mp4", territories=["DE"])
    many = render_html(audit(house))
    assert '<section class="output" id="output-1">' in many
    assert many.count('<section class="output clean" id=') == COLUMNS
    assert "printed in short" in many
    hidden = many.index(".output.clean details { display: none; }")
    assert many.index("@media print") < hidden < many.index("@page {")


ODD = (None, 5, True, "x", [], [[1]], {"a": 5})


@pytest.mark.parametrize("kind", ["intent", "output", "failed"])
def test_whoever_holds_the_key_can_append_nothing_that_stops_the_audit(house, kind):
    """Every field of an entry, and every field in it, with a value of another kind: all is signed, the log verifies."""
    house.publish("a.mp4")
    house.ledger.append({"type": "failed", "job": "job-x", "reason": "interrupted"})
    event = next(iter(house.ledger.find(kind))).event
    event = {name: value for name, value in event.items() if name not in RESERVED}
    added = [changed(event, place, odd) for place in places(event) for odd in ODD]
    # What has a column of its own is text or nothing.
    house.ledger.append_many(
        item
        for item in added
        if item["type"] == kind and all(isinstance(item.get(name, ""), str | None) for name in ("job", "sha256"))
    )
    report = audit(house)
    assert report.log.ok
    assert [output.intent_index for output in report.outputs] == [0]
    odd = [item for item in report.exceptions if item.code == "log.form"]
    assert odd
    assert {item.severity for item in odd} == {"high"}
    for write in (as_csv, render_html, as_oscal, lambda it: list(as_json_lines(it))):
        assert write(report)


def places(value, *above):
    """The way to every field and item inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in inside:
        yield (*above, name)
        yield from places(item, *above, name)


def changed(event, place, odd):
    whole = inner = json.loads(json.dumps(event))
    for name in place[:-1]:
        inner = inner[name]
    inner[place[-1]] = odd
    return whole


@pytest.mark.parametrize("table", ["log_head", "log_entry", "log_node", "log_checkpoint", "output"])
def test_no_column_of_another_kind_stops_the_audit(house, table):
    """SQLite takes any kind of value in any column; what the log signs is found out, the rest is no way to stop it."""
    house.publish("a.mp4", thumbnail=b"\xff\xd8")
    newest = f"WHERE rowid = (SELECT max(rowid) FROM {table})"
    for column in schema.metadata.tables[table].columns:
        with reading(house.ledger._engine) as connection:
            kept = connection.execute(text(f"SELECT {column.name} FROM {table} {newest}")).scalar_one()
        put = text(f"UPDATE {table} SET {column.name} = :value {newest}")
        no_utf8 = text(f"UPDATE {table} SET {column.name} = CAST(x'fffe' AS TEXT) {newest}")
        for statement in (no_utf8, *(put.bindparams(value=odd) for odd in ("x", b"\x00\xff", -7, 0.5))):
            with suppress(StoreError):  # a key of whole numbers takes nothing else
                tamper(house, statement)
            report = audit(house)
            assert len(report.outputs) == 1
            for write in (as_csv, render_html, as_oscal, lambda it: list(as_json_lines(it))):
                assert write(report)
        tamper(house, put.bindparams(value=kept))
    assert audit(house).log.ok


def test_no_name_of_a_file_keeps_the_audit_from_being_written(house, tmp_path):
    house.publish("=1+1.mp4", purpose="@SUM(A1)")
    house.change("=1+1.mp4", signer="half a pair \ud800")
    for name in (b"caf\xe9.mp4", b"a\n  No exceptions\x1b[2J.mp4"):
        path = Path(os.fsdecode(os.fsencode(house.folder) + b"/" + name))
        path.write_bytes(name)
        house.measured[path] = Measurement(watermark_state="id", watermark_id="f" * 16)
    report = audit(house)
    files = {item.file for item in report.exceptions if item.code == "file.unlogged"}
    assert files == {r"caf\udce9.mp4", r"a\n  No exceptions\x1b[2J.mp4"}
    for write in (write_html, write_csv, write_json_lines, write_oscal):
        write(report, tmp_path / "report")
        (tmp_path / "report").read_text(encoding="utf-8")
    for line in as_json_lines(report):
        json.loads(line)
    row = next(csv.DictReader(io.StringIO(as_csv(report))))
    assert (row["file"], row["purpose"]) == ("'=1+1.mp4", "'@SUM(A1)")
    write_pack(report, tmp_path / "pack.zip", ledger=house.ledger, key=KEY, policies=read_files(PACKAGE_FOLDER))
    verify_pack.verify(tmp_path / "pack.zip")
