"""``thsafe keys``: make and list keys and certificates."""

from __future__ import annotations

from pathlib import Path
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


@keys.command(name="list", epilog="Example:\n\n\b\n  thsafe keys list")
@json_option
def list_(as_json: bool) -> None:
    """Show every key: what it is for, when it ends. The key of the public mark is a constant, the same everywhere."""
    from thsafe.home import Home
    from thsafe.keys import KeyRing

    rows = [_row(item) for item in [*KeyRing.open(Home.default()).describe(), _public_mark()]]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        until = f"until {str(row['expires'])[:10]}" if row["expires"] else ""
        click.echo(f"{row['name']:<18} {row['use']:<34} {until:<18} {str(row['fingerprint'])[:24]}")
    click.echo(f"{rows[-1]['name']}: {rows[-1]['kind']}, the same everywhere")


@keys.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe keys use --signer file:key.pem --chain chain.pem --tsa http://tsa.example.org\n"
        '  thsafe keys use --signer "pkcs11:token=studio;object=c2pa?module-path=/usr/lib/softhsm/libsofthsm2.so'
        '&pin-source=env:TOKEN_PIN" --chain chain.pem --tsa http://tsa.example.org\n'
        "  thsafe keys use --development"
    )
)
@click.option("--signer", metavar="URI", help="Where the key is: file:, env:, pkcs11: or a scheme of a plug-in.")
@click.option("--chain", type=click.Path(path_type=Path), metavar="FILE", help="Certificates, PEM, the leaf first.")
@click.option("--tsa", "tsa_url", default="", metavar="URL", help="The time-stamp authority (RFC 3161).")
@click.option(
    "--tsa-policy",
    type=click.Choice(["required", "best-effort", "off"]),
    default="required",
    show_default=True,
    help="Whether an output may lack a time stamp; never where a law wants one.",
)
@click.option("--development", is_flag=True, help="Sign with the development certificate again.")
def use(signer: str | None, chain: Path | None, tsa_url: str, tsa_policy: str, development: bool) -> None:
    """Sign with a certificate of your own.

    The certificates are checked field by field and the key is tried before anything is kept. Only the URI is kept,
    never a key or a PIN.
    """
    from typing import cast

    from thsafe.core.errors import UsageError
    from thsafe.home import Home
    from thsafe.keys.choice import SigningChoice, TimeStampPolicy, use_development

    home = Home.default()
    if development and signer is None and chain is None:
        use_development(home)
        click.echo("outputs are signed with the development certificate from now on")
        return
    if development or signer is None or chain is None:
        raise UsageError(
            "A signer and its certificates are needed.",
            code="usage.signer",
            next_step="give --signer URI and --chain FILE, or --development alone",
        )
    policy = cast("TimeStampPolicy", tsa_policy)
    choice = SigningChoice(signer=signer, chain=str(chain.resolve()), tsa_url=tsa_url, tsa_policy=policy)
    choice.save(home)
    click.echo(f"outputs are signed with this certificate from now on ({choice.open().algorithm})")
    click.echo(f"time stamps: {tsa_policy}{f', from {tsa_url}' if tsa_url else ''}")


def _public_mark() -> KeyFacts:
    """The one key here that is no secret: anyone reads, and can write, the public mark with it."""
    from thsafe.keys.ring import KeyFacts
    from thsafe.watermark import PUBLIC_KEY

    return KeyFacts(
        name="watermark public",
        use="reads the public mark; no secret",
        kind="public constant, documented in docs/explanation/watermark.md",
        fingerprint=PUBLIC_KEY.hex(),
        development=False,
    )


def _row(item: KeyFacts) -> dict[str, object]:
    import dataclasses

    return dataclasses.asdict(item)
