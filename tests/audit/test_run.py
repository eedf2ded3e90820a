"""The audit end to end over a small house: completeness both ways, dates, samples, a broken log, hostile text."""

import csv
import io
import json
import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from html.parser import HTMLParser

import pytest
from sqlalchemy import update

from policies.engine import ConsentFacts, Depiction, PolicyBundle, PolicyFacts
from policies.logged import to_log
from thsafe.audit.consents import consent_lines
from thsafe.audit.export import as_csv, as_json_lines, write_csv, write_json_lines
from thsafe.audit.html import COLUMNS, headline, render_html, write_html
from thsafe.audit.model import FileState, Measurement, Standing, Verdict
from thsafe.audit.run import run_audit
from thsafe.core.errors import InputError, StoreError, UsageError
from thsafe.ledger.log import InclusionProof
from thsafe.ledger.witness import read_checkpoints, witness
from thsafe.store import schema
from thsafe.store.engine import writing

BUNDLE = PolicyBundle.load()
PNG = b"\x89PNG\r\n\x1a\n"
PERSON = [{"role": "portrait", "sha256": "bb" * 32, "kind": "image", "performer": "person"}]
CONSENT = [{"id": "urn:uuid:1", "digest": "ee" * 32, "input": "portrait", "match": "digest", "assurance": "collector"}]


def audit(house, **options):
    options = {
        "measure": house.measure,
        "folders": (house.folder,),
        "ledger": house.ledger,
        "clock": house.clock,
        **options,
    }
    return run_audit(house.home, **options)


def codes(report, file=None):
    return {item.code for item in report.exceptions if file is None or item.file == file}


def judgements(output):
    return {item.rule: item.verdict for item in output.judgements}


def test_nothing_yet(house):
    report = audit(house)
    assert report.outputs == ()
    assert report.clean
    assert headline(report) == "No exceptions: no outputs, and the log verifies."
    assert "No rule was judged" in render_html(report)


def test_everything_in_order(house, tmp_path):
    house.publish("a.mp4")
    witness(house.ledger, tmp_path / "auditor")
    report = audit(house, witnessed=read_checkpoints(tmp_path / "auditor"))
    (output,) = report.outputs
    assert output.state is FileState.INTACT
    assert output.intent_index == 0
    assert output.proof.holds()
    assert report.exceptions == ()
    assert judgements(output)["HOUSE-MARKS"] is Verdict.PASS
    assert report.policies == (BUNDLE.digest,)
    assert report.decisions == {"same": 1}
    assert headline(report) == "No exceptions: 1 output, and the log verifies."


def test_orphans_on_both_sides(house):
    for name in ("intact.mp4", "changed.mp4", "gone.mp4", "moved.mp4"):
        house.publish(name)
    (house.folder / "changed.mp4").write_bytes(b"edited")
    (house.folder / "gone.mp4").unlink()
    (house.folder / "deep").mkdir()
    moved = (house.folder / "moved.mp4").rename(house.folder / "deep" / "renamed.mp4")
    house.measured[moved] = house.measured[house.folder / "moved.mp4"]
    intact = house.ledger.outputs.by_manifest("urn:c2pa:intact.mp4")
    strangers = {
        "copy.mp4": Measurement(watermark_state="id", watermark_id=intact.watermark_id),
        "remux.mp4": Measurement(manifest_id=intact.manifest_id),
        "rogue.mp4": Measurement(watermark_state="id", watermark_id="ffffffffffffffff"),
        "holiday.mp4": Measurement(watermark_state="absent"),
    }
    for name, measurement in strangers.items():
        (house.folder / name).write_bytes(name.encode())
        house.measured[house.folder / name] = measurement
    (house.folder / "notes.txt").write_text("not media")
    (house.folder / ".hidden.mp4").write_bytes(b"hidden")
    report = audit(house)
    states = {output.record.manifest_id.rpartition(":")[2]: output.state for output in report.outputs}
    assert states == {"intact.mp4": "intact", "changed.mp4": "changed", "gone.mp4": "missing", "moved.mp4": "intact"}
    assert next(output for output in report.outputs if output.path == moved).name == "renamed.mp4"
    assert {stray.path.name: stray.kind for stray in report.strays} == {
        "copy.mp4": "copy",
        "remux.mp4": "copy",
        "rogue.mp4": "unlogged",
        "holiday.mp4": "foreign",
    }
    assert codes(report, "changed.mp4") == {"file.changed"}
    assert codes(report, "gone.mp4") == {"file.missing"}
    assert codes(report, "rogue.mp4") == {"file.unlogged"}
    assert [item.severity for item in report.exceptions] == sorted(
        (item.severity for item in report.exceptions), key=["high", "medium", "low"].index
    )
    without = audit(house, folders=())
    assert without.strays == ()
    assert codes(without, "moved.mp4") == {"file.missing"}


def test_jobs_that_came_to_nothing(house):
    house.intent("killed")
    house.intent("broken")
    house.ledger.append({"type": "failed", "job": "broken", "reason": "engine.crash"})
    house.ledger.append({"type": "refusal", "job": "x"})
    report = audit(house)
    assert codes(report) == {"intent.open", "job.failed", "job.refused", "log.no-witness", "decision.facts-missing"}
    (left,) = (item for item in report.exceptions if item.code == "intent.open")
    assert left.index == 0


def test_output_without_a_decision(house):
    house.publish("rogue.mp4", intent=False)
    report = audit(house)
    assert "output.no-intent" in codes(report, "rogue.mp4")
    assert judgements(report.outputs[0])["HOUSE-PURPOSE"] is Verdict.FAIL


def test_one_cause_is_one_exception(house):
    house.publish("a.mp4", territories=["DE"])
    house.change("a.mp4", credentials_intact=False, credentials_state="broken")
    (found,) = [item for item in audit(house).exceptions if item.severity == "high"]
    assert "EU-COP-1.1.1a" in found.words
    assert "HOUSE-MARKS" in found.words


def test_dates_decide(house):
    house.publish("a.mp4", territories=["EU"])
    house.change("a.mp4", time_stamped=False)
    then, now = audit(house, as_of=date(2025, 12, 31)), audit(house)
    assert judgements(then.outputs[0])["EU-COP-1.1.1b"] is Verdict.NOT_APPLICABLE
    assert judgements(now.outputs[0])["EU-COP-1.1.1b"] is Verdict.FAIL
    assert then.as_of == "2025-12-31"


def test_rules_of_the_job_or_of_the_auditor(house):
    house.publish("a.mp4", territories=["JP"])
    own, asked = audit(house), audit(house, rules=("eu", "us-ca"))
    assert {rule.partition("-")[0] for rule in judgements(own.outputs[0])} <= {"HOUSE", "IPTC"}
    assert {rule.partition("-")[0] for rule in judgements(asked.outputs[0])} == {"EU", "CA", "GDPR"}
    with pytest.raises(UsageError):
        audit(house, rules=("atlantis",))


def test_labels_of_the_duties_and_of_the_law(house):
    house.publish("a.mp4", territories=["CN"])
    found = judgements(audit(house).outputs[0])
    assert found["HOUSE-LABEL"] is Verdict.PASS
    assert found["CN-EXP-V"] is Verdict.FAIL


def test_consents_then_and_now(house):
    house.publish("a.mp4", inputs=PERSON, consents=CONSENT)
    house.publish("b.mp4", inputs=PERSON, consents=[])
    silent = audit(house)
    assert "How consents stand now was not looked up." in silent.limits
    assert judgements(silent.outputs[1])["HOUSE-CONSENT"] is Verdict.FAIL
    for state, takedown, code, severity in (
        ("active", False, None, None),
        ("expired", False, "consent.expired", "low"),
        ("revoked", False, "consent.revoked", "low"),
        ("suspended", False, "consent.suspended", "medium"),
        ("unknown", False, "consent.unknown", "medium"),
        ("revoked", True, "consent.takedown", "high"),
    ):
        house.standings["urn:uuid:1"] = Standing(id="urn:uuid:1", state=state, digest="ee" * 32, takedown=takedown)
        report = audit(house, consent=house.consent)
        found = {(item.code, item.severity) for item in report.exceptions if item.code.startswith("consent.")}
        assert found == ({(code, severity)} if code else set())
        assert (judgements(report.outputs[0])["HOUSE-CONSENT"] is Verdict.FAIL) == takedown


def test_consents_then_and_now_side_by_side(house):
    consent = ConsentFacts(present=True, valid_from=house.now, valid_until=house.now + timedelta(days=90))
    facts = PolicyFacts(
        task="say", requester="r", job="j", purpose="demonstration", now=house.now + timedelta(days=1),
        media_intact=True, depictions=(Depiction(media="a", performer="person", consent=consent),),
    )  # fmt: skip
    house.publish("a.mp4", inputs=PERSON, consents=CONSENT, facts=to_log(facts))
    house.publish("b.mp4", inputs=PERSON, consents=CONSENT, facts=None)
    (line,) = consent_lines(audit(house).outputs)
    assert (line.then, line.now) == (("active", "unknown"), "not looked up")
    house.standings["urn:uuid:1"] = Standing(id="urn:uuid:1", state="revoked", digest="ee" * 32)
    report = audit(house, consent=house.consent)
    (line,) = consent_lines(report.outputs)
    assert line.now == "revoked"
    assert line.outputs == tuple(output.record.ledger_index for output in report.outputs)
    assert (report.outputs[0].consents_then[0].state, report.outputs[0].consents[0].state) == ("active", "revoked")
    assert "Consents, then and now" in render_html(report)
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert (rows[0]["consents_then"], rows[0]["consents_now"]) == ("urn:uuid:1=active", "urn:uuid:1=revoked")


def test_an_output_whose_process_died_is_withdrawn_not_missing(house):
    for name in ("died.mp4", "gone.mp4", "other.mp4"):
        house.publish(name)
        (house.folder / name).unlink()
    house.ledger.append({"type": "failed", "job": "job-died.mp4", "reason": "interrupted"})
    house.ledger.append({"type": "failed", "job": "job-other.mp4", "reason": "engine.crash"})
    report = audit(house)
    assert [output.state for output in report.outputs] == ["withdrawn", "missing", "missing"]
    assert codes(report, "died.mp4") == {"output.withdrawn"}
    assert report.outputs[0].judgements == ()
    assert report.outputs[1].judgements != ()
    parse(render_html(report))


def test_many_copies_are_one_line(house):
    house.publish("a.mp4")
    record = house.ledger.outputs.by_manifest("urn:c2pa:a.mp4")
    for number in range(9):
        path = house.folder / f"copy{number}.mp4"
        path.write_bytes(b"%d" % number)
        signed = number < 5
        house.measured[path] = Measurement(
            watermark_id=record.watermark_id,
            manifest_id="urn:c2pa:a.mp4" if signed else None,
            credentials_intact=signed,
        )
    found = {item.code: item for item in audit(house).exceptions if item.code.startswith("file.")}
    assert {code: item.severity for code, item in found.items()} == {"file.copy": "low", "file.copy-unsigned": "medium"}
    assert found["file.copy"].words.startswith("5 altered copies of 1 output")
    assert len(audit(house).strays) == 9


def test_sample_is_drawn_by_the_log(house):
    for number in range(12):
        house.publish(f"{number}.mp4")
    report = audit(house, sample=4)
    drawn = [output.name for output in report.outputs if output.state is not FileState.NOT_SAMPLED]
    assert len(drawn) == report.sample.size == 4
    assert drawn == [o.name for o in audit(house, sample=4).outputs if o.state is not FileState.NOT_SAMPLED]
    assert report.sample.seed == report.log.root
    assert 0.52 < report.sample.bound < 0.53  # 1 - 0.05^(1/4)
    assert any("4 of 12" in limit for limit in report.limits)
    house.ledger.append({"type": "verify"})
    assert audit(house).sample.bound == 0.0
    assert audit(house, sample=99).sample.size == 12


def test_period(house):
    house.publish("early.mp4")
    house.now = house.now.replace(day=15)
    house.publish("late.mp4")
    report = audit(house, since=date(2026, 10, 10))
    assert [output.name for output in report.outputs] == ["late.mp4"]
    assert report.strays == ()  # the early file is known, only outside the period
    assert {minute[:10] for minute, _, _ in report.timeline} == {"2026-10-15"}


def test_broken_log_proves_nothing(house):
    house.publish("a.mp4")
    with writing(house.ledger._engine) as connection:
        connection.execute(update(schema.entry).where(schema.entry.c.position == 0).values(leaf_hash=b"\0" * 32))
    report = audit(house)
    assert not report.clean
    assert "log.entry" in codes(report)
    assert judgements(report.outputs[0])["HOUSE-PURPOSE"] is Verdict.FAIL
    assert "does not verify" in headline(report)


def test_a_file_that_breaks_the_reader_hides_nothing(house):
    for name in ("good.mp4", "refused.mp4", "hostile.mp4"):
        house.publish(name)
    (house.folder / "stray.mp4").write_bytes(b"stray")

    def measure(path, *, labels):
        if path.name in {"hostile.mp4", "stray.mp4"}:
            raise ZeroDivisionError("in the decoder")
        if path.name == "refused.mp4":
            raise InputError("Too large.", code="input.limit", next_step="-")
        return house.measure(path, labels=labels)

    report = audit(house, measure=measure)
    found = {output.name: judgements(output)["HOUSE-MARKS"] for output in report.outputs}
    assert found == {"good.mp4": "pass", "refused.mp4": "undetermined", "hostile.mp4": "undetermined"}
    assert "ZeroDivisionError" in report.outputs[2].measurement.notes[0]
    assert "ZeroDivisionError" in report.strays[0].words


def test_folder_that_is_none(house, tmp_path):
    with pytest.raises(InputError) as caught:
        audit(house, folders=(tmp_path / "nowhere",))
    assert caught.value.code == "audit.folder"


def test_opens_the_log_itself(house):
    house.publish("a.mp4")
    report = run_audit(house.home, measure=house.measure, clock=house.clock)
    assert report.outputs[0].state is FileState.INTACT
    assert any("key was not at hand" in limit for limit in report.limits)


class Tags(HTMLParser):
    """Checks that the page is well nested and collects what matters."""

    VOID = frozenset({"meta", "img", "br", "line"})

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.links, self.sources = [], [], [], []

    def handle_starttag(self, tag, attrs):
        fields = dict(attrs)
        self.ids += [fields["id"]] if "id" in fields else []
        self.links += [fields["href"]] if "href" in fields else []
        self.sources += [fields["src"]] if "src" in fields else []
        assert tag != "script"
        assert not any(name.startswith("on") for name in fields)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parse(page):
    tags = Tags()
    tags.feed(page)
    tags.close()
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert all(link.startswith("#") and link[1:] in tags.ids for link in tags.links)
    assert all(source.startswith("data:image/") for source in tags.sources)
    return tags


def test_page_of_a_house_with_troubles(house, tmp_path):
    house.publish("fine.mp4", thumbnail=PNG, inputs=PERSON, consents=CONSENT)
    house.publish("bad.mp4", thumbnail=b"\xff\xd8\xff", territories=["EU"])
    house.change("bad.mp4", watermark_state="absent", watermark_id=None)
    house.publish("gone.mp4")
    (house.folder / "gone.mp4").unlink()
    house.standings["urn:uuid:1"] = Standing(id="urn:uuid:1", state="revoked", valid_until="2027-01-31T00:00:00Z")
    report = audit(house, consent=house.consent)
    page = render_html(report)
    tags = parse(page)
    assert len(tags.sources) == 4  # beside the exceptions, and with the outputs
    assert page.index("Exceptions") < page.index("Outputs")
    text = unescape(re.sub(r"\s+", " ", re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)))
    for item in report.exceptions:
        assert item.words in text
    assert "http" not in text.replace("https://example.org", "").replace("http://cv.iptc.org", "")
    write_html(report, tmp_path / "audit.html")
    assert (tmp_path / "audit.html").read_text(encoding="utf-8") == page
    with pytest.raises(StoreError):
        write_html(report, tmp_path / "nowhere" / "audit.html")


def test_hostile_text_stays_text(house):
    evil = "<script>alert(1)</script>"
    house.publish("=cmd|' &lt;b&gt;.mp4", purpose=evil)
    house.change("=cmd|' &lt;b&gt;.mp4", signer=evil, credentials_state=evil, credentials_intact=False, notes=(evil,))
    house.ledger.append({"type": "failed", "job": "x", "reason": evil})
    report = audit(house)
    page = render_html(report)
    parse(page)
    assert evil not in page
    rows = list(csv.reader(io.StringIO(as_csv(report))))
    assert rows[1][2] == "'=cmd|' &lt;b&gt;.mp4"


def test_many_outputs_are_counted_instead_of_shown(house):
    for number in range(COLUMNS + 1):
        house.publish(f"{number}.mp4")
    page = render_html(audit(house))
    parse(page)
    assert f"✓ {COLUMNS + 1}" in page
    assert 'class="cell"' not in page


def test_exports(house, tmp_path):
    house.publish("a.mp4", territories=["EU"])
    house.publish("b.mp4")
    (house.folder / "c.mp4").write_bytes(b"c")
    house.measured[house.folder / "c.mp4"] = Measurement()
    report = audit(house, sample=1)
    write_csv(report, tmp_path / "audit.csv")
    write_json_lines(report, tmp_path / "audit.jsonl")
    with (tmp_path / "audit.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    judged = [output for output in report.outputs if output.judgements]
    assert len(rows) == len(judged[0].judgements) + 1
    assert {row["verdict"] for row in rows} <= {*map(str, Verdict), ""}
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text(encoding="utf-8").splitlines()]
    assert lines == [json.loads(line) for line in as_json_lines(report)]
    assert [line["kind"] for line in lines] == ["audit", "output", "output", "other-file"]
    assert lines[0]["log"]["root"] == report.log.root
    for line in lines[1:3]:
        proof = InclusionProof(**{**line["proof"], "path": tuple(line["proof"]["path"])})
        assert proof.holds()
        assert not replace(proof, index=proof.index ^ 1).holds()
