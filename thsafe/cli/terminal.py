"""What commands share: places to write to, progress on stderr, JSON on stdout, times in words."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thsafe.core.errors import StoreError, UsageError
from thsafe.core.types import Json, Progress, Silent

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout.")


class _Moment(click.ParamType[datetime]):
    """A day, meant from midnight UTC, or a time with its zone."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no date such as 2026-01-31 or 2026-01-31T12:00:00Z", param, ctx)
        if moment.tzinfo is None and moment.time() != time():
            self.fail(f"{value!r} has no time zone: add Z for UTC", param, ctx)
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


at_option = click.option(
    "--at",
    type=_Moment(),
    metavar="DATE",
    help="Judge certificates and time stamps as of this moment: 2026-01-31, or 2026-01-31T12:00:00Z.",
)
force_option = click.option("--force", is_flag=True, help="Replace the output if it exists.")


def check_target(path: Path, *, force: bool) -> None:
    """Whether a file can be written there, before the work that fills it.

    Raises:
        UsageError: ``output.exists`` or ``output.folder``.
        StoreError: ``output.unwritable``.
    """
    if path.exists() and not force:
        raise UsageError(
            f"{path} exists already.", code="output.exists", next_step="choose another name, or add --force"
        )
    if not path.parent.is_dir():
        raise UsageError(
            f"The folder does not exist: {path.parent}", code="output.folder", next_step=f"mkdir -p {path.parent}"
        )
    if not os.access(path.parent, os.W_OK):
        raise StoreError(
            f"The folder {path.parent} cannot be written to.",
            code="output.unwritable",
            next_step="choose a folder that you may write to",
            log="nothing was written",
        )


def print_json(value: Json) -> None:
    """One JSON object on stdout."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


@contextmanager
def progress_on_stderr() -> Iterator[Progress]:
    """A bar with time left where stderr is a terminal; silence where it is not."""
    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description:<16}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        yield _Bars(bars)


class _Bars:
    """The Progress port on rich's bars: one bar at a time."""

    def __init__(self, bars: RichProgress) -> None:
        self._bars = bars
        self._task: TaskID | None = None

    def start(self, stage: str, total: int | None) -> None:
        """Replace the bar."""
        if self._task is not None:
            self._bars.remove_task(self._task)
        self._task = self._bars.add_task(stage, total=total)

    def advance(self, steps: int = 1) -> None:
        """Move the bar."""
        if self._task is not None:
            self._bars.advance(self._task, steps)

    def note(self, text: str) -> None:
        """A line above the bar."""
        self._bars.console.print(text)


def no_color() -> bool:
    """Whether the user asked for plain output (https://no-color.org)."""
    return bool(os.environ.get("NO_COLOR"))


def style(text: str, **styles: Any) -> str:
    """Colour for a terminal; plain where NO_COLOR is set (click strips it itself where output is no terminal)."""
    return text if no_color() else click.style(text, **styles)
