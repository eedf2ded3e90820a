"""A watched folder: everything that arrives is verified once, nothing is lost, nothing half-written is taken."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

from thsafe.core.errors import InputError, StoreError, ThsafeError
from thsafe.home import Home
from thsafe.sandbox import Sandbox
from thsafe.watching import TAG, Watch


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory):
    made = Sandbox(Home(tmp_path_factory.mktemp("home") / "home"))
    yield made
    made.stop()


@pytest.fixture(scope="module")
def photo():
    noise = np.random.default_rng(1).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    return cv2.imencode(".png", cv2.resize(noise, (120, 90)))[1].tobytes()


@pytest.fixture
def inbox(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


def run_once(watch):
    handled = []
    for _ in range(4):
        handled += watch.handle_ready()
        time.sleep(0.06)
    return {item.file: item for item in handled}


def test_files_are_moved_by_verdict_with_their_report(sandbox, photo, inbox, tmp_path):
    (inbox / "a.png").write_bytes(photo)
    (inbox / "notes.txt").write_text("no media")
    watch = Watch(folder=inbox, sandbox=sandbox, target=tmp_path / "out", settle=0.05)
    watch.check()
    handled = run_once(watch)
    assert {name: item.outcome for name, item in handled.items()} == {
        "a.png": "inconclusive",
        "notes.txt": "unreadable",
    }
    assert (tmp_path / "out/inconclusive/a.png").read_bytes() == photo
    report = json.loads((tmp_path / f"out/inconclusive/a.png{TAG}").read_text())
    assert (report["verdict"], report["file"]) == ("inconclusive", "a.png")
    assert json.loads((tmp_path / f"out/unreadable/notes.txt{TAG}").read_text())["error"] == "input.not-media"
    assert list(inbox.iterdir()) == []


def test_tagged_files_stay_and_are_done_once(sandbox, photo, inbox):
    (inbox / "a.png").write_bytes(photo)
    watch = Watch(folder=inbox, sandbox=sandbox, settle=0.05)
    assert set(run_once(watch)) == {"a.png"}
    assert run_once(Watch(folder=inbox, sandbox=sandbox, settle=0.05)) == {}
    with (inbox / "a.png").open("ab") as file:
        file.write(b"more")
    assert set(run_once(watch)) == {"a.png"}


def test_a_file_that_is_still_written_waits(sandbox, photo, inbox, tmp_path):
    watch = Watch(folder=inbox, sandbox=sandbox, target=tmp_path / "out", settle=0.05)
    watch.check()
    with (inbox / "a.png").open("wb") as file:
        file.write(photo[:500])
        file.flush()
        assert run_once(watch) == {}
        file.write(photo[500:])
    assert run_once(watch)["a.png"].outcome == "inconclusive"


def test_what_is_not_a_file_is_left_alone(sandbox, photo, inbox, tmp_path):
    (tmp_path / "elsewhere.png").write_bytes(photo)
    (inbox / "link.png").symlink_to(tmp_path / "elsewhere.png")
    (inbox / "folder").mkdir()
    os.mkfifo(inbox / "pipe")
    (inbox / ".hidden.png").write_bytes(photo)
    (inbox / "a.png.part").write_bytes(photo)
    (inbox / "empty.png").write_bytes(b"")
    before = sorted(inbox.iterdir())
    watch = Watch(folder=inbox, sandbox=sandbox, target=tmp_path / "out", settle=0.05)
    watch.check()
    assert run_once(watch) == {}
    assert sorted(inbox.iterdir()) == before


def test_no_file_is_ever_replaced(sandbox, photo, inbox, tmp_path):
    out = tmp_path / "out"
    (out / "inconclusive").mkdir(parents=True)
    (out / "inconclusive" / "a.png").write_text("mine")
    (inbox / "a.png").write_bytes(photo)
    watch = Watch(folder=inbox, sandbox=sandbox, target=out, settle=0.05)
    assert run_once(watch)["a.png"].place == out / "inconclusive" / "a-2.png"
    assert (out / "inconclusive" / "a.png").read_text() == "mine"


def test_a_file_that_changes_while_it_is_examined_is_done_again(photo, inbox, tmp_path, sandbox):
    class Slow:
        def __init__(self):
            self.times = 0

        def examine(self, path, **options):
            self.times += 1
            found = sandbox.examine(path, **options)
            if self.times == 1:
                with path.open("ab") as file:
                    file.write(b"later")
            return found

    slow = Slow()
    (inbox / "a.png").write_bytes(photo)
    handled = run_once(Watch(folder=inbox, sandbox=slow, target=tmp_path, settle=0.05))
    assert slow.times == 2
    assert (handled["a.png"].place.read_bytes()) == photo + b"later"


@pytest.mark.parametrize("where", ["report", "move"])
def test_a_full_disk_loses_nothing(sandbox, photo, inbox, tmp_path, monkeypatch, where):
    (inbox / "a.png").write_bytes(photo)

    def full(*_):
        raise OSError(28, "No space left on device")

    def full_report(path, data):
        raise StoreError("full", code="store.disk-full")

    name, broken = ("write_whole", full_report) if where == "report" else ("rename_new", full)
    monkeypatch.setattr(f"thsafe.watching.{name}", broken)
    (tmp_path / "out").mkdir()
    with pytest.raises(StoreError):
        run_once(Watch(folder=inbox, sandbox=sandbox, target=tmp_path / "out", settle=0.05))
    assert (inbox / "a.png").read_bytes() == photo
    monkeypatch.undo()
    handled = run_once(Watch(folder=inbox, sandbox=sandbox, target=tmp_path / "out", settle=0.05))
    assert handled["a.png"].place == tmp_path / "out/inconclusive/a.png"
    assert sorted(path.name for path in (tmp_path / "out/inconclusive").iterdir()) == ["a.png", "a.png" + TAG]


def test_over_file_systems_the_copy_is_complete_before_the_original_goes(sandbox, photo, inbox, tmp_path, monkeypatch):
    import thsafe.watching

    original = thsafe.watching.rename_new

    def other_system(source, target):
        if source.parent == inbox:
            raise OSError(18, "Invalid cross-device link")
        original(source, target)

    monkeypatch.setattr(thsafe.watching, "rename_new", other_system)
    (inbox / "a.png").write_bytes(photo)
    (tmp_path / "out").mkdir()
    handled = run_once(Watch(folder=inbox, sandbox=sandbox, target=tmp_path / "out", settle=0.05))
    assert handled["a.png"].place.read_bytes() == photo
    assert list(inbox.iterdir()) == []


def test_trouble_that_is_not_the_files_stops_the_watch(photo, inbox, tmp_path):
    class Gone:
        def examine(self, *_args, **_options):
            raise InputError("gone", code="sandbox.gone")

    (inbox / "a.png").write_bytes(photo)
    with pytest.raises(InputError):
        run_once(Watch(folder=inbox, sandbox=Gone(), target=tmp_path, settle=0.05))
    assert (inbox / "a.png").exists()


@pytest.mark.parametrize("target", ["same", "missing"])
def test_wrong_folders_are_refused(sandbox, inbox, tmp_path, target):
    watch = (
        Watch(folder=inbox, sandbox=sandbox, target=inbox)
        if target == "same"
        else Watch(folder=tmp_path / "none", sandbox=sandbox)
    )
    with pytest.raises(ThsafeError):
        watch.check()


def test_killed_at_any_moment_nothing_is_lost(photo, inbox, tmp_path):
    """The command, killed while it works, then run to its end."""
    names = [f"{number}.png" for number in range(5)]
    for number, name in enumerate(names):
        (inbox / name).write_bytes(photo + bytes([number]))
    command = [sys.executable, "-m", "thsafe", "watch", str(inbox), "--move", str(tmp_path / "out"), "--once"]
    environment = {**os.environ, "THSAFE_HOME": str(tmp_path / "home")}
    for moved in (2,):
        process = subprocess.Popen([*command, "--settle", "0.1"], env=environment, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 30
        while time.monotonic() < until and len(list((tmp_path / "out").rglob("*.png"))) < moved:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        held = [path.name for path in [*inbox.glob("*.png"), *(tmp_path / "out").rglob("*.png")]]
        assert set(held) == set(names)
    done = subprocess.run(
        [*command, "--settle", "0.1", "--json"], env=environment, capture_output=True, text=True, check=True
    )
    assert all(json.loads(line)["outcome"] == "inconclusive" for line in done.stdout.splitlines())
    kept = sorted((tmp_path / "out" / "inconclusive").glob("*.png"))
    assert [path.name for path in kept] == names
    assert [path.read_bytes() for path in kept] == [photo + bytes([number]) for number in range(5)]
    assert list(inbox.iterdir()) == []
