"""Options of the engine that draws figures, and its call from the commands that make a talking head."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from thsafe.cli.direction import DIRECTION
from thsafe.cli.neural import given_of, not_given, only_for
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from thsafe import Live2D

_Command = TypeVar("_Command", bound=Callable[..., Any])

WHO: Final = ("model", "figure", "invented", "likeness", "model_licence")
"""Options that say who is drawn."""
HOW: Final = ("view", "background", "expression", "motion", "save_motion")
"""Options that say how."""
FIGURES: Final = ("robin", "wren")
"""Of ``generators.live2d.figure``, which --help must not import; a test compares them."""
_Path = click.Path(path_type=Path)


def live2d_options(command: _Command) -> _Command:
    """Who is drawn, and how; ``--model`` is an option of the command itself."""
    for option in (
        click.option(
            "--save-motion", type=_Path, metavar="FILE.motion3.json", help="Write down the movement for Live2D players."
        ),
        click.option("--motion", metavar="GROUP:N", help="A motion of the model, played along (thsafe live2d show)."),
        click.option("--expression", metavar="NAME", help="An expression of the model or figure."),
        click.option("--background", metavar="#RRGGBB", help="Colour behind the figure."),
        click.option("--view", type=click.Choice(["head", "bust", "full"]), help="How much of the figure is seen."),
        click.option("--model-licence", metavar="TEXT", help="What the model may be used under; recorded."),
        click.option(
            "--likeness",
            type=_Path,
            metavar="PICTURE",
            help="Whom the model portrays; their consent is needed.",
        ),
        click.option("--invented", is_flag=True, help="State on record that the model is nobody's likeness."),
        click.option(
            "--figure",
            type=click.Choice(FIGURES),
            help="One of thsafe's own figures; --engine live2d only, as all below.",
        ),
    ):
        command = option(command)
    return command


def of_live2d(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of :func:`live2d_options` out of all that a command was given."""
    return {name: options.pop(name) for name in (*WHO[1:], *HOW) if name in options}


def puppet(
    options: dict[str, Any], *, model: str | Path | None, image: Path | None, person: str | None, **job: Any
) -> tuple[Live2D, dict[str, Any]]:
    """The engine, and what its verb is told.

    Args:
        options: those of :func:`live2d_options`, and those of a direction where the command has them.
        model: a ``….model3.json``, or None for a figure of our own.
        image: refused: a figure is no picture.
        person: refused.
        job: for the engine.

    Raises:
        UsageError: ``usage.portrait`` or ``usage.engine``.
    """
    if image is not None or person is not None:
        raise UsageError(
            "The engine live2d draws models and figures, not pictures.",
            code="usage.portrait",
            found="--image" if image is not None else "--person",
            next_step="give --model FILE.model3.json or --figure NAME, or leave --engine live2d out",
        )
    manner = {name: options[name] for name in HOW if options.get(name) is not None}
    directed = {name: options[name] for name in DIRECTION if name in options}
    for name in ("performance", "save_performance"):
        if directed.pop(name, None) is not None:
            not_given("live2d", name)
    from thsafe import Live2D

    who = given_of({name: options.get(name) for name in WHO[1:]})
    return Live2D(model=model, **who, **job), manner | directed


def only_live2d(options: dict[str, Any]) -> None:
    """Raise UsageError ``usage.engine`` where another engine is given options of this one."""
    only_for("live2d", options)
