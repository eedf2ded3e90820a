"""``thsafe policy``: show and test the rules of the gate."""

from __future__ import annotations

import textwrap
from pathlib import Path

import click

from thsafe.cli.terminal import json_option, print_json, style
from thsafe.core.errors import UsageError
from thsafe.core.exitcodes import ExitCode


@click.group()
def policy() -> None:
    """Show and test the rules of the gate: Cedar policies and the law table behind the labels."""


@policy.command(name="list")
@json_option
def list_(as_json: bool) -> None:
    """Show every policy and every rule of law with its dates."""
    from policies.bundle import PolicyBundle

    bundle = PolicyBundle.load()
    if as_json:
        print_json(
            {
                "digest": bundle.digest,
                "policies": [
                    {"id": note.id, "file": note.file, "effect": note.effect, "words": note.words}
                    for note in bundle.notes.values()
                ],
                "rules": [
                    {
                        "id": rule.id,
                        "pack": rule.pack,
                        "since": str(rule.since or ""),
                        "status": rule.status,
                        "says": rule.says,
                    }
                    for rule in bundle.rules
                ],
            }
        )
        return
    for note in bundle.notes.values():
        click.echo(f"{note.effect:<7} {style(note.id, bold=True):<32} {note.file}")
    click.echo("")
    for rule in bundle.rules:
        click.echo(
            f"{rule.pack:<6} {style(rule.id, bold=True):<22} {rule.since or '':<11} {textwrap.shorten(rule.says, 70)}"
        )
    click.echo(f"\nbundle {bundle.digest}")


@policy.command()
@click.argument("rule_id", metavar="ID")
def explain(rule_id: str) -> None:
    """Say what a policy or rule asks, why, and what to do when it refuses."""
    from policies.bundle import PolicyBundle

    bundle = PolicyBundle.load()
    note = bundle.notes.get(rule_id)
    if note is not None:
        click.echo(style(note.id, bold=True) + f"  ({note.effect}, policies/{note.file})")
        for label, text in (("says", note.words), ("law", note.rule), ("next", note.next_step)):
            if text:
                click.echo(f"  {label:<6} {text}")
        return
    rule = next((item for item in bundle.rules if item.id == rule_id), None)
    if rule is None:
        raise UsageError(
            f'There is no policy or rule "{rule_id}".', code="policy.unknown", next_step="list them: thsafe policy list"
        )
    click.echo(style(rule.id, bold=True) + f"  ({rule.pack}, {rule.status})")
    until = f" until {rule.until}" if rule.until else ""
    for label, text in (
        ("says", rule.says),
        ("since", f"{rule.since or ''}{until}"),
        ("who", rule.who),
        ("source", rule.source),
    ):
        if text:
            click.echo(f"  {label:<6} {text}")


@policy.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False))
def lint(folder: Path | None) -> int:
    """Check a policy folder (default: the package's own) for mistakes that Cedar does not see."""
    from policies.bundle import PolicyBundle, read_files
    from policies.lint import lint as find_mistakes

    files = read_files(folder or PolicyBundle.load().folder)
    mistakes = find_mistakes(files)
    for mistake in mistakes:
        click.echo(f"{mistake.code}  {mistake.text}")
    if not mistakes:
        click.echo(f"no mistakes in {len(files)} files")
    return int(ExitCode.REFUSED_BY_POLICY if mistakes else ExitCode.DONE)
