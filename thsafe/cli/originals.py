"""``thsafe originals``: the index of footage that others' files are compared with."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from thsafe.cli.terminal import json_option, print_json, progress_on_stderr, style


@click.group()
def originals() -> None:
    """Footage of your own: thsafe verify knows copies of it again and says what was altered in them.

    The index holds places and fingerprints; the footage stays where it is.
    """


@originals.command(epilog="Example:\n\n\b\n  thsafe originals add ~/footage\n  thsafe originals add interview.mov")
@click.argument("place", type=click.Path(path_type=Path), metavar="DIR|FILE")
@json_option
def add(place: Path, as_json: bool) -> None:
    """Take a file, or all media below a folder, into the index; what is there already is passed over."""
    from thsafe.comparison.originals import Originals
    from thsafe.home import Home

    with Originals(Home.default()) as index, progress_on_stderr() as progress:
        new, problems = index.add(place, progress)
    if as_json:
        listed = [{"file": str(path), "why": why} for path, why in problems]
        print_json({"added": [{"sha256": item.sha256, "path": item.path} for item in new], "problems": listed})
        return
    click.echo(f"{len(new)} new in the index of originals")
    for path, why in problems:
        click.echo(style(f"not taken: {path.name}: {why}", fg="yellow"), err=True)


@originals.command(name="list", epilog="Example:\n\n\b\n  thsafe originals list")
@json_option
def list_(as_json: bool) -> None:
    """Show what is in the index."""
    from thsafe.comparison.originals import Originals
    from thsafe.home import Home

    with Originals(Home.default()) as index:
        entries = list(index.entries())
    if as_json:
        print_json([{**asdict(entry), "present": entry.present()} for entry in entries])
        return
    for entry in entries:
        gone = "" if entry.present() else "  (not there any more)"
        click.echo(f"{entry.sha256[:12]}  {entry.added_at[:10]}  {entry.path}{gone}")
    click.echo(f"{len(entries)} originals")


@originals.command(epilog="Example:\n\n\b\n  thsafe originals forget ~/footage/2024")
@click.argument("place", type=click.Path(path_type=Path), metavar="DIR|FILE")
@json_option
def forget(place: Path, as_json: bool) -> None:
    """Take a file, or all that lay below a folder, out of the index; the files themselves stay."""
    from thsafe.comparison.originals import Originals
    from thsafe.home import Home

    with Originals(Home.default()) as index:
        count = index.forget(place)
    if as_json:
        print_json({"forgotten": count})
        return
    click.echo(f"{count} forgotten")
