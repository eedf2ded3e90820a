"""``thsafe consent``: make, check and take back consent records."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from thsafe.cli.consent_remote import REMOTE
from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.errors import UsageError
from thsafe.core.types import Json

if TYPE_CHECKING:
    from thsafe.consent.record import ConsentRecord
    from thsafe.desk import Desk


_MATCHES: Final = {"exact-media": "the very file that was approved"}


@click.group(
    epilog=(
        "Your own face, one step:\n\n\b\n"
        "  thsafe consent new --self --portrait me.png\n\n"
        "Another person's, three files:\n\n\b\n"
        '  you        thsafe consent request --purpose training-video --uses "…" -o request.json\n'
        "  the person thsafe consent record request.json                (terms, and six words to read aloud)\n"
        "             thsafe consent record request.json --agree --portrait me.png --recording me.wav -o signed.json\n"
        "  you        thsafe consent countersign signed.json --recording me.wav\n\n"
        "Then: thsafe generate say --image me.png … as usual; the consent is found by itself."
    )
)
def consent() -> None:
    """Make, check and take back consent records: signed, scoped, revocable."""


for _command in REMOTE:
    consent.add_command(_command)


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
@click.option("--mode", "modes", multiple=True, help="How: say, animate, lipsync, drive, puppet, label. Repeatable.")
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
    from thsafe.consent.vocabulary import check_self_reach
    from thsafe.core.types import MediaKind
    from thsafe.generation import media_input

    check_self_reach(modes=modes, purposes=purposes)
    media_input("portrait", portrait, MediaKind.IMAGE, MediaKind.VIDEO)
    desk = _desk()
    record = create_self_consent(
        desk.home,
        portrait=portrait,
        name=name,
        purposes=purposes or SELF_PURPOSES,
        modes=modes or tuple(str(mode) for mode in SELF_MODES),
        territories=territories or ("WORLD",),
        days=days,
        max_uses=max_uses,
        media=media,
    )
    desk.log_created(record)
    _write(output_path, dict(record.document))
    if as_json:
        print_json(dict(record.document))
        return
    click.echo(style(f"consent {record.id}", bold=True))
    click.echo(f"  {record.summary()}")
    click.echo("  signed by a key of yours on this machine and by this installation (assurance: self)")
    click.echo(f"  take it back at any time: thsafe consent revoke {record.id}")


@consent.command(name="list", epilog="Example:\n\n\b\n  thsafe consent list")
@json_option
def list_(as_json: bool) -> None:
    """Show all consents kept here and whether they stand."""
    desk = _desk()
    records = desk.store.list()
    if as_json:
        print_json([{"id": item.id, "summary": item.summary(), "state": desk.state(item)} for item in records])
        return
    if not records:
        click.echo("no consents; make one: thsafe consent new --self --portrait me.png", err=True)
    for item in records:
        click.echo(f"{item.id}  {desk.state(item):<10} {item.summary()}")


@consent.command(epilog="Examples:\n\n\b\n  thsafe consent show request.json\n  thsafe consent show urn:uuid:… --json")
@click.argument("what", metavar="CONSENT|FILE")
@json_option
def show(what: str, as_json: bool) -> None:
    """Say what a request or record asks for or allows, term by term."""
    from thsafe.consent.collect import is_request, parse_request
    from thsafe.consent.files import read_object
    from thsafe.consent.present import is_presentation, presented_record
    from thsafe.consent.record import ConsentRecord
    from thsafe.consent.words import in_words

    document = dict(_desk().store.get(what).document) if _is_id(what) else read_object(Path(what), "consent")
    if as_json:
        print_json(document)
        return
    if is_request(document):
        request = parse_request(document)
        title, terms = f"request {request.id}", request.terms
    else:
        record = presented_record(document) if is_presentation(document) else ConsentRecord.parse(document)
        title, terms = f"consent {record.id}, assurance {record.assurance}", record.terms
    click.echo(style(title, bold=True))
    for heading, text in in_words(terms):
        click.echo(f"  {heading:<11} {text}")


@consent.command(epilog="Example:\n\n\b\n  thsafe consent status urn:uuid:…")
@click.argument("consent_id", metavar="CONSENT")
@json_option
def status(consent_id: str, as_json: bool) -> None:
    """Say whether a consent stands, and how often it was used."""
    desk = _desk()
    record = desk.store.get(consent_id)
    state, uses, limit = desk.state(record), desk.uses(record), record.terms.scope.max_uses
    if as_json:
        print_json({"id": record.id, "state": state, "uses": uses, "max_uses": limit, "matches": desk.matches(record)})
        return
    click.echo(f"{record.id}  {state}, used {uses} times" + ("" if limit is None else f" of {limit}"))
    for method, count in desk.matches(record).items():
        click.echo(f"  {count} x {_MATCHES.get(method, f'faces compared ({method})')}")


def _withdrawal_options(command: click.decorators.FC) -> click.decorators.FC:
    for option in (
        json_option,
        click.option(
            "-o",
            "--output",
            "output_path",
            type=click.Path(path_type=Path),
            help="Also write the signed statement to a file, for a collector elsewhere.",
        ),
        click.option(
            "--statement",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Take in a statement that the person signed elsewhere.",
        ),
        click.argument("consent_id", metavar="CONSENT"),
    ):
        command = option(command)
    return command


@consent.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe consent revoke urn:uuid:…\n"
        "  thsafe consent revoke urn:uuid:… -o withdrawal.json            (the person, elsewhere)\n"
        "  thsafe consent revoke urn:uuid:… --statement withdrawal.json   (the collector)"
    )
)
@_withdrawal_options
def revoke(consent_id: str, statement: Path | None, output_path: Path | None, as_json: bool) -> None:
    """Take a consent back for good; nothing new can be made under it, and what was made is listed."""
    _withdraw(consent_id, "revocation", statement, output_path, lift=False, as_json=as_json)


@consent.command(epilog="Example:\n\n\b\n  thsafe consent suspend urn:uuid:… --lift")
@_withdrawal_options
@click.option("--lift", is_flag=True, help="End the suspension.")
def suspend(consent_id: str, statement: Path | None, output_path: Path | None, lift: bool, as_json: bool) -> None:
    """Pause a consent, or end the pause."""
    _withdraw(consent_id, "suspension", statement, output_path, lift=lift, as_json=as_json)


@consent.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe consent export urn:uuid:… --format iso27560 -o receipt.json\n"
        "  thsafe consent export urn:uuid:… --format status -o status.json   (for a licensee elsewhere)"
    )
)
@click.argument("consent_id", metavar="CONSENT")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["iso27560", "record", "status"]),
    default="iso27560",
    show_default=True,
    help="A receipt after ISO/IEC TS 27560, the signed record itself, or the status lists that it is looked up in.",
)
@click.option("-o", "--output", "output_path", type=click.Path(path_type=Path), help="A file; default: stdout.")
def export(consent_id: str, kind: str, output_path: Path | None) -> None:
    """Write a consent for others: a receipt, the record, or whether it stands."""
    desk = _desk()
    record = desk.store.get(consent_id)
    if kind == "record":
        document = dict(record.document)
    elif kind == "status":
        document = desk.status_lists(record)
    else:
        from thsafe.consent.export import iso27560

        state = desk.state(record)
        facts = {"revoked": state == "revoked", "suspended": state == "suspended"}
        document = iso27560(record, facts=facts, uses=desk.uses(record))
    if output_path is None:
        print_json(document)
    _write(output_path, document)


def _withdraw(
    consent_id: str, purpose: str, statement: Path | None, output_path: Path | None, *, lift: bool, as_json: bool
) -> None:
    desk = _desk()
    record = desk.store.get(consent_id)
    if statement is None:
        signed = desk.withdraw(record, purpose=purpose, lift=lift)
    else:
        from thsafe.consent.files import malformed, read_object

        signed = read_object(statement, "withdrawal")
        if (signed.get("purpose"), signed.get("lift")) != (purpose, lift):
            raise malformed("withdrawal", f"{statement.name} is not a {'lifted ' if lift else ''}{purpose}")
        desk.accept(record, signed)
    _write(output_path, signed)
    made = () if lift else desk.outputs_under(record)
    if as_json:
        print_json(
            {
                "id": record.id,
                "state": desk.state(record),
                "outputs": [{"day": day, "output": output} for day, output in made],
                "takedown": record.terms.on_withdrawal == "takedown",
            }
        )
        return
    _tell_withdrawn(record, desk.state(record), made)


def _tell_withdrawn(record: ConsentRecord, state: str, made: tuple[tuple[str, str], ...]) -> None:
    click.echo(f"{record.id}  {state}")
    if made:
        click.echo(f"{len(made)} outputs were made under it:")
        for day, output in made:
            click.echo(f"  {day}  {output}")
        if record.terms.on_withdrawal == "takedown":
            click.echo("the consent wants them taken down")


def _write(path: Path | None, document: dict[str, Json]) -> None:
    if path is not None:
        from thsafe.consent.files import write_json

        write_json(path, document)


def _desk() -> Desk:
    from thsafe.desk import Desk
    from thsafe.home import Home

    return Desk(home=Home.default())


def _is_id(text: str) -> bool:
    return text.startswith("urn:uuid:")
