"""Write the reference pages that follow from the code: ``python docs/make_reference.py``; a test holds them fresh."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import click
from make_tables import PAGES as TABLES

from thsafe.cli.main import cli
from thsafe.core.exitcodes import ExitCode

FOLDER = Path(__file__).parent / "reference"
_MEANING = {
    ExitCode.DONE: "done; for `verify`: no finding that was asked to fail",
    ExitCode.BUG: "a bug in thsafe, with how to report it",
    ExitCode.USAGE: "the call itself is wrong",
    ExitCode.TAMPERED: "verify: tampered",
    ExitCode.SIGNS_OF_SYNTHESIS: "verify: signs of synthesis, nothing disclosed",
    ExitCode.INCONCLUSIVE: "verify: inconclusive (only with `--fail-on inconclusive`)",
    ExitCode.REFUSED_BY_POLICY: "refused: a policy rule forbids the job",
    ExitCode.REFUSED_CONSENT: "refused: consent missing, expired, revoked, used up, or for something else",
    ExitCode.INPUT: "a file is missing, unreadable, unsupported, damaged or over a limit",
    ExitCode.MISSING: "a package, driver or weight is not installed",
    ExitCode.ENGINE: "the engine failed while rendering",
    ExitCode.KEYS: "a key or certificate is missing or unfit",
    ExitCode.STORE: "database, disk or network failed",
    ExitCode.MARKS: "a label, watermark or manifest was not found again; nothing was published",
    ExitCode.LEDGER_BROKEN: "the audit log does not verify",
    ExitCode.BATCH_FAILURES: "a batch finished with failed items",
    ExitCode.INTERRUPTED: "interrupted; nothing was written",
}


def exit_codes() -> str:
    """The page on exit codes."""
    rows = [f"| {int(code)} | `{code.name}` | {_MEANING[code]} |" for code in ExitCode]
    lines = ["# Exit codes", "", "10-19 are findings, 20-29 refusals, 30-39 environment and input.", ""]
    return "\n".join([*lines, "| code | name | means |", "|---|---|---|", *rows, ""])


def command_line() -> str:
    """The page on commands, from their own help."""
    lines = ["# Command line", "", "Every page below is what `--help` prints.", ""]
    context = click.Context(
        cli, info_name="thsafe", max_content_width=100, terminal_width=100, help_option_names=["-h", "--help"]
    )
    for title, text in _helps(cli, context):
        lines += [f"## {title}", "", "```text", text, "```", ""]
    return "\n".join(lines)


def _helps(command: click.Command, context: click.Context) -> list[tuple[str, str]]:
    found = [(context.command_path, re.sub(r"[ \t]+\n", "\n", command.get_help(context)))]
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None:
                inner = click.Context(below, parent=context, info_name=name, max_content_width=100, terminal_width=100)
                found += _helps(below, inner)
    return found


PAGES = {"exit-codes.md": exit_codes, "cli.md": command_line, **TABLES}

if __name__ == "__main__":
    made = {name: make() for name, make in PAGES.items()}
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    stale = [name for name, text in made.items() if there.get(name) != text]
    if "--check" in sys.argv:
        sys.exit(f"run: python docs/make_reference.py   (stale: {', '.join(stale)})" if stale else 0)
    for name in stale:
        (FOLDER / name).write_text(made[name], encoding="utf-8")
