"""Real workers of this machine: the same report as thsafe verify, killed workers, poison among many."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from thsafe.batch import plan_verification, run_batch
from thsafe.batch.executors import Staff
from thsafe.batch.settings import VerifySettings
from thsafe.core.types import Verdict
from thsafe.report.data import report_as_json
from thsafe.verification import verify

TWO = Staff(workers=2)


def run(home, folder, *, settings=None, executor="local", **options):
    planned = plan_verification([str(folder)], settings=settings, recursive=True, home=home)
    return run_batch(planned.batch.id, home=home, executor=executor, staff=TWO, **options)


def reports(found, batch):
    results = found.results(item.key for item in found.items(batch))
    return {
        Path(item.source).name: dict(results[item.key].report) for item in found.items(batch) if item.key in results
    }


def comparable(report):
    """Without times, and without the checks that only one of both was asked for."""
    evidence = [{**item, "seconds": 0} for item in report["evidence"] if item["code"] != "NOT-ASKED"]
    return {**report, "evidence": evidence, "at": "", "limits": []}


@pytest.mark.parametrize("executor", ["local", "serial"])
def test_the_report_is_that_of_verify(copied, signed, tmp_path, picture, rows, executor):
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "signed.jpg").write_bytes(signed[1].read_bytes())
    (folder / "raw.jpg").write_bytes(picture)
    (folder / "note.txt").write_text("nothing to see")
    (folder / "broken.jpg").write_bytes(signed[1].read_bytes()[:-40] + b"x" * 40)
    summary = run(copied, folder, executor=executor)
    assert summary.counts == {"done": 3, "failed": 1}
    assert summary.verdicts == {"disclosed": 1, "inconclusive": 1, "tampered": 1}
    made = reports(rows(copied), summary.id)
    asked = {item["check"] for item in made["signed.jpg"]["evidence"] if item["code"] != "NOT-ASKED"}
    assert asked == {"log", "credentials", "log-entry", "container"}
    for name, path in (("signed.jpg", folder / "below" / "signed.jpg"), ("broken.jpg", folder / "broken.jpg")):
        alone = report_as_json(verify(path, home=copied, record=False, detectors=False))
        kept = [item for item in alone["evidence"] if item["check"] in asked]
        assert comparable(made[name])["evidence"] == comparable({**alone, "evidence": kept})["evidence"]
        assert {**comparable(made[name]), "evidence": []} == {**comparable(alone), "evidence": []}


def test_marks_when_asked_for(copied, signed, tmp_path, rows):
    """A stripped copy: provenance alone finds nothing, the mark leads back."""
    import cv2

    folder = tmp_path / "folder"
    folder.mkdir()
    cv2.imwrite(str(folder / "stripped.png"), cv2.imread(str(signed[1])))
    assert run(copied, folder).verdicts == {"inconclusive": 1}
    assert run(copied, folder, settings=VerifySettings(checks="marks")).verdicts == {str(Verdict.RECOVERED): 1}


def test_a_thousand_files_of_which_fifty_are_poison(lite, many, rows, logged, killers):
    folder = many(1000, poison=50)
    summary = run(lite, folder)
    assert summary.counts == {"done": 950, "poison": 50}
    found = rows(lite)
    poison = list(found.items(summary.id, "poison"))
    assert all("poison" in item.source and item.attempts == 3 for item in poison)
    assert all(item.error["error"] == "batch.poison" for item in poison)
    assert len(logged(lite)) == len(set(logged(lite))) == 950
    again = run(lite, folder)
    assert again.counts == {"done": 950, "poison": 50}
    assert again.known_before == 1000, "what killed workers before is not tried on them again"


def test_killed_workers_are_replaced(lite, many, logged):
    folder, killed = many(300), []
    planned = plan_verification([str(folder)], recursive=True, home=lite)

    def kill_some():
        while len(killed) < 4 and not over.wait(0.3):
            for worker in _workers_of(os.getpid()):
                os.kill(worker, signal.SIGKILL)
                killed.append(worker)

    over = threading.Event()
    killer = threading.Thread(target=kill_some)
    killer.start()
    try:
        summary = run_batch(planned.batch.id, home=lite, staff=TWO)
    finally:
        over.set()
        killer.join()
    assert killed
    assert summary.counts == {"done": 300}
    assert len(logged(lite)) == 300


def test_a_file_that_takes_too_long(lite, many, tmp_path, rows):
    folder = many(4)
    os.mkfifo(folder / "never.jpg")
    # A pipe is left alone inside a folder; named by itself it is tried.
    planned = plan_verification(
        [*map(str, folder.glob("*-fine.jpg")), str(folder / "never.jpg")],
        settings=VerifySettings(seconds=1.0),
        home=lite,
    )
    summary = run_batch(planned.batch.id, home=lite, staff=TWO)
    assert summary.counts["done"] == 4
    assert sum(summary.counts.values()) == 5
    bad = [item for item in rows(lite).items(summary.id) if "never" in item.source]
    assert bad[0].state in {"poison", "failed"}


def test_driver_killed_and_its_workers_end_with_it(lite, many, logged):
    folder = many(400)
    planned = plan_verification([str(folder)], recursive=True, home=lite)
    code = "import sys; from thsafe.cli.main import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", code, "batch", "run", planned.batch.id, "--workers", "2"]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    workers = []
    while driver.poll() is None and len(workers) < 2:
        workers = _workers_of(driver.pid)
        time.sleep(0.05)
    time.sleep(0.3)
    driver.kill()
    driver.wait()
    deadline = time.monotonic() + 10
    while any(Path(f"/proc/{worker}").exists() for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers
    assert not any(Path(f"/proc/{worker}").exists() for worker in workers)
    summary = run_batch(planned.batch.id, home=lite, staff=TWO)
    assert summary.counts == {"done": 400}
    assert len(logged(lite)) == len(set(logged(lite))) == 400


def test_without_keys_there_is_no_log_and_it_works(home, many, rows):
    from thsafe.home import Home

    summary = run(Home(home), many(3))
    assert summary.counts == {"done": 3}
    found = rows(Home(home))
    assert {result.position for result in found.results(i.key for i in found.items(summary.id)).values()} == {None}
    assert json.dumps(reports(found, summary.id))
    assert replace(TWO, workers=1).workers == 1


def _workers_of(driver: int) -> list[int]:
    """Grandchildren: the driver starts the template, the template its workers."""
    return [worker for template in _children(driver) for worker in _children(template)]


def _children(parent: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{parent}/task").glob("*/children"):
        try:
            found += [int(word) for word in task.read_text().split()]
        except OSError:
            continue
    return found
