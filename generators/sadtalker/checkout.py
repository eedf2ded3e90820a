"""Driving a user's own checkout of SadTalker, as a program of its own.

The authors' script must run in its own folder, drops files into the current one, names its results by the second and
often ends with exit code 0 without any. So every job gets a folder of its own, in which links stand for the checkout's
entries, and a result folder of its own; success is exactly one video that can be read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from generators.foreign import draft_of, require_video
from generators.program import BEGINS_ANEW, WorkFolder, interpreter, run
from generators.sadtalker.pipeline import Manner, sitting
from thsafe.core.errors import EngineError, MissingError
from thsafe.core.types import Draft, Json, Progress

if TYPE_CHECKING:
    from thsafe.core.types import Frame

_TITLE: Final = "SadTalker"
_SCRIPT: Final = "inference.py"
_NOT_LINKED: Final = frozenset({".git", "results"})
_HEARD: Final = 16000
"""Hz; what the script brings every voice to."""


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
        return interpreter(_TITLE, self.folder, self.python)


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
    progress.start("finding the face", None)
    picture, _ = sitting(portrait)
    folder = WorkFolder("sadtalker")
    try:
        given = _handed_over(picture, voice, manner, folder.path)
        return draft_of(_run(given, checkout, folder, progress), sound=voice, folder=folder, facts=facts)
    except BaseException:
        folder.clear()
        raise


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


def _run(given: Sequence[str], checkout: Checkout, folder: WorkFolder, progress: Progress) -> Path:
    desk, results = folder.path / "desk", folder.path / "results"
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
    progress.note(f"{_TITLE} {BEGINS_ANEW}")
    progress.start("SadTalker is running", None)
    ended = run(
        _TITLE,
        command,
        folder=folder,
        cwd=desk,
        timeout=checkout.timeout,
        environment={"HF_HUB_OFFLINE": "1"},
    )
    if ended.code:
        raise EngineError(
            "SadTalker failed.",
            code="engine.failed",
            found=f"exit code {ended.code}: {ended.last}",
            next_step="run its inference.py by hand to see more; or pull the weights: thsafe models pull sadtalker-256",
        )
    return _only_video(results, ended.last)


def _options(manner: Manner) -> Sequence[str]:
    given = ["--preprocess", str(manner.mode), "--size", str(manner.size), "--pose_style", str(manner.style)]
    given += ["--expression_scale", str(manner.expression_scale)]
    for name, stops in zip(("--input_yaw", "--input_pitch", "--input_roll"), manner.turns, strict=True):
        given += [name, *(str(round(stop)) for stop in stops)] if stops else []
    return [*given, "--still"] if manner.still else given


def _only_video(results: Path, last: str) -> Path:
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
    return require_video(found[0], _TITLE, "check that ffmpeg is on the path: SadTalker ignores its failures")
