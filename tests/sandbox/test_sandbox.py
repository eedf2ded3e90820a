"""Examining in a process of its own: limits hold, crashes are words, nothing reaches the network."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from thsafe.confinement import Bounds
from thsafe.core.errors import InputError, StoreError
from thsafe.home import Home
from thsafe.sandbox import Sandbox

CONFINED = """
import socket, sys, ctypes, os
from thsafe.confinement import Bounds, confine
confine(Bounds(megabytes=2048))
refused = 0
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
    try:
        socket.socket(family)
    except PermissionError:
        refused += 1
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall(425, 1, 0)  # io_uring_setup opens sockets too
io_uring = ctypes.get_errno()
child = os.fork()
if child == 0:
    try:
        socket.socket()
    except PermissionError:
        os._exit(7)
    os._exit(0)
try:
    bytearray(3 << 30)
    memory = "no limit"
except MemoryError:
    memory = "limit"
print(refused, io_uring, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), memory)
"""


def test_confined_code_reaches_no_network_and_no_more_memory():
    done = subprocess.run([sys.executable, "-c", CONFINED], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4", "13", "7", "limit"]


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    path = tmp_path_factory.mktemp("picture") / "a.png"
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    cv2.imwrite(str(path), cv2.resize(noise, (160, 120)))
    return path


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    made = Sandbox(Home(tmp_path_factory.mktemp("home") / "home"))
    yield made
    made.stop()


def test_a_file_is_examined_and_each_check_told(sandbox, picture, tmp_path):
    told = []
    found = sandbox.examine(picture, name="shown.png", folder=tmp_path, tell=told.append)
    assert found.view.report.file == "shown.png"
    assert found.view.report.verdict == "inconclusive"
    assert [line["check"] for line in told if "status" in line] == [item.check for item in found.view.report.evidence]
    assert len(found.view.stills) == 1
    assert found.view.stills[0].picture.startswith("data:image/jpeg;base64,")


def test_what_is_no_media_is_the_same_error_as_without_a_sandbox(sandbox, tmp_path):
    path = tmp_path / "x.mp4"
    path.write_bytes(b"no media" * 100)
    with pytest.raises(InputError) as refused:
        sandbox.examine(path, name="x.mp4", folder=tmp_path)
    assert refused.value.code == "input.not-media"


def test_several_at_once(sandbox, picture, tmp_path):
    results = []

    def work():
        results.append(sandbox.examine(picture, name="a", folder=tmp_path).view.report.verdict)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == ["inconclusive"] * 6


def test_time_is_up(sandbox, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "_bounds", Bounds(seconds=0.01))
    with pytest.raises(InputError) as refused:
        sandbox.examine(picture, name="a", folder=tmp_path)
    assert refused.value.code == "sandbox.time"


def test_processor_time_is_up(sandbox, picture, tmp_path, monkeypatch):
    monkeypatch.setattr(sandbox, "_bounds", Bounds(cpu_seconds=0))
    with pytest.raises(InputError) as refused:
        sandbox.examine(picture, name="a", folder=tmp_path)
    assert refused.value.code == "sandbox.limit"


def test_being_stopped(sandbox, picture, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(InputError) as refused:
        sandbox.examine(picture, name="a", folder=tmp_path, cancelled=stop)
    assert refused.value.code == "sandbox.cancelled"
    assert sandbox.examine(picture, name="a", folder=tmp_path).view.report.verdict == "inconclusive"


def _children(pid):
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _templates():
    return [pid for pid in _children(os.getpid()) if "examiner.serve" in Path(f"/proc/{pid}/cmdline").read_text()]


def test_a_killed_template_is_replaced(sandbox, picture, tmp_path):
    sandbox.examine(picture, name="a", folder=tmp_path)
    for template in _templates():
        os.kill(template, 9)
    time.sleep(0.1)
    assert sandbox.examine(picture, name="a", folder=tmp_path).view.report.verdict == "inconclusive"


def test_a_killed_examiner_is_words(sandbox, tmp_path):
    """As by the kernel when memory is short."""
    fifo = tmp_path / "slow.png"
    noise = np.random.default_rng(2).integers(0, 255, (4000, 4000, 3), dtype=np.uint8)
    cv2.imwrite(str(fifo), noise)

    def kill(line):
        for template in _templates():
            for examiner in _children(template):
                os.kill(examiner, 9)

    with pytest.raises((InputError, StoreError)) as refused:
        sandbox.examine(fifo, name="a", folder=tmp_path, tell=kill)
    assert refused.value.code == "sandbox.limit"
