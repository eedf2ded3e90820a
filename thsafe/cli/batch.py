"""``thsafe batch``: many files or jobs, with the database as the checkpoint."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from thsafe.cli.address import address_options, address_rules
from thsafe.cli.terminal import (
    at_option,
    check_target,
    force_option,
    json_option,
    print_json,
    progress_on_stderr,
    style,
)
from thsafe.core.errors import UsageError
from thsafe.core.exitcodes import ExitCode

if TYPE_CHECKING:
    from thsafe.batch import Summary
    from thsafe.batch.plan import Planned
    from thsafe.core.types import Verdict
    from thsafe.store.batches import Batches

_Command = TypeVar("_Command", bound=Callable[..., Any])
_UNSUCCESSFUL = ("failed", "refused", "poison")
_SHOWN = 10

_STAFF = (
    click.option(
        "--executor",
        type=click.Choice(["local", "serial", "ray"]),
        default="local",
        show_default=True,
        help="Processes of this machine; this process alone; actors of a Ray cluster.",
    ),
    click.option("--workers", type=click.IntRange(1, 10_000), help="How many; one a processor by default."),
    click.option(
        "--ray-address", metavar="HOST:PORT", help="A running cluster, or auto; else one of this machine is started."
    ),
    click.option("--gpus", type=click.FloatRange(0, 8), default=0.0, show_default=True, help="Share of a card each."),
    click.option("--cpus", type=click.FloatRange(0.1, 64), default=1.0, show_default=True, help="Processors a worker."),
)
_CHECKING = (
    click.option(
        "--checks",
        type=click.Choice(["provenance", "marks", "detectors"]),
        default="provenance",
        show_default=True,
        help="Credentials, log and container; watermarks and recovery too; forensic detectors too.",
    ),
    click.option("-r", "--recursive", is_flag=True, help="Enter folders, and what lies below a prefix."),
    click.option("--match", multiple=True, metavar="GLOB", help="Names inside folders, such as *.jpg. Repeatable."),
    click.option(
        "--seconds",
        type=click.FloatRange(1, 86400),
        default=300,
        show_default=True,
        help="What one file may take.",
    ),
    at_option,
)


def _with(options: tuple[Any, ...]) -> Callable[[_Command], _Command]:
    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@click.group(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe batch verify archive -r\n"
        "  thsafe batch verify s3://bucket/prefix/ -r --executor ray --ray-address auto\n"
        "  thsafe batch generate jobs.csv\n"
        "  thsafe batch status\n"
        "  thsafe batch export 3f9a -o results.jsonl\n\n"
        "Exit codes: 0 done, 2 usage (also: run by another process), 10 to 12 a verdict that verify --fail-on names, "
        "34 database or disk, 50 some items failed, 130 interrupted."
    )
)
def batch() -> None:
    """Verify or generate many, on one machine or a cluster; after a crash the same command does what is missing."""


@batch.command(
    epilog="Examples:\n\n\b\n  thsafe batch verify archive -r --workers 2\n"
    "  thsafe batch verify @names.txt --fail-on tampered"
)
@click.argument("sources", nargs=-1, required=True, metavar="DIR|FILE|URL|@LIST…")
@_with(_CHECKING)
@_with(_STAFF)
@click.option("--fail-on", default="", metavar="VERDICTS", help="Which verdicts set the exit code, as thsafe verify's.")
@address_options
@json_option
def verify(
    sources: tuple[str, ...],
    fail_on: str,
    executor: str,
    workers: int | None,
    ray_address: str | None,
    gpus: float,
    cpus: float,
    as_json: bool,
    **asked: Any,
) -> int:
    """Plan and run the verification of files, folders (-r), addresses, or names in a list (@LIST, @- for stdin).

    Each file is verified once for its content, checks and models, whatever it is called and however often it is asked
    for. Reports: thsafe batch export.
    """
    from thsafe.cli.verify import findings_of

    findings = findings_of(fail_on)
    with progress_on_stderr() as progress:
        planned = _plan_verification(sources, asked, progress)
    return _run(
        planned.batch.id, executor, workers, ray_address, gpus, cpus, as_json=as_json, planned=planned,
        findings=findings,
    )  # fmt: skip


@batch.command(epilog="Example:\n\n\b\n  thsafe batch generate jobs.jsonl --output films --workers 2")
@click.argument("jobs", type=click.Path(path_type=Path, dir_okay=False), metavar="JOBS.csv|JOBS.jsonl")
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where outputs go.")
@_with(_STAFF)
@json_option
def generate(
    jobs: Path,
    output: Path | None,
    executor: str,
    workers: int | None,
    ray_address: str | None,
    gpus: float,
    cpus: float,
    as_json: bool,
) -> int:
    """Plan and run jobs of generation, one a line: do, output, and what that way of generating asks for.

    Every job goes through the gate for itself; one that is refused is a row with its error. Example line:
    {"do": "say", "person": "ada", "text": "Good morning.", "output": "ada.mp4"}
    """
    from thsafe.batch import plan_generation

    with progress_on_stderr() as progress:
        planned = plan_generation(jobs, output=output, progress=progress)
    return _run(planned.batch.id, executor, workers, ray_address, gpus, cpus, as_json=as_json, planned=planned)


@batch.command(epilog="Examples:\n\n\b\n  thsafe batch plan archive -r\n  thsafe batch plan jobs.jsonl --output films")
@click.argument("sources", nargs=-1, required=True, metavar="DIR|FILE|URL|@LIST|JOBS…")
@_with(_CHECKING)
@click.option("--output", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where outputs go.")
@address_options
@json_option
def plan(sources: tuple[str, ...], output: Path | None, as_json: bool, **asked: Any) -> None:
    """List what is to be done and do nothing yet; JOBS.csv or JOBS.jsonl is a plan to generate."""
    from thsafe.batch import plan_generation

    with progress_on_stderr() as progress:
        if len(sources) == 1 and sources[0].endswith((".csv", ".jsonl")):
            planned = plan_generation(Path(sources[0]), output=output, progress=progress)
        else:
            planned = _plan_verification(sources, asked, progress)
    if as_json:
        print_json({"batch": planned.batch.id, "kind": planned.batch.kind, "items": planned.total, "new": planned.new})
    else:
        click.echo(_words_of(planned))
        click.echo(f"  next    thsafe batch run {planned.batch.id}")


@batch.command(epilog="Example:\n\n\b\n  thsafe batch run 3f9a")
@click.argument("batch_id", metavar="BATCH")
@_with(_STAFF)
@json_option
def run(
    batch_id: str,
    executor: str,
    workers: int | None,
    ray_address: str | None,
    gpus: float,
    cpus: float,
    as_json: bool,
) -> int:
    """Do what waits in a batch: all of a new one, the rest of one that was interrupted."""
    return _run(batch_id, executor, workers, ray_address, gpus, cpus, as_json=as_json)


@batch.command(epilog="Examples:\n\n\b\n  thsafe batch status\n  thsafe batch status 3f9a")
@click.argument("batch_id", required=False, metavar="[BATCH]")
@json_option
def status(batch_id: str | None, as_json: bool) -> None:
    """Say how far a batch is, or list all of them."""
    from thsafe.batch.status import standing

    with _opened() as batches:
        chosen = [batches.get(batch_id)] if batch_id else list(batches.all())
        found = [standing(batches, item) for item in chosen]
        failures = list(batches.items(chosen[0].id, *_UNSUCCESSFUL)) if batch_id and not as_json else []
    if as_json:
        print_json(found[0] if batch_id else found)
        return
    if not found:
        click.echo("no batches yet: thsafe batch verify DIR -r")
    for item in found:
        click.echo(style(item["batch"], bold=True) + f"  {item['kind']}, {item['words']}")
        if batch_id:
            _echo_counts(item["items"], item["verdicts"])
            click.echo(f"  from    {', '.join(item['sources'])[:200]}")
    for failure in failures[:_SHOWN]:
        click.echo(f"  {failure.state}  {failure.source}: {(failure.error or {}).get('message', '')}")
    if len(failures) > _SHOWN:
        click.echo(f"  and {len(failures) - _SHOWN} more: thsafe batch export {batch_id} --failed -o failed.jsonl")


@batch.command(epilog="Example:\n\n\b\n  thsafe batch retry 3f9a --poison")
@click.argument("batch_id", metavar="BATCH")
@click.option("--poison", is_flag=True, help="Also items that no worker survived.")
@click.option("--refused", is_flag=True, help="Also jobs that the gate refused.")
@click.option("--cancelled", is_flag=True, help="Also items of a batch that was cancelled.")
@_with(_STAFF)
@json_option
def retry(
    batch_id: str,
    poison: bool,
    refused: bool,
    cancelled: bool,
    executor: str,
    workers: int | None,
    ray_address: str | None,
    gpus: float,
    cpus: float,
    as_json: bool,
) -> int:
    """Try failed items again."""
    states = ["failed", *(["poison"] if poison else []), *(["refused"] if refused else [])]
    with _opened() as batches:
        found = batches.get(batch_id)
        if cancelled:
            batches.go_on(found.id)
            states.append("cancelled")
        again = batches.retry(found.id, states)
    click.echo(f"{again} items wait again", err=True)
    return _run(found.id, executor, workers, ray_address, gpus, cpus, as_json=as_json)


@batch.command(epilog="Example:\n\n\b\n  thsafe batch cancel 3f9a")
@click.argument("batch_id", metavar="BATCH")
@json_option
def cancel(batch_id: str, as_json: bool) -> None:
    """Do nothing more of a batch; whoever runs it stops within seconds. What is done stays done."""
    with _opened() as batches:
        found = batches.get(batch_id)
        if found.finished_at is not None:
            raise UsageError(
                f"Batch {found.id} is finished.", code="batch.finished", found=f"at {found.finished_at}",
                next_step=f"look at it: thsafe batch status {found.id}",
            )  # fmt: skip
        left = batches.cancel(found.id)
    if as_json:
        print_json({"batch": found.id, "cancelled": left})
    else:
        click.echo(f"batch {found.id} cancelled: {left} items will not be done")
        click.echo(f"  next    to take it up again: thsafe batch retry {found.id} --cancelled")


@batch.command(epilog="Example:\n\n\b\n  thsafe batch export 3f9a --failed -o failed.csv")
@click.argument("batch_id", metavar="BATCH")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Else stdout.")
@click.option("--format", "form", type=click.Choice(["jsonl", "csv", "parquet"]), help="Default: by the file's name.")
@click.option("--failed", is_flag=True, help="Only items that failed, were refused or are poison.")
@force_option
def export(batch_id: str, output: Path | None, form: str | None, failed: bool, force: bool) -> None:
    """Write one row an item: JSONL with whole reports, CSV or Parquet (thsafe[parquet]) with their words."""
    from thsafe.batch.export import export as write
    from thsafe.batch.export import write_lines

    states = _UNSUCCESSFUL if failed else ()
    with _opened() as batches:
        found = batches.get(batch_id)
        if output is None:
            if form not in {None, "jsonl"}:
                raise UsageError("Only JSONL goes to stdout.", code="usage.export", next_step=f"add -o FILE.{form}")
            write_lines(batches, found.id, sys.stdout, states=states)
            return
        check_target(output, force=force)
        count = write(batches, found.id, output, form=form or output.suffix.lstrip(".").lower(), states=states)
    click.echo(f"{output}: {count} items")


def _plan_verification(sources: tuple[str, ...], asked: dict[str, Any], progress: Any) -> Planned:
    from thsafe.batch import plan_verification
    from thsafe.batch.settings import VerifySettings
    from thsafe.core.clock import to_text

    at: datetime | None = asked["at"]
    rules = address_rules(asked["url_hosts"], asked["url_schemes"], asked["url_ports"], asked["url_networks"])
    settings = VerifySettings(
        checks=asked["checks"], at=None if at is None else to_text(at), rules=rules, seconds=asked["seconds"]
    )
    return plan_verification(
        sources, settings=settings, recursive=asked["recursive"], match=asked["match"], progress=progress
    )


def _run(
    batch_id: str,
    executor: str,
    workers: int | None,
    ray_address: str | None,
    gpus: float,
    cpus: float,
    *,
    as_json: bool,
    planned: Planned | None = None,
    findings: Mapping[Verdict, ExitCode] | None = None,
) -> int:
    from thsafe.batch import run_batch
    from thsafe.batch.executors import Staff

    if planned is not None and not as_json:
        click.echo(_words_of(planned), err=True)
    staff = Staff(workers=workers or _processors(), gpus=gpus, cpus=cpus, address=ray_address)
    try:
        with progress_on_stderr() as progress:
            summary = run_batch(batch_id, executor=executor, staff=staff, progress=progress)
    except KeyboardInterrupt:
        click.echo(f"interrupted; what was done stays done. Go on: thsafe batch run {batch_id}", err=True)
        return int(ExitCode.INTERRUPTED)
    _show(summary, as_json=as_json)
    found = [code for verdict, code in (findings or {}).items() if summary.verdicts.get(str(verdict))]
    if found:  # they outrank items that failed, as with thsafe verify
        return int(min(found))
    return int(ExitCode.BATCH_FAILURES) if summary.unsuccessful else int(ExitCode.DONE)


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _words_of(planned: Planned) -> str:
    begun = f", {planned.total - planned.new} of them listed before: going on" if planned.resumed else ""
    return f"batch {planned.batch.id}: {planned.total} items{begun}"


def _show(summary: Summary, *, as_json: bool) -> None:
    if as_json:
        import dataclasses

        print_json(dataclasses.asdict(summary))
        return
    rate = summary.done_now / summary.seconds if summary.seconds else 0.0
    words = "cancelled" if summary.cancelled else "done"
    click.echo(
        style(f"batch {summary.id} {words}", bold=True)
        + f": {summary.done_now} items in {summary.seconds:.1f} s ({rate:.1f}/s)"
        + (f", {summary.known_before} known before" if summary.known_before else "")
    )
    _echo_counts(summary.counts, summary.verdicts)
    if summary.unsuccessful:
        click.echo(f"  next    thsafe batch status {summary.id}; try again: thsafe batch retry {summary.id}")
    else:
        click.echo(f"  next    thsafe batch export {summary.id} -o results.jsonl")


def _echo_counts(counts: Any, verdicts: Any) -> None:
    if counts:
        click.echo("  items   " + ", ".join(f"{count} {state}" for state, count in sorted(counts.items())))
    if verdicts:
        click.echo("  verdict " + ", ".join(f"{count} {verdict}" for verdict, count in sorted(verdicts.items())))


@contextmanager
def _opened() -> Iterator[Batches]:
    from thsafe.home import Home
    from thsafe.store.batches import Batches

    home = Home.default()
    if home.database_url.startswith("sqlite"):
        home.prepare()
    batches = Batches.open(home.database_url)
    try:
        yield batches
    finally:
        batches.close()
