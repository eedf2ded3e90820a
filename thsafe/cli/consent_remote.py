"""``thsafe consent``, for people apart: request, record, countersign, present, status lists, trust."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.errors import UsageError

if TYPE_CHECKING:
    from thsafe.consent.record import ConsentRecord, Terms
    from thsafe.desk import Desk

_DATE: Final = click.DateTime(formats=["%Y-%m-%d"])


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        '  thsafe consent request --purpose training-video --uses "Three onboarding videos in the staff\'s own words." '
        "-o request.json\n"
        '  thsafe consent request --purpose advertising --uses "…" --territory US-CA --days 90 --max-uses 5 -o ask.json'
    )
)
@click.option("--purpose", "purposes", multiple=True, required=True, help="What for, in one word. Repeatable.")
@click.option("--uses", required=True, metavar="TEXT", help="What will be made, reasonably specifically, in words.")
@click.option(
    "--mode",
    "modes",
    multiple=True,
    default=("say", "animate"),
    show_default=True,
    help="How. Repeatable; also swap, voice.",
)
@click.option("--language", "languages", multiple=True, default=("*",), help="BCP 47. Repeatable; default: any.")
@click.option("--territory", "territories", multiple=True, default=("WORLD",), help="Repeatable; default: anywhere.")
@click.option("--channel", "channels", multiple=True, default=("any",), help="Repeatable; default: any.")
@click.option("--prohibit", "prohibited", multiple=True, help="A purpose that stays closed. Repeatable.")
@click.option("--max-uses", type=click.IntRange(1), help="How many outputs at most.")
@click.option("--start", type=_DATE, help="First day, such as 2026-12-01; default: now.")
@click.option("--days", type=click.IntRange(1, 3653), default=365, show_default=True, help="How long it is to hold.")
@click.option("--collector", metavar="DID", help="Who will countersign; default: this installation.")
@click.option(
    "--assurance",
    type=click.Choice(["collector", "wallet", "notary"]),
    default="collector",
    show_default=True,
    help="How the collector will make sure.",
)
@click.option("--delegate", "delegates", multiple=True, metavar="DID", help="Another key that may use it. Repeatable.")
@click.option("--guardian", metavar="DID", help="For a minor: who signs with them (thsafe consent key).")
@click.option("--comes-of-age", type=_DATE, help="For a minor: the eighteenth birthday.")
@click.option("--court-reference", help="For a minor: the court's file number.")
@click.option("--estate", metavar="DID", help="For someone who has died: who signs for the estate.")
@click.option(
    "--represented-by", type=click.Choice(["none", "counsel", "union"]), default="none", help="Their adviser."
)
@click.option(
    "--on-withdrawal",
    type=click.Choice(["stop-new", "takedown"]),
    default="stop-new",
    show_default=True,
    help="What withdrawal is to mean.",
)
@click.option(
    "--face-comparison",
    type=click.Choice(["in-memory", "never"]),
    default="in-memory",
    show_default=True,
    help="Whether another picture of the person may be used when its face matches an approved one.",
)
@click.option("--compensation", metavar="REF", help="Reference to an agreement on pay.")
@click.option("--privacy-notice", metavar="REF", help="Reference to the notice that the person was given.")
@click.option("-o", "--output", "output_path", required=True, type=click.Path(path_type=Path), help="The request.")
@json_option
def request(
    purposes: tuple[str, ...],
    uses: str,
    modes: tuple[str, ...],
    languages: tuple[str, ...],
    territories: tuple[str, ...],
    channels: tuple[str, ...],
    prohibited: tuple[str, ...],
    max_uses: int | None,
    start: datetime | None,
    days: int,
    collector: str | None,
    assurance: str,
    delegates: tuple[str, ...],
    guardian: str | None,
    comes_of_age: datetime | None,
    court_reference: str | None,
    estate: str | None,
    represented_by: str,
    on_withdrawal: str,
    face_comparison: str,
    compensation: str | None,
    privacy_notice: str | None,
    output_path: Path,
    as_json: bool,
) -> None:
    """Ask a person for consent: writes a request, signed by this installation, that you send them."""
    from datetime import timedelta

    from thsafe.consent.files import write_json
    from thsafe.consent.match import TRANSIENT
    from thsafe.consent.record import Delegate, Scope, Terms
    from thsafe.core.clock import system_clock

    begin = (start.replace(tzinfo=UTC) if start else system_clock()).replace(microsecond=0)
    end = begin + timedelta(days=days)
    terms = Terms(
        licensee="",
        scope=Scope(
            modes=modes,
            purposes=purposes,
            uses_text=uses,
            languages=languages,
            territories=territories,
            channels=channels,
            max_uses=max_uses,
            prohibited=prohibited,
        ),
        references=(),
        valid_from=begin,
        valid_until=end,
        delegates=tuple(Delegate(did=did, until=end) for did in delegates),
        age_class="minor" if guardian or comes_of_age or court_reference else "adult",
        comes_of_age=comes_of_age.replace(tzinfo=UTC) if comes_of_age else None,
        guardian=guardian,
        court_reference=court_reference,
        deceased=estate is not None,
        estate=estate,
        represented_by=represented_by,
        on_withdrawal=on_withdrawal,
        biometric={"use": TRANSIENT if face_comparison == "in-memory" else "none", "stored": "none"},
        compensation_ref=compensation,
        notice_ref=privacy_notice,
    )
    document = _desk().ask(terms, collector=collector, assurance=assurance)
    write_json(output_path, document)
    if as_json:
        print_json(document)
        return
    click.echo(style(f"{output_path}", bold=True))
    click.echo("  send it to the person; they run: thsafe consent record " + output_path.name)
    click.echo("  they send back a signed record and their recording; then: thsafe consent countersign")


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe consent record request.json\n"
        "  thsafe consent record request.json --agree --portrait me.png --recording me.wav -o signed.json"
    )
)
@click.argument("file", metavar="REQUEST", type=click.Path(path_type=Path))
@click.option("--agree", is_flag=True, help="You have read the terms and agree. Without it they are only shown.")
@click.option("--portrait", type=click.Path(path_type=Path), help="The picture of you that may be used.")
@click.option("--media", multiple=True, type=click.Path(path_type=Path), help="Another file of you. Repeatable.")
@click.option("--recording", type=click.Path(path_type=Path), help="You, reading the six words aloud.")
@click.option("--check-words", is_flag=True, help="Have the offline recogniser listen (English, needs pocketsphinx).")
@click.option("--wallet", type=click.Path(path_type=Path), help="Instead: what your wallet presents (SD-JWT VC).")
@click.option("--name", help="Your name; kept on this machine only, the record holds a salted digest.")
@click.option("-o", "--output", "output_path", type=click.Path(path_type=Path), help="The signed record.")
def record(
    file: Path,
    agree: bool,
    portrait: Path | None,
    media: tuple[Path, ...],
    recording: Path | None,
    check_words: bool,
    wallet: Path | None,
    name: str | None,
    output_path: Path | None,
) -> None:
    """Read a request; with --agree, sign it. A guardian or estate gives the signed record instead of the request."""
    from thsafe.consent.collect import is_request, parse_request
    from thsafe.consent.files import read_object, write_json
    from thsafe.consent.record import ConsentRecord

    document = read_object(file, "consent request")
    asked = parse_request(document) if is_request(document) else None
    if not agree:
        _show_terms(asked.terms if asked else ConsentRecord.parse(document).terms)
        if asked is not None and asked.assurance == "wallet":
            click.echo("\nTo agree, let your wallet present who you are (an SD-JWT VC), with\n")
            click.echo(f"  nonce     {asked.wallet_nonce}\n  audience  {asked.collector}\n\nand run:\n")
            click.echo(f"  thsafe consent record {file} --agree --portrait PICTURE --wallet FILE -o signed.json")
        elif asked is not None:
            click.echo(f'\nTo agree, record yourself reading aloud:\n\n  "{asked.phrase}"\n\nand run:\n')
            click.echo(f"  thsafe consent record {file} --agree --portrait PICTURE --recording FILE -o signed.json")
        return
    if output_path is None:
        raise UsageError("Where is the signed record to go?", code="usage.output", next_step="add -o signed.json")
    desk = _desk()
    if asked is None:
        signed = desk.sign_beside(document)
    else:
        signed = desk.give(
            asked,
            portrait=portrait,
            media=media,
            name=name,
            recording=recording,
            check_words=check_words,
            wallet=wallet,
        )
    write_json(output_path, dict(signed.document))
    _tell_signed(signed, output_path)


@click.command(epilog="Example:\n\n\b\n  thsafe consent countersign signed.json --recording me.wav")
@click.argument("file", metavar="SIGNED", type=click.Path(path_type=Path))
@click.option("--recording", type=click.Path(path_type=Path), help="The recording as it came; listen to it first.")
@click.option("--check-words", is_flag=True, help="Have the offline recogniser listen (English, needs pocketsphinx).")
@click.option("--wallet", type=click.Path(path_type=Path), help="Instead: the wallet's presentation as it came.")
@click.option("--issuer-key", type=click.Path(path_type=Path), help="Public key (JWK) of the credential's issuer.")
@click.option(
    "--portrait",
    "portraits",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The approved picture as it came; checked, and its place kept here. Repeatable.",
)
@click.option("-o", "--output", "output_path", type=click.Path(path_type=Path), help="Also write the record to a file.")
@json_option
def countersign(
    file: Path,
    recording: Path | None,
    check_words: bool,
    wallet: Path | None,
    issuer_key: Path | None,
    portraits: tuple[Path, ...],
    output_path: Path | None,
    as_json: bool,
) -> None:
    """Vouch, as the collector, that the person who signed is the one in the picture and has read the words."""
    from thsafe.consent.files import read_object, write_json

    done = _desk().countersign(
        read_object(file, "consent record"),
        recording=recording,
        check_words=check_words,
        portraits=portraits,
        wallet=wallet,
        issuer_key=issuer_key,
    )
    if output_path is not None:
        write_json(output_path, dict(done.document))
    if as_json:
        print_json(dict(done.document))
        return
    click.echo(style(f"consent {done.id}", bold=True))
    click.echo(f"  {done.summary()}")


@click.command(
    epilog="Example:\n\n\b\n  thsafe consent present urn:uuid:… --job 4f… --gate did:key:z6Mk… -o shown.json"
)
@click.argument("consent_id", metavar="CONSENT")
@click.option("--job", required=True, metavar="DIGEST", help="The job's digest, as its gate tells it.")
@click.option("--gate", required=True, metavar="DID", help="The gate that is to accept it.")
@click.option("-o", "--output", "output_path", required=True, type=click.Path(path_type=Path), help="A file.")
def present(consent_id: str, job: str, gate: str, output_path: Path) -> None:
    """Show a consent for one job to a gate elsewhere, signed with this installation's key.

    For jobs of this installation the gate does it by itself.
    """
    from thsafe.consent.files import write_json

    desk = _desk()
    write_json(output_path, desk.present(desk.store.get(consent_id), job=job, gate=gate))
    click.echo(str(output_path))


@click.command(epilog="Example:\n\n\b\n  thsafe consent key")
@json_option
def key(as_json: bool) -> None:
    """Make a key for a guardian or an estate; the request names it."""
    from thsafe.consent.grant import new_subject_key
    from thsafe.keys.did import did_from_public_key

    did = did_from_public_key(new_subject_key(_desk().home).public_key())
    if as_json:
        print_json({"did": did})
        return
    click.echo(did)


@click.command(name="import-status", epilog="Example:\n\n\b\n  thsafe consent import-status status.json")
@click.argument("file", type=click.Path(path_type=Path))
def import_status(file: Path) -> None:
    """Take in the status lists of a collector elsewhere; they hold for 24 hours."""
    from thsafe.consent.files import read_object

    count = _desk().import_status(read_object(file, "status list"))
    click.echo(f"{count} lists taken in")


@click.command(epilog="Example:\n\n\b\n  thsafe consent trust did:key:z6Mk…")
@click.argument("collector", metavar="DID")
def trust(collector: str) -> None:
    """Accept the countersignatures of a collector elsewhere from now on."""
    from thsafe.consent.collectors import trust_collector

    try:
        trust_collector(_desk().home, collector)
    except ValueError as problem:
        raise UsageError(
            "This is not the DID of a collector.",
            code="consent.collector",
            found=str(problem)[:200],
            next_step="ask the collector for theirs: thsafe keys list   (the row of the gate)",
        ) from problem
    click.echo(f"{collector} is trusted as a collector")


REMOTE: Final = (request, record, countersign, present, key, import_status, trust)


def _show_terms(terms: Terms) -> None:
    from thsafe.consent.words import in_words

    for heading, text in in_words(terms):
        click.echo(f"  {heading:<11} {text}")


def _tell_signed(signed: ConsentRecord, path: Path) -> None:
    from thsafe.consent.collect import missing_signers

    click.echo(style(f"{path}", bold=True) + f"  {signed.id}")
    missing = sorted(missing_signers(signed))
    if missing:
        click.echo("  still to sign: " + ", ".join(missing))
        click.echo(f"  they run: thsafe consent record {path.name} --agree -o signed.json")
    click.echo("  send it back, with the recording and the very same picture")
    click.echo(f"  take it back at any time: thsafe consent revoke {signed.id} -o withdrawal.json")


def _desk() -> Desk:
    from thsafe.desk import Desk
    from thsafe.home import Home

    return Desk(home=Home.default())
