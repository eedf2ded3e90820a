"""``thsafe live2d``: models looked into, movement written as files, a figure in VTube Studio moved in real time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from thsafe.cli.terminal import force_option, json_option, print_json, progress_on_stderr, style
from thsafe.core.errors import UsageError

_Path = click.Path(path_type=Path)
_MODEL = click.option("--model", type=_Path, metavar="FILE", help="Whose parameters; the standard ones by default.")


@click.group()
def live2d() -> None:
    """Live2D models: look into them, write motions and expressions for them, move them live.

    To make a film of one: thsafe generate animate --engine live2d.
    """


@live2d.command(epilog="Example:\n\n\b\n  thsafe live2d show hero/hero.model3.json")
@click.argument("model", type=_Path)
@json_option
def show(model: Path, as_json: bool) -> None:
    """Show what a model has: what moves with the voice, expressions, motions, parameters."""
    from thsafe.registry import puppet_workbench

    found = puppet_workbench().describe(model)
    if as_json:
        print_json(found)
        return
    click.echo(style(found["model"], bold=True) + f"  {found['files']} files, {found['sha256'][:16]}")
    rows = {
        "terms": found["notice"] or "none beside the model: ask whoever made it",
        "lip sync": ", ".join(found["lip_sync"]) or "none",
        "vowels": ", ".join(found["vowels"].values()) or "none: the mouth opens and shuts",
        "motion sync": ", ".join(found["motion_sync"]) or "none",
        "eye blink": ", ".join(found["eye_blink"]) or "none",
        "driven": ", ".join(found["driven"]),
        "expressions": ", ".join(found["expressions"]) or "none",
        "motions": ", ".join(f"{group}:0…{count - 1}" for group, count in found["motions"].items()) or "none",
        "parameters": str(len(found["parameters"])),
    }
    for name, text in rows.items():
        click.echo(f"  {name:<12} {text}")


def _source_options(command: Any) -> Any:
    for option in (
        click.option("--seed", type=int, default=0, show_default=True, help="Same seed, same head motion and blinks."),
        click.option("--head-motion", type=click.FloatRange(0, 1), help="0 keeps the head still; 1 by default."),
        click.option("--emotion", metavar="NAME[:0..1]", help="As for thsafe generate animate; with --audio."),
        click.option("--face", type=click.IntRange(1, 5), default=1, help="Who drives, with --driver."),
        click.option("--fps", type=click.IntRange(10, 60), default=30, show_default=True, help="With --audio."),
        click.option("--driver", type=_Path, metavar="FILM", help="A film whose movement is lent."),
    ):
        command = option(command)
    return command


@live2d.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe live2d motion --audio speech.wav -o speech.motion3.json\n"
        "  thsafe live2d motion --driver me.mp4 --model hero.model3.json -o me.motion3.json"
    )
)
@click.option("--audio", type=_Path, metavar="FILE", help="Speech that the figure is to speak.")
@_MODEL
@_source_options
@click.option("--loop", is_flag=True, help="Players start again at its end.")
@click.option("-o", "--output", "output_path", required=True, type=_Path, metavar="OUT.motion3.json")
@force_option
@json_option
def motion(output_path: Path, force: bool, as_json: bool, **source: Any) -> None:
    """Write what speech or a film makes of a figure as motion3.json, for any Live2D player.

    It holds curves and nothing else: no sound, no picture, nothing of a person's looks.
    """
    from thsafe.registry import puppet_workbench

    _one_of(source, "audio", "driver")
    _not_there(output_path, force=force)
    with progress_on_stderr() as progress:
        done = puppet_workbench().export_motion(output_path, source, progress)
    if as_json:
        print_json(done)
    else:
        click.echo(f"{output_path}  {done['curves']} curves")


@live2d.command(epilog="Example:\n\n\b\n  thsafe live2d expression happy:0.8 -o happy.exp3.json")
@click.argument("mood")
@_MODEL
@click.option("--fade", type=click.FloatRange(0, 10), default=0.5, show_default=True, help="Seconds in and out.")
@click.option("-o", "--output", "output_path", required=True, type=_Path, metavar="OUT.exp3.json")
@force_option
@json_option
def expression(mood: str, model: Path | None, fade: float, output_path: Path, force: bool, as_json: bool) -> None:
    """Write a mood (happy, sad, angry, surprised, serious) as exp3.json."""
    from thsafe.registry import puppet_workbench

    _not_there(output_path, force=force)
    done = puppet_workbench().export_expression(output_path, mood, model, fade)
    if as_json:
        print_json(done)
        return
    click.echo(str(output_path))
    for name, value in done["parameters"].items():
        click.echo(f"  {name:<18} {value:+.2f}")


@live2d.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe live2d perform --audio speech.wav\n"
        "  arecord -f S16_LE -r 16000 -c 1 | thsafe live2d perform --audio -\n"
        "  thsafe live2d perform --camera 0\n"
        "  thsafe live2d perform --driver me.mp4"
    )
)
@click.option("--audio", metavar="FILE", help='Speech, in its own time; "-": WAV from stdin, as it comes.')
@click.option("--camera", type=click.IntRange(min=0), metavar="N", help="A camera of this machine.")
@_source_options
@click.option("--rate", type=click.FloatRange(1, 60), default=30.0, show_default=True, help="Poses a second at most.")
@click.option("--seconds", type=click.FloatRange(0), help="How long to follow the camera; until Ctrl-C by default.")
@click.option("--address", metavar="URL", help="Of VTube Studio's API; ws://127.0.0.1:8001 by default.")
@json_option
def perform(as_json: bool, **source: Any) -> None:
    """Move the figure that VTube Studio shows, in real time: by speech, a film or a camera.

    VTube Studio asks once whether thsafe may do so. The picture is VTube Studio's: thsafe cannot label it, mark it or
    log it. Whoever shows it must say that it is generated. Nothing of the camera is kept.
    """
    from thsafe.home import Home
    from thsafe.registry import puppet_workbench

    _one_of(source, "audio", "driver", "camera")
    with progress_on_stderr() as progress:
        done = puppet_workbench().perform(source, Home.default(), progress)
    if as_json:
        print_json(done)
        return
    click.echo(f"{done['sent']} poses sent, {done['reconnected']} times connected anew")
    if done["left_out"]:
        click.echo("  left out   " + ", ".join(done["left_out"]))


def _one_of(source: dict[str, Any], *names: str) -> None:
    given = [name for name in names if source.get(name) is not None]
    if len(given) != 1:
        raise UsageError(
            "Exactly one source of movement is needed.",
            code="usage.source",
            found=", ".join("--" + name for name in given) or "none",
            next_step="give one of: " + ", ".join("--" + name for name in names),
        )


def _not_there(path: Path, *, force: bool) -> None:
    if path.exists() and not force:
        raise UsageError(f"{path} exists already.", code="output.exists", next_step="add --force to replace it")
