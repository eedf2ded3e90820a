"""``thsafe studio``: making films and recording consent in a browser on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.serve import check_installed

if TYPE_CHECKING:
    from fastapi import FastAPI

    from thsafe.web.settings import Settings


@click.command(epilog="Examples:\n\n\b\n  thsafe studio\n  thsafe studio --port 8020")
@click.option("--port", type=click.IntRange(1, 65535), default=8010, show_default=True)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the films and for uploads while they are needed.",
)
def studio(port: int, data: Path | None) -> None:
    """Open the studio for this machine's browser until interrupted.

    One page makes films, through the gate and with every mark as thsafe generate; another shows a consent request and
    records the person who agrees. It listens on 127.0.0.1 only. The address that is printed works once; after that a
    token of scope studio opens it (thsafe serve token new).
    """
    check_installed()
    from thsafe.home import Home
    from thsafe.installation import Installation
    from thsafe.web.listener import listen
    from thsafe.web.settings import Settings
    from thsafe.web.stagedoor import Ticket, create_studio

    home = Home.default()
    Installation.open(home)  # without keys nothing can be signed: say so now
    ticket = Ticket()

    def make(settings: Settings) -> FastAPI:
        return create_studio(settings, ticket)

    def ready(address: str) -> None:
        click.echo(f"studio at {address}studio/enter/{ticket.word} (works once; Ctrl-C ends)", err=True)

    settings = Settings(home=home, data=data or home.path / "studio", workers=1, max_upload=1 << 30)
    listen(settings, host="127.0.0.1", port=port, ready=ready, make=make)
