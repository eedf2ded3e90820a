"""``thsafe doctor``: check the environment and say how to mend it."""

from __future__ import annotations

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.exitcodes import ExitCode

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "bad": ("MEND", "red")}


@click.command(
    epilog=(
        "Examples:\n\n\b\n  thsafe doctor\n  thsafe doctor --fix\n\n"
        "Exit code: 0 when all that is needed is there, 31 when something must be mended."
    )
)
@click.option(
    "--fix",
    is_flag=True,
    help="Mend what loses nothing: make keys, close files that others can read, bring the database up after a copy.",
)
@json_option
def doctor(fix: bool, as_json: bool) -> int:
    """Check the environment (Python, codecs, keys, weights, log) and say how to mend it."""
    from thsafe.diagnosis import diagnose

    if fix:
        from thsafe.mending import mend

        for done in mend():
            click.echo(f"{style('fixed', fg='green')} {done}", err=as_json)
    findings = diagnose()
    if as_json:
        print_json(
            [{"part": item.part, "state": item.state, "found": item.found, "next": item.next_step} for item in findings]
        )
    else:
        absent = [item for item in findings if item.part.startswith("weights ") and item.state == "note"]
        for item in (item for item in findings if item not in absent):
            word, colour = _MARKS[item.state]
            click.echo(f"{style(f'{word:<5}', fg=colour)} {item.part:<16} {item.found}")
            if item.next_step:
                click.echo(f"      {'':<16} → {item.next_step}")
        if absent:
            words = f"{len(absent)} cards are not installed; thsafe's own engine needs none"
            click.echo(f"{style('note ', fg='yellow')} {'weights':<16} {words}")
            click.echo(f"      {'':<16} → thsafe models list, then: thsafe models pull NAME")
    bad = any(item.state == "bad" for item in findings)
    return int(ExitCode.MISSING if bad else ExitCode.DONE)
