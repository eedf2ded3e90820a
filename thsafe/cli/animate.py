"""``thsafe generate animate`` and ``thsafe generate drive``: a recording or a film brings a portrait to life."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from thsafe.cli.direction import DIRECTION, direction_options
from thsafe.cli.job import job_options
from thsafe.cli.neural import (
    ARITHMETIC,
    SADTALKER,
    SADTALKER_MODELS,
    given_of,
    liveportrait_options,
    not_given,
    only_for,
    sadtalker_options,
)
from thsafe.cli.portrait import one_portrait, portrait_options
from thsafe.cli.puppet import live2d_options, of_live2d, only_live2d, puppet
from thsafe.cli.terminal import progress_on_stderr
from thsafe.core.errors import UsageError


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe generate animate --person ada --audio speech.wav -o out.mp4\n"
        "  thsafe generate animate --image me.png --audio speech.mp3 --consent me.consent.json -o out.mp4\n"
        "  thsafe generate animate --engine sadtalker --image me.png --audio a.wav --mode full --still -o out.mp4\n"
        "  thsafe generate animate --engine live2d --model x.model3.json --invented --audio speech.wav -o out.mp4"
    )
)
@portrait_options
@click.option("--audio", required=True, type=click.Path(path_type=Path), help="Speech: wav, mp3, m4a, flac, ogg.")
@click.option(
    "--engine",
    type=click.Choice(["embedded", "live2d", "sadtalker"]),
    default="embedded",
    show_default=True,
    help="Who renders.",
)
@click.option(
    "--model", metavar="NAME", help="live2d: a file ….model3.json; sadtalker: sadtalker-256 or sadtalker-512."
)
@direction_options
@live2d_options
@sadtalker_options
@job_options
def animate(
    image: Path | None,
    person: str | None,
    audio: Path,
    engine: str,
    size: int,
    fps: int,
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
    **others: Any,
) -> None:
    """Speech to talking head: the portrait moves its lips to a recording."""
    from thsafe.cli.generate import show_output

    drawn = of_live2d(others)
    direction = {name: others.pop(name) for name in DIRECTION}
    if engine == "live2d":
        only_for("sadtalker", {name: value for name, value in others.items() if name != "model"})
        with progress_on_stderr() as progress:
            drawer, manner = puppet(
                drawn | direction, model=others["model"], image=image, person=person, **job, progress=progress
            )
            manner |= {"size": size, "fps": fps, "seed": seed}
            output = drawer.animate(audio=audio, output_path=output_path, force=force, **manner)
        show_output(output, as_json=as_json)
        return
    only_live2d(drawn)
    one_portrait(image, person)
    if engine == "sadtalker":
        not_given(engine, "size", "fps", *DIRECTION)
        if image is None:
            raise UsageError(
                "SadTalker animates pictures, not drawn people.", code="usage.portrait", next_step="give --image FILE"
            )
        given = given_of(others)
        made_with = {name: given.pop(name) for name in SADTALKER if name in given}
        if given.get("model", SADTALKER_MODELS[0]) not in SADTALKER_MODELS:
            raise UsageError(
                "There are no such weights of SadTalker.",
                code="usage.model",
                found=given["model"],
                next_step="choose one of: " + ", ".join(SADTALKER_MODELS),
            )
        if "model" in given:
            given["size"] = int(given.pop("model").rpartition("-")[2])
        with progress_on_stderr() as progress:
            from thsafe import SadTalker

            output = SadTalker(**made_with, **job, progress=progress).animate(
                source_image=image, audio_file=audio, output_path=output_path, seed=seed, force=force, **given
            )
    else:
        direction["pose_from"] = others.pop("pose_from")
        only_for("sadtalker", others)
        with progress_on_stderr() as progress:
            from thsafe import Portrait

            output = Portrait(**job, progress=progress).animate(
                image=image,
                person=person,
                audio=audio,
                output_path=output_path,
                short_side=size,
                fps=fps,
                seed=seed,
                force=force,
                **direction,
            )
    show_output(output, as_json=as_json)


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe generate drive --person ada --driver me.mp4 -o out.mp4\n"
        "  thsafe generate drive --image me.png --driver talk.mp4 --face 2 -o out.mp4\n"
        "  thsafe generate drive --engine liveportrait --image me.png --driver talk.mp4 -o out.mp4\n"
        "  thsafe generate drive --engine live2d --figure wren --driver me.mp4 -o out.mp4"
    )
)
@click.option("--image", type=click.Path(path_type=Path), metavar="FILE", help="A portrait to bring to life.")
@click.option("--person", metavar="NAME", help="A person drawn by thsafe (thsafe cast list).")
@click.option("--driver", required=True, type=click.Path(path_type=Path), help="The film whose movement is lent.")
@click.option("--face", type=click.IntRange(1, 5), default=1, show_default=True, help="Who drives: 1 is seen most.")
@click.option("--size", type=click.IntRange(256, 2160), default=512, show_default=True, help="Shorter side in pixels.")
@click.option("--fps", type=click.IntRange(10, 60), help="Frames a second; the film's own by default.")
@click.option(
    "--engine",
    type=click.Choice(["embedded", "live2d", "liveportrait"]),
    default="embedded",
    show_default=True,
    help="Who renders.",
)
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="A Live2D model, ….model3.json.")
@live2d_options
@liveportrait_options
@job_options
def drive(
    image: Path | None,
    person: str | None,
    driver: Path,
    face: int,
    size: int,
    fps: int | None,
    engine: str,
    model: Path | None,
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
    **others: Any,
) -> None:
    """Film to talking head: the portrait moves as somebody in the film does, and speaks with the film's sound.

    The driver is not seen. What travels is movement, measured in units of the driver's own face; the film's sound is
    kept as it is, so the voice should be one you may use.
    """
    from thsafe.cli.generate import show_output

    drawn = of_live2d(others)
    film: dict[str, Any] = {"driver": driver, "face": face, "fps": fps}
    placed: dict[str, Any] = {"output_path": output_path, "seed": seed, "force": force}
    if engine == "live2d":
        only_for("liveportrait", others)
        with progress_on_stderr() as progress:
            drawer, manner = puppet(drawn, model=model, image=image, person=person, **job, progress=progress)
            output = drawer.drive(**film, **placed, size=size, **manner)
        show_output(output, as_json=as_json)
        return
    only_live2d(drawn | {"model": model})
    one_portrait(image, person)
    if engine == "liveportrait":
        not_given(engine, "size")
        if image is None:
            raise UsageError(
                "LivePortrait animates pictures, not drawn people.",
                code="usage.portrait",
                next_step="give --image FILE",
            )
        given = given_of(others)
        made_with = {name: given.pop(name) for name in ARITHMETIC if name in given}
        loose = given.pop("loose", False)
        with progress_on_stderr() as progress:
            from thsafe import LivePortrait

            painter = LivePortrait(**made_with, **job, progress=progress)
            output = painter.drive(image=image, stitched=not loose, **film, **placed, **given)
    else:
        only_for("liveportrait", others)
        with progress_on_stderr() as progress:
            from thsafe import Portrait

            engine_of_the_house = Portrait(**job, progress=progress)
            output = engine_of_the_house.drive(image=image, person=person, short_side=size, **film, **placed)
    show_output(output, as_json=as_json)
