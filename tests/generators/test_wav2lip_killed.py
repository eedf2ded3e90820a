"""Wav2Lip killed half-way through the whole publishing path: asked again, it gives what an unbroken job gives."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from thsafe import Wav2Lip
from thsafe.cli.main import run
from thsafe.core.types import Silent, Verdict
from thsafe.home import Home
from thsafe.installation import Installation
from thsafe.media.decode import VideoReader
from thsafe.unfinished import Unfinished
from thsafe.verification import verify
from thsafe.watermark.picture import PictureMarker

PICTURES = 88
KEPT = 50
"""Key frames come every two seconds; what the encoder still holds when the job dies is drawn again."""


# As the killed process had: sums are the same to the last bit.
pytestmark = pytest.mark.usefixtures("one_thread")


class Notes(Silent):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


def _group_is_kept(folder: Path) -> bool:
    """The first note there is empty where pictures take long; a group of them has some kilobytes."""
    return any(file.stat().st_size > 2000 for file in folder.glob("*/coded"))


def _slices(units: Iterable[bytes]) -> list[bytes]:
    """The coded pictures' own bytes: NAL units of types 1 and 5 (ITU-T H.264, table 7-1)."""
    return [unit.rstrip(b"\0") for unit in units if unit and unit[0] & 31 in {1, 5}]


def _slices_of(path: Path) -> list[bytes]:
    """Of an MP4's picture track, where each unit stands after its length."""
    units = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            data = bytes(packet)
            while data:
                size = int.from_bytes(data[:4])
                units.append(data[4 : 4 + size])
                data = data[4 + size :]
    return _slices(units)


def _pictures(path: Path) -> np.ndarray:
    with VideoReader(path) as reader:
        return np.stack([frame for _, frame in reader.iter_bgr()])


def test_killed_and_asked_again(shared_data, wav2lip_weights, home, tmp_path, monkeypatch) -> None:
    clip, spec = shared_data / "grid" / "bbaf2n.mpg", shared_data.parent / "specs" / "wav2lip" / "e2e"
    samples, rate = soundfile.read(spec / "bbaf2n_16k.wav")
    voice, out = tmp_path / "voice.wav", tmp_path / "out.mp4"
    soundfile.write(voice, np.resize(samples, PICTURES * rate // 25), rate)
    box = json.loads((spec / "e2e.json").read_text())["box_y1y2x1x2"]
    assert run(["keys", "new"]) == 0
    assert run(["models", "pull", "wav2lip-gan", "--file", str(wav2lip_weights), "--accept-noncommercial"]) == 0
    assert run(["consent", "new", "--self", "--portrait", str(clip)]) == 0

    # another installation with the same keys, for a film with the same mark
    twin = tmp_path / "twin"
    shutil.copytree(home, twin, ignore=shutil.ignore_patterns("models"))
    (twin / "models").symlink_to(home / "models")

    command = ["generate", "lipsync", "--engine", "wav2lip", "--video", str(clip), "--audio", str(voice)]
    command += ["--box", ",".join(map(str, box)), "-o", str(out)]
    job = subprocess.Popen(
        [sys.executable, "-m", "thsafe", *command],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    kept = Home(home).unfinished
    deadline = time.monotonic() + 120
    while job.poll() is None and time.monotonic() < deadline and not _group_is_kept(kept):
        time.sleep(0.02)
    job.send_signal(signal.SIGKILL)
    _, said = job.communicate()
    assert job.returncode == -signal.SIGKILL, said.decode()
    assert not out.exists()

    labelled: list[bytes] = []
    """Every drawn and labelled picture, as a digest: the watermark weighs anew where a job goes on."""
    real = PictureMarker.apply

    def apply(self, planes) -> None:
        labelled.append(hashlib.sha256(b"".join(plane.tobytes() for plane in planes)).digest())
        real(self, planes)

    monkeypatch.setattr(PictureMarker, "apply", apply)
    taken: list[bytes] = []
    """What the killed process had coded, as it is taken up."""
    stored = Unfinished.coded

    def coded(self):
        for packet in stored(self):
            taken.extend(_slices(packet.data.split(b"\0\0\1")))
            yield packet

    monkeypatch.setattr(Unfinished, "coded", coded)
    notes = Notes()
    again = {"video": clip, "audio": voice, "box": tuple(box)}
    pieced = Wav2Lip(progress=notes).generate(**again, output_path=out)
    (said_now,) = [note for note in notes.notes if note.startswith("going on after")]
    done = int(said_now.split()[3])
    assert KEPT <= done < PICTURES
    drawn_again, labelled[:] = labelled[:], []
    assert len(drawn_again) == PICTURES - done
    assert not any(kept.glob("*/*"))
    assert [path.name for path in tmp_path.glob("*out*")] == ["out.mp4"]

    types = [entry.type for entry in Installation.open(Home(home)).ledger.entries()]
    assert types[-4:] == ["intent", "intent", "failed", "output"], "the gate was asked anew"

    monkeypatch.setattr("thsafe.marking.new_watermark_id", lambda: pieced.watermark_id)
    whole = Wav2Lip(home=Home(twin)).generate(**again, output_path=tmp_path / "whole.mp4")
    assert (pieced.duration, pieced.watermark_id) == (whole.duration, whole.watermark_id)
    assert drawn_again == labelled[done:], "what is drawn is the same to the bit"
    assert len(taken) >= KEPT
    assert _slices_of(pieced.path)[: len(taken)] == taken, "the file up to the kill is what the killed process coded"
    ours, theirs = _pictures(pieced.path), _pictures(whole.path)
    assert len(ours) == PICTURES
    # Drawn by two processes, whose last bits may differ, and encoded: no person would tell one from the other.
    apart = np.abs(ours[:KEPT].astype(np.int16) - theirs[:KEPT]).mean(axis=(1, 2, 3))
    assert apart.max() < 1.0, "and so is the file up to the kill, but for rounding"
    assert verify(pieced.path, record=False).verdict is Verdict.DISCLOSED
