"""``thsafe watch``: verify what arrives in a folder."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from thsafe.cli.terminal import json_option

if TYPE_CHECKING:
    from thsafe.watching import Handled


@click.command(
    epilog=(
        "Examples:\n\n\b\n"
        "  thsafe watch inbox --move sorted\n"
        "  thsafe watch inbox --json >> verdicts.jsonl\n"
        "  thsafe watch inbox --move sorted --once"
    )
)
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option("--move", "target", type=click.Path(path_type=Path), metavar="DIR", help="Move files into DIR/VERDICT.")
@click.option("--once", is_flag=True, help="End when everything that is there now has been dealt with.")
@click.option(
    "--settle",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    help="Seconds that a file must have been left alone.",
)
@click.option("--detectors", is_flag=True, help="Let installed forensic detectors look too; they decide nothing.")
@json_option
def watch(folder: Path, target: Path | None, once: bool, settle: float, detectors: bool, as_json: bool) -> None:
    """Verify what arrives in a folder; move it by verdict, or leave a report beside it.

    Without --move every file gets FILE.thsafe.json beside it. Files that are still being written, hidden files and
    links are left alone. Nothing is deleted or replaced; after an interruption the work goes on where it was. With
    --json one object a line.
    """
    from thsafe.home import Home
    from thsafe.sandbox import Sandbox
    from thsafe.watching import Watch

    sandbox = Sandbox(Home.default())
    watching = Watch(folder=folder, sandbox=sandbox, target=target, settle=settle, detectors=detectors)
    watching.check()
    sandbox.start()
    if not once:
        click.echo(f"watching {folder} (Ctrl-C ends)", err=True)
    try:
        while True:
            for handled in watching.handle_ready():
                _show(handled, as_json=as_json)
            if once and watching.idle:
                return
            time.sleep(min(1.0, settle / 2))
    finally:
        sandbox.stop()


def _show(handled: Handled, *, as_json: bool) -> None:
    if as_json:
        row = {"file": handled.file, "outcome": handled.outcome, "place": str(handled.place)}
        click.echo(json.dumps(row | {"sentence": handled.sentence}, ensure_ascii=False))
    else:
        click.echo(f"{handled.file}: {handled.outcome}")
        click.echo(f"  {handled.sentence}")
