"""``thsafe tsa``: a time-stamp authority on this machine."""

from __future__ import annotations

import click


@click.group()
def tsa() -> None:
    """A time-stamp authority on this machine, for development keys and air-gapped use."""


@tsa.command(epilog="Example:\n\n\b\n  thsafe tsa serve --port 3161")
@click.option("--port", type=click.IntRange(0, 65535), default=3161, show_default=True, help="0 takes any free port.")
def serve(port: int) -> None:
    """Answer RFC 3161 requests on 127.0.0.1 until interrupted."""
    import threading

    from thsafe.core.errors import StoreError
    from thsafe.home import Home
    from thsafe.keys import KeyRing
    from thsafe.provenance.timestamp import LoopbackAuthority

    try:
        with LoopbackAuthority(KeyRing.open(Home.default()), port=port) as authority:
            click.echo(f"time stamps at {authority.url} (Ctrl-C ends)", err=True)
            threading.Event().wait()
    except OSError as problem:
        raise StoreError(
            f"Port {port} cannot be used.", code="tsa.port", found=str(problem), next_step="choose another: --port 0"
        ) from problem
