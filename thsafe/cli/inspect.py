"""``thsafe inspect``: what a file carries, without a verdict."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import at_option, json_option, print_json, progress_on_stderr, style

if TYPE_CHECKING:
    from thsafe.examination import Examination


@click.command(epilog="Example:\n\n\b\n  thsafe inspect hello.mp4")
@click.argument("file", type=click.Path(path_type=Path))
@at_option
@json_option
def inspect(file: Path, at: datetime | None, as_json: bool) -> None:
    """Show a file's manifest tree, watermark payload and log entry; never a verdict."""
    from thsafe.verification import examine

    with progress_on_stderr() as progress:
        examination, _ = examine(file, progress=progress, record=False, detectors=False, at=at)
    if as_json:
        print_json(_as_json(examination))
        return
    info = examination.info
    click.echo(style(file.name, bold=True))
    size = f"{info.width} x {info.height}, " if info.width else ""
    seconds = f", {info.duration:.1f} s" if info.duration else ""
    click.echo(f"  {info.media_type}, {size}{info.size_bytes} bytes{seconds}")
    click.echo(f"  SHA-256 {examination.sha256}")
    _section("manifest in the file", _tree(examination, recovered=False))
    if examination.recovered is not None:
        _section("manifest found again", _tree(examination, recovered=True))
    _section("watermark", _watermark(examination))
    _section("log", _log(examination))


def _section(title: str, lines: list[str]) -> None:
    click.echo(style(title, bold=True))
    for line in lines:
        click.echo(f"  {line}")


def _tree(examination: Examination, *, recovered: bool) -> list[str]:
    from thsafe.provenance.tree import tree_lines

    credentials = examination.recovered if recovered else examination.credentials
    if credentials is None:
        return ["could not be read"]
    return list(tree_lines(credentials, examination.recovery if recovered else None))


def _watermark(examination: Examination) -> list[str]:
    reading = examination.reading
    if reading is None:
        return ["not looked for: no keys on this machine"]
    lines = [f"{reading.state}: {reading.mark_id or reading.reason}"]
    if reading.mark_id:
        lines.append(f"key {reading.key_name}, confidence {reading.confidence:.1f}, {reading.frames_read} frames read")
        if not reading.geometry.unchanged:
            lines.append(f"found under {reading.geometry}")
    return lines


def _log(examination: Examination) -> list[str]:
    if examination.installation is None:
        return ["no log on this machine"]
    record = examination.record
    if record is None:
        return ["nothing in the log leads to this file"]
    entry = examination.installation.ledger.entry(record.ledger_index)
    same = "these exact bytes" if record.sha256 == examination.sha256 else "another copy of"
    return [
        f"entry {entry.index} of {entry.at}: {same} output {record.manifest_id}",
        f"leaf {entry.leaf_hash}",
        f"engine {record.engine}, task {record.task}, job {entry.event['job']}",
    ]


def _as_json(examination: Examination) -> dict[str, object]:
    credentials, reading, record = examination.credentials, examination.reading, examination.record
    return {
        "file": examination.path.name,
        "sha256": examination.sha256,
        "media_type": examination.info.media_type,
        "credentials": dict(credentials.raw) if credentials else None,
        "recovered": dict(examination.recovered.raw) if examination.recovered else None,
        "watermark": {"state": reading.state, "id": reading.mark_id, "key": reading.key_name} if reading else None,
        "log": {"index": record.ledger_index, "manifest_id": record.manifest_id} if record else None,
    }
