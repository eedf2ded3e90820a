"""Options of the engines that draw with networks, and the check that no other engine is given them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click

from thsafe.core.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., Any])

ARITHMETIC = ("device", "precision", "compiled")
SADTALKER = ("checkout", "checkout_python", "enhancer", *ARITHMETIC)
"""Of SadTalker's options those that say what draws, not how."""
SADTALKER_MODELS = ("sadtalker-256", "sadtalker-512")
"""Its weights (thsafe models list)."""
_Path = click.Path(path_type=Path)


def _degrees(_context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[float, ...] | None:
    """Angles, separated by commas."""
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError as problem:
        raise UsageError(
            f"{parameter.opts[0]} takes degrees, separated by commas.",
            code="usage.degrees",
            found=value,
            next_step=f"{parameter.opts[0]} -20,0,20",
        ) from problem


def _arithmetic_options(*precisions: str) -> tuple[Callable[[_Command], _Command], ...]:
    return (
        click.option(
            "--compile", "compiled", is_flag=True, help="Let torch's compiler fuse the network; for long jobs."
        ),
        click.option(
            "--precision",
            type=click.Choice([*precisions, "float32", "bfloat16"]),
            help="Numbers of the network; bfloat16 is faster and a little less exact. "
            + ("[default: auto, bfloat16 where it is fast and exact enough]" if precisions else "[default: float32]"),
        ),
        click.option("--device", metavar="NAME", help="cpu or cuda; without it the best there is."),
    )


def wav2lip_options(command: _Command) -> _Command:
    """How Wav2Lip draws."""
    for option in (
        *_arithmetic_options("auto"),
        click.option("--as-authors", is_flag=True, help="Chunk rule and hard paste of the authors' script."),
        click.option(
            "--box", metavar="TOP,BOTTOM,LEFT,RIGHT", help="Where the face is, in pixels, instead of finding it."
        ),
        click.option(
            "--sync-offset",
            type=click.IntRange(-25, 25),
            help="Pictures by which the lips follow. [default: 0]",
        ),
        click.option(
            "--model",
            type=click.Choice(["wav2lip-gan", "wav2lip"]),
            help="Whose weights (thsafe models list); --engine wav2lip only, as all below. "
            "[default: what is installed, wav2lip-gan first]",
        ),
    ):
        command = option(command)
    return command


def sadtalker_options(command: _Command) -> _Command:
    """How SadTalker draws."""
    for option in (
        *_arithmetic_options(),
        click.option(
            "--checkout-python", type=_Path, metavar="PATH", help="The Python of the checkout; its own by default."
        ),
        click.option("--enhancer", type=click.Choice(["gfpgan", "RestoreFormer"]), help="With --checkout only."),
        click.option("--checkout", type=_Path, metavar="DIR", help="Run your own SadTalker instead of its weights."),
        click.option("--roll", callback=_degrees, metavar="DEGREES", help="To the shoulders."),
        click.option("--pitch", callback=_degrees, metavar="DEGREES", help="Up and down."),
        click.option(
            "--yaw", callback=_degrees, metavar="DEGREES", help="One angle, or several that the head passes: -20,0,20."
        ),
        click.option(
            "--pose-from", type=_Path, metavar="FILM", help="A film that lends its head motion (embedded: too)"
        ),
        click.option("--blinks-from", type=_Path, metavar="FILM", help="A film that lends its blinks."),
        click.option("--expression-scale", type=click.FloatRange(0, 3), help="1 as performed."),
        click.option("--pose-style", type=click.IntRange(0, 45), help="Of the head's motion."),
        click.option("--still", is_flag=True, help="The head keeps the portrait's pose; goes well with --mode full."),
        click.option(
            "--mode",
            type=click.Choice(["crop", "extcrop", "resize", "full", "extfull"]),
            help="What moves and comes out: the face, also with a border, the whole picture, or the face inside it; "
            "--engine sadtalker only, as all below.",
        ),
    ):
        command = option(command)
    return command


def liveportrait_options(command: _Command) -> _Command:
    """How LivePortrait draws."""
    for option in (
        *_arithmetic_options(),
        click.option("--multiplier", type=click.FloatRange(0, 2), help="How strongly the movement is followed."),
        click.option("--only-lips", is_flag=True, help="Nothing but the lips moves, open as far as the driver's."),
        click.option("--only-eyes", is_flag=True, help="Nothing but the eyes moves; with --only-lips, both."),
        click.option("--absolute", is_flag=True, help="Take the driver's pose and expression instead of their change."),
        click.option("--loose", is_flag=True, help="Let the head move without being fitted to its shoulders."),
        click.option(
            "--mode",
            type=click.Choice(["full", "crop"]),
            help="The face inside the picture, or the face alone; --engine liveportrait only, as all below.",
        ),
    ):
        command = option(command)
    return command


def given_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that were given."""
    return {name: value for name, value in options.items() if value is not None and value is not False}


def only_for(engine: str, options: Mapping[str, Any]) -> None:
    """What only another engine understands must not be passed over in silence.

    Raises:
        UsageError: ``usage.engine``.
    """
    names = [f"--{name.replace('_', '-')}" for name in given_of(options)]
    if names:
        raise UsageError(
            f"Only the engine {engine} knows these options.",
            code="usage.engine",
            found=", ".join(names),
            next_step=f"add --engine {engine}, or leave them out",
        )


def not_given(engine: str, *names: str) -> None:
    """Options with a default, which this engine does not know: refused where they were given.

    Raises:
        UsageError: ``usage.engine``.
    """
    context = click.get_current_context()
    given = [name for name in names if context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE]
    if given:
        raise UsageError(
            f"The engine {engine} does not know these options.",
            code="usage.engine",
            found=", ".join("--" + name.replace("_", "-") for name in given),
            next_step="leave them out, or use --engine embedded",
        )
