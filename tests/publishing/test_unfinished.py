"""Killed half-way, asked for again: what was drawn is not drawn twice, and nobody can slip in other pictures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from thsafe.core.types import Silent, Verdict
from thsafe.verification import verify

FRAMES = 140
STOP = 130
KEPT = 100
"""Key frames come every 50 pictures; the encoder holds up to 20."""


class Stopped(Exception):
    pass


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


class Counted:
    """Which pictures were drawn; raises at ``stop``."""

    def __init__(self, stop: int | None = None, pause: float = 0.0) -> None:
        self.drawn: list[int] = []
        self.stop = stop
        self.pause = pause

    def __call__(self, number: int) -> None:
        if number == self.stop:
            raise Stopped
        time.sleep(self.pause)
        self.drawn.append(number)


def _interrupted(tiny, out: Path, **options: object) -> None:
    with pytest.raises(Stopped):
        tiny.Tiny(frames=FRAMES, during=Counted(STOP), **options).say(out)


def _begins_at(tiny, out: Path, **options: object) -> int:
    """The first picture that the same job draws now."""
    first: list[int] = []

    def during(number: int) -> None:
        first.append(number)
        raise Stopped

    with pytest.raises(Stopped):
        tiny.Tiny(frames=FRAMES, during=during, **options).say(out)
    return first[0]


def _frames(path: Path) -> np.ndarray:
    from thsafe.media.decode import VideoReader

    with VideoReader(path) as reader:
        return np.stack([frame for _, frame in reader.iter_bgr()]).astype(np.float32)


def _kept(installation) -> list[str]:
    return sorted(file.name for file in installation.home.unfinished.glob("*/*"))


def test_the_same_job_goes_on_where_it_was_stopped(installation, tiny, tmp_path) -> None:
    _interrupted(tiny, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
    assert _kept(installation) == ["coded", "lock"]
    again, notes = Counted(), Notes()
    output = tiny.Tiny(frames=FRAMES, during=again, progress=notes).say(tmp_path / "out.mp4")
    assert again.drawn[0] == KEPT
    assert notes.notes == [f"going on after {KEPT} pictures that were drawn before"]
    assert _kept(installation) == []
    assert verify(output.path, record=False).verdict is Verdict.DISCLOSED
    # the gate was asked anew: two intents, one of them failed
    types = [entry.type for entry in installation.ledger.entries()]
    assert types == ["intent", "failed", "intent", "output"]

    whole = tiny.Tiny(frames=FRAMES).say(tmp_path / "whole.mp4")
    pieced, unbroken = _frames(output.path), _frames(whole.path)
    assert pieced.shape == unbroken.shape
    # two watermarks differ by more than two runs of the encoder do
    noise = np.sqrt(((pieced - unbroken) ** 2).mean(axis=(1, 2, 3)))
    assert noise[KEPT:].mean() < 1.1 * noise[:KEPT].mean() + 0.1
    assert output.duration == whole.duration


def test_another_job_does_not_use_it(installation, tiny, tmp_path) -> None:
    _interrupted(tiny, tmp_path / "out.mp4")
    # other territories want other labels
    assert _begins_at(tiny, tmp_path / "out.mp4", territories=["CN"]) == 0
    assert _begins_at(tiny, tmp_path / "elsewhere.mp4") == KEPT


def test_what_was_changed_is_drawn_again(installation, tiny, tmp_path) -> None:
    _interrupted(tiny, tmp_path / "out.mp4")
    (coded,) = installation.home.unfinished.glob("*/coded")
    whole = coded.read_bytes()
    first = 4 + int.from_bytes(whole[:4])
    flipped = bytearray(whole)
    flipped[first + 100] ^= 1
    for data, begins in ((whole, 100), (bytes(flipped), 50), (whole[:-10], 50), (whole[first:] + whole[:first], 0)):
        coded.write_bytes(data)
        assert _begins_at(tiny, tmp_path / "out.mp4") == begins


def test_only_marked_pictures_are_kept(installation, tiny, tmp_path, monkeypatch) -> None:
    from thsafe.watermark.picture import PictureMarker

    marked: list[bytes] = []
    real = PictureMarker.apply

    def apply(self, planes) -> None:
        real(self, planes)
        marked.append(planes.y.tobytes())

    monkeypatch.setattr(PictureMarker, "apply", apply)
    monkeypatch.setattr("thsafe.unfinished.SLOW", 0.0)
    with pytest.raises(Stopped):
        tiny.Tiny(frames=FRAMES, during=Counted(40)).say(tmp_path / "out.mp4")
    import zlib

    files = sorted(installation.home.unfinished.glob("*/*.picture"), key=lambda file: int(file.stem))
    assert len(files) == 40
    for file, luma in zip(files, marked, strict=True):
        assert zlib.decompress(file.read_bytes()[32:])[: len(luma)] == luma
    assert _begins_at(tiny, tmp_path / "out.mp4") == 40, "a slow engine draws no picture twice"


def test_pictures_whose_marks_are_not_found_are_not_kept(installation, tiny, tmp_path, monkeypatch) -> None:
    from thsafe.core.errors import MarkError

    monkeypatch.setattr("thsafe.watermark.picture.PictureMarker.apply", lambda *args: None)
    with pytest.raises(MarkError):
        tiny.Tiny(frames=60).say(tmp_path / "out.mp4")
    assert _kept(installation) == []


def test_two_processes_with_the_same_job_do_not_share_it(installation, tiny, tmp_path) -> None:
    from thsafe.unfinished import forget_unfinished

    _interrupted(tiny, tmp_path / "out.mp4")
    (folder,) = installation.home.unfinished.iterdir()
    code = "import fcntl,sys,time; f=open(sys.argv[1],'r+'); fcntl.flock(f,2); print(1,flush=True); time.sleep(60)"
    other = subprocess.Popen([sys.executable, "-c", code, str(folder / "lock")], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        other.stdout.readline()
        assert _begins_at(tiny, tmp_path / "out.mp4") == 0
        forget_unfinished(installation.home)
        assert folder.is_dir(), "another process is at work there"
    finally:
        os.kill(other.pid, signal.SIGKILL)
        other.communicate()
    forget_unfinished(installation.home)
    assert not folder.exists()


def test_it_is_thrown_away_after_a_week(installation, tiny, tmp_path) -> None:
    _interrupted(tiny, tmp_path / "out.mp4")
    long_ago = time.time() - 8 * 86400
    for path in [*installation.home.unfinished.glob("*/*"), *installation.home.unfinished.iterdir()]:
        os.utime(path, (long_ago, long_ago))
    assert _begins_at(tiny, tmp_path / "out.mp4") == 0
