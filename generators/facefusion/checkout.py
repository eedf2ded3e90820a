"""Driving a user's own checkout of FaceFusion, as a program of its own.

``headless-run`` ends with exit code 0 also when it was stopped, and with 1 and not a word when its content analyser
refuses. So success is three things together: exit code 0, a video that can be read, and a job in ``completed``. Every
run has jobs, temporary frames and settings of its own, and is ended with SIGTERM (SIGINT would look like success).
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from generators.facefusion.models import ENHANCER
from generators.foreign import copied, draft_of, plain_picture, require_video
from generators.program import BEGINS_ANEW, Ended, WorkFolder, interpreter, run
from thsafe.core.errors import EngineError, InputError, MissingError, ThsafeError
from thsafe.core.types import Draft, Json, MediaRef, Progress

TITLE: Final = "FaceFusion"
_SCRIPT: Final = "facefusion.py"
_STATES: Final = ("drafted", "queued", "completed", "failed")
_ENDINGS: Final[Mapping[str, str]] = {
    "video/mp4": ".mp4",
    "video/quicktime": ".mov",
    "video/webm": ".webm",
    "video/x-matroska": ".mkv",
    "video/matroska": ".mkv",
    "video/x-msvideo": ".avi",
    "video/vnd.avi": ".avi",
}
"""FaceFusion tells films by their names, and wants the same ending on what it writes."""
_BAR: Final = re.compile(r"^\s*([a-z][a-z ]{2,30}):\s+\d+%\|[^|]*\|\s*(\d+)/(\d+)")
"""A tqdm line: ``processing:  22%|##  | 219/1000 [00:03<00:12, 60.1frame/s, …]``."""
_STEP: Final = re.compile(r"^(\[[^\]]*\]\s*)*processing step \d+ of \d+", re.IGNORECASE)
_VERSION: Final = re.compile(r"'version':\s*'([0-9][0-9A-Za-z.+-]{0,19})'")
_SELF_CHECK: Final = re.compile(r"content_analyser_hash\s*==\s*'([0-9a-f]{8})'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """Where FaceFusion is, and how it is run."""

    folder: Path
    python: Path | None = None
    """Its interpreter; looked for in the checkout's own environment, then on the path."""
    device: str = "cpu"
    """``cpu`` or ``cuda``."""
    timeout: float = 24 * 3600.0
    """Seconds after which it is stopped."""

    def require(self) -> None:
        """Raise MissingError ``engine.checkout`` where there is no checkout that could run."""
        for name in (_SCRIPT, "facefusion"):
            if not (self.folder / name).exists():
                raise MissingError(
                    "There is no FaceFusion checkout in this folder.",
                    code="engine.checkout",
                    found=f"no {name} in {self.folder}",
                    rule="facefusion.py and facefusion, as its authors lay them out",
                    next_step="give the folder that holds facefusion.py: --checkout DIR",
                )
        interpreter(TITLE, self.folder, self.python)

    @property
    def version(self) -> str:
        """What its own metadata call it; empty where they cannot be read."""
        found = _VERSION.search(_text(self.folder / "facefusion" / "metadata.py"))
        return found.group(1) if found else ""

    def weights(self, model: str) -> Path:
        """Where it keeps a model."""
        return self.folder / ".assets" / "models" / f"{model}.onnx"

    def content_check_edited(self) -> bool:
        """Whether its content analyser is not the one that its own self-check expects; such a checkout never runs."""
        core = self.folder / "facefusion" / "core.py"
        analyser = self.folder / "facefusion" / "content_analyser.py"
        expected = _SELF_CHECK.search(_text(core))
        return expected is not None and format(zlib.crc32(_text(analyser).encode()), "08x") != expected.group(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How faces are swapped."""

    model: str
    enhance: bool = False
    faces: str = "one"
    """``one``, ``many`` or ``reference``."""
    reference_position: int = 0
    reference_frame: int = 0
    reference_distance: float = 0.3


def render(
    sources: Sequence[MediaRef],
    target: MediaRef,
    checkout: Checkout,
    manner: Manner,
    *,
    facts: Mapping[str, Json],
    progress: Progress,
) -> Draft:
    """Run the checkout, then give its pictures and the film's own sound.

    Args:
        sources: pictures of the person whose face is put in.
        target: the film whose person lends everything else.
        checkout: where FaceFusion is.
        manner: how.
        facts: for the manifest.
        progress: told the frames.

    Raises:
        InputError: ``facefusion.source``, ``facefusion.target`` or as the media readers; ``input.changed``.
        MissingError: ``facefusion.models`` or ``facefusion.programs``: its own models, or curl and ffmpeg, are missing.
        EngineError: ``facefusion.refused``, ``facefusion.edited``, ``facefusion.options``, ``facefusion.stopped``,
            ``engine.failed``, ``engine.no-output``, ``engine.output-unreadable`` or ``engine.timeout``. Nothing stays
            behind.
    """
    work = WorkFolder("facefusion")
    folder = work.path
    try:
        pictures = [plain_picture(ref, folder / f"source-{number}.png") for number, ref in enumerate(sources)]
        film = copied(target, folder / f"target{_ending(target)}")
        video = _run(pictures, film, checkout, manner, work, progress)
        return draft_of(video, sound=film, folder=work, facts=facts)
    except BaseException:
        work.clear()
        raise


def command_of(pictures: Sequence[Path], film: Path, out: Path, checkout: Checkout, manner: Manner) -> list[str]:
    """The call; all that FaceFusion writes goes beside ``out``."""
    folder = out.parent
    python = interpreter(TITLE, checkout.folder, checkout.python)
    command = [python, _SCRIPT, "headless-run", "--processors", "face_swapper"]
    command += ["face_enhancer", "--face-enhancer-model", ENHANCER] if manner.enhance else []
    command += ["--face-swapper-model", manner.model]
    command += ["-s", *map(str, pictures), "-t", str(film), "-o", str(out)]
    command += ["--face-selector-mode", manner.faces]
    if manner.faces == "reference":
        command += ["--reference-face-position", str(manner.reference_position)]
        command += ["--reference-frame-number", str(manner.reference_frame)]
        command += ["--reference-face-distance", str(manner.reference_distance)]
    command += ["--execution-providers", checkout.device, "--log-level", "info"]
    command += ["--temp-path", str(folder / "temp"), "--jobs-path", str(folder / "jobs")]
    return [*command, "--config-path", str(folder / "facefusion.ini"), "--download-providers", "huggingface", "github"]


def _run(
    pictures: Sequence[Path], film: Path, checkout: Checkout, manner: Manner, work: WorkFolder, progress: Progress
) -> Path:
    folder = work.path
    out, jobs = folder / f"out{film.suffix}", folder / "jobs"
    (folder / "temp").mkdir()
    jobs.mkdir()
    (folder / "facefusion.ini").write_text("")
    progress.note(f"{TITLE} {BEGINS_ANEW}")
    progress.start("FaceFusion is running", None)
    ended = run(
        TITLE,
        command_of(pictures, film, out, checkout, manner),
        folder=work,
        cwd=checkout.folder.absolute(),
        timeout=checkout.timeout,
        hear=_Bars(progress).hear,
    )
    state = next((name for name in _STATES if any((jobs / name).glob("*.json"))), "none")
    if ended.code == 0 and state == "completed" and out.is_file():
        return require_video(out, TITLE, "check that ffmpeg and ffprobe are on the path")
    raise _failure(ended, state, written=out.exists(), edited=checkout.content_check_edited())


class _Bars:
    """FaceFusion's bars, told to ours."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._stage, self._done = progress, "", 0

    def hear(self, line: str) -> None:
        """One line of what it says."""
        found = _BAR.match(line)
        if not found:
            return
        stage, done, total = found.group(1), int(found.group(2)[:9]), int(found.group(3)[:9])
        if stage != self._stage:
            self._stage, self._done = stage, 0
            self._progress.start(f"FaceFusion: {stage}", total)
        if done > self._done:
            self._progress.advance(done - self._done)
            self._done = done


def _failure(ended: Ended, state: str, *, written: bool, edited: bool) -> ThsafeError:
    """What a run that is no success was, by exit code, words and the state of its job."""
    found = f"exit code {ended.code}, {'an' if written else 'no'} output, job {state}: {ended.last}"
    said = "\n".join(ended.lines).lower()
    if ended.code == 0 and state == "queued":
        return EngineError("FaceFusion was stopped.", code="facefusion.stopped", found=found, next_step="run it again")
    if ended.code == 0:
        return EngineError(
            "FaceFusion ended without a finished job.",
            code="engine.no-output",
            found=found,
            rule="exit code 0, an output, and the job in completed",
            next_step="run its headless-run by hand to see more",
        )
    if ended.code == 2 and ("is not installed" in said or "is not supported" in said):
        return MissingError(
            "FaceFusion misses a program that it needs.",
            code="facefusion.programs",
            found=found,
            rule="curl, ffmpeg and ffprobe on the path, Python 3.10 or later",
            next_step="apt-get install curl ffmpeg; or name another interpreter: --checkout-python PATH",
        )
    if ended.code == 2:
        return EngineError(
            "This FaceFusion does not know an option that is used.",
            code="facefusion.options",
            found=found,
            rule="FaceFusion 3.8",
            next_step="bring the checkout to version 3.8",
        )
    if "no source face detected" in said:
        return InputError(
            "FaceFusion finds no face in the picture.",
            code="facefusion.source",
            found=found,
            next_step="give a picture of one face from the front: --image",
        )
    if "for the target" in said or "match the target" in said:
        return InputError(
            "FaceFusion does not take this film.",
            code="facefusion.target",
            found=found,
            next_step="bring it to MP4 (H.264, AAC) first",
        )
    if "validating hash for" in said or "validating source for" in said:
        return MissingError(
            "A model of FaceFusion is missing or damaged.",
            code="facefusion.models",
            found=found,
            next_step="in the checkout: python facefusion.py force-download",
        )
    if ended.code == 1 and edited:
        return EngineError(
            "FaceFusion refuses to run because its content analyser was edited.",
            code="facefusion.edited",
            found=f"{found}; content_analyser.py is not the file its self-check names",
            next_step="restore facefusion/content_analyser.py as its authors publish it",
        )
    if ended.code == 1 and _silent(ended):
        return EngineError(
            "Refused by FaceFusion's content analyser (it says nothing when it does).",
            code="facefusion.refused",
            found=found,
            rule="FaceFusion ends with exit code 1 and no message where it takes what it sees for sexual content",
            next_step="use another film or picture; where it errs, tell its authors",
        )
    return EngineError(
        "FaceFusion failed.", code="engine.failed", found=found, next_step="run its headless-run by hand to see more"
    )


def _silent(ended: Ended) -> bool:
    """Whether nothing but progress was said."""
    return all(_STEP.match(line) or "%|" in line for line in ended.lines)


def _ending(target: MediaRef) -> str:
    if target.media_type not in _ENDINGS:
        raise InputError(
            "FaceFusion does not take this kind of film.",
            code="facefusion.target",
            found=target.media_type,
            rule=", ".join(sorted(set(_ENDINGS))),
            next_step="bring it to MP4 (H.264, AAC) first",
        )
    return _ENDINGS[target.media_type]


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
