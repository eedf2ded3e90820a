"""``thsafe db``: the database behind the log."""

from __future__ import annotations

from pathlib import Path

import click

from thsafe.cli.terminal import check_target, force_option, json_option, print_json, progress_on_stderr, style


@click.group()
def db() -> None:
    """Look after the database that holds log and outputs: its version, copies of it, moving it to another."""


@db.command(epilog="Example:\n\n\b\n  thsafe db status")
@json_option
def status(as_json: bool) -> None:
    """Say where the database is, what version it has and how long its log is; changes nothing."""
    import dataclasses

    from thsafe.ledger.transfer import standing

    found = standing(_url())
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    click.echo(f"database {found.address}")
    if found.version == 0:
        click.echo("  empty; its tables are made with the first entry")
        return
    fits = "as this program" if found.version == found.known else f"this program works with {found.known}"
    click.echo(f"  version {found.version}, {fits}")
    click.echo(f"  log     {found.origin}: {found.size} entries, root {found.root[:16]}…")
    if found.version < found.known:
        click.echo(style("  next    thsafe db backup FILE, then: thsafe db upgrade", fg="yellow"))
    if found.moved_to is not None:
        click.echo(style(f"  moved   the log goes on in {found.moved_to}", fg="yellow"))


@db.command(epilog="Example:\n\n\b\n  thsafe db upgrade")
@json_option
def upgrade(as_json: bool) -> None:
    """Bring the tables of an older version up to this program's, all or nothing. Make a backup first."""
    from thsafe.comparison.originals import Originals
    from thsafe.home import Home
    from thsafe.ledger.transfer import standing
    from thsafe.ledger.transfer import upgrade as bring_up

    had = bring_up(_url())
    with Originals(Home.default()) as originals:
        originals.adopt_files()
    now = standing(_url())
    if as_json:
        print_json({"before": had, "after": now.version, "size": now.size, "root": now.root})
    elif had == now.version:
        click.echo(f"database at version {now.version} already")
    else:
        click.echo(f"database upgraded: version {had} to {now.version}; {now.size} entries, root {now.root[:16]}…")


@db.command(epilog="Example:\n\n\b\n  thsafe db backup /mnt/backup/thsafe-2026-11-22.db")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@force_option
@json_option
def backup(file: Path, force: bool, as_json: bool) -> None:
    """Copy one moment of the database into FILE while others go on writing; the copy is recomputed and compared.

    FILE is a SQLite database, from PostgreSQL too. It holds the keys of personal fields: keep it as safe as the
    original, and throw old copies away after an erasure.
    """
    import dataclasses

    from thsafe.ledger.transfer import backup as copy

    check_target(file, force=force)
    with progress_on_stderr() as progress:
        made = copy(_url(), file, progress=progress)
    if as_json:
        print_json(dataclasses.asdict(made))
    else:
        click.echo(f"backup {made.address}: {made.size} entries, root {made.root[:16]}…, recomputed from its leaves")


@db.command(epilog="Example:\n\n\b\n  thsafe db migrate --to postgresql://thsafe@db.example/thsafe")
@click.option("--to", "target", metavar="URL", required=True, help="An empty database.")
@json_option
def migrate(target: str, as_json: bool) -> None:
    """Move log and outputs into another database; roots are recomputed and compared before the old one is given up.

    From then on the old one takes no entries, from running programs either. Set THSAFE_DB to the new one.
    """
    import dataclasses

    from thsafe.ledger.transfer import migrate as move

    with progress_on_stderr() as progress:
        made = move(_url(), target, progress=progress)
    if as_json:
        print_json(dataclasses.asdict(made))
        return
    click.echo(f"moved to {made.address}: {made.size} entries, root {made.root}, the same before and after")
    click.echo("  next    set THSAFE_DB to the new address wherever thsafe runs")


def _url() -> str:
    from thsafe.home import Home

    return Home.default().database_url
