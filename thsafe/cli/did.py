"""``thsafe did``: the account at D-ID."""

from __future__ import annotations

import click

from thsafe.cli.terminal import json_option, print_json


@click.group()
def did() -> None:
    """The account at D-ID, whose service thsafe generate talk uses: key, credits, jobs."""


@did.command(epilog="Example:\n\n\b\n  thsafe did key")
def key() -> None:
    """Keep the account's key in the system's keyring; it is asked for, and not shown.

    Where there is no keyring, set THSAFE_DID_KEY instead.
    """
    from thsafe.registry import vendor_account

    vendor_account().keep(click.prompt("Key", hide_input=True, err=True).strip())
    click.echo("kept")


@did.command(epilog="Example:\n\n\b\n  thsafe did credits")
@json_option
def credits(as_json: bool) -> None:  # noqa: A001 - the command's name is the vendor's word
    """Show the credits that remain."""
    from thsafe.registry import vendor_account

    remaining, total = vendor_account().credits()
    if as_json:
        print_json({"remaining": remaining, "total": total})
    else:
        click.echo(f"{remaining:g} of {total:g} credits remain")


@did.command(epilog="Example:\n\n\b\n  thsafe did forget talks tlk_AbC123")
@click.argument("kind", type=click.Choice(["talks", "clips", "animations", "translations"]))
@click.argument("name", metavar="ID")
def forget(kind: str, name: str) -> None:
    """Have D-ID delete a job and its files."""
    from thsafe.registry import vendor_account

    vendor_account().forget(kind, name)
    click.echo("deleted at D-ID")
