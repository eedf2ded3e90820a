"""``thsafe verify``: a graded report on any file, or on the file at an address."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.address import address_options, address_rules
from thsafe.cli.terminal import at_option, json_option, print_json, progress_on_stderr, style
from thsafe.core.errors import InputError, ThsafeError, UsageError
from thsafe.core.exitcodes import ExitCode
from thsafe.core.types import Verdict

if TYPE_CHECKING:
    from thsafe.core.types import Progress, Report
    from thsafe.examination import Examination
    from thsafe.remote import RemoteRules

_FINDINGS = {
    "tampered": (Verdict.TAMPERED, ExitCode.TAMPERED),
    "signs": (Verdict.SIGNS_OF_SYNTHESIS, ExitCode.SIGNS_OF_SYNTHESIS),
    "inconclusive": (Verdict.INCONCLUSIVE, ExitCode.INCONCLUSIVE),
}
_COLOURS = {
    Verdict.DISCLOSED: "green",
    Verdict.RECOVERED: "cyan",
    Verdict.TAMPERED: "red",
    Verdict.SIGNS_OF_SYNTHESIS: "yellow",
}


@click.command(
    epilog=(
        "Exit codes: 0 no finding, 10 tampered, 11 signs of synthesis, 12 inconclusive (only with --fail-on), "
        "30 unreadable.\n\nExamples:\n\n\b\n"
        "  thsafe verify clip.mp4\n"
        "  thsafe verify clip.mp4 --report report.html\n"
        "  thsafe verify *.mp4 --json\n"
        "  thsafe verify https://media.example/clip.mp4\n"
        "  thsafe verify clip.mp4 --fail-on tampered,signs,inconclusive"
    )
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…")
@click.option("--report", "report_path", type=click.Path(path_type=Path), help="Also write one HTML file.")
@click.option("--fail-on", default="tampered,signs", show_default=True, help="Which verdicts set the exit code.")
@click.option("--detectors", is_flag=True, help="Let installed forensic detectors look too; they decide nothing.")
@at_option
@address_options
@click.option("--force", is_flag=True, help="Replace the report if it exists.")
@json_option
def verify(
    files: tuple[str, ...],
    report_path: Path | None,
    fail_on: str,
    detectors: bool,
    at: datetime | None,
    url_hosts: tuple[str, ...],
    url_schemes: tuple[str, ...],
    url_ports: tuple[int, ...],
    url_networks: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> int:
    """Say what can be said about a file: graded, with the evidence under it.

    Works on video, pictures and sound from anywhere; never calls anything real or fake. The file at an https://
    address is fetched once, from public addresses only, and not kept.
    """
    findings = findings_of(fail_on)
    rules = address_rules(url_hosts, url_schemes, url_ports, url_networks)
    _check_report_path(report_path, files, force=force)
    codes = []
    printed: list[object] = []
    for file in files:
        try:
            report = _verify_one(file, report_path, rules, detectors=detectors, at=at)
        except ThsafeError as problem:
            if len(files) == 1:
                raise
            printed.append(problem.as_dict() | {"file": Path(file).name})
            if not as_json:
                click.echo(problem.explain(), err=True)
            codes.append(int(problem.exit_code))
            continue
        printed.append(_as_json(report))
        if not as_json:
            _print(report, verbose_limits=len(files) == 1)
        codes.append(int(findings.get(report.verdict, ExitCode.DONE)))
    if as_json:
        print_json(printed[0] if len(printed) == 1 else printed)
    if report_path is not None and not as_json:
        click.echo(f"report  {report_path}")
    return _worst(codes)


def _worst(codes: list[int]) -> int:
    """Findings outrank unreadable files: the highest-severity finding decides."""
    found = [code for code in codes if int(ExitCode.TAMPERED) <= code < int(ExitCode.REFUSED_BY_POLICY)]
    return min(found) if found else max(codes, default=0)


def _verify_one(
    file: str, report_path: Path | None, rules: RemoteRules, *, detectors: bool, at: datetime | None
) -> Report:
    from thsafe.remote import is_address
    from thsafe.verification import examine

    with progress_on_stderr() as progress:
        if is_address(file):
            examination, report = _fetched(file, rules, progress, detectors=detectors, at=at)
        else:
            examination, report = examine(Path(file), progress=progress, detectors=detectors or None, at=at)
        if report_path is not None:
            from thsafe.report.html import write_html

            write_html(report, examination, report_path)
    return report


def _fetched(
    address: str, rules: RemoteRules, progress: Progress, *, detectors: bool, at: datetime | None
) -> tuple[Examination, Report]:
    """The file at an address, examined and forgotten."""
    import tempfile
    from dataclasses import replace

    from thsafe.media.files import plain_name
    from thsafe.remote import fetch
    from thsafe.verification import examine

    with tempfile.TemporaryDirectory(prefix="thsafe-fetched-") as folder:
        place = Path(folder) / "file"
        brought = fetch(address, place, rules=rules, progress=progress)
        examination, report = examine(place, progress=progress, detectors=detectors or None, at=at)
        return examination, replace(report, file=plain_name(brought.name))


def findings_of(fail_on: str) -> dict[Verdict, ExitCode]:
    """The exit code of each verdict that ``--fail-on`` names; raises UsageError ``usage.fail-on``."""
    chosen = [word.strip() for word in fail_on.split(",") if word.strip()]
    unknown = [word for word in chosen if word not in _FINDINGS]
    if unknown:
        raise UsageError(
            f'--fail-on does not know "{unknown[0]}".',
            code="usage.fail-on",
            next_step="choose from: " + ", ".join(_FINDINGS),
        )
    return dict(_FINDINGS[word] for word in chosen)


def _check_report_path(report_path: Path | None, files: tuple[str, ...], *, force: bool) -> None:
    if report_path is None:
        return
    if len(files) > 1:
        raise UsageError("--report is for one file.", code="usage.report", next_step="verify the files one by one")
    if report_path.exists() and not force:
        raise UsageError(
            f"{report_path} exists already.",
            code="output.exists",
            next_step="choose another name, or add --force to replace it",
        )
    if not report_path.parent.is_dir():
        raise InputError(
            f"The folder for the report does not exist: {report_path.parent}",
            code="output.folder",
            next_step=f"mkdir -p {report_path.parent}",
        )


def _as_json(report: Report) -> dict[str, object]:
    from thsafe.report.data import report_as_json

    return report_as_json(report)


def _print(report: Report, *, verbose_limits: bool) -> None:
    from thsafe.report.text import report_lines

    for number, line in enumerate(report_lines(report, limits=verbose_limits)):
        click.echo(style(line, bold=True, fg=_COLOURS.get(report.verdict)) if number == 0 else line)
