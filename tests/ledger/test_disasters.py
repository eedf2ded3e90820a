"""What can happen to the files: a full disk, damage, missing rights, several programs in a fresh folder at once."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from thsafe.core.errors import StoreError
from thsafe.home import Home
from thsafe.ledger.log import Ledger

FULL = """
import resource, sys
from pathlib import Path
from thsafe.core.errors import StoreError
from thsafe.home import Home
from thsafe.ledger.log import Ledger
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with Ledger.open(Home(Path(sys.argv[1]))) as log:
    done = 0
    try:
        while True:
            log.append({"type": "verify", "n": done, "ballast": "x" * 2000})
            done += 1
    except StoreError as problem:
        print(done, problem.code, problem.log, sep="|")
"""


def test_disk_that_fills_up_during_appends(home):
    said = subprocess.run([sys.executable, "-c", FULL, home], capture_output=True, text=True, check=True).stdout
    done, code, logged = said.strip().split("|")
    assert int(done) > 5
    assert code in {"store.full", "store.unavailable"}
    assert logged == "nothing was written"
    with Ledger.open(Home(home)) as log:
        assert log.size == int(done)  # what was acknowledged, no more and no less
        assert log.verify().ok
        assert log.append({"type": "verify"}).index == int(done)


OPEN = """
import sys, time
from pathlib import Path
from thsafe.home import Home
from thsafe.ledger.log import Ledger
while time.time() < float(sys.argv[2]):
    pass
with Ledger.open(Home(Path(sys.argv[1]))) as log:
    print(log.origin, log.append({"type": "verify"}).index)
"""


def test_processes_that_open_a_fresh_home_at_once(home):
    start = str(time.time() + 1.5)
    command = [sys.executable, "-c", OPEN, home, start]
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    said = [process.communicate(timeout=60)[0].split() for process in together]
    assert [process.returncode for process in together] == [0] * 4
    assert len({origin for origin, _ in said}) == 1
    assert sorted(int(index) for _, index in said) == [0, 1, 2, 3]


def test_damaged_database_file(home):
    with Ledger.open(Home(home)) as log:
        log.append_many({"type": "verify", "mark": f"entry {n:04}"} for n in range(400))
    path = home / "thsafe.db"
    data = bytearray(path.read_bytes())
    for mark in (b"entry 0100", b"entry 0300"):
        page = data.index(mark) // 4096 * 4096
        data[page : page + 4096] = os.urandom(4096)
    path.write_bytes(data)
    with Ledger.open(Home(home)) as log, pytest.raises(StoreError) as caught:
        log.verify()
    assert caught.value.code == "store.corrupt"
    assert "backup" in caught.value.next_step


def test_one_flipped_bit_in_the_file_is_found(home):
    with Ledger.open(Home(home)) as log:
        log.append_many({"type": "verify", "mark": f"entry {n:04}"} for n in range(400))
    path = home / "thsafe.db"
    data = bytearray(path.read_bytes())
    data[data.index(b"entry 0123") + 9] ^= 1
    path.write_bytes(data)
    with Ledger.open(Home(home)) as log:
        assert {problem.code for problem in log.verify().problems} >= {"ENTRY", "HEAD-MISMATCH"}


READ_ONLY = """
import os, sys
from pathlib import Path
from thsafe.core.errors import StoreError
from thsafe.home import Home
from thsafe.ledger.log import Ledger

with Ledger.open(Home(Path(sys.argv[1]) / "other")) as log:
    log.append({"type": "verify"})  # everything is imported before the rights go
    log.verify()
os.setuid(65534)
for _ in range(2):
    try:
        with Ledger.open(Home(Path(sys.argv[1]) / "home")) as log:
            print(log.verify().ok, [entry.event["n"] for entry in log.entries()], log.prove(0).holds())
            log.append({"type": "verify"})
    except StoreError as problem:
        print(problem.code)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
@pytest.mark.parametrize("written", [False, True], ids=["resting", "being-written"])
def test_home_that_cannot_be_written(written):
    """Whoever may only read can verify and prove all the same, what a writer has just written included."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        with Ledger.open(Home(home)) as log:
            log.append({"type": "verify", "n": 0})
            log.append({"type": "verify", "n": 1})
            if not written:
                log.close()
            assert (home / "thsafe.db-wal").exists() == written
            for path in (Path(folder), home, *home.glob("thsafe.db*")):
                path.chmod(0o555 if path == home else 0o755 if path.is_dir() else 0o444)
            said = subprocess.run([sys.executable, "-c", READ_ONLY, folder], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["True [0, 1] True", "store.read-only"] * 2
