"""``thsafe log``: read and prove the audit log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.clock import to_text
from thsafe.core.errors import UsageError
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


@log.command(epilog="Example:\n\n\b\n  thsafe log checkpoint")
@json_option
def checkpoint(as_json: bool) -> None:
    """Sign the log as it stands; give the text to someone who keeps it."""
    made = _ledger().checkpoint()
    if as_json:
        print_json({"origin": made.origin, "size": made.size, "root": made.root, "note": made.note})
    else:
        click.echo(made.note, nl=False)


@log.command(epilog="Example:\n\n\b\n  thsafe log prove 12")
@click.argument("index", type=click.IntRange(0, 2**53))
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
        "  thsafe log witness /mnt/auditor --tsa http://timestamp.example/\n"
        "  thsafe log witness /srv/partner/thsafe -o cosigned.json\n"
        "  thsafe log witness postgresql://us@partner.example/thsafe"
    )
)
@click.argument("target", metavar="FOLDER|LOG")
@click.option("--tsa", metavar="URL", help="Have this RFC 3161 authority stamp the copy; only its digest is sent.")
@click.option(
    "--keys",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The other installation's folder, if LOG is a URL: its key signs too.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Keep what the other LOG said, with its proof.")
@json_option
def witness(target: str, tsa: str | None, keys: Path | None, output: Path | None, as_json: bool) -> None:
    """Give a signed checkpoint to a witness, once it is sure that the log extends the ones there; exit code 40 if not.

    FOLDER gets a file; another thsafe LOG (its folder, its thsafe.db or its URL) gets an entry and signs, too. Either
    belongs where whoever keeps this log cannot change it.
    """
    from thsafe.ledger.otherlog import address_of

    url = address_of(target)
    if url is not None:
        if tsa is not None:
            raise UsageError(
                "Another log is no folder for time stamps.", code="log.witness-tsa", next_step="leave one of them out"
            )
        _witness_in(url, keys or _home_of(target), output, as_json=as_json)
        return
    from thsafe.ledger.witness import witness as leave

    made = leave(_ledger(), Path(target), tsa=tsa, anchors=_anchors())
    if as_json:
        print_json({"origin": made.origin, "size": made.size, "root": made.root, "folder": target, "tsa": tsa})
    else:
        click.echo(f"witnessed: {made.size} entries, root {made.root[:16]}…, kept in {target}")


def _witness_in(url: str, keys: Path | None, output: Path | None, *, as_json: bool) -> None:
    from thsafe.home import Home
    from thsafe.keys import KeyRing
    from thsafe.ledger.otherlog import witness_in
    from thsafe.media.files import write_whole

    key = KeyRing.open(Home(keys)).log_key() if keys is not None else None
    made = witness_in(_ledger(), url, key=key)
    if output is not None:
        write_whole(output, (json.dumps(made.as_dict(), ensure_ascii=False, indent=2) + "\n").encode())
    if as_json:
        print_json(made.as_dict())
        return
    signed = "and signed by it" if made.cosigned else "but not signed by it: its key is not at hand (--keys)"
    ours = made.checkpoint
    click.echo(
        f"witnessed: {ours.size} entries, root {ours.root[:16]}…, entry {made.entry.index} of {made.origin}, {signed}"
    )


def _home_of(target: str) -> Path | None:
    """The folder whose keys belong to a database file or folder."""
    path = Path(target)
    folder = path if path.is_dir() else path.parent
    return folder if (folder / "keys").is_dir() else None


@log.command(epilog="Example:\n\n\b\n  thsafe log verify --witness /mnt/auditor --witness /srv/partner/thsafe")
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="FILE|FOLDER|LOG",
    help="A checkpoint kept outside, a folder of them, or another log; without any an insider's rewrite cannot be seen."
    " Repeatable.",
)
@json_option
def verify(witnesses: tuple[str, ...], as_json: bool) -> int:
    """Recompute the whole log and compare; exit code 40 when something does not fit."""
    from thsafe.ledger.otherlog import address_of, read_witnesses
    from thsafe.ledger.stamp import read_stamps

    ledger, anchors = _ledger(), _anchors() if witnesses else []
    held = [item for target in witnesses for item in read_witnesses(target, ledger.origin)]
    files = [Path(target) for target in witnesses if address_of(target) is None]
    stamps = [stamp for path in files for stamp in read_stamps(path, anchors)]
    report = ledger.verify(witnessed=held)
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
