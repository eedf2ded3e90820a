"""``thsafe log``: read and prove the audit log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.clock import to_text
from thsafe.core.exitcodes import ExitCode

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

    from thsafe.ledger.log import Entry, Ledger


@click.group()
def log() -> None:
    """Read and prove the audit log: append-only, a Merkle tree (RFC 9162) under signed checkpoints."""


@log.command(epilog="Examples:\n\n\b\n  thsafe log show\n  thsafe log show --type refusal --json")
@click.option("--type", "kind", help="Only events of this type; a dot at the end takes a family (consent.).")
@click.option("--last", type=click.IntRange(1), default=20, show_default=True, help="How many of the newest.")
@json_option
def show(kind: str | None, last: int, as_json: bool) -> None:
    """Show the newest entries."""
    from collections import deque

    ledger = _ledger()
    if kind is None:
        entries = deque(ledger.entries(max(0, ledger.size - last)), maxlen=last)
    else:
        entries = deque(ledger.find(kind), maxlen=last)
    if as_json:
        print_json(
            [{"index": entry.index, "at": entry.at, "leaf_hash": entry.leaf_hash, **entry.event} for entry in entries]
        )
        return
    for entry in entries:
        click.echo(_line(entry))


@log.command()
@json_option
def checkpoint(as_json: bool) -> None:
    """Sign the log as it stands; give the text to someone who keeps it."""
    made = _ledger().checkpoint()
    if as_json:
        print_json({"origin": made.origin, "size": made.size, "root": made.root, "note": made.note})
    else:
        click.echo(made.note, nl=False)


@log.command()
@click.argument("index", type=click.IntRange(0))
def prove(index: int) -> None:
    """Print the proof that entry INDEX stands in the log, as JSON."""
    ledger = _ledger()
    entry, sealed = ledger.entry(index), ledger.checkpoint()
    proof = ledger.prove(index, sealed.size)
    print_json(
        {"leaf": entry.leaf.decode(), "proof": proof.as_dict(), "holds": proof.holds(), "checkpoint": sealed.note}
    )


@log.command(
    epilog=(
        "Examples:\n\n\b\n  thsafe log witness /mnt/auditor\n"
        "  thsafe log witness /mnt/auditor --tsa http://timestamp.example/"
    )
)
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--tsa", metavar="URL", help="Have this RFC 3161 authority stamp the copy; only its digest is sent.")
@json_option
def witness(folder: Path, tsa: str | None, as_json: bool) -> None:
    """Leave a signed checkpoint in FOLDER, once it is sure that the log extends the ones there; exit code 40 if not.

    The folder belongs where whoever keeps this log cannot change it.
    """
    from thsafe.ledger.witness import witness as leave

    made = leave(_ledger(), folder, tsa=tsa, anchors=_anchors())
    if as_json:
        print_json({"origin": made.origin, "size": made.size, "root": made.root, "folder": str(folder), "tsa": tsa})
    else:
        click.echo(f"witnessed: {made.size} entries, root {made.root[:16]}…, kept in {folder}")


@log.command(epilog="Example:\n\n\b\n  thsafe log verify --witness /mnt/auditor")
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="A checkpoint kept outside, or a folder of them; without any an insider's rewrite cannot be seen. Repeatable.",
)
@json_option
def verify(witnesses: tuple[Path, ...], as_json: bool) -> int:
    """Recompute the whole log and compare; exit code 40 when something does not fit."""
    from thsafe.ledger.stamp import read_stamps
    from thsafe.ledger.witness import read_checkpoints

    anchors = _anchors() if witnesses else []
    stamps = [stamp for path in witnesses for stamp in read_stamps(path, anchors)]
    report = _ledger().verify(witnessed=[item for path in witnesses for item in read_checkpoints(path)])
    if as_json:
        print_json(
            {
                "ok": report.ok,
                "size": report.size,
                "root": report.root,
                "origin": report.origin,
                "witnessed": report.witnessed,
                "stamps": [
                    {"at": to_text(stamp.at), "authority": stamp.authority, "trusted": stamp.trusted}
                    for stamp in stamps
                ],
                "problems": [
                    {"code": item.code, "message": item.message, "index": item.index} for item in report.problems
                ],
                "open_intents": [{"index": item.index, "job": item.job, "at": item.at} for item in report.open_intents],
            }
        )
    else:
        state = style("intact", fg="green") if report.ok else style("BROKEN", fg="red")
        click.echo(
            f"log {state}: {report.size} entries, root {report.root[:16]}…, {report.witnessed} outside checkpoints"
        )
        for stamp in stamps:
            click.echo(f"  time-stamped {stamp.words}")
        for item in report.problems:
            click.echo(f"  {item.code}  {item.message}")
        for intent in report.open_intents:
            click.echo(f"  open intent {intent.index} of {intent.at}: job {intent.job} never finished")
    return int(ExitCode.DONE if report.ok else ExitCode.LEDGER_BROKEN)


def _ledger() -> Ledger:
    from thsafe.installation import Installation

    return Installation.open().ledger


def _anchors() -> list[Certificate]:
    """Whom this installation trusts for time."""
    from thsafe.home import Home
    from thsafe.provenance.trust import Trust, TrustKind

    kinds = {TrustKind.DEVELOPMENT, TrustKind.TSA}
    lists = [item for item in Trust.of_home(Home.default()).lists if item.kind in kinds]
    return [certificate for item in lists for certificate in item.certificates()]


def _line(entry: Entry) -> str:
    fields = {name: value for name, value in entry.event.items() if name not in {"v", "seq", "ts", "type"}}
    words = []
    for name, value in fields.items():
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        words.append(f"{name}={text[:24] + '…' if len(text) > 25 else text}")
    return f"{entry.index:>6}  {entry.at[:19]}  {entry.type:<16} " + " ".join(words[:6])
