"""``thsafe keys``: make and list keys and certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option, print_json

if TYPE_CHECKING:
    from thsafe.keys import KeyFacts


@click.group()
def keys() -> None:
    """Make and list keys and certificates."""


@keys.command(epilog='Example:\n\n\b\n  thsafe keys new --organisation "Example Studio"')
@click.option(
    "--organisation",
    default="thsafe development",
    show_default=True,
    help="Organisation in the certificates; shown to everyone who inspects an output. Never a person's name.",
)
@click.option("--force", is_flag=True, help="Replace existing keys; outputs already made stay valid but unknown here.")
@json_option
def new(organisation: str, force: bool, as_json: bool) -> None:
    """Make development keys: signer, time stamps, log, gate and watermark."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    home = Home.default()
    home.prepare()
    ring = KeyRing.create(home, organisation=organisation, overwrite=force)
    if as_json:
        print_json({"folder": str(home.keys), "keys": [_row(item) for item in ring.describe()]})
        return
    click.echo(f"keys in {home.keys} (mode 0600)")
    click.echo("Outputs will say that they are signed by a development certificate: it proves that they are unchanged")
    click.echo("since you made them, not who you are. See docs/howto for a certificate of your own.")


@keys.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """Show every key: what it is for, when it ends."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    rows = [_row(item) for item in KeyRing.open(Home.default()).describe()]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        until = f"until {str(row['expires'])[:10]}" if row["expires"] else ""
        click.echo(f"{row['name']:<18} {row['use']:<34} {until:<18} {str(row['fingerprint'])[:24]}")


def _row(item: KeyFacts) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(item)
