"""The parent's end of the child that draws a Live2D model: starts it, feeds it, watches the clock, takes its pictures.

Drawing costs one core some 15 ms a picture, so two children share the pictures of a film: each follows every movement
and draws every second picture.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
import weakref
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import cv2
import numpy as np

from generators.live2d.egl import PACKAGES
from generators.live2d.model3 import Model3, stage
from generators.live2d.rig import Rig, rig_of
from thsafe.core.errors import EngineError, InputError, MissingError, ThsafeError

if TYPE_CHECKING:
    from fractions import Fraction

    from thsafe.core.types import Frame

_START: Final = (
    "import sys; sys.path.append(sys.argv[1]); from generators.live2d import cubism_child; "
    "cubism_child.main(int(sys.argv[2]))"
)
_TRY: Final = """import sys
sys.path.append(sys.argv[1])
from generators.live2d.egl import EglError, Surface
try:
    Surface(64, 64)
except EglError as problem:
    print(problem)
    sys.exit(3)
"""
_PASSED_ON: Final = ("PATH", "LANG", "LC_ALL", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")
_IN_SOFTWARE: Final = {
    "LIBGL_ALWAYS_SOFTWARE": "1",
    "MESA_SHADER_CACHE_DISABLE": "true",
    "LP_NUM_THREADS": "0",
    "LP_PERF": "no_mipmap",  # the child chooses one size of the textures for all: a third of all drawing
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
LOADING: Final = 120.0
"""Seconds that a child may take to load a model."""
DRAWING: Final = 60.0
"""Seconds that a child may take for one picture."""
_AHEAD: Final = 4
"""Rows that the children are given before a picture is asked for."""
_MOST_ABOUT: Final = 1 << 20
_PIPE_BYTES: Final = 1 << 20
_F_SETPIPE_SZ: Final = 1031
_LAST_WORDS: Final = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is to be seen of a figure."""

    width: int
    height: int
    fps: Fraction
    view: str = "head"
    """``head``, ``bust`` or ``full``."""
    background: tuple[int, int, int] = (236, 240, 244)
    """Red, green, blue."""
    expression: str = ""
    """Of the model's own, by name."""
    motion: tuple[str, int] | None = None
    """Of the model's own, by group and number; it is played again and again."""


def require_live2d() -> None:
    """Raise MissingError ``live2d.package`` where live2d-py is not installed; loads nothing."""
    if importlib.util.find_spec("live2d") is None:
        raise _missing("live2d.package", "live2d-py is not installed")


def lacks() -> tuple[str, str] | None:
    """What is not there for drawing models, and how to install it; the EGL context is tried in a process of its own."""
    try:
        require_live2d()
        tried = subprocess.run(
            [sys.executable, "-P", "-c", _TRY, str(Path(__file__).parents[2])],
            capture_output=True, text=True, timeout=60, check=False,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ} | _IN_SOFTWARE,
        )  # fmt: skip
    except MissingError as problem:
        return problem.found, problem.next_step
    except subprocess.TimeoutExpired:
        return "EGL does not answer", _missing("live2d.egl", "").next_step
    if tried.returncode == 0:
        return None
    said = tried.stdout.strip() or f"EGL ended with code {tried.returncode}"
    return said, _missing("live2d.egl", said).next_step


class Cubism:
    """A model, drawn in children of this process; to be closed.

    Args:
        model: as it was read.
        look: what is to be seen.
        workers: children that share the pictures.

    Raises:
        MissingError: ``live2d.package`` or ``live2d.egl``.
        InputError: ``live2d.moc``, ``live2d.crash``, ``live2d.timeout``: the model cannot be loaded; ``live2d.mouth``.
    """

    def __init__(self, model: Model3, look: Look, *, workers: int = 1) -> None:
        require_live2d()
        self._look = look
        with _Children(model, workers) as children:
            self._children = children
            loaded = [child.answer(LOADING) for child in children.each]
            self.rig: Rig = rig_of(loaded[0]["parameters"], model)
            self._ids = list(self.rig.driven())
            order = {
                "width": look.width,
                "height": look.height,
                "view": look.view,
                "background": look.background,
                "expression": look.expression,
                "motion": look.motion,
                "dt": float(1 / look.fps),
                "every": workers,
                "ids": self._ids,
                "operations": [self.rig.operation(name) for name in self._ids],
                "eyes": [*self.rig.eyes_left, *self.rig.eyes_right],
                "mouth": list(self.rig.mouth()),
            }
            for number, child in enumerate(children.each):
                child.order({**order, "first": number})
            about = [child.answer(LOADING) for child in children.each]
        self.driver = str(about[0]["driver"])
        box = about[0]["face"]
        self.face_box = None if box is None else (float(box[0]), float(box[1]), float(box[2]), float(box[3]))

    def frames(self, rows: Iterable[Mapping[str, float]]) -> Iterator[Frame]:
        """A BGR picture for each row of parameter values; closes the children at the end.

        Raises:
            EngineError: ``live2d.crash`` or ``live2d.timeout``.
        """
        picture = bytearray(4 * self._look.width * self._look.height)
        shown = np.frombuffer(picture, np.uint8).reshape(self._look.height, self._look.width, 4)[::-1]
        each, waiting, asked = self._children.each, deque[int](), itertools.count()
        source = iter(rows)
        try:
            while True:
                for row in itertools.islice(source, _AHEAD * len(each) - len(waiting)):
                    data = np.array([row[name] for name in self._ids], np.float32).tobytes()
                    for child in each:
                        child.give(data)
                    waiting.append(next(asked))
                if not waiting:
                    return
                each[waiting.popleft() % len(each)].fill(picture, DRAWING)
                yield cv2.cvtColor(shown, cv2.COLOR_BGRA2BGR)
        finally:
            self.close()

    def close(self) -> None:
        """End the children and remove what they were given."""
        self._children.close()


def inspect(model: Model3) -> Rig:
    """Load a model once, to see what it has; errors as for :class:`Cubism`."""
    require_live2d()
    with _Children(model, 1) as children:
        rig = rig_of(children.each[0].answer(LOADING)["parameters"], model)
        children.close()
        return rig


def replayed(model: Model3, motion: Path, ids: Sequence[str], *, dt: float, steps: int) -> list[list[float]] | None:
    """Let the SDK itself play a motion file: the values of ``ids`` after each step, or None where it refuses the file.

    Args:
        model: the model that moves; its physics are not applied.
        motion: a ``motion3.json``.
        ids: parameters to read.
        dt: seconds a step.
        steps: how many.
    """
    require_live2d()
    with _Children(model, 1) as children:
        child = children.each[0]
        child.answer(LOADING)
        child.order({"replay": str(motion.absolute()), "ids": list(ids), "dt": dt, "steps": steps})
        table: list[list[float]] | None = child.answer(LOADING)["replay"]
        children.close()
        return table


class _Children:
    """The children that draw one model, and the folder with its copy; they end with the block if it fails."""

    def __init__(self, model: Model3, count: int) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="thsafe-live2d-"))
        self.each: list[_Child] = []
        self.close = weakref.finalize(self, _clear, self._folder, self.each)
        try:
            copy = stage(model, self._folder)
            for number in range(count):
                self.each.append(_Child(self._folder / f"log{number}"))
            for child in self.each:
                child.order({"model": str(copy)})
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.close()


def _clear(folder: Path, children: list[_Child]) -> None:
    for child in children:
        child.end()
    shutil.rmtree(folder, ignore_errors=True)


class _Child:
    """One process, its orders and its answers."""

    def __init__(self, log: Path) -> None:
        self._log = log
        ours, theirs = os.pipe()
        with contextlib.suppress(OSError):
            fcntl.fcntl(ours, _F_SETPIPE_SZ, _PIPE_BYTES)
        kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        try:
            with log.open("wb") as said:
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-c", _START, str(Path(__file__).parents[2]), str(theirs)],
                    stdin=subprocess.PIPE,
                    stdout=said,
                    stderr=said,
                    env=kept | _IN_SOFTWARE | {"HOME": str(log.parent)},
                    pass_fds=(theirs,),
                    start_new_session=True,  # an interrupt at the terminal is the parent's to handle
                )
        finally:
            os.close(theirs)
        self._answers = open(ours, "rb", buffering=0)  # noqa: SIM115, PTH123 - closed by end()
        self._loaded = False

    def order(self, order: Mapping[str, Any]) -> None:
        self.give(json.dumps(order).encode() + b"\n")

    def give(self, data: bytes) -> None:
        if self._process.stdin is None:
            raise TypeError("the child has no standard input")
        with contextlib.suppress(BrokenPipeError):  # what it died of is found when its answer is taken
            self._process.stdin.write(data)
            self._process.stdin.flush()

    def answer(self, seconds: float) -> dict[str, Any]:
        """The next line of JSON; raises what the child tells, or how it died."""
        line = bytearray()
        while not line.endswith(b"\n"):
            line += self.take(1, seconds)
            if len(line) > _MOST_ABOUT:
                raise self._broken("its answer has no end")
        told: dict[str, Any] = json.loads(line)
        if "problem" in told:
            raise _told(str(told["problem"]), str(told["found"]))
        self._loaded = "parameters" not in told
        return told

    def take(self, size: int, seconds: float) -> bytearray:
        """So many bytes of its answers."""
        data = bytearray(size)
        self.fill(data, seconds)
        return data

    def fill(self, data: bytearray, seconds: float) -> None:
        """As many bytes of its answers as ``data`` holds, into it."""
        view, place, latest = memoryview(data), 0, time.monotonic() + seconds
        while place < len(data):
            ready, _, _ = select.select([self._answers], [], [], max(0.0, latest - time.monotonic()))
            if not ready:
                raise self._late(seconds)
            got = self._answers.readinto(view[place:])
            if not got:
                raise self._broken("")
            place += got

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        self._answers.close()

    def _late(self, seconds: float) -> ThsafeError:
        kind = EngineError if self._loaded else InputError
        return kind(
            "Drawing the Live2D model takes too long." if self._loaded else "Loading the Live2D model takes too long.",
            code="live2d.timeout",
            found=f"no answer for {seconds:.0f} s",
            next_step="give a simpler model, a smaller --size, or try again when this machine is less busy",
        )

    def _broken(self, why: str) -> ThsafeError:
        """How the child died: while loading it is the model's fault, later the engine's."""
        code = self._process.wait(timeout=10)
        said = self._log.read_bytes()[-_LAST_WORDS:].decode("utf-8", "replace").strip().splitlines()
        how = why or (f"ended by signal {-code}" if code < 0 else f"ended with code {code}")
        kind = EngineError if self._loaded else InputError
        return kind(
            "Live2D's own code broke on this model.",
            code="live2d.crash",
            found=f"the process that draws {how}" + (f"; {said[-1][:160]}" if said else ""),
            rule="a model is opened in a process of its own; nothing else was harmed",
            next_step="open the model in Cubism Viewer; if it is whole there, export it anew, or give another",
        )


def _told(code: str, found: str) -> ThsafeError:
    if code in {"live2d.package", "live2d.egl"}:
        return _missing(code, found)
    return InputError(
        "Live2D's own code does not accept this model.",
        code=code,
        found=found,
        rule="Cubism Core checks a .moc3 before it is used; it may be damaged, or newer than Core",
        next_step="export the model anew from Cubism Editor, or give another",
    )


def _missing(code: str, found: str) -> MissingError:
    package = code == "live2d.package"
    return MissingError(
        "Live2D models cannot be drawn here.",
        code=code,
        found=found,
        rule="live2d-py brings Cubism Core" if package else "drawing without a screen needs EGL and a driver",
        next_step=('pip install "thsafe[live2d]"' if package else "apt-get install " + " ".join(PACKAGES))
        + "; or leave --model out: thsafe's own puppet needs neither",
    )
