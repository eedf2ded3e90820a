"""``thsafe evaluate identity|emotion``: whether a film keeps the person and the expression, in figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from thsafe.cli.terminal import json_option, print_json, progress_on_stderr, style
from thsafe.core.errors import UsageError
from thsafe.core.exitcodes import ExitCode

_Path = click.Path(path_type=Path)
split_option = click.option("--split", help="Of an index, only this split.")
limit_option = click.option(
    "--limit", type=click.IntRange(2), help="Of an index, at most so many clips, evenly out of all."
)


def only_index(files: tuple[Path, ...], **for_index: object) -> Path | None:
    """The index that was given instead of films, or None.

    Raises:
        UsageError: ``usage.index``: an index beside films, or options of an index without one.
    """
    from thsafe.datasets.index import is_index

    indexes = [path for path in files if is_index(path)]
    if indexes and len(files) > 1:
        raise UsageError(
            "An index is measured by itself.",
            code="usage.index",
            found=", ".join(path.name for path in files[:3]),
            next_step="give one index, or films",
        )
    given = [f"--{name}" for name, value in for_index.items() if value is not None]
    if given and not indexes:
        raise UsageError(
            "These options choose clips of an index.",
            code="usage.index",
            found=", ".join(given),
            next_step="give an index (thsafe data index), or leave them out",
        )
    return indexes[0] if indexes else None


@click.command(
    epilog=(
        "Exit codes: 0 all measured, 50 some of several files failed, 30 and on as for one file.\n\n"
        "Examples:\n\n\b\n"
        "  thsafe evaluate identity out.mp4 --reference me.png\n"
        "  thsafe models pull facenet-vggface2\n"
        "  thsafe evaluate identity voxceleb2.jsonl --split test --limit 200"
    )
)
@click.argument("files", nargs=-1, required=True, metavar="FILE…|INDEX", type=_Path)
@click.option("--reference", type=_Path, metavar="FILE", help="The person: a picture, or a film of them alone.")
@click.option(
    "--measure",
    type=click.Choice(["auto", "facenet", "hog"]),
    default="auto",
    show_default=True,
    help="facenet compares people (thsafe models pull facenet-vggface2); hog compares appearance, without weights.",
)
@split_option
@limit_option
@json_option
def identity(
    files: tuple[Path, ...], reference: Path | None, measure: str, split: str | None, limit: int | None, as_json: bool
) -> int:
    """Measure whether a film keeps the person: similarity of its faces to a reference (CSIM).

    Of an index with people (thsafe data index): how well the measure tells those people apart.
    """
    from thsafe.home import Home
    from thsafe.registry import likeness_meter

    index = only_index(files, split=split, limit=limit)
    if (index is None) == (reference is None):
        raise UsageError(
            "Films are held against a reference, an index against itself.",
            code="usage.reference",
            next_step="give --reference FILE with films, and none with an index",
        )
    meter, home = likeness_meter(), Home.default()
    if index is not None:
        with progress_on_stderr() as progress:
            found = meter.people(index, home=home, measure=measure, split=split, limit=limit, progress=progress)
        _show_people(found, as_json=as_json)
        return int(ExitCode.DONE)
    assert reference is not None
    with progress_on_stderr() as progress:
        head, *rows = meter.identity(files, reference, home=home, measure=measure, progress=progress)
    failed = sum("similarity" not in row for row in rows)
    if as_json:
        print_json({"schema": "thsafe.identity/1", **head, "files": rows})
    else:
        click.echo(
            f"{style('anchor  ', bold=True)}  {head['reference']}: its own looks agree to {head['steadiness']:.3f}"
        )
        for row in rows:
            if "similarity" not in row:
                click.echo(f"{style('failed  ', fg='yellow')}  {row['file']}: {row['message']}", err=True)
                continue
            click.echo(
                f"{style('file    ', bold=True)}  {row['file']}: similarity {row['similarity']:.3f}, lowest "
                f"{row['lowest']:.3f}, steadiness {row['steadiness']:.3f} ({row['with_face']} of {row['looks']} looks)"
            )
        click.echo(f"measure   {head['about']}")
    return int(ExitCode.BATCH_FAILURES) if failed else int(ExitCode.DONE)


def _show_people(found: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json({"schema": "thsafe.identity/1", **found})
        return
    click.echo(f"{found['clips']} clips of {found['people']} people, {len(found['not_measured'])} not measured")
    for name, words in (("same", "one person"), ("different", "two people")):
        click.echo(f"  {words:<10}  {found[name]['pairs']} pairs, similarity {found[name]['similarity']:.3f}")
    click.echo(f"  AUC {found['auc']:.3f}, equal error rate {found['eer']:.3f}")
    click.echo(f"measure   {found['about']}")


@click.command(
    epilog=(
        "Exit codes: 0 measured, 30 and on refused.\n\nExamples:\n\n\b\n"
        "  thsafe evaluate emotion out.mp4 --neutral me.png\n"
        "  thsafe evaluate emotion out.mp4 --driver talk.mp4\n"
        "  thsafe evaluate emotion mead.jsonl --limit 400"
    )
)
@click.argument("file", metavar="FILE|INDEX", type=_Path)
@click.option("--neutral", type=_Path, metavar="FILE", help="The person at rest. [default: the film's own median]")
@click.option("--driver", type=_Path, metavar="FILM", help="Whose expression should have been taken over.")
@split_option
@limit_option
@json_option
def emotion(
    file: Path, neutral: Path | None, driver: Path | None, split: str | None, limit: int | None, as_json: bool
) -> None:
    """Measure what a film's face does, in seven measures of landmarks after FACS; nobody's feelings.

    Of an index with emotions (MEAD, CelebV-HQ): how far these measures tell the labels apart on people left out.
    """
    from thsafe.registry import likeness_meter

    index = only_index((file,), split=split, limit=limit)
    if index is not None and (neutral or driver):
        raise UsageError(
            "An index brings its own people at rest.",
            code="usage.index",
            found="--neutral or --driver",
            next_step="leave them out",
        )
    meter = likeness_meter()
    with progress_on_stderr() as progress:
        found = (
            meter.emotion(file, neutral=neutral, driver=driver, progress=progress)
            if index is None
            else meter.emotions(index, split=split, limit=limit, progress=progress)
        )
    if as_json:
        print_json({"schema": "thsafe.emotion/1", **found})
    elif index is None:
        _show_units(found)
    else:
        _show_confusion(found)


def _show_units(found: Mapping[str, Any]) -> None:
    click.echo(
        f"{found['file']}: {found['with_face']} of {found['looks']} looks show a face; against {found['against']}"
    )
    follows = found.get("follows", {})
    for name, values in found["units"].items():
        told = follows.get(name)
        beside = f"   follows {told:+.2f}" if told is not None else "   at rest" if follows else ""
        click.echo(f"  {name:<15} mean {values['mean']:+.3f}   strongest {values['strongest']:.3f}{beside}")
    if "agreement" in found:
        agreement = found["agreement"]
        click.echo(
            "nothing moves in both films" if agreement is None else f"agreement with the driver {agreement:+.2f}"
        )
    click.echo("Shares of the distance between the eyes. They are geometry: not what anybody feels.")


def _show_confusion(found: Mapping[str, Any]) -> None:
    click.echo(f"{found['clips']} clips of {found['people']} people, {len(found['not_measured'])} not measured")
    click.echo(
        f"right {found['accuracy']:.0%} (each emotion alike {found['balanced']:.0%}); by chance {found['chance']:.0%}, "
        f"always the most frequent {found['most_frequent']:.0%}"
    )
    for true, guesses in found["confusion"].items():
        click.echo(f"  {true:<10} " + ", ".join(f"{guess} {count}" for guess, count in guesses.items()))
    click.echo("A plain classifier on geometry, one person left out after the other; no judge of a single clip.")
