"""Options that direct a performance, the same for every command that makes one up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

_Command = TypeVar("_Command", bound=Callable[..., Any])

DIRECTION = ("emotion", "pose", "gaze", "blink_rate", "head_motion", "performance", "save_performance")
"""The names under which the options reach the command."""


def direction_options(command: _Command) -> _Command:
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
