"""The embedded engine: a portrait that speaks, with nothing to download.

Text or a recording gives mouth shapes, a seed gives life, and the portrait is drawn once per frame. No network is
involved in the picture: it is a warp of the portrait (``generators.embedded.puppet``).
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

from generators.embedded.aside import Aside
from generators.embedded.direction import Direction
from generators.embedded.rendering import check_voices, pieces, render_animate, render_drive, render_lipsync, render_say
from generators.embedded.track import track_input
from generators.speech.utterance import Utterance
from thsafe.core.errors import UsageError
from thsafe.core.types import Draft, Json, MediaKind, MediaRef, Output, Progress, Request, Task
from thsafe.generation import EngineInfo, Generator, drawn_portrait, media_input, text_input
from thsafe.home import Home

if TYPE_CHECKING:
    from thsafe.gate import Permit

_SOURCE_TYPES: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"


class Portrait(Generator):
    """Brings one portrait to life: a picture of somebody who consents, or a person drawn by thsafe."""

    info: ClassVar[EngineInfo] = EngineInfo(
        name="embedded",
        title="thsafe embedded engine",
        tasks=(Task.SAY, Task.ANIMATE, Task.DRIVE, Task.LIPSYNC),
        licence="Apache-2.0",
        commercial_use=True,
        needs="",
    )
    _aside = Aside()

    def say(
        self,
        text: str,
        *,
        output_path: str | os.PathLike[str],
        image: str | os.PathLike[str] | None = None,
        person: str | None = None,
        voice: str = "en-us",
        rate: int = 165,
        pitch: int = 50,
        ssml: bool = False,
        short_side: int = 512,
        fps: int = 25,
        seed: int = 0,
        emotion: str = "",
        pose: str = "",
        pose_from: str | os.PathLike[str] | None = None,
        gaze: str = "",
        blink_rate: float | None = None,
        head_motion: float = 1.0,
        performance: str | os.PathLike[str] | None = None,
        save_performance: str | os.PathLike[str] | None = None,
        captions: str | os.PathLike[str] | None = None,
        force: bool = False,
    ) -> Output:
        """Let the portrait speak a text with a synthetic voice.

        Args:
            text: the words, in the voice's language.
            output_path: where the finished MP4 goes.
            image: a portrait file; or
            person: the name of a drawn person (``thsafe cast list``).
            voice: an espeak-ng voice, such as ``en-us``, ``de``, ``cmn``, ``en-us+f3``.
            rate: words per minute, 80 to 450.
            pitch: 0 to 99.
            ssml: the text is marked up (:mod:`generators.speech.ssml`).
            short_side: pixels of the picture's shorter side.
            fps: frames per second.
            seed: the same seed gives the same blinks and head motion.
            emotion: a mood, ``happy:0.6``, or a time line (:meth:`generators.embedded.direction.Direction.read`).
            pose: yaw, pitch and roll in degrees, or a file of them over time.
            pose_from: a film that lends its head's motion; it is not seen.
            gaze: where the eyes look: right and down, -1 to 1.
            blink_rate: blinks a minute.
            head_motion: share of the head's own motion, 0 to 1.
            performance: a track to play back instead of making one up; the words are heard all the same.
            save_performance: where the performance goes, ``.jsonl`` or ``.csv``.
            captions: where WebVTT captions with the time of every word go.
            force: replace an existing output.

        Raises:
            UsageError: the call contradicts itself.
            InputError: the portrait or the text cannot be used.
            MissingError: ``speech.espeak``: the optional voice is not installed.
            Refused: consent or policy forbids it; nothing was written.
        """
        said = pieces(text, ssml, Utterance(text=text, voice=voice, rate=rate, pitch=pitch))
        check_voices(said, self._home)
        direction = Direction.read(
            emotion=emotion, pose=pose, gaze=gaze, blink_rate=blink_rate, head_motion=head_motion
        )
        direction, film = self._lent_head(direction, pose_from, performance)
        params = _params(person=person, voice=voice, rate=rate, pitch=pitch, short_side=short_side, fps=fps, seed=seed)
        if ssml:
            params["ssml"] = True
        inputs = (_portrait_input(image, person), text_input(text), *track_input(performance), *film)
        self._aside = Aside(performance=_path(save_performance), captions=_path(captions))
        with self._aside.kept():
            return self.run(Task.SAY, inputs, {**params, **direction.params()}, output_path, force=force)

    def dialogue(
        self,
        script: str | os.PathLike[str],
        *,
        output_path: str | os.PathLike[str],
        layout: str = "side-by-side",
        short_side: int = 512,
        fps: int = 25,
        seed: int = 0,
        captions: str | os.PathLike[str] | None = None,
        force: bool = False,
    ) -> Output:
        """Let several portraits talk with each other; each of them that shows a person needs that person's consent.

        Args:
            script: a file with cast and turns (:func:`generators.embedded.dialogue.parse_script`).
            output_path: where the finished MP4 goes.
            layout: ``side-by-side``, or ``cut`` to show who speaks.
            short_side: pixels of each face's square.
            fps: frames per second.
            seed: decides blinks and head motion.
            captions: where WebVTT captions with speakers go.
            force: replace an existing output.

        Raises:
            As :meth:`say`, and InputError ``script.cast``, ``script.line``, ``script.empty``.
        """
        from generators.embedded.dialogue import LAYOUTS, parse_script, read_script

        if layout not in LAYOUTS:
            raise UsageError(
                "There is no such layout.",
                code="dialogue.layout",
                found=layout,
                next_step="choose one of: " + ", ".join(LAYOUTS),
            )
        path = Path(script)
        text = read_script(path)
        read = parse_script(text)
        check_voices(read.utterances(), self._home)
        portraits = [
            _portrait_input(path.parent / member.image if member.image else None, member.person or None)
            for member in read.cast
        ]
        params: dict[str, Json] = {"layout": layout, "short_side": short_side, "fps": fps, "seed": seed}
        self._aside = Aside(captions=_path(captions))
        with self._aside.kept():
            inputs = (*portraits, text_input(text))
            return self.run(Task.SAY, inputs, {"dialogue": True, **params}, output_path, force=force)

    def animate(
        self,
        *,
        audio: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        image: str | os.PathLike[str] | None = None,
        person: str | None = None,
        short_side: int = 512,
        fps: int = 25,
        seed: int = 0,
        emotion: str = "",
        pose: str = "",
        pose_from: str | os.PathLike[str] | None = None,
        gaze: str = "",
        blink_rate: float | None = None,
        head_motion: float = 1.0,
        performance: str | os.PathLike[str] | None = None,
        save_performance: str | os.PathLike[str] | None = None,
        force: bool = False,
    ) -> Output:
        """Let the portrait speak a recording, whose sound the output keeps. Arguments and errors as :meth:`say`."""
        params = _params(person=person, short_side=short_side, fps=fps, seed=seed)
        direction = Direction.read(
            emotion=emotion, pose=pose, gaze=gaze, blink_rate=blink_rate, head_motion=head_motion
        )
        direction, film = self._lent_head(direction, pose_from, performance)
        portrait = _portrait_input(image, person)
        inputs = (portrait, media_input("voice", audio, MediaKind.AUDIO), *track_input(performance), *film)
        self._aside = Aside(performance=_path(save_performance))
        with self._aside.kept():
            return self.run(Task.ANIMATE, inputs, {**params, **direction.params()}, output_path, force=force)

    def drive(
        self,
        *,
        driver: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        image: str | os.PathLike[str] | None = None,
        person: str | None = None,
        face: int = 1,
        short_side: int = 512,
        fps: int | None = None,
        seed: int = 0,
        force: bool = False,
    ) -> Output:
        """Let the portrait move as somebody in a film does; the output keeps the film's sound.

        The driver lends movement and is not seen: what travels is measured in units of the driver's own face.

        Args:
            driver: the film.
            output_path: where the finished MP4 goes.
            image: a portrait file; or
            person: the name of a drawn person.
            face: who drives, where the film shows several people: 1 is the one seen most.
            short_side: pixels of the picture's shorter side.
            fps: frames per second; the film's own by default.
            seed: kept in the manifest; nothing is random here.
            force: replace an existing output.

        Raises:
            As :meth:`animate`, and InputError ``film.no-face`` or ``film.face``.
        """
        params = _params(person=person, face=face, short_side=short_side, seed=seed)
        if fps is not None:
            params["fps"] = fps
        inputs = (_portrait_input(image, person), media_input("driver", driver, MediaKind.VIDEO))
        return self.run(Task.DRIVE, inputs, params, output_path, force=force)

    def lipsync(
        self,
        *,
        video: str | os.PathLike[str],
        audio: str | os.PathLike[str],
        output_path: str | os.PathLike[str],
        face: int = 1,
        sync_mode: str = "loop",
        bed: float | None = None,
        seed: int = 0,
        force: bool = False,
    ) -> Output:
        """Let somebody in a film say something else. The film shows its people, so they must have consented.

        Args:
            video: the film; pictures in which the face is not seen stay as they are.
            audio: the new speech.
            output_path: where the finished MP4 goes.
            face: whose mouth, where the film shows several people: 1 is the one seen most.
            sync_mode: where film and speech are not equally long: ``loop``, ``bounce``, ``cut_off``, ``silence`` or
                ``remap`` (see ``generators.embedded.dub.order``).
            bed: keep the film's own sound under the speech, this many dB louder (or, below 0, softer) than it was.
            seed: kept in the manifest; nothing is random here.
            force: replace an existing output.

        Raises:
            UsageError: ``dub.sync-mode`` or ``dub.bed``.
            InputError: ``film.no-face``, ``film.face``, ``input.silent``, or what is wrong with a file.
            Refused: consent or policy forbids it; nothing was written.
        """
        params: dict[str, Json] = {"face": face, "sync_mode": sync_mode, "seed": seed}
        if bed is not None:
            params["bed"] = bed
        inputs = (media_input("target", video, MediaKind.VIDEO), media_input("voice", audio, MediaKind.AUDIO))
        return self.run(Task.LIPSYNC, inputs, params, output_path, force=force)

    def _lent_head(
        self,
        direction: Direction,
        film: str | os.PathLike[str] | None,
        performance: str | os.PathLike[str] | None,
    ) -> tuple[Direction, tuple[MediaRef, ...]]:
        """The direction with the head of a film, and the film as an input, where one is given."""
        if film is None:
            return direction, ()
        if direction.turns or performance is not None:
            raise UsageError(
                "The head can take its motion from one place only.",
                code="direction.pose",
                found="a film, and " + ("--performance" if performance is not None else "--pose"),
                next_step="leave one of them out",
            )
        from generators.embedded.drive import head_turns

        lent = media_input("driver", film, MediaKind.VIDEO)
        return replace(direction, turns=head_turns(Path(film), self._progress), head_motion=0.0), (lent,)

    def render(self, request: Request, permit: Permit, progress: Progress) -> Draft:
        """Frames and sound of a permitted request."""
        del permit  # its obligations are the publishing loop's; that one exists is all that is asked here
        home = self._home or Home.default()
        if request.task is Task.SAY and request.params.get("dialogue") is True:
            from generators.embedded.dialogue import render_dialogue

            return self._aside.note(render_dialogue(request, progress, home=home))
        if request.task is Task.SAY:
            return self._aside.note(render_say(request, progress, home=home, aside=self._aside))
        if request.task is Task.ANIMATE:
            return render_animate(request, progress, home=home, aside=self._aside)
        if request.task is Task.DRIVE:
            return render_drive(request, progress, home=home)
        if request.task is Task.LIPSYNC:
            return render_lipsync(request, progress)
        raise UsageError(
            f"The embedded engine does not know the task {str(request.task)!r}.",
            code="engine.task",
            rule="tasks: " + ", ".join(self.info.tasks),
            next_step="choose say, animate, drive or lipsync",
        )


def _portrait_input(image: str | os.PathLike[str] | None, person: str | None) -> MediaRef:
    if image is not None and person is None:
        return media_input("portrait", image, MediaKind.IMAGE)
    if person is not None and image is None:
        return drawn_portrait(person)
    raise UsageError(
        "Exactly one portrait is needed.",
        code="usage.portrait",
        found="both image and person" if image is not None else "neither image nor person",
        next_step="give image=… for a picture, or person=… for a drawn person (thsafe cast list)",
    )


def _path(path: str | os.PathLike[str] | None) -> Path | None:
    return None if path is None else Path(path)


def _params(*, person: str | None, **others: Json) -> dict[str, Json]:
    return others if person is None else {"person": person, **others}
