"""``thsafe models``: cards, fetching, checking."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from thsafe.cli.terminal import json_option, print_json, progress_on_stderr


@click.group()
def models() -> None:
    """Model weights: cards, fetching, checking. thsafe ships no weights of others."""


@models.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """Show the known models and which are installed."""
    from thsafe.home import Home
    from thsafe.models import all_cards, installed_path

    home = Home.default()
    rows = [(card, installed_path(card, home)) for card in all_cards()]
    if as_json:
        print_json([dataclasses.asdict(card) | {"installed": path is not None} for card, path in rows])
        return
    for card, path in rows:
        state = "installed" if path else "not installed"
        use = "commercial use allowed" if card.commercial_use else "non-commercial use only"
        click.echo(f"{card.name:<16} {state:<14} {card.title}; {use}")


@models.command()
@click.argument("name")
@json_option
def card(name: str, as_json: bool) -> None:
    """Show one model's card."""
    from thsafe.models import find_card

    found = dataclasses.asdict(find_card(name))
    if as_json:
        print_json(found)
        return
    for label, value in found.items():
        if value != "":
            click.echo(f"{label.replace('_', ' '):<15} {value}")


@models.command(epilog="Example:\n\n\b\n  thsafe models pull wav2lip-gan --file wav2lip_gan.pth --accept-noncommercial")
@click.argument("name")
@click.option("--file", type=click.Path(path_type=Path), help="Take the weights from this file instead of the network.")
@click.option("--accept-noncommercial", is_flag=True, help="You use these weights only as their licence allows.")
def pull(name: str, file: Path | None, accept_noncommercial: bool) -> None:
    """Bring weights in, from their pinned address or from a file."""
    from thsafe.home import Home
    from thsafe.models import find_card
    from thsafe.models.fetch import pull as fetch

    with progress_on_stderr() as progress:
        path = fetch(find_card(name), Home.default(), file=file, accept_licence=accept_noncommercial, progress=progress)
    click.echo(f"{name} is at {path}")
