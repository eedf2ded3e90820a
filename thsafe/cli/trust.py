"""``thsafe trust``: whose signatures and time stamps to believe."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option, print_json

if TYPE_CHECKING:
    from thsafe.provenance.trustlists import ListFacts


@click.group()
def trust() -> None:
    """Whose signatures and time stamps to believe."""


@trust.command("list", epilog="Example:\n\n\b\n  thsafe trust list")
@json_option
def list_(as_json: bool) -> None:
    """Show the lists that verify goes by, where they came from and whether they are stale."""
    from thsafe.core.clock import system_clock
    from thsafe.home import Home
    from thsafe.provenance.trustlists import describe_lists

    found = describe_lists(Home.default(), system_clock())
    if as_json:
        print_json([_row(item) for item in found])
        return
    if not found:
        click.echo("no lists: every signer is unknown here (thsafe trust update fetches the official ones)")
    for item in found:
        _print(item)


@trust.command(epilog="Example:\n\n\b\n  thsafe trust add newsroom.pem --kind c2pa --name newsroom")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["c2pa", "legacy", "tsa", "cawg"]),
    required=True,
    help="What its anchors may vouch for: claims, claims of the frozen interim list, time stamps, identities.",
)
@click.option("--name", required=True, help="One word; a list of that name and kind is replaced.")
def add(file: Path, kind: str, name: str) -> None:
    """Believe the anchors in a PEM file."""
    from thsafe.home import Home
    from thsafe.provenance.trust import TrustKind, add_list

    added = add_list(Home.default(), file, kind=TrustKind(kind), name=name)
    click.echo(f"{added.name} ({added.kind}): {len(added.certificates())} certificates")


@trust.command(
    epilog=(
        "Examples:\n\n\b\n  thsafe trust update\n  thsafe trust update --from C2PA-TRUST-LIST.json\n"
        "  thsafe trust update --from C2PA-TSA-TRUST-LIST.pem --kind tsa"
    )
)
@click.option("--from", "source", type=click.Path(path_type=Path), help="Take this file; the network is not asked.")
@click.option("--kind", type=click.Choice(["c2pa", "tsa"]), help="What a PEM file is for; JSON says so itself.")
@json_option
def update(source: Path | None, kind: str | None, as_json: bool) -> None:
    """Take the official C2PA lists of claim signers and of time-stamp authorities.

    The only command that fetches trust lists; 4 MiB and 20 seconds at most for each.
    """
    from thsafe.core.errors import UsageError
    from thsafe.home import Home
    from thsafe.provenance.trust import TrustKind
    from thsafe.provenance.trustlists import update_from_file, update_from_network

    home = Home.default()
    if source is not None:
        found = [update_from_file(home, source, kind=TrustKind(kind) if kind else None)]
    elif kind is not None:
        raise UsageError("--kind belongs to a PEM file.", code="usage.kind", next_step="add --from FILE")
    else:
        found = update_from_network(home)
    if as_json:
        print_json([_row(item) for item in found])
        return
    for item in found:
        _print(item)


def _row(item: ListFacts) -> dict[str, object]:
    from dataclasses import asdict

    return asdict(item)


def _print(item: ListFacts) -> None:
    click.echo(f"{item.name} ({item.kind}): {item.certificates} certificates" + (", STALE" if item.stale else ""))
    if item.origin is not None:
        click.echo(f"  from {item.origin.source}, {item.origin.added[:10]}, SHA-256 {item.origin.sha256}")
        if item.origin.next_update:
            click.echo(f"  issued {(item.origin.issued or '')[:10]}, next {item.origin.next_update[:10]}")
