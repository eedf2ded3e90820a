"""``thsafe manifest``: what credentials say, and whether they are written as the conformance programme wants."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import at_option, json_option, print_json, style
from thsafe.core.errors import InputError
from thsafe.core.exitcodes import ExitCode

if TYPE_CHECKING:
    from thsafe.provenance.read import Credentials


@click.group()
def manifest() -> None:
    """Show a file's content credentials, check how they are written, or name the detector that they point to.

    Nothing is fetched, and nothing here says who to believe: that is what thsafe verify is for.
    """


@manifest.command(
    epilog=(
        "Exit codes: 0 all requirements are met, 10 at least one is not, 30 no credentials.\n\n"
        "Examples:\n\n\b\n  thsafe manifest check hello.mp4\n  thsafe manifest check hello.mp4 --json"
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@json_option
def check(file: Path, as_json: bool) -> int:
    """Check the active manifest by the conformance programme's 31 requirements on assets.

    They are those of conformance 0.2 for C2PA 2.4, under the ids of its asset rubric.
    """
    from thsafe.provenance.rubric import check_manifest

    _must_exist(file)
    results = check_manifest(file)
    failed = [result for result in results if not result.ok]
    if as_json:
        rows = [{"id": result.id, "ok": result.ok, "words": result.words} for result in results]
        print_json({"file": file.name, "met": len(results) - len(failed), "of": len(results), "requirements": rows})
    else:
        click.echo(
            style(f"{file.name}: {len(results) - len(failed)} of {len(results)} requirements are met", bold=True)
        )
        for result in results:
            mark = style("ok    ", fg="green") if result.ok else style("FAILS ", fg="red")
            click.echo(f"  {mark} {result.id.removeprefix('validation:'):<46} {result.words}")
    return int(ExitCode.TAMPERED if failed else ExitCode.DONE)


@manifest.command(
    epilog=(
        "Exit codes: 0 shown, 30 no credentials.\n\n"
        "Examples:\n\n\b\n"
        "  thsafe manifest show hello.mp4\n"
        "  thsafe manifest show hello.mp4 --as crjson > hello.crjson"
    )
)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--as",
    "form",
    type=click.Choice(["tree", "json", "crjson"]),
    default="tree",
    show_default=True,
    help="A tree for people, the reader's JSON, or C2PA crJSON.",
)
@at_option
def show(file: Path, form: str, at: datetime | None) -> None:
    """Show the manifest in a file, with its ingredients and their history."""
    _must_exist(file)
    found = _credentials(file, at)
    if form == "tree":
        from thsafe.provenance.tree import tree_lines

        for line in tree_lines(found):
            click.echo(line)
    else:
        print_json(dict(found.crjson if form == "crjson" else found.raw))


@manifest.command(
    epilog=("Examples:\n\n\b\n  thsafe manifest signpost\n  thsafe manifest signpost https://newsroom.example/detector")
)
@click.argument("address", required=False)
def signpost(address: str | None) -> None:
    """Show or name the page where recipients find the detector.

    The address stands in every manifest from now on; without one, the manifests name this software.
    """
    from thsafe.home import Home
    from thsafe.provenance.references import set_signpost, signpost_of_home

    if address is not None:
        set_signpost(Home.default(), address)
    click.echo(signpost_of_home(Home.default()))


def _must_exist(file: Path) -> None:
    if not file.is_file():
        raise InputError(
            f"{file} is not there.", code="input.missing", found="no such file", next_step="check the path"
        )


def _credentials(file: Path, at: datetime | None) -> Credentials:
    from thsafe.home import Home
    from thsafe.provenance.isolated import read_credentials_isolated
    from thsafe.provenance.trust import Trust

    found = read_credentials_isolated(file, trust=Trust.of_home(Home.default()), at=at)
    if found.active_label is None:
        raise InputError(
            f"{file.name} has no credentials to show.",
            code="provenance.none",
            found="; ".join(found.reasons),
            next_step=f"thsafe verify {file}   (a watermark may lead back to them)",
        )
    return found
