"""Whose portrait is brought to life, and how large: for the commands that do it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from thsafe.core.errors import UsageError

_Command = TypeVar("_Command", bound=Callable[..., Any])


def portrait_options(command: _Command) -> _Command:
    """A picture or a drawn person, and the size of the video."""
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


def one_portrait(image: Path | None, person: str | None) -> None:
    """Raise UsageError ``usage.portrait`` unless exactly one is given."""
    if (image is None) == (person is None):
        raise UsageError(
            "Exactly one portrait is needed.",
            code="usage.portrait",
            found="both --image and --person" if image else "neither --image nor --person",
            next_step="give --image FILE for a picture, or --person NAME for a drawn person (thsafe cast list)",
        )
