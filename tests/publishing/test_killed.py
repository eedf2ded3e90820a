"""Killed at any moment: a complete file or none, and the log says which."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from thsafe.core.types import Verdict
from thsafe.media.digest import hash_file
from thsafe.verification import verify

KILLS = 20

# One process imports what a first child needed, then a child is forked for each kill: twenty cold starts would take a
# minute of processor time.
SCRIPT = """
import importlib.util, json, os, random, signal, sys, time
from pathlib import Path

spec = importlib.util.spec_from_file_location("tiny_engine", sys.argv[1])
tiny = importlib.util.module_from_spec(spec)
sys.modules["tiny_engine"] = tiny
spec.loader.exec_module(tiny)
folder, kills = Path(sys.argv[2]), int(sys.argv[3])
import cv2
cv2.setNumThreads(0)

OURS = ("thsafe", "generators", "av", "c2pa", "cv2", "cedarpy", "scipy", "sqlalchemy", "yaml", "PIL", "pdqhash",
        "cryptography", "jinja2", "asn1crypto", "cbor2", "alembic", "soundfile", "soxr", "detectors", "policies")

def child(name):
    pid = os.fork()
    if pid == 0:
        try:
            tiny.Tiny(frames=30).say(folder / name)
            if name == "warm.mp4":
                (folder / "modules").write_text(json.dumps([n for n in sys.modules if n.startswith(OURS)]))
        finally:
            os._exit(0)
    return pid

started = time.monotonic()
os.waitpid(child("warm.mp4"), 0)
for name in json.loads((folder / "modules").read_text()):
    try:
        importlib.import_module(name)
    except ImportError:
        pass  # made by another module at run time
(folder / "modules").unlink()
os.waitpid(child("whole.mp4"), 0)
started = time.monotonic()
os.waitpid(child("timed.mp4"), 0)
took = time.monotonic() - started
chance = random.Random(7)
for number in range(kills):
    pid = child(f"{number}.mp4")
    time.sleep(took * (number + chance.random()) / kills * 1.05)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
print(json.dumps({"took": took}))
"""

# Dead between log and name: once where the name is free, once where another file has it and would be replaced.
LOGGED = """
import importlib.util, os, sys
from pathlib import Path
from thsafe.destination import Destination

spec = importlib.util.spec_from_file_location("tiny_engine", sys.argv[1])
tiny = importlib.util.module_from_spec(spec)
sys.modules["tiny_engine"] = tiny
spec.loader.exec_module(tiny)
Destination.place = lambda self, finished: os._exit(9)
for out in sys.argv[2:]:
    pid = os.fork()
    if pid == 0:
        tiny.Tiny(frames=30).say(Path(out) / "out.mp4", force=True)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
"""


def test_killed_between_log_and_name(installation, tmp_path, tiny) -> None:
    free, taken = tmp_path / "free" / "out.mp4", tmp_path / "taken" / "out.mp4"
    for path in (free, taken):
        path.parent.mkdir()
    taken.write_bytes(b"an older film")
    installation.ledger.close()
    arguments = [str(Path(__file__).with_name("tiny.py")), str(free.parent), str(taken.parent)]
    subprocess.run([sys.executable, "-W", "ignore", "-c", LOGGED, *arguments], check=True, timeout=300)
    logged = {
        installation.ledger.outputs.by_sha256(entry.event["sha256"]).path: entry.event
        for entry in installation.ledger.find("output")
    }
    assert not free.exists()

    for path in (free, taken):
        tiny.Tiny(frames=30).say(path.with_name("after.mp4"))
        assert sorted(left.name for left in path.parent.iterdir()) == ["after.mp4", "out.mp4"]
    assert hash_file(free) == logged[str(free)]["sha256"]
    assert verify(free, record=False).verdict is Verdict.DISCLOSED
    assert taken.read_bytes() == b"an older film"
    assert [entry.event["job"] for entry in installation.ledger.find("failed")] == [logged[str(taken)]["job"]]


def test_a_folder_that_died_before_its_lock_is_cleared_away(installation, tmp_path, tiny) -> None:
    dead, young = tmp_path / ".new.thsafe-dead", tmp_path / ".new.thsafe-young"
    dead.mkdir()
    young.mkdir()
    os.utime(dead, (0, 0))
    tiny.Tiny(frames=30).say(tmp_path / "after.mp4")
    assert not dead.exists()
    assert young.is_dir()


def test_killed_at_twenty_moments(installation, tmp_path, tiny) -> None:
    tiny_path = Path(__file__).with_name("tiny.py")
    out = tmp_path / "out"
    out.mkdir()
    installation.ledger.close()
    result = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(tiny_path), str(out), str(KILLS)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["took"] > 0
    log = installation.ledger.verify()
    assert log.problems == ()
    logged = {record.sha256: record for record in installation.ledger.outputs.all()}

    finished = sorted(out.glob("*.mp4"))
    assert {"warm.mp4", "whole.mp4", "timed.mp4"} <= {path.name for path in finished}
    assert len(finished) < KILLS + 3, "no kill came in time to stop anything"
    for path in finished:
        assert hash_file(path) in logged, f"{path.name} stands there without a log entry"
        assert verify(path, record=False).verdict is Verdict.DISCLOSED

    intents = {entry.event["job"] for entry in installation.ledger.find("intent")}
    outputs = {entry.event["job"]: entry.event["sha256"] for entry in installation.ledger.find("output")}
    assert set(outputs) <= intents
    # A later job in the folder has already closed some of the intents; the others are listed as open.
    interrupted = {entry.event["job"] for entry in installation.ledger.find("failed")}
    still_open = {intent.job for intent in log.open_intents}
    assert still_open | (interrupted - set(outputs)) == intents - set(outputs)
    assert interrupted & set(outputs) == set(), "the log calls a finished output failed"

    # The next job in that folder gives what was logged its name, clears away the rest and says so in the log.
    tiny.Tiny(frames=30).say(out / "after.mp4")
    assert [path for path in out.iterdir() if path.suffix != ".mp4"] == []
    failed = {entry.event["job"] for entry in installation.ledger.find("failed")}
    standing = {hash_file(path) for path in out.iterdir()}
    assert set(outputs.values()) <= standing, "the log holds an output that stands nowhere"
    still_open = {intent.job for intent in installation.ledger.verify().open_intents}
    assert failed & set(outputs) == set(), "the log calls a finished output failed"
    assert failed | still_open == intents - set(outputs)
