"""``thsafe doctor``: check the environment and say how to mend it."""

from __future__ import annotations

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.exitcodes import ExitCode

_MARKS = {"ok": ("ok", "green"), "note": ("note", "yellow"), "bad": ("MEND", "red")}


@click.command(epilog="Exit code: 0 when all that is needed is there, 31 when something must be mended.")
@json_option
def doctor(as_json: bool) -> int:
    """Check the environment (Python, codecs, keys, weights, log) and say how to mend it."""
    from thsafe.diagnosis import diagnose

    findings = diagnose()
    if as_json:
        print_json(
            [{"part": item.part, "state": item.state, "found": item.found, "next": item.next_step} for item in findings]
        )
    else:
        for item in findings:
            word, colour = _MARKS[item.state]
            click.echo(f"{style(f'{word:<5}', fg=colour)} {item.part:<16} {item.found}")
            if item.next_step:
                click.echo(f"      {'':<16} → {item.next_step}")
    bad = any(item.state == "bad" for item in findings)
    return int(ExitCode.MISSING if bad else ExitCode.DONE)
