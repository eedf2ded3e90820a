"""``thsafe generate``: one sub-command per way of making a talking head."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thsafe.cli.animate import animate, drive
from thsafe.cli.direction import direction_options
from thsafe.cli.job import job_options
from thsafe.cli.neural import ARITHMETIC, given_of, not_given, only_for, wav2lip_options
from thsafe.cli.plugin import plugin
from thsafe.cli.portrait import one_portrait, portrait_options
from thsafe.cli.puppet import live2d_options, of_live2d, only_live2d, puppet
from thsafe.cli.swap import swap
from thsafe.cli.talk import talk
from thsafe.cli.terminal import print_json, progress_on_stderr, style
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from thsafe.core.types import Output


@click.group()
def generate() -> None:
    """Make a talking head that says what it is.

    Every output carries a visible label, an invisible watermark, a signed C2PA manifest and a line in the audit log.
    There is no switch that leaves one out. A picture of a person needs that person's consent (thsafe consent new);
    people drawn by thsafe itself (thsafe cast list) need nobody's.
    """


generate.add_command(animate)
generate.add_command(drive)
generate.add_command(swap)
generate.add_command(talk)
generate.add_command(plugin)


@generate.command(
    epilog=(
        "Examples:\n\n\b\n"
        '  thsafe generate say --person ada --text "Good morning." -o hello.mp4\n'
        "  thsafe generate say --image me.png --text - -o out.mp4 < speech.txt\n"
        '  thsafe generate say --person ada --text "Guten Morgen." --voice de -o hallo.mp4\n'
        '  thsafe generate say --engine live2d --text "Good morning." -o hello.mp4'
    )
)
@portrait_options
@click.option("--text", required=True, help='What is said; "-" reads it from standard input.')
@click.option(
    "--voice", default="en-us", show_default=True, help="An espeak-ng voice, such as en-us, de, cmn; or piper:NAME."
)
@click.option("--rate", type=click.IntRange(80, 450), default=165, show_default=True, help="Words a minute.")
@click.option("--pitch", type=click.IntRange(0, 99), default=50, show_default=True, help="Pitch of the voice.")
@click.option("--ssml", is_flag=True, help="The text is marked up: speak, p, s, break, prosody, emphasis, voice.")
@click.option(
    "--captions",
    type=click.Path(path_type=Path),
    metavar="FILE.vtt",
    help="Write captions with the time of every word beside the video.",
)
@click.option(
    "--engine", type=click.Choice(["embedded", "live2d"]), default="embedded", show_default=True, help="Who renders."
)
@direction_options
@click.option(
    "--pose-from", type=click.Path(path_type=Path), metavar="FILM", help="A film that lends its head's motion."
)
@click.option("--model", type=click.Path(path_type=Path), metavar="FILE", help="A Live2D model, ….model3.json.")
@live2d_options
@job_options
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
    engine: str,
    model: Path | None,
    pose_from: Path | None,
    **direction: Any,
) -> None:
    """Text to talking head: a synthetic voice speaks, the portrait moves its lips to it."""
    drawn = of_live2d(direction)
    spoken = {} if voice.startswith("piper:") else {"language": voice}
    job = {**spoken, **job}
    if engine == "live2d":
        not_given(engine, "ssml", "captions", "pose_from")
        words = sys.stdin.read() if text == "-" else text
        with progress_on_stderr() as progress:
            drawer, manner = puppet(
                drawn | direction, model=model, image=image, person=person, **job, progress=progress
            )
            manner |= {"voice": voice, "rate": rate, "pitch": pitch, "size": size, "fps": fps, "seed": seed}
            output = drawer.say(words, output_path=output_path, force=force, **manner)
        show_output(output, as_json=as_json)
        return
    only_live2d(drawn | {"model": model})
    one_portrait(image, person)
    words = sys.stdin.read() if text == "-" else text
    with progress_on_stderr() as progress:
        from thsafe import Portrait

        output = Portrait(**job, progress=progress).say(
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
            pose_from=pose_from,
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
@job_options
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
@wav2lip_options
@job_options
def lipsync(
    video: Path,
    audio: Path,
    engine: str,
    face: int | None,
    sync_mode: str,
    bed: float | None,
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
    **others: Any,
) -> None:
    """New speech for an existing video.

    Pictures in which the face is not seen stay as they are. The engine of the house needs nothing more; Wav2Lip's
    weights may not be used commercially: they are brought in, and their licence accepted, with thsafe models pull.
    """
    if engine == "embedded":
        only_for("wav2lip", others)
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
    given = given_of({**others, "box": _box(others["box"])})
    made_with = {name: given.pop(name) for name in ("model", *ARITHMETIC) if name in given}
    with progress_on_stderr() as progress:
        from thsafe import Wav2Lip

        output = Wav2Lip(**made_with, **job, progress=progress).generate(
            video=video,
            audio=audio,
            output_path=output_path,
            face=face,
            sync_mode=sync_mode,
            seed=seed,
            force=force,
            **given,
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
