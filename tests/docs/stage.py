"""Where the commands of the documentation are carried out: a folder with the files that its pages speak of."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from thsafe.cli.main import run
from thsafe.core.errors import ThsafeError
from thsafe.media.decode import VideoReader
from thsafe.media.encode import Mp4Writer
from thsafe.media.image import write_png
from thsafe.media.planes import i420_from_bgr
from thsafe.media.sound import load_sound
from thsafe.media.wav import write_wav
from thsafe.registry import draw_person

BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
NOT_OURS = {
    "pip": "installs",
    "make": "the whole suite again",
    ".": "an environment",
    "docker": "there is none here",
    "createdb": "PostgreSQL's own",
    "arecord": "a microphone",
    "curl": "a server of another block",
    "mkfifo": "a reader must be there",
    "kubectl": "a cluster",
    "ray": "a cluster",
    "apt-get": "installs",
    "python": "a benchmark",
    "mkdir": "makes room for a file of others",
    "cp": "a file of others",
    "cat": "prints",
}
"""Programs of others that pages show, and why they are not started here."""
LASTING = {
    ("serve",),
    ("studio",),
    ("live",),
    ("watch",),
    ("resolve", "serve"),
    ("tsa", "serve"),
    ("data", "fakes"),
    ("models", "train", "lipsync"),
}
"""Commands that go on until they are stopped, or for an hour."""
PLACES = ("/mnt", "/srv", "/data", "~", "/var")
"""Beginnings of paths that are moved into the stage."""


def lines_of(page: Path) -> list[str]:
    """Every command of a page's console and shell blocks, in order, without what it prints."""
    found: list[str] = []
    for language, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language not in {"console", "sh"}:
            continue
        prompted = "\n$ " in f"\n{body}"
        for line in body.replace("\\\n", " ").splitlines():
            if prompted and line.startswith("$ "):
                found.append(line[2:].strip())
            elif not prompted and line.strip() and not line.startswith("#"):
                found.append(line.strip())
    return found


@dataclass(slots=True)
class Stage:
    """One page's folder and installation."""

    folder: Path
    told: dict[str, str] = field(default_factory=dict)
    """What placeholders stand for by now."""

    def words(self, line: str) -> list[str]:
        """The words of a command, with places moved here and placeholders filled in."""
        words = shlex.split(line, comments=True)
        return [self._filled(word) for word in words]

    def _filled(self, word: str) -> str:
        for name, value in self.told.items():
            if name in word:
                return word.replace(name, value)
        for place in PLACES:
            if word == place or word.startswith(f"{place}/"):
                moved = self.folder / "elsewhere" / word.lstrip("/~")
                moved.parent.mkdir(parents=True, exist_ok=True)
                return str(moved)
        return word


def furnish(folder: Path, source: Path) -> None:
    """Put the files there that pages speak of: from the base that ``make_base`` made."""
    shutil.copytree(source, folder, dirs_exist_ok=True)


def make_base(folder: Path) -> None:
    """Make installation and media once: a drawn person's picture, a film of one without marks, speech, a published film.

    Raises:
        ThsafeError: the publishing loop itself is broken.
    """
    folder.mkdir(parents=True)
    os.environ["THSAFE_HOME"] = str(folder / "home")
    _must(run(["keys", "new"]))
    hello = folder / "hello.mp4"
    _must(run(["generate", "say", "--person", "ada", "--size", "256", "--text", "Good morning.", "-o", str(hello)]))
    # not pixel for pixel what is drawn, so it stands for a photograph of somebody who must be asked
    write_png(folder / "me.png", np.ascontiguousarray(draw_person("mei", 512)[:, ::-1]))
    for name in ("face.png", "face.jpg"):
        shutil.copy(folder / "me.png", folder / name)
    shade = np.linspace(40, 210, 320, dtype=np.uint8)
    write_png(folder / "landscape.png", np.repeat(np.tile(shade, (240, 1))[:, :, None], 3, axis=2))
    sound = load_sound(hello, rate=16000)
    for name in ("speech.wav", "me.wav", "input_audio.wav"):
        write_wav(folder / name, sound[:, None], sample_rate=16000)
    frames = _frames(hello)
    _film(folder / "me.mp4", frames, sound)
    for name in ("talk.mp4", "clip.mp4", "upload.mp4", "input_video.mp4", "scene.mp4", "dubbed.mp4", "camera.mov"):
        shutil.copy(folder / "me.mp4", folder / name)
    _film(folder / "posted.mp4", [_painted(frame) for frame in frames], sound)
    _film(folder / "two.mp4", [np.concatenate([frame, frame[:, ::-1]], axis=1) for frame in frames], sound)
    _webm(folder / "clip.webm")
    for place in (
        "archive",
        "FOLDER",
        "PORTRAITS",
        "GRID",
        "videos",
        "inbox",
        "elsewhere/footage/2024",
        "portraits",
        "talkers",
        "elsewhere/mnt/backup",
    ):
        (folder / place).mkdir(parents=True)
    shutil.copy(hello, folder / "videos/hello.mp4")
    for name in ("hello.mp4", "me.png", "speech.wav"):
        shutil.copy(folder / name, folder / "archive" / name)
    jobs = [{"do": "say", "person": "ada", "short_side": 256, "text": "Good morning.", "output": "ada.mp4"}]
    (folder / "jobs.jsonl").write_text("".join(json.dumps(job) + "\n" for job in jobs), encoding="utf-8")
    shutil.copy(folder / "me.mp4", folder / "elsewhere/footage/2024/me.mp4")


def empty(folder: Path) -> None:
    """For pages that begin with making keys: no installation yet, and nothing made by one."""
    shutil.rmtree(folder / "home")
    (folder / "hello.mp4").unlink()


def write_script(folder: Path, page: Path) -> None:
    """The dialogue that a page prints, as the file that its commands name."""
    for language, body in BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "text" and body.startswith("[cast]"):
            (folder / "dialogue.txt").write_text(body, encoding="utf-8")


def make_room(folder: Path, page: Path) -> None:
    """Away with files of the base whose names a page gives to what it makes, unless it has read them before."""
    read: set[str] = set()
    for line in lines_of(page):
        words = line.split()
        made = {words[at + 1] for at, word in enumerate(words[:-1]) if word in {"-o", "--output"}}
        for name in made - read:
            (folder / name).unlink(missing_ok=True)
        read |= set(words)


def repost(source: Path, target: Path) -> None:
    """What a platform does to a film: encoded again, without what was written beside the pictures."""
    _film(target, _frames(source, worn=False), load_sound(source, rate=16000))


def _webm(path: Path) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libvpx", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        for number in range(10):
            picture = np.full((240, 320, 3), 20 * number, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        out.mux(stream.encode(None))


def _frames(path: Path, *, worn: bool = True) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        return [_worn(frame) if worn else frame for _, frame in reader.iter_bgr()]


def _worn(frame: np.ndarray) -> np.ndarray:
    """Scaled so far that no mark of ours is read any more, and back."""
    small = cv2.resize(frame, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.GaussianBlur(small, (5, 5), 0), (frame.shape[1], frame.shape[0]))


def _painted(frame: np.ndarray) -> np.ndarray:
    changed = frame.copy()
    height, width = frame.shape[:2]
    changed[height * 6 // 10 : height * 8 // 10, width // 3 : width * 2 // 3] = 90
    return changed


def _film(path: Path, frames: list[np.ndarray], sound: np.ndarray) -> None:
    height, width = frames[0].shape[:2]
    with Mp4Writer(path, width=width, height=height, fps=Fraction(25), sample_rate=16000) as writer:
        for number, frame in enumerate(frames):
            writer.write_picture(i420_from_bgr(frame))
            block = sound[number * 640 : (number + 1) * 640]
            if len(block):
                writer.write_sound(block[:, None].astype(np.float32))


def _must(code: int) -> None:
    if code:
        raise ThsafeError(f"the stage cannot be set: exit code {code}", code="test.stage")
