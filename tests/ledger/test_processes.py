"""Several processes on one log: nothing is lost, counts are exact, and a kill at any moment leaves a log that verifies.

Each scenario runs in one interpreter that forks its processes before any of them has opened the log.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

from thsafe.ledger.log import Ledger

APPENDS = int(os.environ.get("THSAFE_TEST_APPENDS", "50"))
"""By each of eight processes; 1000 takes minutes."""

KILLS = int(os.environ.get("THSAFE_TEST_KILLS", "10"))

SETTING = """
import json, os, signal, sys, threading, time
from pathlib import Path
from thsafe.core.errors import ConsentRefused
from thsafe.home import Home
from thsafe.ledger.log import Ledger

home = Home(Path(sys.argv[1]))

def fork(work, *arguments):
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return pid, os.fdopen(reading)
    code = 1
    try:
        os.close(reading)
        with os.fdopen(writing, "w") as say:
            work(say, *arguments)
        code = 0
    finally:
        os._exit(code)

def finish(pid, lines):
    text = lines.read()
    assert os.waitpid(pid, 0)[1] == 0
    return text
"""

APPEND = """
def append(say, who):
    with Ledger.open(home) as log:
        for n in range(int(sys.argv[2])):
            log.append({"type": "verify", "who": who, "n": n})

for pid, lines in [fork(append, who) for who in range(8)]:
    finish(pid, lines)
"""

USE = """
def use(say):
    granted = []
    def ask():
        try:
            granted.append(log.append({"type": "intent"}, uses={"c": 5}))
        except ConsentRefused:
            pass
    with Ledger.open(home) as log:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    say.write(str(len(granted)))

sys.stdout.write(json.dumps([int(finish(*child)) for child in [fork(use) for _ in range(4)]]))
"""

KILL = """
def work(say, attempt):
    with Ledger.open(home) as log:
        for n in range(1_000_000):
            log.append({"type": "intent", "job": f"{attempt}-{n}"}, uses={"c": None})
            say.write("done\\n")
            say.flush()
            log.append({"type": "failed", "job": f"{attempt}-{n}", "reason": "test"})

for attempt in range(int(sys.argv[2])):
    pid, lines = fork(work, attempt)
    acknowledged = lines.readline() + ""
    time.sleep(0.003 * (attempt % 17))
    os.kill(pid, signal.SIGKILL)
    acknowledged += lines.read()
    assert os.waitpid(pid, 0)[1] == signal.SIGKILL
    with Ledger.open(home) as log:
        report = log.verify()
        mine = [intent for intent in report.open_intents if intent.job.startswith(f"{attempt}-")]
        found = sum(1 for entry in log.find("intent") if entry.event["job"].startswith(f"{attempt}-"))
        print(json.dumps({
            "problems": [problem.message for problem in report.problems],
            "acknowledged": acknowledged.count("done\\n"),
            "found": found,
            "open": len(mine),
            "uses": log.uses("c"),
            "intents": report.counts["intent"],
        }), flush=True)
"""


def play(scenario, *arguments):
    command = [sys.executable, "-c", SETTING + scenario, *map(str, arguments)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, env=os.environ, text=True, timeout=300).stdout


def test_eight_processes_lose_nothing(log, any_home):
    play(APPEND, any_home.path, APPENDS)
    written = [(entry.event["who"], entry.event["n"]) for entry in log.entries()]
    assert sorted(written) == sorted((who, n) for who in range(8) for n in range(APPENDS))
    for who in range(8):  # and each process's own entries are in its order
        assert [n for name, n in written if name == who] == list(range(APPENDS))
    report = log.verify()
    assert report.ok
    assert report.size == 8 * APPENDS


def test_sixteen_at_once_get_exactly_five_uses(log, any_home):
    assert sum(json.loads(play(USE, any_home.path))) == 5
    assert log.uses("c") == 5 == log.size
    assert log.verify().ok


def test_killed_at_any_moment(any_home):
    rounds = [json.loads(line) for line in play(KILL, any_home.path, KILLS).splitlines()]
    assert len(rounds) == KILLS
    for state in rounds:
        assert state["problems"] == []
        assert state["acknowledged"] >= 1
        # What was acknowledged is there; at most the one entry under way is there beyond it.
        assert state["acknowledged"] <= state["found"] <= state["acknowledged"] + 1
        assert state["open"] <= 1  # the job that was cut off, if the kill did not fall between two
        assert state["uses"] == state["intents"]
    with Ledger.open(any_home) as log:  # by the machine's own clock, as those were that were killed
        assert log.append({"type": "verify"}).index == log.size - 1


def test_threads_share_one_log(log):
    with ThreadPoolExecutor(8) as pool:
        entries = list(pool.map(lambda n: log.append({"type": "verify", "n": n}), range(64)))
    assert sorted(entry.index for entry in entries) == list(range(64))
    assert log.verify().ok
