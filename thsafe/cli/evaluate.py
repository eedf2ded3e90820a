"""``thsafe evaluate``: how good a generated film is, in the figures that papers use, beside those of real film."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from thsafe.cli.likeness import emotion, identity, limit_option, only_index, split_option
from thsafe.cli.terminal import json_option, print_json, progress_on_stderr, style
from thsafe.core.errors import ThsafeError
from thsafe.core.exitcodes import ExitCode

if TYPE_CHECKING:
    from collections.abc import Mapping

    from thsafe.core.types import Json
    from thsafe.registry import LipsyncMeter

_LIPSYNC_SCHEMA = "thsafe.lipsync/1"
_CAUTION = (
    "Lower LSE-D and higher LSE-C are closer. Better than real speech is no better: it shows a model trained against "
    "this measure."
)


@click.group()
def evaluate() -> None:
    """Measure how good a generated film is."""


evaluate.add_command(identity)
evaluate.add_command(emotion)


@evaluate.command(
    epilog=(
        "Exit codes: 0 all measured, 50 some of several files failed, 30 and on as for one file.\n\n"
        "Examples:\n\n\b\n"
        "  thsafe models pull syncnet-v2 --accept-noncommercial\n"
        "  thsafe evaluate lipsync talk.mp4\n"
        "  thsafe evaluate lipsync outputs/*.mp4 --anchor real-talk.mp4 --json > lipsync.json\n"
        "  thsafe evaluate lipsync lrs2.jsonl --split test --limit 100"
    )
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…|INDEX", type=click.Path(path_type=Path))
@click.option(
    "--anchor",
    type=click.Path(path_type=Path),
    metavar="VIDEO",
    help="Real speech to hold the figures against. [default: the published figures of real videos]",
)
@click.option("--face", type=click.IntRange(1, 20), help="Only this one: 1 is seen most. [default: each]")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:1.")
@split_option
@limit_option
@json_option
def lipsync(
    files: tuple[Path, ...],
    anchor: Path | None,
    face: int | None,
    device: str,
    split: str | None,
    limit: int | None,
    as_json: bool,
) -> int:
    """Measure how lips and voice go together: LSE-D, LSE-C and offset by SyncNet v2.

    The figures of real film stand beside them, always: SyncNet's scale means nothing without.
    """
    from thsafe.home import Home
    from thsafe.registry import lipsync_meter

    films = _films(files, split=split, limit=limit)
    meter = lipsync_meter(Home.default(), device=device)
    beside = _anchor(meter, anchor)
    found: list[Json] = []
    failed = 0
    if not as_json:
        _row("anchor", str(beside["what"]), beside)
    for name, file, voice in films:
        try:
            with progress_on_stderr() as progress:
                measured = meter.measure(file, progress=progress, face=face, voice=voice) | {"file": name}
        except ThsafeError as problem:
            if len(films) == 1:
                raise
            failed += 1
            found.append(problem.as_dict() | {"file": name})
            if not as_json:
                click.echo(problem.explain(), err=True)
            continue
        found.append(measured)
        if not as_json:
            _print(measured, beside)
    mean = _mean(found) if len(films) > 1 else None
    if as_json:
        whole = {"schema": _LIPSYNC_SCHEMA, "network": "SyncNet v2", "anchor": dict(beside), "files": found}
        print_json(whole | ({"mean": mean} if mean else {}))
    else:
        if mean is not None:
            _row("mean", f"of {mean['files']} films, the first face of each", mean, beside)
        click.echo(_CAUTION)
    return int(ExitCode.BATCH_FAILURES) if failed else 0


def _films(files: tuple[Path, ...], *, split: str | None, limit: int | None) -> list[tuple[str, Path, Path | None]]:
    """(name, film, its sound where that is in a file of its own): the files, or the clips of an index."""
    path = only_index(files, split=split, limit=limit)
    if path is None:
        return [(file.name, file, None) for file in files]
    from thsafe.datasets.index import read

    index = read(path)
    chosen = index.choose(split=split, limit=limit, pictured=True)
    return [
        (clip.id, index.root / str(clip.video), None if clip.audio is None else index.root / clip.audio)
        for clip in chosen
    ]


def _mean(found: list[Json]) -> dict[str, Json] | None:
    """Over the films that could be measured."""
    rows = [row for row in found if "lse_d" in row]
    if not rows:
        return None
    means = {name: round(sum(row[name] for row in rows) / len(rows), 3) for name in ("lse_d", "lse_c")}
    return {"files": len(rows), **means}


def _anchor(meter: LipsyncMeter, video: Path | None) -> Mapping[str, Json]:
    if video is None:
        return meter.published_anchor
    with progress_on_stderr() as progress:
        measured = meter.measure(video, progress=progress, face=1)
    return {"what": video.name} | {name: measured[name] for name in ("lse_d", "lse_c", "offset")}


def _print(measured: Mapping[str, Any], beside: Mapping[str, Any]) -> None:
    for face in measured["faces"]:
        name = f"{measured['file']}, face {face['face']}, {face['from']:.2f} to {face['to']:.2f} s"
        _row("file", name, face, beside)
        for note in face["notes"]:
            click.echo(f"          {style('note', fg='yellow')}  {note}")


def _row(kind: str, name: str, found: Mapping[str, Any], beside: Mapping[str, Any] | None = None) -> None:
    figures = []
    for key, label in (("lse_d", "LSE-D"), ("lse_c", "LSE-C")):
        against = f" ({found[key] - beside[key]:+.3f})" if beside is not None else ""
        figures.append(f"{label} {found[key]:.3f}{against}")
    if "offset" in found:
        figures.append(f"offset {found['offset']:+d} ({found['offset'] * 40:+d} ms)")
    click.echo(f"{style(f'{kind:<8}', bold=True)}  {name}\n          {'   '.join(figures)}")
