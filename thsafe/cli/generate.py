"""``thsafe generate``: one sub-command per way of making a talking head."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from thsafe.cli.terminal import force_option, json_option, print_json, progress_on_stderr, style
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


_DECLARABLE = ("nothing", "sexual", "fraud", "election", "celebrity")


def _shared_options(command: _Command) -> Callable[..., None]:
    """What every way of generating asks for; what the engine is told of the job reaches the command as ``job``."""

    @functools.wraps(command)
    def with_job(
        *,
        consents: tuple[Path, ...],
        purpose: str,
        territories: tuple[str, ...],
        language: str | None,
        channel: str,
        declares: tuple[str, ...],
        **rest: Any,
    ) -> None:
        job = {
            "consent": consents,
            "purpose": purpose,
            "territories": territories,
            "channel": channel,
            "declares": [name for name in declares if name != "nothing"] if declares else None,
        }
        command(job=job if language is None else {**job, "language": language}, **rest)

    return _with_options(with_job)


def _with_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        json_option,
        force_option,
        click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same head motion and blinks."),
        click.option(
            "--territory",
            "territories",
            multiple=True,
            metavar="CODE",
            help="Where it will be shown (EU, DE, US-CA, CN…); adds the labels its law wants. Repeatable.",
        ),
        click.option(
            "--declares",
            multiple=True,
            type=click.Choice(_DECLARABLE),
            help="State on record what the content is. Unsaid means nothing of the kind, and is recorded so.",
        ),
        click.option("--channel", default="any", show_default=True, help="Where it will be published, in one word."),
        click.option(
            "--language",
            metavar="TAG",
            help="Language of the speech (BCP 47); default: the voice's, else undetermined.",
        ),
        click.option("--purpose", default="demonstration", show_default=True, help="What it is for, in one word."),
        click.option(
            "--consent",
            "consents",
            multiple=True,
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="A consent record to consider, besides those found by themselves. Repeatable.",
        ),
        click.option(
            "-o",
            "--output",
            "output_path",
            required=True,
            type=click.Path(path_type=Path),
            metavar="OUT.mp4",
            help="Where the finished video goes.",
        ),
    ):
        command = option(command)
    return command


def _direction_options(command: _Command) -> _Command:
    """How the portrait acts."""
    for option in (
        click.option(
            "--save-performance",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Write down what is performed, as .jsonl or .csv, to be edited and played back.",
        ),
        click.option(
            "--performance",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Play a saved performance instead of making one up.",
        ),
        click.option(
            "--head-motion", type=click.FloatRange(0, 1), default=1.0, show_default=True, help="0 keeps the head still."
        ),
        click.option("--blink-rate", type=click.FloatRange(0, 60), help="Blinks a minute; about 17 by default."),
        click.option("--gaze", default="", metavar="X,Y", help="Where the eyes look: right and down, -1 to 1."),
        click.option(
            "--pose",
            default="",
            metavar="YAW,PITCH,ROLL",
            help="Degrees, or a file of lines SECOND,YAW,PITCH,ROLL.",
        ),
        click.option(
            "--emotion",
            default="",
            metavar="NAME[:0..1]",
            help='neutral, happy, sad, angry, surprised, serious; a time line "0 serious, 2.5 happy:0.8"; or its file.',
        ),
    ):
        command = option(command)
    return command


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
@click.option(
    "--captions",
    type=click.Path(path_type=Path),
    metavar="FILE.vtt",
    help="Write captions with the time of every word beside the video.",
)
@_direction_options
@_shared_options
def say(
    image: Path | None,
    person: str | None,
    text: str,
    voice: str,
    rate: int,
    pitch: int,
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
            short_side=size,
            fps=fps,
            seed=seed,
            captions=captions,
            force=force,
            **direction,
        )
    show_output(output, as_json=as_json)


@generate.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe generate animate --person ada --audio speech.wav -o out.mp4\n"
        "  thsafe generate animate --image me.png --audio speech.mp3 --consent me.consent.json -o out.mp4"
    )
)
@_portrait_options
@click.option("--audio", required=True, type=click.Path(path_type=Path), help="Speech: wav, mp3, m4a, flac, ogg.")
@click.option(
    "--engine", type=click.Choice(["embedded", "sadtalker"]), default="embedded", show_default=True, help="Who renders."
)
@_direction_options
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
    **direction: Any,
) -> None:
    """Speech to talking head: the portrait moves its lips to a recording."""
    _one_portrait(image, person)
    with progress_on_stderr() as progress:
        if engine == "sadtalker":
            from thsafe import SadTalker

            asked = [name for name, value in direction.items() if value not in {None, "", 1.0}]
            if asked:
                raise UsageError(
                    "SadTalker takes no direction.",
                    code="usage.direction",
                    found=", ".join("--" + name.replace("_", "-") for name in asked),
                    next_step="use --engine embedded",
                )
            if image is None:
                raise UsageError(
                    "SadTalker animates pictures, not drawn people.",
                    code="usage.portrait",
                    next_step="give --image FILE",
                )
            output = SadTalker(**job, progress=progress).animate(
                source_image=image, audio_file=audio, output_path=output_path, seed=seed, force=force
            )
        else:
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
        "  thsafe generate drive --image me.png --driver talk.mp4 --face 2 -o out.mp4"
    )
)
@click.option("--image", type=click.Path(path_type=Path), metavar="FILE", help="A portrait to bring to life.")
@click.option("--person", metavar="NAME", help="A person drawn by thsafe (thsafe cast list).")
@click.option("--driver", required=True, type=click.Path(path_type=Path), help="The film whose movement is lent.")
@click.option("--face", type=click.IntRange(1, 5), default=1, show_default=True, help="Who drives: 1 is seen most.")
@click.option("--size", type=click.IntRange(256, 2160), default=512, show_default=True, help="Shorter side in pixels.")
@click.option("--fps", type=click.IntRange(10, 60), help="Frames a second; the film's own by default.")
@_shared_options
def drive(image: Path | None, person: str | None, size: int, job: dict[str, Any], as_json: bool, **rest: Any) -> None:
    """Film to talking head: the portrait moves as somebody in the film does, and speaks with the film's sound.

    The driver is not seen. What travels is movement, measured in units of the driver's own face; the film's sound is
    kept as it is, so the voice should be one you may use.
    """
    _one_portrait(image, person)
    with progress_on_stderr() as progress:
        from thsafe import Portrait

        engine = Portrait(**job, progress=progress)
        output = engine.drive(image=image, person=person, short_side=size, **rest)
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
        _only_wav2lip({"--box": box, "--as-authors": as_authors, "--device": device, "--sync-offset": sync_offset})
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


def _only_wav2lip(given: dict[str, Any]) -> None:
    """What only Wav2Lip understands must not be passed over in silence."""
    names = [name for name, value in given.items() if value]
    if names:
        raise UsageError(
            "Only Wav2Lip knows these options.",
            code="usage.engine",
            found=", ".join(names),
            next_step="add --engine wav2lip, or leave them out",
        )


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
