"""Killed at any moment: a complete file or none, and the log says which."""

from __future__ import annotations

import json
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


def test_killed_at_twenty_moments(installation, tmp_path) -> None:
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
    unplaced = set(outputs.values()) - {hash_file(path) for path in finished}
    # A later job in the folder has already closed some of the intents; the others are listed as open.
    interrupted = {entry.event["job"] for entry in installation.ledger.find("failed")}
    still_open = {intent.job for intent in log.open_intents}
    assert still_open | (interrupted - set(outputs)) == intents - set(outputs)
    complete = {job for job, digest in outputs.items() if digest not in unplaced}
    assert interrupted & complete == set(), "the log calls a finished output failed"

    # The next job in that folder clears what the dead left and says so in the log.
    import importlib.util

    spec = importlib.util.spec_from_file_location("tiny_after", tiny_path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["tiny_after"] = module
    spec.loader.exec_module(module)
    module.Tiny(frames=30).say(out / "after.mp4")
    assert [path for path in out.iterdir() if path.suffix != ".mp4"] == []
    failed = {entry.event["job"] for entry in installation.ledger.find("failed")}
    withdrawn = {job for job, digest in outputs.items() if digest in unplaced}
    assert withdrawn <= failed
