"""``thsafe data``: data sets of others checked and indexed; crops and lists to train and measure detectors with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import click

from thsafe.cli.terminal import force_option, json_option, print_json, progress_on_stderr, style
from thsafe.core.errors import UsageError

_DATASETS = ("ffpp", "celebdf-v2", "dfdcp", "index")
_CROPS = ("dfb-5pt", "landmark-box", "mtcnn")


@click.group()
def data() -> None:
    """Data sets checked and indexed, faces cut to train and measure detectors with; thsafe brings no data of others."""


@data.command(epilog="Examples:\n\n\b\n  thsafe data sets\n  thsafe data sets mead")
@click.argument("name", required=False)
@json_option
def sets(name: str | None, as_json: bool) -> None:
    """Show the data sets whose folders can be read: terms, access, layout."""
    from thsafe.datasets.index import KNOWN, dataset

    shown = [dataset(name)] if name else list(KNOWN.values())
    fields = ("name", "title", "paper", "licence", "access", "layout", "caution")
    rows = [{field: getattr(item, field) for field in fields} for item in shown]
    if as_json:
        print_json(rows[0] if name else rows)
        return
    for row in rows:
        click.echo(style(row["name"], bold=True))
        for field in fields[1:]:
            if row[field]:
                click.echo(f"  {field:<8} {row[field]}")


@data.command(
    epilog=(
        "Nothing is fetched and no file of the data set is changed.\n\nExamples:\n\n\b\n"
        "  thsafe data index lrs2 /data/LRS2 -o lrs2.jsonl\n"
        "  thsafe data index mead /data/MEAD -o mead.parquet\n"
        "  thsafe evaluate lipsync lrs2.jsonl --split test --limit 100\n"
        "  thsafe data prepare index mead.jsonl"
    )
)
@click.argument("name")
@click.argument("root", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="A .jsonl or .parquet. [default: NAME.jsonl here]"
)
@force_option
@json_option
def index(name: str, root: Path, output: Path | None, force: bool, as_json: bool) -> None:
    """Check the folders of a data set, say what is missing, and write one index of all its clips."""
    from thsafe.datasets.index import dataset, look, write

    kind = dataset(name)
    target = output or Path(f"{kind.name}.jsonl")
    if target.exists() and not force:
        raise UsageError(
            f"{target} exists already.", code="output.exists", next_step="choose another -o, or add --force"
        )
    with progress_on_stderr() as progress:
        found, missing = look(kind, root, progress)
    write(found, target)
    counts = {field: _counted(getattr(clip, field) for clip in found.clips) for field in ("split", "label")}
    people = len({clip.person for clip in found.clips if clip.person})
    if as_json:
        print_json(
            {
                "index": str(target),
                "dataset": kind.name,
                "licence": kind.licence,
                "access": kind.access,
                "clips": len(found.clips),
                "people": people,
                **counts,
                "missing": [item.as_json() for item in missing],
            }
        )
        return
    of_people = f" of {people} {'person' if people == 1 else 'people'}" if people else ""
    click.echo(f"{kind.title}: {len(found.clips)} clip{'' if len(found.clips) == 1 else 's'}{of_people}")
    for field, table in counts.items():
        if set(table) != {"unknown"}:
            click.echo(f"{field:<8} " + ", ".join(f"{value} {count}" for value, count in table.items()))
    for item in missing:
        click.echo(
            style(f"missing  {item.what}: {item.count}", fg="yellow")
            + f" ({', '.join(item.examples)}"
            + (", …)" if item.count > len(item.examples) else ")")
        )
    click.echo(f"licence  {kind.licence}")
    click.echo(f"access   {kind.access}")
    if kind.caution:
        click.echo(f"caution  {kind.caution}")
    click.echo(f"index    {target}")


def _counted(values: Iterable[str | None]) -> dict[str, int]:
    counted = Counter(value or "unknown" for value in values)
    return dict(sorted(counted.items()))


@data.command(
    epilog=(
        "Lists are DeepfakeBench's. Stopped and started again, it goes on where it was.\n\nExamples:\n\n\b\n"
        "  thsafe data prepare ffpp /data/FaceForensics++ -c c23 --jobs 8\n"
        "  thsafe data prepare celebdf-v2 /data/Celeb-DF-v2\n"
        "  thsafe data prepare dfdcp /data/dfdc_preview_set -o /data/crops\n"
        "  thsafe data prepare index mead.jsonl -o /data/crops"
    )
)
@click.argument("dataset", type=click.Choice(_DATASETS))
@click.argument("root", type=click.Path(path_type=Path))
@click.option("-c", "--compression", type=click.Choice(["raw", "c23", "c40"]), default="c23", show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where crops go. [default: ROOT/deepfakebench]")
@click.option("--crop", type=click.Choice(_CROPS), default="dfb-5pt", show_default=True, help="How faces are cut.")
@click.option("--frames", type=click.IntRange(1, 1000), default=32, show_default=True, help="Of each video.")
@click.option("--jobs", type=click.IntRange(1, 256), default=1, show_default=True, help="Processes.")
@json_option
def prepare(
    dataset: str, root: Path, compression: str, output: Path | None, crop: str, frames: int, jobs: int, as_json: bool
) -> None:
    """Cut the faces of a data set in the layout its authors hand out, or of an index (thsafe data index)."""
    from thsafe.registry import workshop

    with progress_on_stderr() as progress:
        found = workshop().prepare(
            dataset, root, output, level=compression, crop=crop, frames=frames, jobs=jobs, progress=progress
        )
    if as_json:
        print_json(found)
        return
    click.echo(f"{found['crops']} crops ({crop}) of {found['videos']} videos")
    if found["frames_without_face"]:
        click.echo(f"{found['frames_without_face']} frames showed no face; the lists say which videos'")
    for problem in found["problems"]:
        click.echo(style(f"not read: {problem['video']}: {problem['why']}", fg="yellow"))
    for path in found["lists"]:
        click.echo(f"list    {path}")


@data.command(
    epilog=(
        "Only use pictures of people who agreed, or who do not exist.\n\nExample:\n\n\b\n"
        "  thsafe data fakes --pictures portraits --films talkers -o corpus\n"
        "  thsafe detector train --recipe traces --data corpus/dataset_json/selfmade.json -o run"
    )
)
@click.option("--pictures", multiple=True, type=click.Path(path_type=Path), metavar="FOLDER", help="One face a file.")
@click.option("--films", multiple=True, type=click.Path(path_type=Path), metavar="FOLDER", help="One speaker a file.")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path), help="Where the corpus goes.")
@click.option("--effort", type=click.FloatRange(0.01, 10), default=1.0, show_default=True, help="Share of the usual.")
@json_option
def fakes(pictures: tuple[Path, ...], films: tuple[Path, ...], output: Path, effort: float, as_json: bool) -> None:
    """Make fakes of ten families, each beside its genuine twin, as crops to train a detector on.

    People drawn by thsafe are always in it. The crops are small pictures for a network, not films, and stay unmarked:
    keep the folder to yourself.
    """
    from thsafe.registry import workshop

    if not pictures and not films:
        raise UsageError(
            "Fakes need faces to be made from.",
            code="corpus.nobody",
            next_step="give --pictures FOLDER or --films FOLDER",
        )
    with progress_on_stderr() as progress:
        found = workshop().fakes(pictures, films, output, effort=effort, progress=progress)
    if as_json:
        print_json(found)
        return
    for method, count in found["crops"].items():
        click.echo(f"{method:<18} {count}")
    click.echo(f"list    {found['list']}")
