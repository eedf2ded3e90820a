"""``thsafe generate plugin``: an engine of another package, by its name."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from thsafe.cli.job import job_options
from thsafe.cli.terminal import progress_on_stderr
from thsafe.core.errors import UsageError
from thsafe.core.types import Json

_TASKS = ("say", "animate", "lipsync", "drive", "swap", "puppet")


@click.command(
    epilog=(
        "Example:\n\n\b\n  thsafe generate plugin still --input portrait=me.png --input voice=speech.wav -o out.mp4"
    )
)
@click.argument("name")
@click.option("--task", type=click.Choice(_TASKS), help="What is done; default: the engine's first task.")
@click.option("--input", "inputs", multiple=True, metavar="ROLE=FILE", help="portrait, voice, target… Repeatable.")
@click.option("--text", help='What is said; "-" reads it from standard input.')
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A parameter of the engine. Repeatable.")
@job_options
def plugin(
    name: str,
    task: str | None,
    inputs: tuple[str, ...],
    text: str | None,
    settings: tuple[str, ...],
    output_path: Path,
    job: dict[str, Any],
    seed: int,
    force: bool,
    as_json: bool,
) -> None:
    """Let an engine of another package render.

    It must have been allowed (thsafe engines allow NAME). Consent, policy and marks are the same as for every engine.
    """
    from thsafe.cli.generate import show_output
    from thsafe.core.types import Task
    from thsafe.generation import media_input, text_input
    from thsafe.registry import engine, engine_names

    if name in engine_names():
        raise UsageError(
            f"{name} comes with thsafe and has commands of its own.",
            code="usage.engine",
            found=name,
            next_step="thsafe generate --help",
        )
    kind = engine(name)
    refs = [media_input(*_pair(item, "--input portrait=FILE")) for item in inputs]
    if text is not None:
        refs.append(text_input(sys.stdin.read() if text == "-" else text))
    params: dict[str, Json] = {"seed": seed}
    for item in settings:
        key, value = _pair(item, "--set NAME=VALUE")
        params[key] = _value(value)
    wanted = kind.info.tasks[0] if task is None else Task(task)
    if wanted not in kind.info.tasks:
        raise UsageError(
            f"{name} does not do that.",
            code="usage.task",
            found=str(wanted),
            next_step="--task " + "|".join(str(item) for item in kind.info.tasks),
        )
    with progress_on_stderr() as progress:
        try:
            output = kind(**job, progress=progress).run(wanted, refs, params, output_path, force=force)
        except KeyError as problem:  # what Request.input and a mapping of parameters raise
            raise UsageError(
                f"{name} misses an input or a parameter.",
                code="usage.input",
                found=str(problem.args[0])[:100] if problem.args else "",
                next_step="--input ROLE=FILE or --set NAME=VALUE",
                log="nothing was written",
            ) from problem
    show_output(output, as_json=as_json)


def _pair(text: str, form: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not (name and sign and value):
        raise UsageError("This is no name with a value.", code="usage.pair", found=text, next_step=form)
    return name, value


def _value(text: str) -> Json:
    """A JSON value, or the text itself."""
    try:
        return json.loads(text)
    except ValueError:
        return text
