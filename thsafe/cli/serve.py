"""``thsafe serve``: verification for everyone who can open a page, and for programs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.address import address_options, address_rules
from thsafe.cli.terminal import json_option, print_json

if TYPE_CHECKING:
    from thsafe.web.settings import Settings
    from thsafe.web.tokens import Tokens

_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class _Size(click.ParamType[int]):
    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        found = re.fullmatch(r"(\d{1,6})\s*([kmg]?)i?b?", str(value).strip().lower())
        if found is None or int(found[1]) == 0:
            self.fail(f"{value} is no size such as 500MB or 2GB", param, ctx)
        return int(found[1]) * _UNITS[found[2]]


@click.group(
    invoke_without_command=True,
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe serve\n"
        "  thsafe serve --public --host 0.0.0.0 --name verify.example.org\n"
        "  thsafe serve token new --name newsroom --scope verify"
    ),
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(1, 65535), default=8000, show_default=True)
@click.option("--public", is_flag=True, help="For everyone: nothing personal shown, nothing kept, a rate limit.")
@click.option("--name", "names", multiple=True, metavar="HOST", help="A name that the server answers to. Repeatable.")
@click.option("--proxy", "proxies", multiple=True, metavar="IP", help="A proxy whose X-Forwarded-For is believed.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Files examined at once.")
@click.option("--max-upload", type=_Size(), default="2GB", show_default=True, help="Largest file.")
@click.option(
    "--keep",
    type=click.FloatRange(0.01, 24 * 365),
    default=24,
    show_default=True,
    help="Hours a report is kept; with --public it is gone once delivered.",
)
@click.option(
    "--per-minute",
    type=click.IntRange(1, 10_000),
    default=10,
    show_default=True,
    help="With --public: verifications a client may start in a minute.",
)
@click.option("--url/--files-only", "urls", default=True, help="Whether addresses are fetched.")
@address_options
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for uploads and reports while they are needed.",
)
@click.pass_context
def serve(
    ctx: click.Context,
    host: str,
    port: int,
    public: bool,
    names: tuple[str, ...],
    proxies: tuple[str, ...],
    workers: int,
    max_upload: int,
    keep: float,
    per_minute: int,
    urls: bool,
    url_hosts: tuple[str, ...],
    url_schemes: tuple[str, ...],
    url_ports: tuple[int, ...],
    url_networks: tuple[str, ...],
    data: Path | None,
) -> None:
    """Serve the verification page and API until interrupted.

    Files are examined in processes with limits and without a network. On an address that others reach, verifying
    needs a token (thsafe serve token new), unless --public is given.
    """
    if ctx.invoked_subcommand is not None:
        return
    check_installed()
    from thsafe.home import Home
    from thsafe.web.settings import LOOPBACK, Settings

    home = Home.default()
    home.prepare()
    settings = Settings(
        home=home,
        data=data or home.path / "serve",
        public=public,
        token_needed=not public and host not in LOOPBACK,
        hosts=(*names, *([] if host in {"0.0.0.0", "::"} else [host])),  # noqa: S104 - compared, not bound
        max_upload=max_upload,
        keep_seconds=keep * 3600,
        workers=workers,
        per_minute=per_minute,
        remote=address_rules(url_hosts, url_schemes, url_ports, url_networks, most=max_upload) if urls else None,
    )
    _run(settings, host, port, proxies)


def _run(settings: Settings, host: str, port: int, proxies: tuple[str, ...]) -> None:
    from thsafe.web.listener import listen

    def ready(address: str) -> None:
        if settings.token_needed and not _tokens().all():
            click.echo("nobody can verify yet: thsafe serve token new --name NAME --scope verify", err=True)
        click.echo(f"verifying at {address} (Ctrl-C ends)", err=True)

    listen(settings, host=host, port=port, proxies=proxies, ready=ready)


def check_installed() -> None:
    """Raise MissingError unless what a server needs is installed."""
    from thsafe.core.errors import MissingError

    try:
        import fastapi
        import prometheus_client
        import python_multipart
        import uvicorn
    except ImportError as problem:
        raise MissingError(
            "The server's parts are not installed.",
            code="missing.serve",
            found=str(problem),
            next_step='pip install "thsafe[serve]"',
        ) from problem
    del fastapi, prometheus_client, python_multipart, uvicorn


@serve.group()
def token() -> None:
    """Tokens for what is not open to all: make, list, revoke."""


@token.command(epilog="Example:\n\n\b\n  thsafe serve token new --name newsroom --scope verify --days 90")
@click.option("--name", required=True, help="Who will have it.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(["verify", "manifests", "metrics", "studio"]),
    help="What it allows. Repeatable.",
)
@click.option("--days", type=click.IntRange(1, 3650), help="Valid so long; for ever if not given.")
@json_option
def new(name: str, scopes: tuple[str, ...], days: int | None, as_json: bool) -> None:
    """Make a token; it is shown this once and stored as a hash only."""
    from thsafe.web.tokens import Scope

    made, secret = _tokens().new(name, [Scope(scope) for scope in scopes], days=days)
    if as_json:
        print_json({"id": made.id, "name": made.name, "scopes": list(made.scopes), "token": secret})
        return
    click.echo(secret)
    click.echo(f"  id {made.id}, scopes {', '.join(made.scopes)}; it is shown this once", err=True)


@token.command("list", epilog="Example:\n\n\b\n  thsafe serve token list")
@json_option
def list_(as_json: bool) -> None:
    """List the tokens; none of them can be read here."""
    tokens = _tokens().all()
    if as_json:
        rows = [
            {"id": item.id, "name": item.name, "scopes": list(item.scopes), "made": item.made, "expires": item.expires}
            for item in tokens
        ]
        print_json(rows)
        return
    for item in tokens:
        until = f"until {item.expires[:10]}" if item.expires else "for ever"
        click.echo(f"{item.id}  {item.name:<20} {', '.join(item.scopes):<24} {until}")


@token.command(epilog="Example:\n\n\b\n  thsafe serve token revoke 3fa41c07")
@click.argument("token_id", metavar="ID")
def revoke(token_id: str) -> None:
    """Take a token back; a running server knows at once."""
    taken = _tokens().revoke(token_id)
    click.echo(f"revoked {taken.id} ({taken.name})")


def _tokens() -> Tokens:
    from thsafe.home import Home
    from thsafe.web.tokens import TOKENS_FILE, Tokens

    return Tokens(Home.default().path / TOKENS_FILE)
