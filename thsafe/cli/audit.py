"""``thsafe audit``: prove what was made, by whom, under which rule."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import check_target, force_option, json_option, print_json, progress_on_stderr, style
from thsafe.core.errors import UsageError
from thsafe.core.exitcodes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from thsafe.audit.model import AuditReport
    from thsafe.installation import Installation
    from thsafe.ledger.note import Checkpoint

_DAY = click.DateTime(formats=["%Y-%m-%d"])
_COLOURS = {"high": "red", "medium": "yellow", "low": "cyan"}


_SCOPE = (
    click.option("--since", type=_DAY, help="First day of the period (UTC)."),
    click.option("--as-of", type=_DAY, help="The day whose law is asked; default: today."),
    click.option("--rules", help="Packs or rule ids, comma-separated; default: what each file's own territories want."),
    click.option(
        "--folder",
        "folders",
        multiple=True,
        type=click.Path(path_type=Path),
        help="Where outputs are kept; files there are matched with the log both ways. Repeatable.",
    ),
    click.option("--sample", type=click.IntRange(1), help="Measure only so many outputs, drawn by the log itself."),
    click.option(
        "--witness",
        "witnesses",
        multiple=True,
        metavar="FILE|FOLDER|LOG",
        help="A checkpoint kept outside, a folder of them, or another log. Repeatable.",
    ),
    click.option(
        "--policies",
        "bundles",
        multiple=True,
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        help="Policies of an earlier time, such as the folder policies of an old pack. Repeatable.",
    ),
)


def _scope_options(command: Callable[..., int]) -> Callable[..., int]:
    """What both commands ask for: period, law, rules, folders, sample, witnesses, earlier policies."""
    for option in reversed(_SCOPE):
        command = option(command)
    return command


@click.group()
def audit() -> None:
    """Prove which outputs exist, under whose consent, meeting which law's rules, in a log that nobody changed."""


@audit.command(
    epilog=(
        "Exit codes: 0 clean, 10 exceptions, 40 the log does not verify.\n\nExamples:\n\n\b\n"
        "  thsafe audit run\n"
        "  thsafe audit run --folder videos --report audit.html\n"
        "  thsafe audit run --rules eu,us-ca --as-of 2026-12-02 --csv audit.csv"
    )
)
@_scope_options
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Write one HTML file.")
@click.option("--csv", "csv_path", type=click.Path(path_type=Path), help="Write a table.")
@click.option("--jsonl", "jsonl_path", type=click.Path(path_type=Path), help="Write JSON lines with inclusion proofs.")
@click.option("--oscal", "oscal_path", type=click.Path(path_type=Path), help="Write OSCAL assessment results (JSON).")
@force_option
@json_option
def run(
    since: datetime | None,
    as_of: datetime | None,
    rules: str | None,
    folders: tuple[Path, ...],
    sample: int | None,
    witnesses: tuple[str, ...],
    bundles: tuple[Path, ...],
    report_path: Path | None,
    csv_path: Path | None,
    jsonl_path: Path | None,
    oscal_path: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Measure the outputs again and hold them against log, consents and law."""
    from thsafe.installation import Installation

    targets = (report_path, csv_path, jsonl_path, oscal_path)
    given = [target for target in targets if target is not None]
    for target in given:
        check_target(target, force=force)
    named = {target.absolute() for target in given}
    if len(named) < len(given):
        raise UsageError("Two outputs have the same name.", code="output.same", next_step="give each its own name")
    installation = Installation.open()
    held = _held(installation, witnesses)
    report = _run(installation, _day(since), _day(as_of), rules, folders, sample, held, bundles)
    _write(report, *targets)
    if as_json:
        print_json(_as_json(report))
    else:
        _print(report, [path for path in targets if path is not None])
    return _code(report)


@audit.command(
    epilog=(
        "Exit codes as of audit run. Check a pack with: python verify_pack.py pack.zip --key KEY\n\nExample:\n\n\b\n"
        "  thsafe audit pack -o 2026-q4.zip --previous 2026-q3.zip --witness /mnt/auditor"
    )
)
@_scope_options
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="The zip file.")
@click.option(
    "--previous",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The last pack: the new one then proves that the log only grew since.",
)
@force_option
@json_option
def pack(
    since: datetime | None,
    as_of: datetime | None,
    rules: str | None,
    folders: tuple[Path, ...],
    sample: int | None,
    witnesses: tuple[str, ...],
    bundles: tuple[Path, ...],
    output: Path,
    previous: Path | None,
    force: bool,
    as_json: bool,
) -> int:
    """Audit, and write report, proofs, manifests and policies as one signed file that anyone can check offline."""
    from thsafe.audit.pack import write_pack
    from thsafe.installation import Installation
    from thsafe.rulebook import policy_files_of

    check_target(output, force=force)
    installation = Installation.open()
    held = _held(installation, witnesses)
    report = _run(installation, _day(since), _day(as_of), rules, folders, sample, held, bundles)
    made = write_pack(
        report,
        output,
        ledger=installation.ledger,
        key=installation.ring.log_key(),
        policies=policy_files_of(installation.home),
        previous=previous,
        witnessed=held,
    )
    if as_json:
        print_json(
            {**_as_json(report), "pack": {"path": str(made.path), "key": made.key, "checkpoint": made.checkpoint.note}}
        )
    else:
        _print(report, [made.path])
        click.echo(f"  key         {made.key}")
        click.echo("              give it to the auditor by another way than the pack")
    return _code(report)


def _code(report: AuditReport) -> int:
    if not report.log.ok:
        return int(ExitCode.LEDGER_BROKEN)
    return int(ExitCode.DONE if report.clean else ExitCode.TAMPERED)


def _held(installation: Installation, witnesses: tuple[str, ...]) -> tuple[Checkpoint, ...]:
    from thsafe.ledger.otherlog import read_witnesses

    return tuple(item for target in witnesses for item in read_witnesses(target, installation.ledger.origin))


def _run(
    installation: Installation,
    since: date | None,
    as_of: date | None,
    rules: str | None,
    folders: tuple[Path, ...],
    sample: int | None,
    witnessed: tuple[Checkpoint, ...],
    bundles: tuple[Path, ...],
) -> AuditReport:
    from policies.bundle import PolicyBundle
    from thsafe.audit.run import run_audit
    from thsafe.measurement import Measurer, Standings
    from thsafe.rulebook import readable_policies_of

    with progress_on_stderr() as progress:
        return run_audit(
            installation.home,
            measure=Measurer(installation),
            consent=Standings(installation),
            policies=(*readable_policies_of(installation.home), *map(PolicyBundle.load_earlier, bundles)),
            ledger=installation.ledger,
            since=since,
            as_of=as_of,
            rules=tuple(word.strip() for word in rules.split(",") if word.strip()) if rules else None,
            folders=folders,
            sample=sample,
            witnessed=witnessed,
            progress=progress,
        )


def _write(report: AuditReport, html: Path | None, csv: Path | None, jsonl: Path | None, oscal: Path | None) -> None:
    from thsafe.audit.export import write_csv, write_json_lines
    from thsafe.audit.html import write_html
    from thsafe.audit.oscal import write_oscal

    for target, write in ((html, write_html), (csv, write_csv), (jsonl, write_json_lines), (oscal, write_oscal)):
        if target is not None:
            write(report, target)


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


def _as_json(report: AuditReport) -> dict[str, object]:
    from thsafe.audit.html import headline
    from thsafe.audit.model import Verdict

    return {
        "schema": report.schema,
        "summary": headline(report),
        "at": report.at,
        "as_of": report.as_of,
        "clean": report.clean,
        "log": {"ok": report.log.ok, "size": report.log.size, "root": report.log.root},
        "judgements": {verdict.value: report.count(verdict) for verdict in Verdict},
        "exceptions": [
            {"severity": item.severity, "code": item.code, "words": item.words, "file": item.file}
            for item in report.exceptions
        ],
        "outputs": [
            {
                "file": output.name,
                "state": output.state.value,
                "log_index": output.record.ledger_index,
                "judgements": {item.rule: item.verdict.value for item in output.judgements},
            }
            for output in report.outputs
        ],
        "strays": [{"file": stray.name, "kind": stray.kind, "words": stray.words} for stray in report.strays],
        "limits": list(report.limits),
    }


def _print(report: AuditReport, written: list[Path]) -> None:
    from thsafe.audit.html import headline
    from thsafe.audit.model import Verdict

    click.echo(style(headline(report), bold=True, fg="green" if report.clean else "red"))
    log = report.log
    click.echo(
        f"  log         {'intact' if log.ok else 'BROKEN'}, {log.size} entries, {log.witnessed} outside checkpoints"
    )
    click.echo(f"  outputs     {len(report.outputs)} logged, {report.sample.size} measured again")
    counts = ", ".join(f"{report.count(verdict)} {verdict.value}" for verdict in Verdict)
    click.echo(f"  rules       {counts} (law as of {report.as_of})")
    for item in report.exceptions:
        where = f"  {item.file}" if item.file else ""
        click.echo(f"  {style(item.severity.upper(), fg=_COLOURS.get(item.severity)):<11} {item.words}{where}")
    for path in written:
        click.echo(f"  written     {path}")
