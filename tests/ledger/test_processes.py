"""Several processes on one log: nothing is lost, counts are exact, and a kill at any moment leaves a log that verifies."""

import os
import signal
import subprocess
import sys
import time

import pytest

from thsafe.ledger.log import Ledger

APPEND = """
import sys
from pathlib import Path
from thsafe.home import Home
from thsafe.ledger.log import Ledger
with Ledger.open(Home(Path(sys.argv[1]))) as log:
    for n in range(int(sys.argv[3])):
        log.append({"type": "verify", "who": sys.argv[2], "n": n})
"""

USE = """
import sys, threading
from pathlib import Path
from thsafe.core.errors import ConsentRefused
from thsafe.home import Home
from thsafe.ledger.log import Ledger
granted = []
with Ledger.open(Home(Path(sys.argv[1]))) as log:
    def ask():
        try:
            granted.append(log.append({"type": "intent"}, uses={"c": 5}))
        except ConsentRefused:
            pass
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
sys.stdout.write(str(len(granted)))
"""

FOREVER = """
import sys, itertools
from pathlib import Path
from thsafe.home import Home
from thsafe.ledger.log import Ledger
with Ledger.open(Home(Path(sys.argv[1]))) as log:
    for n in itertools.count():
        log.append({"type": "intent", "job": f"{sys.argv[2]}-{n}"}, uses={"c": None})
        sys.stdout.write(f"{n}\\n"); sys.stdout.flush()
        log.append({"type": "failed", "job": f"{sys.argv[2]}-{n}", "reason": "test"})
"""


def start(script, *arguments):
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ, text=True)


def finish(process):
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0
    return output


def test_eight_processes_lose_nothing(log, any_home):
    running = [start(APPEND, any_home.path, who, 50) for who in range(8)]
    for process in running:
        finish(process)
    written = [(entry.event["who"], entry.event["n"]) for entry in log.entries()]
    assert sorted(written) == sorted((str(who), n) for who in range(8) for n in range(50))
    for who in range(8):  # and each process's own entries are in its order
        assert [n for name, n in written if name == str(who)] == list(range(50))
    report = log.verify()
    assert report.ok
    assert report.size == 400


def test_sixteen_at_once_get_exactly_five_uses(log, any_home):
    running = [start(USE, any_home.path) for _ in range(4)]
    assert sum(int(finish(process)) for process in running) == 5
    assert log.uses("c") == 5 == log.size
    assert log.verify().ok


def test_killed_at_any_moment(any_home, key):
    acknowledged = 0
    on_postgresql = "THSAFE_DB" in os.environ
    for attempt in range(4 if on_postgresql else 10):
        process = start(FOREVER, any_home.path, attempt)
        last = int(process.stdout.readline())  # it is running
        time.sleep(0.003 * attempt)
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL
        lines = [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged += 1 + (int(lines[-1]) if lines else last)
        with Ledger.open(any_home, key=key) as log:
            report = log.verify()
            assert report.ok
            assert report.counts["intent"] >= acknowledged  # what was acknowledged is there
            assert log.uses("c") == report.counts["intent"]
            # The one intent that was under way is listed, unless the kill fell between two jobs.
            mine = [intent for intent in report.open_intents if intent.job.startswith(f"{attempt}-")]
            assert len(mine) <= 1
            acknowledged = report.counts["intent"]
    with Ledger.open(any_home, key=key) as log:
        assert log.append({"type": "verify"}).index == log.size - 1


@pytest.mark.parametrize("threads", [8])
def test_threads_share_one_log(log, threads):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(threads) as pool:
        entries = list(pool.map(lambda n: log.append({"type": "verify", "n": n}), range(64)))
    assert sorted(entry.index for entry in entries) == list(range(64))
    assert log.verify().ok
