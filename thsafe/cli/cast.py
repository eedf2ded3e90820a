"""``thsafe cast``: people drawn by thsafe's own code."""

from __future__ import annotations

from pathlib import Path

import click

from thsafe.cli.terminal import check_target, force_option, json_option, print_json
from thsafe.core.errors import UsageError


@click.group()
def cast() -> None:
    """People drawn by thsafe's own code: nobody's likeness, nobody's consent needed."""


@cast.command(name="list", epilog="Example:\n\n\b\n  thsafe cast list")
@json_option
def list_(as_json: bool) -> None:
    """Names of all drawn people."""
    from thsafe.registry import drawn_person_digests

    digests = drawn_person_digests()
    if as_json:
        print_json(dict(digests))
        return
    for name in digests:
        click.echo(name)


@cast.command(epilog="Example:\n\n\b\n  thsafe cast draw ada -o ada.png")
@click.argument("name")
@click.option("-o", "--output", "output_path", required=True, type=click.Path(path_type=Path), help="A .png file.")
@click.option("--size", type=click.IntRange(256, 2048), default=1024, show_default=True, help="Side in pixels.")
@force_option
def draw(name: str, output_path: Path, size: int, force: bool) -> None:
    """Draw one of them as a picture, signed and logged: as it is, it needs nobody's consent here."""
    from thsafe.drawing import publish_drawing
    from thsafe.generation import drawn_portrait
    from thsafe.installation import Installation

    drawn_portrait(name)
    if output_path.suffix.lower() != ".png":
        raise UsageError("The picture must be a .png file.", code="output.kind", next_step="name it ….png")
    check_target(output_path, force=force)
    publish_drawing(name, output_path, size=size, installation=Installation.open())
    click.echo(str(output_path))
