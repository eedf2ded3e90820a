"""``thsafe consent``: make, check and revoke consent records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from thsafe.consent.record import ConsentRecord
    from thsafe.consent.store import ConsentStore


@click.group()
def consent() -> None:
    """Make, check and revoke consent records: signed, scoped, revocable."""


@consent.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe consent new --self --portrait me.png\n"
        "  thsafe consent new --self --portrait me.png --purpose training-video --days 90 --max-uses 5"
    )
)
@click.option("--self", "own", is_flag=True, help="The picture shows you, and you agree for yourself.")
@click.option("--portrait", required=True, type=click.Path(path_type=Path), help="The picture that you agree to.")
@click.option("--media", multiple=True, type=click.Path(path_type=Path), help="Another file of you. Repeatable.")
@click.option("--name", help="Your name; kept on this machine only, the record holds a salted digest.")
@click.option(
    "--purpose", "purposes", multiple=True, help="What for. Repeatable; default: all that self-consent opens."
)
@click.option("--mode", "modes", multiple=True, help="How: say, animate, lipsync, drive, puppet. Repeatable.")
@click.option("--territory", "territories", multiple=True, help="Where it may be shown. Repeatable; default: anywhere.")
@click.option("--days", type=int, default=365, show_default=True, help="How long it holds.")
@click.option("--max-uses", type=click.IntRange(1), help="How many outputs at most.")
@click.option("-o", "--output", "output_path", type=click.Path(path_type=Path), help="Also write the record to a file.")
@json_option
def new(
    own: bool,
    portrait: Path,
    media: tuple[Path, ...],
    name: str | None,
    purposes: tuple[str, ...],
    modes: tuple[str, ...],
    territories: tuple[str, ...],
    days: int,
    max_uses: int | None,
    output_path: Path | None,
    as_json: bool,
) -> None:
    """Agree to the use of your own picture, in one step."""
    if not own:
        raise UsageError(
            "Whose consent is this?",
            code="consent.whose",
            next_step="for your own picture add --self; for another person: thsafe consent request --help",
        )
    from thsafe.consent.grant import SELF_MODES, SELF_PURPOSES, create_self_consent
    from thsafe.core.types import MediaKind
    from thsafe.generation import media_input
    from thsafe.home import Home

    media_input("portrait", portrait, MediaKind.IMAGE, MediaKind.VIDEO)
    record = create_self_consent(
        Home.default(),
        portrait=portrait,
        name=name,
        purposes=purposes or SELF_PURPOSES,
        modes=modes or tuple(str(mode) for mode in SELF_MODES),
        territories=territories or ("WORLD",),
        days=days,
        max_uses=max_uses,
        media=media,
    )
    _log_created(record)
    if output_path is not None:
        from thsafe.consent.files import write_json

        write_json(output_path, dict(record.document))
    if as_json:
        print_json(dict(record.document))
        return
    click.echo(style(f"consent {record.id}", bold=True))
    click.echo(f"  {record.summary()}")
    click.echo("  signed by a key of yours on this machine and by this installation (assurance: self)")
    click.echo(f"  take it back at any time: thsafe consent revoke {record.id}")


@consent.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """Show all consents kept here and whether they stand."""
    records = _store().list()
    if as_json:
        print_json([{"id": item.id, "summary": item.summary(), "state": _state(item)} for item in records])
        return
    if not records:
        click.echo("no consents; make one: thsafe consent new --self --portrait me.png", err=True)
    for item in records:
        click.echo(f"{item.id}  {_state(item):<10} {item.summary()}")


@consent.command()
@click.argument("consent_id")
def show(consent_id: str) -> None:
    """Print one record as JSON."""
    print_json(dict(_find(consent_id).document))


@consent.command()
@click.argument("consent_id")
@json_option
def status(consent_id: str, as_json: bool) -> None:
    """Say whether a consent stands, and how often it was used."""
    from thsafe.installation import Installation

    record = _find(consent_id)
    uses = Installation.open().ledger.uses(record.id)
    limit = record.terms.scope.max_uses
    if as_json:
        print_json({"id": record.id, "state": _state(record), "uses": uses, "max_uses": limit})
        return
    click.echo(f"{record.id}  {_state(record)}, used {uses} times" + ("" if limit is None else f" of {limit}"))


@consent.command(epilog="Example:\n\n\b\n  thsafe consent revoke urn:uuid:…")
@click.argument("consent_id")
def revoke(consent_id: str) -> None:
    """Take a consent back for good; nothing new can be made under it."""
    _withdraw(consent_id, purpose="revocation", lift=False)


@consent.command()
@click.argument("consent_id")
@click.option("--lift", is_flag=True, help="End the suspension.")
def suspend(consent_id: str, lift: bool) -> None:
    """Pause a consent, or end the pause."""
    _withdraw(consent_id, purpose="suspension", lift=lift)


def _withdraw(consent_id: str, *, purpose: str, lift: bool) -> None:
    from thsafe.consent.grant import subject_key
    from thsafe.home import Home
    from thsafe.installation import Installation

    home = Home.default()
    installation = Installation.open(home)
    record = _find(consent_id)
    installation.gate().withdraw(record, subject_key(home, record.issuer), purpose=purpose, lift=lift)
    click.echo(f"{record.id}  {_state(record)}")
    jobs = {entry.event["job"] for entry in installation.ledger.find("intent", consent=record.id)}
    made = [entry for entry in installation.ledger.find("output") if entry.event["job"] in jobs]
    if made and not lift:
        click.echo(f"{len(made)} outputs were made under it:")
        for entry in made:
            found = installation.ledger.outputs.by_sha256(str(entry.event["sha256"]))
            click.echo(f"  {entry.at[:10]}  {found.path if found else entry.event['sha256']}")


def _log_created(record: ConsentRecord) -> None:
    from thsafe.installation import Installation

    Installation.open().ledger.append(
        {
            "type": "consent.created",
            "consent": record.id,
            "consent_digest": record.digest,
            "assurance": record.assurance,
        }
    )


def _store() -> ConsentStore:
    from thsafe.consent.store import ConsentStore
    from thsafe.home import Home

    return ConsentStore(Home.default())


def _find(consent_id: str) -> ConsentRecord:
    return _store().get(consent_id)


def _state(record: ConsentRecord) -> str:
    """One word: active, revoked, suspended, expired, not yet, or unknown when the status list is stale."""
    from thsafe.consent.verify import status_facts
    from thsafe.core.clock import system_clock

    now = system_clock()
    if now >= record.terms.valid_until:
        return "expired"
    if now < record.terms.valid_from:
        return "not yet"
    facts = status_facts(record, _store().statuses, now)
    if facts.revoked:
        return "revoked"
    if facts.suspended:
        return "suspended"
    return "active"
