"""``thsafe data``: face crops and lists to train and measure detectors with."""

from __future__ import annotations

from pathlib import Path

import click

from thsafe.cli.terminal import json_option, print_json, progress_on_stderr, style
from thsafe.core.errors import UsageError

_DATASETS = ("ffpp", "celebdf-v2", "dfdcp")
_CROPS = ("dfb-5pt", "landmark-box", "mtcnn")


@click.group()
def data() -> None:
    """Face crops and lists to train and measure detectors with; thsafe brings no data of others."""


@data.command(
    epilog=(
        "Lists are DeepfakeBench's. Stopped and started again, it goes on where it was.\n\nExamples:\n\n\b\n"
        "  thsafe data prepare ffpp /data/FaceForensics++ -c c23 --jobs 8\n"
        "  thsafe data prepare celebdf-v2 /data/Celeb-DF-v2\n"
        "  thsafe data prepare dfdcp /data/dfdc_preview_set -o /data/crops"
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
    """Cut the faces of a data set in the layout its authors hand out."""
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
