"""``thsafe generate``: one sub-command per way of making a talking head."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from thsafe.cli.direction import DIRECTION, direction_options
from thsafe.cli.job import job_options as _shared_options
from thsafe.cli.neural import (
    SADTALKER,
    given_of,
    liveportrait_options,
    not_given,
    only_for,
    sadtalker_options,
)
from thsafe.cli.plugin import plugin
from thsafe.cli.swap import swap
from thsafe.cli.talk import talk
from thsafe.cli.terminal import print_json, progress_on_stderr, style
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from thsafe.core.types import Output

_Command = TypeVar("_Command", bound=Callable[..., Any])


@click.group()
def generate() -> None:
    """Make a talking head that says what it is.

    Every output carries a visible label, an invisible watermark, a signed C2PA manifest and a line in the audit log.
    There is no switch that leaves one out. A picture of a person needs that person's consent (thsafe consent new);
    people drawn by thsafe itself (thsafe cast list) need nobody's.
    """


generate.add_command(swap)
generate.add_command(talk)
generate.add_command(plugin)


def _portrait_options(command: _Command) -> _Command:
    for option in (
        click.option(
            "--size", type=click.IntRange(256, 2160), default=512, show_default=True, help="Shorter side in pixels."
        ),
        click.option("--fps", type=click.IntRange(10, 60), default=25, show_default=True, help="Frames a second."),
        click.option("--person", metavar="NAME", help="A person drawn by thsafe (thsafe cast list)."),
        click.option("--image", type=click.Path(path_type=Path), metavar="FILE", help="A portrait to bring to life."),
    ):
        command = option(command)
    return command


@generate.command(
    epilog=(
        "Examples:\n\n\b\n"
        '  thsafe generate say --person ada --text "Good morning." -o hello.mp4\n'
        "  thsafe generate say --image me.png --text - -o out.mp4 < speech.txt\n"
        '  thsafe generate say --person ada --text "Guten Morgen." --voice de -o hallo.mp4'
    )
)
@_portrait_options
@click.option("--text", required=True, help='What is said; "-" reads it from standard input.')
@click.option("--voice", default="en-us", show_default=True, help="An espeak-ng voice, such as en-us, de, fr, cmn.")
@click.option("--rate", type=click.IntRange(80, 450), default=165, show_default=True, help="Words a minute.")
@click.option("--pitch", type=click.IntRange(0, 99), default=50, show_default=True, help="Pitch of the voice.")
@click.option("--ssml", is_flag=True, help="The text is marked up: speak, p, s, break, prosody, emphasis, voice.")
@click.option(
    "--captions",
    type=click.Path(path_type=Path),
    metavar="FILE.vtt",
    help="Write captions with the time of every word beside the video.",
)
@direction_options
@_shared_options
def say(
    image: Path | None,
    person: str | None,
    text: str,
    voice: str,
    rate: int,
    pitch: int,
    ssml: bool,
    captions: Path | None,
    size: int,
    fps: int,
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
    **direction: Any,
) -> None:
    """Text to talking head: a synthetic voice speaks, the portrait moves its lips to it."""
    _one_portrait(image, person)
    words = sys.stdin.read() if text == "-" else text
    with progress_on_stderr() as progress:
        from thsafe import Portrait

        engine = Portrait(**{"language": voice, **job}, progress=progress)
        output = engine.say(
            text=words,
            image=image,
            person=person,
            output_path=output_path,
            voice=voice,
            rate=rate,
            pitch=pitch,
            ssml=ssml,
            short_side=size,
            fps=fps,
            seed=seed,
            captions=captions,
            force=force,
            **direction,
        )
    show_output(output, as_json=as_json)


@generate.command(epilog="Example:\n\n\b\n  thsafe generate dialogue --script dialogue.txt -o talk.mp4")
@click.option(
    "--script",
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="[cast] with NAME: person=… or image=…, voice=…; then [script] with NAME: words.",
)
@click.option(
    "--layout",
    type=click.Choice(["side-by-side", "cut"]),
    default="side-by-side",
    show_default=True,
    help="All faces beside each other, or the one that speaks.",
)
@click.option(
    "--captions",
    type=click.Path(path_type=Path),
    metavar="FILE.vtt",
    help="Write captions with speakers and the time of every word beside the video.",
)
@click.option(
    "--size", type=click.IntRange(256, 1080), default=512, show_default=True, help="Each face's side in pixels."
)
@click.option("--fps", type=click.IntRange(10, 60), default=25, show_default=True, help="Frames a second.")
@_shared_options
def dialogue(
    script: Path,
    layout: str,
    captions: Path | None,
    size: int,
    fps: int,
    output_path: Path,
    seed: int,
    force: bool,
    as_json: bool,
    job: dict[str, Any],
) -> None:
    """A script to several talking heads: each with a portrait and a voice of its own."""
    with progress_on_stderr() as progress:
        from thsafe import Portrait

        engine = Portrait(**job, progress=progress)
        output = engine.dialogue(
            script,
            layout=layout,
            output_path=output_path,
            short_side=size,
            fps=fps,
            seed=seed,
            captions=captions,
            force=force,
        )
    show_output(output, as_json=as_json)


@generate.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe generate animate --person ada --audio speech.wav -o out.mp4\n"
        "  thsafe generate animate --image me.png --audio speech.mp3 --consent me.consent.json -o out.mp4\n"
        "  thsafe generate animate --engine sadtalker --image me.png --audio speech.wav --mode full --still -o out.mp4"
    )
)
@_portrait_options
@click.option("--audio", required=True, type=click.Path(path_type=Path), help="Speech: wav, mp3, m4a, flac, ogg.")
@click.option(
    "--engine", type=click.Choice(["embedded", "sadtalker"]), default="embedded", show_default=True, help="Who renders."
)
@direction_options
@sadtalker_options
@_shared_options
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
    _one_portrait(image, person)
    direction = {name: others.pop(name) for name in DIRECTION}
    if engine == "sadtalker":
        not_given(engine, "size", "fps", *DIRECTION)
        if image is None:
            raise UsageError(
                "SadTalker animates pictures, not drawn people.", code="usage.portrait", next_step="give --image FILE"
            )
        given = given_of(others)
        made_with = {name: given.pop(name) for name in SADTALKER if name in given}
        if "model" in given:
            given["size"] = int(given.pop("model").rpartition("-")[2])
        with progress_on_stderr() as progress:
            from thsafe import SadTalker

            output = SadTalker(**made_with, **job, progress=progress).animate(
                source_image=image, audio_file=audio, output_path=output_path, seed=seed, force=force, **given
            )
    else:
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


@generate.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe generate drive --person ada --driver me.mp4 -o out.mp4\n"
        "  thsafe generate drive --image me.png --driver talk.mp4 --face 2 -o out.mp4\n"
        "  thsafe generate drive --engine liveportrait --image me.png --driver talk.mp4 -o out.mp4"
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
    type=click.Choice(["embedded", "liveportrait"]),
    default="embedded",
    show_default=True,
    help="Who renders.",
)
@liveportrait_options
@_shared_options
def drive(
    image: Path | None,
    person: str | None,
    driver: Path,
    face: int,
    size: int,
    fps: int | None,
    engine: str,
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
    _one_portrait(image, person)
    film: dict[str, Any] = {"driver": driver, "face": face, "fps": fps}
    placed: dict[str, Any] = {"output_path": output_path, "seed": seed, "force": force}
    if engine == "liveportrait":
        not_given(engine, "size")
        if image is None:
            raise UsageError(
                "LivePortrait animates pictures, not drawn people.",
                code="usage.portrait",
                next_step="give --image FILE",
            )
        given = given_of(others)
        device, loose = given.pop("device", None), given.pop("loose", False)
        with progress_on_stderr() as progress:
            from thsafe import LivePortrait

            painter = LivePortrait(device=device, **job, progress=progress)
            output = painter.drive(image=image, stitched=not loose, **film, **placed, **given)
    else:
        only_for("liveportrait", others)
        with progress_on_stderr() as progress:
            from thsafe import Portrait

            engine_of_the_house = Portrait(**job, progress=progress)
            output = engine_of_the_house.drive(image=image, person=person, short_side=size, **film, **placed)
    show_output(output, as_json=as_json)


@generate.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe generate lipsync --video me.mp4 --audio speech.wav -o out.mp4\n"
        "  thsafe generate lipsync --video two.mp4 --face 2 --audio speech.wav --sync-mode bounce -o out.mp4"
    ),
)
@click.option("--video", required=True, type=click.Path(path_type=Path), help="The video whose lips are to move.")
@click.option("--audio", required=True, type=click.Path(path_type=Path), help="Speech: wav, mp3, m4a, flac, ogg.")
@click.option(
    "--engine", type=click.Choice(["embedded", "wav2lip"]), default="embedded", show_default=True, help="Who renders."
)
@click.option(
    "--face",
    type=click.IntRange(min=1),
    metavar="N",
    help="Whose lips. embedded: 1 is seen most, and the default; wav2lip: counted from the left in each scene.",
)
@click.option(
    "--sync-mode",
    type=click.Choice(["loop", "bounce", "cut_off", "silence", "remap"]),
    default="loop",
    show_default=True,
    help="Where sound and video are not equally long: start again, run back, end with the shorter, end with the longer,"
    " or change the video's speed.",
)
@click.option(
    "--bed",
    type=click.FloatRange(-60, 6),
    metavar="DB",
    help="Keep the video's own sound under the speech, this much louder or (below 0) softer; embedded only.",
)
@click.option(
    "--model",
    type=click.Choice(["wav2lip-gan", "wav2lip"]),
    default="wav2lip-gan",
    show_default=True,
    help="Whose weights (thsafe models list); wav2lip only, as all below.",
)
@click.option(
    "--sync-offset",
    type=click.IntRange(-25, 25),
    default=0,
    show_default=True,
    help="Pictures by which the lips follow the sound.",
)
@click.option("--box", metavar="TOP,BOTTOM,LEFT,RIGHT", help="Where the face is, in pixels, instead of finding it.")
@click.option("--as-authors", is_flag=True, help="Chunk rule and hard paste of the authors' script, for comparisons.")
@click.option("--device", metavar="NAME", help="cpu or cuda; without it the best there is.")
@_shared_options
def lipsync(
    video: Path,
    audio: Path,
    engine: str,
    face: int | None,
    sync_mode: str,
    bed: float | None,
    model: str,
    sync_offset: int,
    box: str | None,
    as_authors: bool,
    device: str | None,
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """New speech for an existing video.

    Pictures in which the face is not seen stay as they are. The engine of the house needs nothing more; Wav2Lip's
    weights may not be used commercially: they are brought in, and their licence accepted, with thsafe models pull.
    """
    if engine == "embedded":
        only_for(
            "wav2lip", {"box": box, "as_authors": as_authors, "device": device, "sync_offset": sync_offset or None}
        )
        with progress_on_stderr() as progress:
            from thsafe import Portrait

            output = Portrait(**job, progress=progress).lipsync(
                video=video,
                audio=audio,
                output_path=output_path,
                face=face or 1,
                sync_mode=sync_mode,
                bed=bed,
                seed=seed,
                force=force,
            )
        show_output(output, as_json=as_json)
        return
    if bed is not None:
        raise UsageError("Wav2Lip keeps no bed of sound.", code="usage.engine", found="--bed", next_step="leave it out")
    corners = _box(box)
    with progress_on_stderr() as progress:
        from thsafe import Wav2Lip

        output = Wav2Lip(model=model, device=device, **job, progress=progress).generate(
            video=video,
            audio=audio,
            output_path=output_path,
            face=face,
            sync_offset=sync_offset,
            sync_mode=sync_mode,
            box=corners,
            as_authors=as_authors,
            seed=seed,
            force=force,
        )
    show_output(output, as_json=as_json)


def _box(text: str | None) -> tuple[int, int, int, int] | None:
    if text is None:
        return None
    try:
        top, bottom, left, right = (int(part) for part in text.split(","))
    except ValueError as problem:
        raise UsageError(
            "A box is four whole numbers.", code="usage.box", found=text, next_step="--box TOP,BOTTOM,LEFT,RIGHT"
        ) from problem
    return top, bottom, left, right


def _one_portrait(image: Path | None, person: str | None) -> None:
    if (image is None) == (person is None):
        raise UsageError(
            "Exactly one portrait is needed.",
            code="usage.portrait",
            found="both --image and --person" if image else "neither --image nor --person",
            next_step="give --image FILE for a picture, or --person NAME for a drawn person (thsafe cast list)",
        )


def show_output(output: Output, *, as_json: bool) -> None:
    """What was made, in words or as JSON."""
    obligations = output.decision.obligations
    labels = [label.text for label in obligations.labels] if obligations else []
    if as_json:
        print_json(
            {
                "path": str(output.path),
                "sha256": output.sha256,
                "duration": output.duration,
                "engine": output.engine,
                "manifest_id": output.manifest_id,
                "watermark_id": output.watermark_id,
                "labels": labels,
                "log_index": output.ledger_index,
                "consents": list(output.decision.consent_ids),
                "rules": list(output.decision.rule_ids),
            }
        )
        return
    click.echo(style(f"{output.path}", bold=True) + f"  {output.duration:.1f} s")
    if output.path.suffix.lower() in {".m4a", ".mp3", ".wav"}:
        click.echo("  notice     spoken before the sound, heard again")
    else:
        click.echo("  label      " + ", ".join(f'"{label}"' for label in labels))
    click.echo(f"  watermark  {output.watermark_id}, read back")
    click.echo(f"  manifest   {output.manifest_id}, signed and read back")
    click.echo(f"  log        entry {output.ledger_index}")
