"""What every way of generating asks for: where the output goes, under whose consent, what for, where it is shown."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from thsafe.cli.terminal import force_option, json_option

_Command = TypeVar("_Command", bound=Callable[..., Any])

_DECLARABLE = ("nothing", "sexual", "fraud", "election", "celebrity")


def job_options(command: _Command) -> Callable[..., None]:
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
