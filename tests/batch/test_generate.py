"""Generation in batches: each row through the gate, each output once in the log, whoever is killed."""

import csv
import importlib.util
import json
import sys
from pathlib import Path

import pytest

from generators.embedded.cast.cache import framed_person
from thsafe import registry
from thsafe.batch import plan_generation, run_batch
from thsafe.batch.assignment import Assignment
from thsafe.batch.executors import Answer, Staff
from thsafe.batch.generating import Generating
from thsafe.batch.run import _Run
from thsafe.consent.grant import create_self_consent
from thsafe.core.errors import InputError
from thsafe.erasure import consents_of, erase_person
from thsafe.installation import Installation
from thsafe.keys import KeyRing
from thsafe.media.digest import hash_file
from thsafe.store.batches import ERASED

QUICK = {"do": "say", "engine": "quick", "text": "Hi."}


def written(path, *jobs):
    path.write_text("".join(json.dumps(job) + "\n" for job in jobs))
    return path


class Here:
    """An executor in this very process whose worker may die where a test says so."""

    survives = True

    def __init__(self, brief, staff, die=()):
        self.work, self.given, self.die, self.jobs = Generating.open(brief), [], list(die), []

    def room(self):
        return 1 - len(self.given)

    def submit(self, item: Assignment):
        self.given.append(item)

    def wait(self, seconds):
        given, self.given = self.given, []
        answers = []
        for item in given:
            self.jobs.append(item.job)
            result = self.work.do(item, lambda key: None)
            died = bool(self.die) and self.die.pop(0)
            answers.append(Answer(number=item.number, result=None if died else result, reason="killed"))
        return answers

    def close(self):
        self.work.batches.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """``quick`` is an engine for the jobs of these tests."""
    spec = importlib.util.spec_from_file_location("quick_engine", Path(__file__).with_name("quick.py"))
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "quick_engine", module)
    spec.loader.exec_module(module)
    monkeypatch.setitem(registry._ENGINES, "quick", "quick_engine:Quick")


@pytest.fixture
def here():
    def opened_with(die=()):
        def opened(name, brief, staff):
            opened.last = Here(brief, staff, die)
            return opened.last

        return opened

    return opened_with


def entries(home, kind):
    installation = Installation.open(home)
    with installation.ledger as log:
        assert log.verify().ok
        return [entry.event for entry in log.find(kind)]


def test_rows_of_every_fate(lite, tmp_path, picture, rows, here):
    """Done, failed and refused: each a row; a rerun makes nothing again; an output that is gone is made again."""
    (tmp_path / "me.jpg").write_bytes(picture)
    jobs = tmp_path / "jobs.csv"
    with jobs.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["do", "engine", "person", "image", "text", "output"])
        writer.writerow(["say", "quick", "ada", "", "Hi.", "a.mp4"])
        writer.writerow(["say", "quick", "", "me.jpg", "Hi.", "b.mp4"])
        writer.writerow(["say", "quick", "nobody", "", "Hi.", "c.mp4"])
    planned = plan_generation(jobs, home=lite)
    summary = run_batch(planned.batch.id, home=lite, opened=here())
    assert summary.counts == {"done": 1, "refused": 1, "failed": 1}
    found = rows(lite)
    by_state = {item.state: item for item in found.items(planned.batch.id)}
    assert by_state["refused"].error["error"].startswith("consent.")
    assert by_state["failed"].error["error"] == "person.unknown"
    result = found.results([by_state["done"].key])[by_state["done"].key]
    assert result.sha256 == hash_file(tmp_path / "a.mp4")
    assert len(entries(lite, "output")) == 1
    assert len(entries(lite, "refusal")) == 1
    assert entries(lite, "output")[0]["job"] == result.report["job"]
    again = plan_generation(jobs, home=lite)
    assert again.batch.id != planned.batch.id
    assert run_batch(again.batch.id, home=lite, opened=here()).known_before == 1
    assert len(entries(lite, "output")) == 1
    (tmp_path / "a.mp4").unlink()
    run_batch(plan_generation(jobs, home=lite).batch.id, home=lite, opened=here())
    assert len(entries(lite, "output")) == 2
    assert (tmp_path / "a.mp4").is_file()


def test_a_worker_killed_after_its_output_was_logged(lite, tmp_path, here):
    """The log says that it is there: it is not made a second time."""
    jobs = written(tmp_path / "jobs.jsonl", {**QUICK, "person": "ada", "output": "a.mp4"})
    summary = run_batch(plan_generation(jobs, home=lite).batch.id, home=lite, opened=here(die=[True]))
    assert summary.counts == {"done": 1}
    assert len(entries(lite, "output")) == len(entries(lite, "intent")) == 1


def test_a_driver_killed_after_its_worker_was_done(lite, tmp_path, here, monkeypatch, rows):
    jobs = written(tmp_path / "jobs.jsonl", {**QUICK, "person": "ada", "output": "a.mp4"})
    batch = plan_generation(jobs, home=lite).batch.id
    with monkeypatch.context() as killed:

        def die(self, answer):
            raise KeyError("killed here")

        killed.setattr(_Run, "_take", die)
        with pytest.raises(KeyError):
            run_batch(batch, home=lite, opened=here())
    assert rows(lite).counts(batch) == {"running": 1}
    assert (tmp_path / "a.mp4").is_file()
    last = here()
    assert run_batch(batch, home=lite, opened=last).counts == {"done": 1}
    assert last.last.jobs == []
    assert len(entries(lite, "output")) == 1


def test_uses_of_a_consent_hold(lite, tmp_path, picture, here):
    """Three jobs under a consent for one use: one is done or fails for its picture, two are refused."""
    portrait = tmp_path / "me.jpg"
    portrait.write_bytes(picture)
    create_self_consent(lite, portrait=portrait, keys=KeyRing.open(lite), max_uses=1)
    lines = [{**QUICK, "image": "me.jpg", "output": f"{n}.mp4"} for n in range(3)]
    batch = plan_generation(written(tmp_path / "jobs.jsonl", *lines), home=lite).batch.id
    summary = run_batch(batch, home=lite, opened=here())
    assert summary.counts["refused"] == 2
    assert len(entries(lite, "intent")) == 1


def test_erasing_a_person_takes_the_words_of_their_jobs(lite, tmp_path, picture, rows, here):
    """Done, refused and waiting: text and input names go, states, digests and outputs' ids stay; others keep theirs."""
    (tmp_path / "me.jpg").write_bytes(picture)
    record = create_self_consent(lite, portrait=tmp_path / "me.jpg", keys=KeyRing.open(lite), max_uses=1)
    lines = [{**QUICK, "text": f"Secret {n}.", "image": "me.jpg", "output": f"{n}.mp4"} for n in range(2)]
    lines.append({**QUICK, "text": "Nobody's words.", "person": "ada", "output": "ada.mp4"})
    jobs = written(tmp_path / "jobs.jsonl", *lines)
    ran = plan_generation(jobs, home=lite).batch.id
    run_batch(ran, home=lite, opened=here())
    same = plan_generation(written(tmp_path / "same.jsonl", lines[0]), home=lite).batch.id
    assert run_batch(same, home=lite, opened=here()).known_before == 1
    waits = plan_generation(jobs, home=lite).batch.id
    batches = rows(lite)
    before = {item.number: item for item in batches.items(ran)}
    assert [item.state for item in before.values()] == ["done", "refused", "done"]
    assert b"Secret" in stored(lite)

    installation = Installation.open(lite)
    records = consents_of(installation, record.id)
    (tmp_path / "me.jpg").rename(tmp_path / "moved.jpg")  # of what ran, the log and equal jobs tell
    assert erase_person(installation, records).batch_jobs == 2
    (tmp_path / "moved.jpg").rename(tmp_path / "me.jpg")  # of what never began, the picture does
    assert erase_person(installation, records).batch_jobs == 3
    assert erase_person(installation, records).batch_jobs == 0
    assert b"Secret" not in stored(lite)
    assert b"me.jpg" not in stored(lite)
    after = {item.number: item for item in batches.items(ran)}
    for number in (0, 1):
        assert after[number].task == ERASED
        assert (after[number].state, after[number].key) == (before[number].state, before[number].key)
    assert after[1].error["error"] == before[1].error["error"]
    assert batches.results([after[0].key])[after[0].key].report["manifest_id"]
    assert after[2] == before[2]

    assert run_batch(waits, home=lite, opened=here()).counts == {"done": 1, "failed": 2}
    assert {item.error["error"] for item in batches.items(waits, "failed")} == {"batch.erased"}
    assert installation.ledger.verify().ok
    installation.ledger.close()


def stored(home):
    return b"".join(path.read_bytes() for path in home.path.rglob("*.db*"))


def test_real_workers(lite, tmp_path):
    framed_person("ada", short_side=256, home=lite)  # kept ready: both would draw her
    job = {"do": "say", "person": "ada", "text": "Hi.", "short_side": 256, "fps": 10}
    lines = [{**job, "output": f"{n}.mp4"} for n in range(2)]
    batch = plan_generation(written(tmp_path / "jobs.jsonl", *lines), home=lite).batch.id
    assert run_batch(batch, home=lite, staff=Staff(workers=2)).counts == {"done": 2}
    assert len(entries(lite, "output")) == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ({"do": "sing", "output": "a.mp4"}, '"do" must be one of'),
        ({"do": "say", "person": "ada", "output": "a.mp4"}, "missing: text"),
        ({"do": "say", "person": "ada", "text": "x"}, '"output" is missing'),
        ({"do": "say", "text": "x", "output": "a.mp4", "no_label": True}, 'knows no "no_label"'),
        ({"do": "say", "text": "x", "output": "a.mp4", "home": "elsewhere"}, 'knows no "home"'),
        ({"do": "say", "text": "x", "output": "a.mp4", "fps": "many"}, '"fps" is a number'),
        ({"do": "say", "engine": "none", "text": "x", "output": "a.mp4"}, "no engine"),
        ({"do": "render", "output": "a.mp4"}, '"do" must be one of'),
        (["say"], "not a JSON object"),
    ],
)
def test_lines_that_are_no_jobs(lite, tmp_path, line, why, rows):
    good = {"do": "say", "person": "ada", "text": "Hi.", "output": "good.mp4"}
    with pytest.raises(InputError) as caught:
        plan_generation(written(tmp_path / "jobs.jsonl", good, line), home=lite)
    assert caught.value.code == "jobs.form"
    assert "Line 2" in caught.value.message
    assert why in caught.value.found
    assert rows(lite).all() == ()


def test_two_jobs_for_one_output(lite, tmp_path):
    good = {"do": "say", "person": "ada", "text": "Hi.", "output": "a.mp4"}
    with pytest.raises(InputError) as caught:
        plan_generation(written(tmp_path / "jobs.jsonl", good, good), home=lite)
    assert "line 1 has the same output" in caught.value.found
