"""Driving a user's own checkout of SadTalker, as a program of its own.

The authors' script must run in its own folder, drops files into the current one, names its results by the second and
often ends with exit code 0 without any. So every job gets a folder of its own, in which links stand for the checkout's
entries, and a result folder of its own; success is exactly one video that can be read.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Final

from generators.embedded.drive import fitted
from generators.sadtalker.pipeline import RATE, Manner, sitting
from generators.wav2lip.footage import Footage
from thsafe.core.errors import EngineError, InputError, MissingError
from thsafe.core.types import Draft, Json, MediaKind, Progress

if TYPE_CHECKING:
    from thsafe.core.types import Frame

_SCRIPT: Final = "inference.py"
_NOT_LINKED: Final = frozenset({".git", "results"})
_PYTHONS: Final = ("venv/bin/python", ".venv/bin/python", "env/bin/python")
_PASSED_ON: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "CUDA_HOME",
    "OMP_NUM_THREADS",
    "TORCH_HOME",
    "HF_HOME",
    "XDG_CACHE_HOME",
)
"""Nothing else of the environment: it may hold keys."""
_HEARD: Final = 16000
"""Hz; what the script brings every voice to."""
_GRACE_SECONDS: Final = 10.0
_GLANCE_SECONDS: Final = 0.1
_LAST_WORDS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Where SadTalker is, and how it is run."""

    folder: Path
    python: Path | None = None
    """Its interpreter; looked for in the checkout's own environment, then on the path."""
    enhancer: str | None = None
    """``gfpgan`` or ``RestoreFormer``."""
    cpu: bool = False
    timeout: float = 24 * 3600.0
    """Seconds after which it is stopped."""

    def require(self) -> None:
        """Raise MissingError ``engine.checkout`` where there is no checkout that could run."""
        for name in (_SCRIPT, "src", "checkpoints"):
            if not (self.folder / name).exists():
                raise MissingError(
                    "There is no SadTalker checkout in this folder.",
                    code="engine.checkout",
                    found=f"no {name} in {self.folder}",
                    rule="inference.py, src and checkpoints, as its authors lay them out",
                    next_step="give the folder that holds inference.py, or pull the weights instead:"
                    " thsafe models pull sadtalker-256",
                )
        self.interpreter()

    def interpreter(self) -> str:
        """The Python that runs it; raises MissingError ``engine.checkout-python``."""
        named = [self.python] if self.python else [self.folder / name for name in _PYTHONS]
        for path in named:
            if os.access(path, os.X_OK):
                return str(path.absolute())
        found = None if self.python else shutil.which("python3")
        if found is None:
            raise MissingError(
                "There is no Python to run SadTalker with.",
                code="engine.checkout-python",
                found=", ".join(str(path) for path in named),
                next_step="name the interpreter of SadTalker's environment: --checkout-python PATH",
            )
        return found


def render(
    portrait: Path,
    voice: Path,
    checkout: Checkout,
    manner: Manner,
    *,
    facts: Mapping[str, Json],
    progress: Progress,
) -> Draft:
    """Run the checkout, then give its pictures and the voice.

    Args:
        portrait: who is seen.
        voice: what is heard.
        checkout: where SadTalker is.
        manner: how; ``seed`` has no effect, since the script takes none.
        facts: for the manifest.
        progress: told how long it has been running.

    Raises:
        InputError: as for :func:`generators.sadtalker.pipeline.render`.
        EngineError: ``engine.failed``, ``engine.no-output``, ``engine.outputs``, ``engine.output-unreadable`` or
            ``engine.timeout``; nothing stays behind.
    """
    from thsafe.media.sound import iter_sound

    progress.start("finding the face", None)
    picture, _ = sitting(portrait)
    folder = Path(tempfile.mkdtemp(prefix="thsafe-sadtalker-"))
    try:
        given = _handed_over(picture, voice, manner, folder)
        video = _run(given, checkout, folder, progress)
        footage = Footage(video)
        seen = sum(1 for _ in footage.frames())
        channels = next(iter_sound(voice, rate=RATE, mono=False)).shape[1]
        box = _face_box(footage)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    frames = _frames(footage, folder)
    weakref.finalize(frames, shutil.rmtree, folder, ignore_errors=True)  # also where nobody ever asks for a frame
    return Draft(
        width=footage.width,
        height=footage.height,
        fps=footage.fps,
        frames=frames,
        sound=fitted(iter_sound(voice, rate=RATE, mono=False), round(Fraction(seen) / footage.fps * RATE), channels),
        sample_rate=RATE,
        channels=channels,
        frame_count=seen,
        face_box=box,
        facts=facts,
    )


def _frames(footage: Footage, folder: Path) -> Iterator[Frame]:
    try:
        yield from footage.frames()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _handed_over(picture: Frame, voice: Path, manner: Manner, folder: Path) -> Sequence[str]:
    """The script's inputs, under plain names and in plain formats, and the options that name them.

    The script splits names at dots, knows no orientation and no transparency, and hands the voice to three libraries.
    """
    from thsafe.media.image import encode_still
    from thsafe.media.sound import iter_sound
    from thsafe.media.wav import WavWriter

    image, speech = folder / "portrait.png", folder / "voice.wav"
    image.write_bytes(encode_still(picture, "image/png"))
    with WavWriter(speech, sample_rate=_HEARD, channels=1) as writer:
        for block in iter_sound(voice, rate=_HEARD):
            writer.write(block)
    given = ["--driven_audio", str(speech), "--source_image", str(image)]
    for option, film in (("--ref_eyeblink", manner.lids), ("--ref_pose", manner.head)):
        if film is not None:
            link = folder / f"{option.lstrip('-')}.mp4"  # the script tells films from pictures by the name
            link.symlink_to(film.absolute())
            given += [option, str(link)]
    return [*given, *_options(manner)]


def _run(given: Sequence[str], checkout: Checkout, folder: Path, progress: Progress) -> Path:
    desk, results = folder / "desk", folder / "results"
    desk.mkdir()
    results.mkdir()
    for entry in checkout.folder.iterdir():
        if entry.name not in _NOT_LINKED:
            (desk / entry.name).symlink_to(entry.absolute())
    command = [
        checkout.interpreter(),
        _SCRIPT,
        *given,
        "--result_dir",
        str(results),
        "--checkpoint_dir",
        "./checkpoints",
    ]
    command += ["--enhancer", checkout.enhancer] if checkout.enhancer else []
    command += ["--cpu"] if checkout.cpu else []
    environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    progress.start("SadTalker is running", None)
    with (folder / "said").open("w+b") as said:
        process = subprocess.Popen(
            command,
            cwd=desk,
            env=environment | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,  # so that its ffmpeg ends with it
        )
        try:
            _wait(process, checkout.timeout)
        finally:
            _end(process)
        size = said.seek(0, os.SEEK_END)
        said.seek(max(0, size - _LAST_WORDS))
        lines = [line for line in said.read().decode("utf-8", "replace").splitlines() if line.strip()]
    last = lines[-1].strip()[:300] if lines else "nothing was said"
    if process.returncode:
        raise EngineError(
            "SadTalker failed.",
            code="engine.failed",
            found=f"exit code {process.returncode}: {last}",
            next_step="run its inference.py by hand to see more; or pull the weights: thsafe models pull sadtalker-256",
        )
    return _only_video(results, last)


def _options(manner: Manner) -> Sequence[str]:
    given = ["--preprocess", str(manner.mode), "--size", str(manner.size), "--pose_style", str(manner.style)]
    given += ["--expression_scale", str(manner.expression_scale)]
    for name, stops in zip(("--input_yaw", "--input_pitch", "--input_roll"), manner.turns, strict=True):
        given += [name, *(str(round(stop)) for stop in stops)] if stops else []
    return [*given, "--still"] if manner.still else given


def _wait(process: subprocess.Popen[bytes], timeout: float) -> None:
    latest = time.monotonic() + timeout
    while process.poll() is None:
        if time.monotonic() > latest:
            raise EngineError(
                "SadTalker did not come to an end.",
                code="engine.timeout",
                found=f"still running after {timeout:.0f} s",
                next_step="give a shorter voice, or more time",
            )
        time.sleep(_GLANCE_SECONDS)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop it and what it started: politely, then not; the second round also meets what a program left running."""
    for order, patience in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, None)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, order)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)


def _only_video(results: Path, last: str) -> Path:
    from thsafe.media.probe import probe

    found = sorted(path for path in results.rglob("*.mp4") if path.is_file() and not path.is_symlink())
    if not found:
        raise EngineError(
            "SadTalker ended without a video.",
            code="engine.no-output",
            found=f"exit code 0, no file; its last words: {last}",
            rule="exactly one readable .mp4",
            next_step="choose a picture that shows one face from the front; it often ends so when it finds none",
        )
    if len(found) > 1:
        raise EngineError(
            "SadTalker left several videos.",
            code="engine.outputs",
            found=", ".join(path.name for path in found[:5]),
            rule="exactly one readable .mp4",
            next_step="run it without options that keep its intermediate files",
        )
    try:
        kind = probe(found[0]).kind
    except InputError as problem:
        raise _unreadable(problem.found) from problem
    if kind is not MediaKind.VIDEO:
        raise _unreadable(f"it holds {kind}")
    return found[0]


def _unreadable(why: str) -> EngineError:
    return EngineError(
        "The video that SadTalker left cannot be read.",
        code="engine.output-unreadable",
        found=why,
        rule="exactly one readable .mp4",
        next_step="check that ffmpeg is on the path: SadTalker ignores its failures",
    )


def _face_box(footage: Footage) -> tuple[float, float, float, float] | None:
    """Where the face is in the first picture, as shares."""
    from thsafe.media.faces import find_faces

    first = next(footage.frames(), None)
    faces = () if first is None else find_faces(first, max_faces=1)
    if not faces:
        return None
    x0, y0, x1, y1 = faces[0].box
    return (x0 / footage.width, y0 / footage.height, x1 / footage.width, y1 / footage.height)
