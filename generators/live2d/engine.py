"""The Live2D engine's public verbs: a drawn figure speaks, a user's Live2D model or one of our own.

A figure is no natural person, but it can be somebody's likeness. Our own are nobody's, and the gate can tell. Of a
model nobody can tell but its user, who states on record that it is invented, or names the person whom it portrays and
whose consent is then needed as for a photograph. A model of which nothing is stated counts as a person's.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from generators.embedded.direction import Direction
from generators.embedded.parameters import frame_rate, whole
from generators.live2d.cubism import Cubism, Look, require_live2d
from generators.live2d.model3 import Model3, read_model
from generators.live2d.motion3 import check_name, write_motion
from generators.live2d.puppet import VIEWS, Puppet, figure_digests
from generators.speech.utterance import Utterance
from thsafe.core.errors import ConsentRefused, UsageError
from thsafe.core.types import Draft, Json, MediaKind, MediaRef, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, media_input, text_input

if TYPE_CHECKING:
    from fractions import Fraction

    from generators.embedded.pose import Pose
    from generators.embedded.soundtrack import Soundtrack
    from thsafe.core.types import SoundBlock
    from thsafe.gate import Permit

_CREATION: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCreation"
CORE: Final = "Cubism Core: Live2D Proprietary Software License"
"""What drawing a model is under, besides the model's own terms."""
_UNSTATED: Final = "not stated; see the terms of whoever made the model"
_FIRST: Final = "robin"
_WORTH_TWO: Final = 50
"""Pictures from which on a second child is worth its start."""


class Live2D(Generator):
    """A drawn figure that speaks.

    Args:
        model: a user's ``….model3.json``; without it one of our own figures is drawn, which needs nothing installed.
        figure: ``robin`` or ``wren``, where no model is given.
        invented: states on record that the model shows nobody real.
        likeness: a picture of the person whom the model portrays; that person's consent is needed.
        model_licence: what the model may be used under, for the record.
        options: as :class:`thsafe.generation.Generator`.
    """

    info: ClassVar[EngineInfo] = EngineInfo(
        name="live2d",
        title="Live2D",
        tasks=(Task.SAY, Task.ANIMATE, Task.DRIVE),
        licence=f"our own figures Apache-2.0; models: live2d-py MIT, {CORE} (a release licence is needed by businesses "
        "over 10 million JPY a year), and each model's own terms",
        commercial_use=True,
        needs='nothing for our own figures; for models: pip install "thsafe[live2d]", apt-get install libegl1 '
        "libgl1-mesa-dri",
        speed="faster than real time on a CPU: benchmarks/live2d.py",
    )

    def __init__(
        self,
        *,
        model: str | os.PathLike[str] | None = None,
        figure: str | None = None,
        invented: bool = False,
        likeness: str | os.PathLike[str] | None = None,
        model_licence: str = "",
        **options: object,
    ) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # passed on as they came; Generator names them
        if model is not None and figure is not None:
            raise UsageError("Either a model or a figure.", code="usage.portrait", next_step="leave one of them out")
        if model is None and (invented or likeness is not None or model_licence):
            raise UsageError(
                "Whom it shows is stated of models; our own figures are nobody's likeness.",
                code="usage.portrait",
                next_step="give --model FILE, or leave it out",
            )
        if invented and likeness is not None:
            raise UsageError(
                "A model is invented or somebody's likeness, not both.", code="usage.portrait",
                next_step="leave --invented or --likeness out",
            )  # fmt: skip
        self._path = None if model is None else Path(model)
        self._figure, self._invented, self._licence = figure or _FIRST, invented, model_licence
        self._likeness = None if likeness is None else Path(likeness)
        self._motion_to: Path | None = None
        self._rows: list[Mapping[str, float]] = []

    def say(
        self,
        text: str,
        *,
        output_path: str | os.PathLike[str],
        voice: str = "en-us",
        rate: int = 165,
        pitch: int = 50,
        force: bool = False,
        **manner: object,
    ) -> Output:
        """Let the figure speak a text with a synthetic voice.

        Args:
            text: the words, in the voice's language.
            output_path: where the finished MP4 goes.
            voice: an espeak-ng voice.
            rate: words a minute, 80 to 450.
            pitch: 0 to 99.
            force: replace an existing output.
            manner: as for :meth:`animate`.

        Raises:
            As :meth:`animate`, and MissingError ``speech.espeak``.
        """
        from generators.speech.espeak import Espeak

        Espeak().iter_speech(text, voice=voice, rate=rate, pitch=pitch)
        spoken: dict[str, Json] = {"voice": voice, "rate": rate, "pitch": pitch}
        return self._perform(Task.SAY, text_input(text), spoken, output_path, force=force, **manner)  # type: ignore[arg-type]

    def animate(
        self,
        *,
        audio: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        force: bool = False,
        **manner: object,
    ) -> Output:
        """Let the figure speak a recording, whose sound the output keeps.

        Args:
            audio: speech.
            output_path: where the finished MP4 goes.
            force: replace an existing output.
            manner: ``size`` (pixels of the square, 512), ``fps`` (25), ``seed`` (0), ``view`` (``head``, ``bust`` or
                ``full``), ``background`` (``#RRGGBB``), ``expression`` and ``motion`` (of the model's own, by name),
                ``emotion``, ``pose``, ``gaze``, ``blink_rate``, ``head_motion`` (as for the embedded engine), and
                ``save_motion``: where the performance goes as ``….motion3.json``.

        Raises:
            UsageError: the call contradicts itself.
            InputError: the model or the recording cannot be used.
            MissingError: ``live2d.package`` or ``live2d.egl``.
            EngineError: ``live2d.crash`` or ``live2d.timeout``.
            Refused: consent or policy forbids it; nothing was written.
        """
        heard = media_input("voice", audio, MediaKind.AUDIO)
        return self._perform(Task.ANIMATE, heard, {}, output_path, force=force, **manner)  # type: ignore[arg-type]

    def drive(
        self,
        *,
        driver: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        face: int = 1,
        force: bool = False,
        **manner: object,
    ) -> Output:
        """Let the figure move as somebody in a film does; the output keeps the film's sound.

        Args:
            driver: the film; it lends movement and is not seen.
            output_path: where the finished MP4 goes.
            face: who drives, where the film shows several people: 1 is the one seen most.
            force: replace an existing output.
            manner: as for :meth:`animate`; ``fps`` is the film's own by default, and nothing directs the movement.

        Raises:
            As :meth:`animate`, and InputError ``film.no-face`` or ``film.face``.
        """
        film = media_input("driver", driver, MediaKind.VIDEO)
        return self._perform(Task.DRIVE, film, {"face": face}, output_path, force=force, **manner)  # type: ignore[arg-type]

    def require(self) -> None:
        """Check that a model could be drawn; raises MissingError ``live2d.package``. Our own figures need nothing."""
        if self._path is not None:
            require_live2d()

    def _perform(
        self,
        task: Task,
        lent: MediaRef,
        params: dict[str, Json],
        output_path: str | os.PathLike[str],
        *,
        size: int = 512,
        fps: int | None = None,
        seed: int = 0,
        view: str = "head",
        background: str = "#ecf0f4",
        expression: str = "",
        motion: str = "",
        save_motion: str | os.PathLike[str] | None = None,
        force: bool = False,
        **direction: object,
    ) -> Output:
        """Describe the job and run it."""
        directed = Direction.read(**direction).params()  # type: ignore[arg-type]  # Direction names them
        if task is Task.DRIVE and directed:
            raise UsageError(
                "The film directs the movement.", code="usage.engine", found=", ".join(directed),
                next_step="leave these options out",
            )  # fmt: skip
        if not 128 <= size <= 2160 or size % 2:
            raise _wrong("size", size, "an even number from 128 to 2160")
        if view not in VIEWS:
            raise _wrong("view", view, ", ".join(VIEWS))
        params |= {"size": size, "seed": seed, "view": view, "background": list(_colour(background)), **directed}
        params |= {} if fps is None else {"fps": fps}
        params |= {name: value for name, value in (("expression", expression), ("motion", motion)) if value}
        self._motion_to = None if save_motion is None else Path(save_motion)
        if self._motion_to is not None:
            check_name(self._motion_to, ".motion3.json")
        self.require()
        portraits, facts = self._portraits()
        self._rows = []
        try:
            output = self.run(task, [*portraits, lent], params | facts, output_path, force=force)
        except ConsentRefused as refused:
            if refused.code == "consent.missing" and self._path is not None and portraits[0].performer == "person":
                refused.next_step = (
                    "if the model is nobody's likeness, state it on record: --invented; if it portrays somebody: "
                    "--likeness PICTURE, with that person's consent (thsafe consent request)"
                )
            raise
        if self._motion_to is not None:
            write_motion(self._motion_to, self._rows, self._rig, fps=self._fps)
        return output

    def _portraits(self) -> tuple[list[MediaRef], dict[str, Json]]:
        """Whom the output will show, and what the log is to keep of the model."""
        if self._path is None:
            digests = figure_digests()
            if self._figure not in digests:
                raise UsageError(
                    f'There is no figure "{self._figure}".', code="live2d.figure", found=self._figure,
                    next_step="choose one of: " + ", ".join(digests),
                )  # fmt: skip
            drawn = MediaRef(
                role="portrait", path=None, sha256=digests[self._figure], kind=MediaKind.IMAGE,
                media_type="image/png", performer="synthetic",
            )  # fmt: skip
            return [drawn], {"figure": self._figure}
        model = read_model(self._path)
        ref = model.as_input()
        facts: dict[str, Json] = {
            "model": "live2d-model",
            "weights_sha256": model.digest,
            "model_licence": self._licence or (f"see {model.notice}" if model.notice else _UNSTATED),
            "portrays": "nobody" if self._invented else "somebody",
        }
        if self._likeness is not None:
            shown = media_input("portrait", self._likeness, MediaKind.IMAGE)
            return [replace(ref, role="model", performer="puppet"), shown], facts
        return [replace(ref, performer="puppet") if self._invented else ref], facts

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request."""
        del permit  # its obligations are the publishing loop's; that one exists is all that is asked here
        from generators.embedded.soundtrack import Manner, Recorded, Spoken

        params = request.params
        if request.task is Task.DRIVE:
            return self._driven(request, progress)
        track: Soundtrack
        if request.task is Task.SAY:
            manner = Manner(
                voice=str(params["voice"]), rate=whole(params, "rate", 165), pitch=whole(params, "pitch", 50)
            )
            said = Utterance(
                text=request.input("text").text or "", voice=manner.voice, rate=manner.rate, pitch=manner.pitch
            )
            track, voice = Spoken((said,), manner, progress), f"espeak-ng {manner.voice}"
        else:
            path = request.input("voice").path
            if path is None:
                raise UsageError("The voice must be a file.", code="engine.voice", next_step="give --audio FILE")
            progress.start("listening", None)
            track, voice = Recorded(path), "recorded"
        from generators.embedded.performance import Performance
        from generators.embedded.soundtrack import RATE, fitted_sound, frame_count

        fps, direction = frame_rate(params), Direction.from_params(params)
        frames = frame_count(track, fps)
        poses = Performance(
            track.posteriors(),
            track.survey.level,
            fps=fps,
            frames=frames,
            seed=whole(params, "seed", 0),
            blink_rate=direction.blink_rate,
        )
        draft = self._draft(request, direction.direct(poses, fps), fps, frames, voice)
        sound = fitted_sound(track, fps)
        return replace(draft, sound=sound, sample_rate=RATE, channels=track.channels, captions=track.captions)

    def _driven(self, request: Request, progress: Progress) -> Draft:
        from generators.embedded.drive import RATE, Driven

        params, path = request.params, request.input("driver").path
        if path is None:
            raise UsageError("The driver must be a file.", code="engine.driver", next_step="give --driver FILE")
        driven = Driven(
            path, progress, face=whole(params, "face", 1), fps=frame_rate(params) if "fps" in params else None
        )
        draft = self._draft(request, driven.poses(), driven.fps, driven.frames, "the driver's")
        sound: tuple[Iterator[SoundBlock], int] | None = driven.sound()
        if sound is None:
            return draft
        return replace(draft, sound=sound[0], sample_rate=RATE, channels=sound[1])

    def _draft(self, request: Request, poses: Iterable[Pose], fps: Fraction, frames: int, voice: str) -> Draft:
        from thsafe.core.version import __version__

        stage, facts = self._stage(request, fps, frames)
        self._rig, self._fps = stage.rig, fps
        size = whole(request.params, "size", 512)
        return Draft(
            width=size,
            height=size,
            fps=fps,
            frames=stage.frames(self._noted(poses)),
            sound=None,
            frame_count=frames,
            face_box=stage.face_box,
            facts={
                "digital_source_type": _CREATION,
                "software_agent": {"name": "thsafe Live2D engine", "version": __version__},
                "seed": whole(request.params, "seed", 0),
                "voice": voice,
                **facts,
            },
        )

    def _noted(self, poses: Iterable[Pose]) -> Iterator[Mapping[str, float]]:
        """What the poses make of the parameters; kept where the motion is to be written."""
        for pose in poses:
            row = self._rig.values(pose)
            if self._motion_to is not None:
                self._rows.append(row)
            yield row

    def _stage(self, request: Request, fps: Fraction, frames: int) -> tuple[Cubism | Puppet, dict[str, Json]]:
        params = request.params
        red, green, blue = params["background"]
        look = Look(
            width=whole(params, "size", 512),
            height=whole(params, "size", 512),
            fps=fps,
            view=str(params["view"]),
            background=(int(red), int(green), int(blue)),
            expression=str(params.get("expression", "")),
        )
        motion = str(params.get("motion", ""))
        if "figure" in params:
            if motion:
                look = replace(look, motion=(motion, 0))
            name = str(params["figure"])
            return Puppet(name, look), {"model_name": f"thsafe's own figure {name}"}
        model = self._approved(request)
        if look.expression:
            model.expression(look.expression)
        if motion:
            look = replace(look, motion=model.motion(motion))
        cores = os.cpu_count() or 1
        stage = Cubism(model, look, workers=2 if cores > 1 and frames >= _WORTH_TWO else 1)
        licence = str(params["model_licence"])
        self._progress.note(f"{model.path.name}: {licence}; {CORE}")
        return stage, {
            "model_name": f"Live2D model {model.digest[:16]} ({licence}), drawn by {CORE}"[:300],
            "model_licence": licence,
        }

    def _approved(self, request: Request) -> Model3:
        """The model, if all its files are those of the request."""
        from thsafe.core.errors import InputError

        if self._path is None:
            raise UsageError("The model must be a file.", code="engine.portrait", next_step="give --model FILE")
        model = read_model(self._path)
        if model.digest != request.params["weights_sha256"]:
            raise InputError(
                f"{self._path.name} has changed since it was approved.",
                code="input.changed",
                next_step="start the job again; do not change inputs while it runs",
            )
        return model


def _colour(text: str) -> tuple[int, int, int]:
    """Red, green and blue of ``#RRGGBB``."""
    digits = text.removeprefix("#")
    if len(digits) != 6 or set(digits.lower()) - set("0123456789abcdef"):
        raise _wrong("background", text, "a colour as #RRGGBB")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _wrong(name: str, value: object, rule: str) -> UsageError:
    return UsageError(
        f"{name} is out of its range.",
        code="engine.parameter",
        found=str(value),
        rule=rule,
        next_step="thsafe generate animate --help",
    )
