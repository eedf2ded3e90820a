"""``thsafe compare``: a file beside the original that it may be made from."""

from __future__ import annotations

from pathlib import Path

import click

from thsafe.cli.terminal import force_option, json_option, print_json, progress_on_stderr, style
from thsafe.core.exitcodes import ExitCode


@click.command(
    epilog=(
        "Exit codes: 0 identical, a plain copy, or not a copy; 10 an altered copy; 30 unreadable.\n\nExamples:\n\n\b\n"
        "  thsafe compare posted.mp4 camera.mov\n"
        "  thsafe compare posted.mp4 camera.mov --report comparison.html\n"
        "  thsafe compare posted.jpg camera.jpg --json"
    )
)
@click.argument("suspect", type=click.Path(path_type=Path))
@click.argument("original", type=click.Path(path_type=Path))
@click.option(
    "--report", "report_path", type=click.Path(path_type=Path), metavar="FILE.html", help="Also write a page."
)
@force_option
@json_option
def compare(suspect: Path, original: Path, report_path: Path | None, force: bool, as_json: bool) -> int:
    """Say what differs between a file and its original, where and when.

    The two are laid one on the other first: trimmed, cut, faster, cropped, scaled, turned, mirrored, brightened and
    encoded copies are found and are no alteration.
    """
    from thsafe.comparison.compare import look
    from thsafe.comparison.result import Outcome
    from thsafe.core.errors import UsageError

    if report_path is not None and report_path.exists() and not force:
        raise UsageError(
            f"{report_path.name} exists.",
            code="output.exists",
            found=str(report_path),
            next_step="choose another name, or --force",
        )
    with progress_on_stderr() as progress:
        seen = look(suspect, original, progress=progress)
        if report_path is not None:
            from thsafe.report.comparison import write_comparison

            write_comparison(seen, suspect, original, report_path)
    found = seen.comparison
    if as_json:
        print_json(found.as_json())
    else:
        colour = {Outcome.ALTERED: "red", Outcome.OTHER: None}.get(found.outcome, "green")
        click.echo(style(f"{found.suspect} beside {found.original}: {found.outcome}", bold=True, fg=colour))
        click.echo(f"  {found.sentence}")
        for item in found.differences:
            click.echo(f"  ! {item.words}")
        for change in found.changes:
            click.echo(f"  - {change}")
        for note in found.not_compared:
            click.echo(f"  ? not compared: {note}")
        for limit in found.limits:
            click.echo(f"    {limit}")
        if report_path is not None:
            click.echo(f"report  {report_path}")
    return int(ExitCode.TAMPERED if found.outcome is Outcome.ALTERED else ExitCode.DONE)
