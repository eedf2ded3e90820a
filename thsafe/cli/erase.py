"""``thsafe erase``: forget a person."""

from __future__ import annotations

import click

from thsafe.cli.terminal import json_option, print_json, style


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe erase urn:uuid:7b0e6a52-5c1d-4a0e-9f3a-2f1f0c6f1a11\n"
        "  thsafe erase did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK --yes --json"
    )
)
@click.argument("person", metavar="SUBJECT|CONSENT-ID")
@click.option("--with-key", is_flag=True, help="Delete the person's own signing key on this machine, too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def erase(person: str, with_key: bool, yes: bool, as_json: bool) -> None:
    """Erase what is personal of SUBJECT (a DID, or the id of one of the person's consents), for good.

    Names and salts in the vault, personal fields of the log with their key, pictures kept for reports and the words of
    batch jobs go. Proofs stay valid; what must stay is listed with the reason.
    """
    import dataclasses

    from thsafe.erasure import consents_of, erase_person
    from thsafe.installation import Installation

    installation = Installation.open()
    records = consents_of(installation, person)
    if not yes:
        ids = ", ".join(record.id for record in records)
        click.confirm(f"Erase for good what is personal behind {ids}?", abort=True, err=True)
    done = erase_person(installation, records, with_key=with_key)
    if as_json:
        print_json({"schema": "thsafe.erasure/1", **dataclasses.asdict(done)})
        return
    click.echo(style(f"erased: {done.subject} (log entry {done.entry})", bold=True))
    click.echo(f"  gone        {done.vault_files} vault files with names and salts")
    click.echo(f"  gone        personal fields of {done.personal_fields} log entries, and their key")
    click.echo(f"  gone        {done.thumbnails} pictures of outputs")
    click.echo(f"  gone        {done.manifests} stored manifests with the pictures of inputs in them, and fingerprints")
    click.echo(f"  gone        the words of {done.batch_jobs} batch jobs")
    if done.key_deleted:
        click.echo("  gone        the person's signing key")
    for item in done.kept:
        click.echo(f"  stays       {item.what}: {item.why}")
    for name in done.still_active:
        click.echo(style(f"  active      {name} still allows new videos: thsafe consent revoke {name}", fg="yellow"))
